"""Train with several processes of this machine, as several hosts would; compare the weights with
those of one process, kill workers, and count the bytes that they send. Writes docs/scaling.md.

examples:
  python -m experiments.worker_runs
  python -m experiments.worker_runs --steps 20 --out /tmp/scaling.md
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.commands import ROOT, train_command
from experiments.scaling_page import PAGE, estimates
from pixelcnn_tf.cli.parsing import Parser, exit_with, whole_number
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable, replacing
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress

#: Small models on small images. Dropout is off, since it differs between one device and several.
SETTINGS = {
    "data.source": "digits_grey",
    "data.validation_share": 0.1,
    "model.dropout": 0.0,
    "training.batch_size": 12,
    "training.learning_rate": 0.001,
    "training.schedule": "constant",
    "training.warmup_steps": 0,
    "training.clip_norm": 0.5,
    "training.ema_decay": 0.9,
    "training.sample_every": 1_000_000,
    "training.checkpoint_every": 25,
    "training.eval_every": 25,
    "sampling.n_images": 1,
}
MODELS = {
    "masked PixelCNN": ("config.yml", {"model.n_layers": 1, "model.out_dim": 8}),
    "PixelCNN++": (
        "configs/digits_pixelcnn_pp.yml",
        {"model.n_filters": 4, "model.n_resnet": 1, "data.image_size": 8},
    ),
}


def environments(n: int) -> list[dict[str, str]]:
    """Returns the environments of ``n`` workers on this machine, on ports that are free."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    cluster = {"worker": addresses}
    tasks = [{"cluster": cluster, "task": {"type": "worker", "index": i}} for i in range(n)]
    return [{**os.environ, "TF_CONFIG": json.dumps(task)} for task in tasks]


def start(config: str, settings: Sequence[Mapping], envs: Sequence[dict] = ()) -> list:
    """Starts one process for each of the ``settings``; several are workers of one cluster."""
    envs = envs or (environments(len(settings)) if len(settings) > 1 else [dict(os.environ)])
    pipe = subprocess.PIPE
    return [
        subprocess.Popen(
            train_command(config, own), cwd=ROOT, env=env, stdout=pipe, stderr=pipe, text=True
        )
        for own, env in zip(settings, envs, strict=True)
    ]


def finish(processes: Sequence[subprocess.Popen], timeout: float = 600) -> list[tuple]:
    """Returns exit status, standard output and standard error of each process."""
    results = []
    try:
        for process in processes:
            out, err = process.communicate(timeout=timeout)
            results.append((process.returncode, out, err))
    finally:
        for process in processes:
            process.kill()
    return results


def wait_for(file: Path, processes: Sequence[subprocess.Popen], timeout: float = 300) -> None:
    """Waits until a file exists, which one of the processes is to write."""
    until = time.monotonic() + timeout
    while not file.exists():
        if time.monotonic() > until or any(p.poll() is not None for p in processes):
            errors = [error[-300:] for _, _, error in finish(processes, timeout=60)]
            raise UserError(f"{file} was not written: {errors}")
        time.sleep(0.1)


def train(config: str, settings: Mapping, n_workers: int) -> None:
    """Trains with ``n_workers`` processes, to the end."""
    for status, _, error in finish(start(config, [settings] * n_workers)):
        if status:
            raise UserError(f"training failed: {error[-500:]}")


def differences(one: Path, two: Path, step: int) -> dict[str, float]:
    """Returns the largest absolute difference between two runs in the tensors of the checkpoint of
    a step, and in the scores."""
    import tensorflow as tf

    first, second = (
        tf.train.load_checkpoint(str(run / "checkpoints" / f"ckpt-{step}")) for run in (one, two)
    )
    result = dict.fromkeys(("model", "averages", "optimizer", "score"), 0.0)
    for name in first.get_variable_to_shape_map():
        part = name.split("/")[0]
        if part in result:
            gap = first.get_tensor(name).astype(float) - second.get_tensor(name)
            result[part] = max(result[part], float(np.abs(gap).max(initial=0.0)))
    scores = [json.loads((run / "results.json").read_text("utf-8"))["test"] for run in (one, two)]
    result["score"] = abs(scores[0]["bits_per_dim"] - scores[1]["bits_per_dim"])
    return result


