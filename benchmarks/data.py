"""Reading images on the way, beside the same images in memory: memory, speed, and waiting."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.measuring import print_table
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress

ROOT = Path(__file__).resolve().parents[1]
#: Gigabytes that may be kept in memory, for each way.
WAYS = {"read on the way": 0, "in memory": 1000}


def data(config: Config, args) -> dict:
    """Train on a folder of ``--images`` PNG files, each way in a process of its own, and report its
    largest memory, the time before training, and the share of the time of training in which the
    next batch was waited for.

    The images are noise, which is the slowest to decode.
    """
    if not hasattr(os, "wait4"):
        raise UserError("data: this system does not report the memory of a process")
    figures, rows = {}, []
    n, side = args.images, args.side
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "images")
        _write_images(source, n, side)
        for name, cache in WAYS.items():
            figure = _trained(config, args.batch, source, Path(folder, "runs"), name, cache)
            figures[name] = figure
            speed, waiting = figure["images_per_second"], 100 * figure["waiting_for_data"]
            rows.append([name, figure["gigabytes"], figure["seconds_before"], speed, waiting])
    print_table(
        f"{n:,} PNG files of {side}x{side}x3, batch {args.batch}",
        ["images", "GB of memory", "s before", "images/s", "% waiting"],
        rows,
    )
    return figures


def _write_images(folder: Path, n: int, side: int) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in progress("writing images", n, "img", range(n)):
        if i % 1000 == 0:  # as many files as folders usually hold
            below = folder / f"{i // 1000:03}"
            below.mkdir(parents=True)
        pixels = rng.integers(256, size=(side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(below / f"{i:07}.png")


def _trained(config: Config, batch: int, source: Path, runs: Path, name: str, cache: float) -> dict:
    """Returns the figures of a run in a process of its own."""
    values = json.loads(config.model_dump_json())
    values |= {"runs_dir": str(runs), "name": name.replace(" ", "_")}
    values["data"] |= {"source": str(source), "cache_gb": cache, "image_size": None}
    values["data"]["test_share"] = 0.001
    values["training"] |= {"batch_size": batch, "steps": 300, "minutes": None, "log_every": 100}
    values["training"] |= {"warmup_steps": 10, "eval_every": 1000, "sample_every": 1000}
    values["sampling"]["n_images"] = 1
    file = runs.parent / "config.yml"
    file.write_text(json.dumps(values), encoding="utf-8")  # JSON is YAML
    began = time.perf_counter()
    command = [sys.executable, str(ROOT / "main.py"), "--config", str(file)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise UserError(f"data: training failed: {output.read().decode()[-500:]}")
    seconds = time.perf_counter() - began
    run = runs / values["name"]
    scalars = _last_scalars(run / "logs" / "train", "images_per_second", "waiting_for_data")
    trained = json.loads((run / "results.json").read_text(encoding="utf-8"))["training_seconds"]
    kilobytes = usage.ru_maxrss / (1024 if sys.platform == "darwin" else 1)
    return {**scalars, "gigabytes": kilobytes * 1024 / 1e9, "seconds_before": seconds - trained}


def _last_scalars(folder: Path, *names: str) -> dict[str, float]:
    """Returns the last value of some scalars in a folder of event files."""
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    return {name: float(tf.make_ndarray(events.Tensors(name)[-1].tensor_proto)) for name in names}
