"""The benchmark of the lossless codec."""

import time

import numpy as np

from benchmarks.measuring import interleave, print_table, random_model, warmed
from benchmarks.models import configs_of, nats
from experiments.tables import TABLES
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import Config

LOCAL = "configs/photos_local.yml"


def codec(config: Config, args) -> dict:
    """Measure encoding, decoding, sampling and scoring of the models of two tables, other formats,
    and the growth with the size of an image.

    The images are samples of the model, so that they take as many bits as it expects.
    """
    figures = {}
    for table in ("mnist_binary", "cifar10_small"):
        side = 28 if TABLES[table].n_channels == 1 else args.side
        for name, own in configs_of(table, args.overrides).items():
            model = random_model(own)
            for batch in args.batches:
                figures[f"{TABLES[table].models[name]}, batch {batch}"] = _rates(
                    model, batch, side, args.rounds
                )
    print_table(
        "images per second",
        ["model", "encode", "decode", "sample", "score", "decode/sample", "decode/score", "MB/s"],
        [[name, *row.values()] for name, row in figures.items()],
    )
    return {"models": figures, "growth": _growth(args)}


def _rates(model, batch: int, side: int, rounds: int) -> dict[str, float]:
    import tensorflow as tf

    from pixelcnn_tf import decode, encode, generate_images

    images = generate_images(model, side, batch, 0)
    data, score, tensor = encode(model, images), nats(model), tf.constant(images)
    runs = {
        "encode": warmed(lambda: encode(model, images)),
        "decode": warmed(lambda: decode(model, data)),
        "sample": warmed(lambda: generate_images(model, side, batch, 0)),
        "score": warmed(lambda: score(tensor).numpy()),
    }
    seconds = interleave(runs, rounds, self_timed=runs)
    rates = {str(name): batch / s for name, s in seconds.items()}
    return {
        **rates,
        "decode / sample": rates["decode"] / rates["sample"],
        "decode / score": rates["decode"] / rates["score"],
        "decoded MB/s": images.nbytes / 1e6 / seconds["decode"],
    }


def _growth(args) -> dict:
    """Measure one image of the local model by its side, beside other formats."""
    from pixelcnn_tf import decode, encode
    from pixelcnn_tf.utils.image_formats import available, size_in

    model = random_model(load_config(LOCAL))
    figures = {}
    for side in args.sides:
        image = _smooth(side)
        data = encode(model, [image])
        runs = {
            "encode": warmed(lambda x=image: encode(model, [x])),
            "decode": warmed(lambda x=data: decode(model, x)),
        }
        seconds = interleave(runs, args.rounds, self_timed=runs)
        row = {str(name): s for name, s in seconds.items()}
        row["decoded MB/s"] = image.nbytes / 1e6 / row["decode"]
        for name in available():
            start = time.perf_counter()
            size_in(name, image)
            row[f"write {name}"] = time.perf_counter() - start
        figures[f"{side}x{side}x3"] = row
    print_table(
        f"one image, {model.count_params():,} weights ({LOCAL}), seconds",
        ["image", *next(iter(figures.values()))],
        [[size, *row.values()] for size, row in figures.items()],
    )
    return figures


def _smooth(side: int) -> np.ndarray:
    """Returns an image whose neighbouring pixels are alike, uint8 ``[side, side, 3]``."""
    steps = np.random.default_rng(0).normal(size=(2, side, side, 3)).cumsum(1)
    image = (steps[0] + steps[1].swapaxes(0, 1)).cumsum(1) / np.sqrt(side)
    return np.clip(128 + 8 * image, 0, 255).astype(np.uint8)
