"""The benchmark of another checkout of this project beside this one, to see whether a change has
made it slower."""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.measuring import interleave, print_table
from pixelcnn_tf.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]

#: Images ``(height, width, channels)``, arguments of the model, and its class.
MODELS = {
    "PixelCNN": ((28, 28, 1), {"pixel_layer": "resblock", "n_layers": 7}, "PixelRNN"),
    "Gated PixelCNN": ((28, 28, 1), {"pixel_layer": "gated", "n_layers": 4}, "PixelRNN"),
    "Row LSTM": ((28, 28, 1), {"pixel_layer": "row_lstm", "n_layers": 2}, "PixelRNN"),
    "Diagonal BiLSTM": ((14, 14, 1), {"pixel_layer": "diagonal_bilstm", "n_layers": 2}, "PixelRNN"),
    "PixelCNN++": ((16, 16, 3), {"n_filters": 8, "n_resnet": 2, "n_mix": 5}, "PixelCNNPlusPlus"),
}

#: Runs in each checkout: a line in, a JSON object of seconds out. Only names that have been public
#: since version 0.1.0.
_WORKER = """
import json, sys, time
import numpy as np
import pixelcnn_tf  # first: it silences TensorFlow's start-up
import tensorflow as tf

made = {}

def ready(name, shape, options, kind, batch):
    options = dict(options, n_channels=shape[2])
    if kind == "PixelRNN":
        options |= {"hidden_dim": 16, "out_dim": 16, "likelihood": "bernoulli"}
    model = getattr(pixelcnn_tf, kind)(**options)
    images = np.random.default_rng(0).integers(0, 2, size=(batch, *shape)).astype("uint8")
    model.compile("adam", loss=model.likelihood)
    data = tf.data.Dataset.from_tensors((images, images)).repeat(8)
    model.fit(data, verbose=0)
    return model, images, data

for line in sys.stdin:
    name, (shape, options, kind), batch, what = json.loads(line)
    if name not in made:
        made[name] = ready(name, shape, options, kind, batch)
    model, images, data = made[name]
    start = time.perf_counter()
    if what == "training":
        model.fit(data, verbose=0)
    elif what == "scoring":
        model.evaluate(data, verbose=0)
    else:
        pixelcnn_tf.generate_images(model, shape[:2], batch, 0)
    print(json.dumps(time.perf_counter() - start), flush=True)
"""


def checkouts(config, args) -> dict:
    """Compares training, scoring and sampling in two checkouts, each in a process of its own.

    Returns:
        for each model and job the ratio of speeds, this checkout's to the other's.

    Raises:
        UserError: no ``--other``, no checkout there, or one in which the models do not run.
    """
    if args.other is None or not (Path(args.other) / "pixelcnn_tf/__init__.py").is_file():
        raise UserError(f"--other {args.other}: must be the folder of another checkout")
    batch = args.batch
    workers = {name: _start(folder) for name, folder in [("other", args.other), ("this", ROOT)]}
    try:
        runs = {
            (model, what, name): lambda w=worker, m=model, what=what: _ask(w, m, batch, what)
            for model in MODELS
            for what in ("training", "scoring", "sampling")
            for name, worker in workers.items()
        }
        seconds = interleave(runs, args.rounds, self_timed=runs)
    finally:
        for worker in workers.values():
            worker.kill()
    ratios = {
        model: {
            what: seconds[model, what, "other"] / seconds[model, what, "this"]
            for what in ("training", "scoring", "sampling")
        }
        for model in MODELS
    }
    print_table(
        f"speed of this checkout relative to {args.other} (above 1: faster)",
        ["model", "training", "scoring", "sampling"],
        [[model, *found.values()] for model, found in ratios.items()],
    )
    return {"batch": batch, "ratios": ratios}


def _start(folder: str | Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _WORKER],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(folder).resolve()), "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _ask(worker: subprocess.Popen, model: str, batch: int, what: str) -> float:
    assert worker.stdin is not None and worker.stdout is not None
    worker.stdin.write(json.dumps([model, MODELS[model], batch, what]) + "\n")
    worker.stdin.flush()
    line = worker.stdout.readline()
    if not line:
        raise UserError(f"--other: {model} does not run in one of the two; see the error above")
    return json.loads(line)