def compared(runs: Path, steps: int) -> list[str]:
    """Returns the rows of the comparison with one process."""
    rows = []
    cases = [(model, classes) for model in MODELS for classes in (None, 10)]
    for model, classes in progress("comparing", len(cases), "model", cases):
        config, sizes = MODELS[model]
        name = f"{model}, by class" if classes else model
        settings = {**SETTINGS, **sizes, "runs_dir": runs, "training.steps": steps}
        if classes:
            settings["model.n_classes"] = classes
        for n in (1, 2, 3):
            train(config, {**settings, "name": f"{name} {n}".replace(" ", "_")}, n)
        one, *others = (runs / f"{name} {n}".replace(" ", "_") for n in (1, 2, 3))
        for n, other in zip((2, 3), others, strict=True):
            gap = differences(one, other, steps)
            figures = " | ".join(f"{value:.1e}" for value in gap.values())
            rows.append(f"| {name} | {n} | {figures} |")
    return rows


def killed(runs: Path, steps: int) -> list[str]:
    """Returns the rows of runs in which a worker is killed or stopped, and then started again."""
    config, sizes = MODELS["masked PixelCNN"]
    settings = {**SETTINGS, **sizes, "runs_dir": runs, "training.steps": steps}
    train(config, {**settings, "name": "unbroken"}, 3)
    rows = []
    cases = [(signal.SIGKILL, 1), (signal.SIGKILL, 0), (signal.SIGSTOP, 2), (signal.SIGTERM, 1)]
    for number, victim in progress("killing", len(cases), "run", cases):
        name = f"{signal.Signals(number).name}-{victim}"
        own = {**settings, "name": name}
        processes = start(config, [own] * 3)
        wait_for(runs / name / "checkpoints" / "ckpt-25.index", processes)
        processes[victim].send_signal(number)
        began = time.perf_counter()
        others = [process for i, process in enumerate(processes) if i != victim]
        ended = finish(others)
        seconds = time.perf_counter() - began
        processes[victim].kill()
        statuses = sorted({status for status, _, _ in ended})
        train(config, own, 3)
        gap = differences(runs / "unbroken", runs / name, steps)
        who = "the chief" if victim == 0 else "a worker"
        rows.append(
            f"| {signal.Signals(number).name} to {who} | {seconds:.0f} s | "
            f"{', '.join(map(str, statuses))} | {max(gap.values()):.1e} |"
        )
    return rows


def sent() -> int:
    """Returns the bytes that the processes of this machine have sent to each other over TCP/IP."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, figures = line.partition(":")
        if name.strip() == "lo":
            return int(figures.split()[8])
    raise UserError("/proc/net/dev: has no loopback device; run this on Linux")


def traffic(runs: Path) -> list[str]:
    """Returns the rows of the bytes per step."""
    config, sizes = MODELS["masked PixelCNN"]
    few, many, rows = 20, 320, []
    quiet = {"training.eval_every": 1_000_000, "training.checkpoint_every": 1_000_000}
    for n in progress("counting", 2, "cluster", (2, 3)):
        counts = []
        for steps in (few, many):
            name = f"traffic-{n}-{steps}"
            settings = {**SETTINGS, **sizes, **quiet, "runs_dir": runs, "name": name}
            before = sent()
            train(config, {**settings, "training.steps": steps}, n)
            counts.append(sent() - before)
        record = json.loads((runs / name / "results.json").read_text("utf-8"))
        gradient = 4 * record["parameters"]
        measured = (counts[1] - counts[0]) / (many - few) / n
        rows.append(f"| {n} | {gradient:,} | {2 * (n - 1) / n * gradient:,.0f} | {measured:,.0f} |")
    return rows


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="python -m experiments.worker_runs", description=__doc__)
    parser.add_argument("--steps", type=whole_number, default=50, help="steps of a run (50)")
    parser.add_argument(
        "--out", default=str(ROOT / "docs" / "scaling.md"), metavar="FILE", help="the page"
    )
    args = parser.parse_args(argv)
    out = check_writable(args.out, ".md")
    startup.import_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        tables = {
            "compared": "\n".join(compared(runs, args.steps)),
            "killed": "\n".join(killed(runs, 12 * args.steps)),
            "traffic": "\n".join(traffic(runs)),
        }
    with replacing(out) as temporary:
        temporary.write_text(
            PAGE.format(steps=args.steps, **tables, **estimates(ROOT)), encoding="utf-8"
        )
    print(f"written: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_with(main))
