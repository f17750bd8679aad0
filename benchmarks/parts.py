"""The benchmark of batches that are divided among the cores, compared with operations that are."""

import numpy as np

from benchmarks.measuring import (
    in_own_process,
    interleave,
    make_trainer,
    print_table,
    random_model,
    warmed,
    with_batch,
)
from benchmarks.models import configs_of, nats
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.utils import startup

#: The tables of docs/results.md whose models are measured, and the sides of their images.
SIDES = {"mnist_binary": 28, "cifar10_small": 32}


def parts(_: Config, args) -> dict:
    """Measure training steps and scoring of each model with batches that are divided and without,
    in two processes by turns, because TensorFlow's threads are chosen at its start."""
    figures, rows = {}, []
    for table, side in SIDES.items():
        for name, config in configs_of(table, args.overrides).items():
            config = with_batch(config, args.batch)
            seconds: dict[bool, list] = {False: [], True: []}
            for _ in range(args.rounds):
                for divided in seconds:
                    job = _train_and_score, config, args.batch, side, divided
                    seconds[divided].append(in_own_process(*job))
            whole, divided = (args.batch / np.median(s, axis=0) for s in seconds.values())
            ratios = divided / whole
            figures[f"{table}_{name}"] = dict(zip(("train", "score"), ratios.tolist(), strict=True))
            rows.append([f"{table}_{name}", whole[0], divided[0], ratios[0]])
            rows[-1] += [whole[1], divided[1], ratios[1]]
            print(f"{table}_{name}: training {ratios[0]:.2f}, scoring {ratios[1]:.2f}", flush=True)
    header = ["model", "train", "in parts", "ratio", "score", "in parts", "ratio"]
    print_table(f"images per second, {args.batch} at once", header, rows)
    return {"models": figures}


def _train_and_score(config: Config, batch: int, side: int, divided: bool) -> list[float]:
    """Returns the seconds of a training step and of scoring a batch."""
    startup.import_tensorflow()
    if divided:
        startup.use_one_thread_per_operation()
    startup.find_devices()
    import tensorflow as tf

    model = random_model(config)
    shape = (batch, side, side, model.n_channels)
    images = np.random.default_rng(0).integers(model.likelihood.n_values, size=shape)
    images = tf.constant(images, tf.uint8)
    trainer, score = make_trainer(config, model), nats(model)
    runs = {
        "train": warmed(lambda: float(trainer.train_step(images)[0])),
        "score": warmed(lambda: score(images).numpy()),
    }
    seconds = interleave(runs, 10, runs)
    return [seconds["train"], seconds["score"]]
