"""Measure the speed of models, layers and samplers, as ratios of interleaved runs.

examples:
  python -m benchmarks train             a training step: whole against cropped kernels
  python -m benchmarks train --json train.json
  python -m benchmarks train --set model.n_layers=2 --batch 4 --rounds 3
  python -m benchmarks conv              one masked convolution with several kinds of padding
  python -m benchmarks sample            naive sampling, incremental sampling, scoring; image sizes
  python -m benchmarks sample --batches 16 --sides 32 --whole-naive
  python -m benchmarks family            training, scoring and sampling of each model, on MNIST
  python -m benchmarks colour            the same on colour images, with PixelCNN++
  python -m benchmarks conditional       the same models with and without a condition
  python -m benchmarks parts             training and scoring, with batches divided among cores
  python -m benchmarks tfp               PixelCNN++ of this package and of TensorFlow Probability
  python -m benchmarks torch             training and scoring beside the same models in PyTorch
  python -m benchmarks torch --model PixelSNAIL --features 64 --batch 32
  python -m benchmarks data --set model.n_layers=2   a folder of images, read on the way and kept
  python -m benchmarks codec --batches 1,64 --sides 256,512,1024   compressing and decompressing
  python -m benchmarks checkouts --other ../old   this checkout and another one, all models

Absolute figures depend on the machine and its load; compare the ratios. The alternatives run
interleaved, round after round, so that a slow moment affects all of them; figures are medians.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.checkouts import checkouts
from benchmarks.codec import codec
from benchmarks.conditional import conditional
from benchmarks.data import data
from benchmarks.measuring import (
    channels_of,
    interleave,
    make_trainer,
    print_table,
    with_batch,
)
from benchmarks.models import configs_of, models_of
from benchmarks.parts import parts
from benchmarks.sampling import sample
from benchmarks.tfp import tfp
from benchmarks.torch_peer import MODELS, torch_peer
from pixelcnn_tf.cli.parsing import Parser, exit_with, whole_number
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable, replacing
from pixelcnn_tf.utils.errors import UserError

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
#: The config of a job, and the side of its images, where they are not cifar10_pixelcnn.yml and 32.
JOB_CONFIGS = {
    "tfp": CONFIGS / "cifar10_pixelcnn_pp_small.yml",
    "data": CONFIGS.parent / "config.yml",
}
JOB_SIDES = {"family": 28}
#: Jobs that measure the models of a table of docs/results.md, and the table.
TABLES = {"family": "mnist_binary", "colour": "cifar10_small"}
#: Flags that only some jobs use, and those jobs.
USERS = {"config": "train conv sample tfp data", "whole_naive": "sample tfp"}
USERS |= {
    "batches": "sample codec",
    "sides": "sample codec",
    "other": "checkouts",
    "features": "torch",
    "model": "torch",
}
USERS |= {
    "side": "train conv sample tfp data family colour conditional codec checkouts",
    "images": "data",
}


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("job", choices=sorted(JOBS), help="what to measure")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the model (configs/cifar10_pixelcnn.yml; tfp: configs/cifar10_pixelcnn_pp_small.yml; "
        "data: config.yml)",
    )
    parser.add_overrides()
    parser.add_argument("--batch", type=whole_number, help="images per batch (the config's)")
    parser.add_argument(
        "--side", type=whole_number, help="height and width (32; family: 28, as MNIST)"
    )
    for flag, default, what in [
        ("--batches", [1, 16, 64, 256], "sample, codec: batch sizes"),
        ("--sides", [16, 32, 64], "sample, codec: sides of images"),
        ("--features", [32, 64, 128, 256], "torch: numbers of features"),
    ]:
        numbers = ",".join(map(str, default))
        parser.add_argument(
            flag, type=whole_numbers, default=default, metavar="N,N", help=f"{what} ({numbers})"
        )
    parser.add_argument(
        "--whole-naive",
        action="store_true",
        help="sample, tfp: run the naive sampler, or that of TensorFlow Probability, to its end "
        "instead of extrapolating (many minutes)",
    )
    parser.add_argument(
        "--other", metavar="DIR", help="checkouts: the folder of another checkout of this project"
    )
    parser.add_argument(
        "--images", type=whole_number, default=200_000, help="data: number of images (200000)"
    )
    parser.add_argument(
        "--model",
        action="append",
        choices=MODELS,
        help="torch: only this model; may be repeated",
    )
    parser.add_argument("--rounds", type=whole_number, default=9, help="repetitions (9)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to this file")
    args = parser.parse_args(argv)
    parser.refuse_unused(args, [args.job], USERS)
    out = check_writable(args.json) if args.json else None
    table = TABLES.get(args.job, "cifar10_small" if args.job == "conditional" else None)
    if table:
        config = next(iter(configs_of(table, args.overrides).values()))
    else:
        default = JOB_CONFIGS.get(args.job, CONFIGS / "cifar10_pixelcnn.yml")
        config = load_config(args.config or default, args.overrides)
    if config.model.n_classes is not None:
        raise UserError(f"{args.job}: n_classes {config.model.n_classes}: must be without classes")
    args.side = args.side or JOB_SIDES.get(args.job, 32)
    if args.job == "tfp" and args.side % 4:
        raise UserError(
            f"--side {args.side}: must be a multiple of 4, which TensorFlow Probability's PixelCNN "
            f"needs, for example {-(-args.side // 4) * 4}"
        )
    args.batch = args.batch or config.training.batch_size
    startup.import_tensorflow()
    if args.job in ("torch", "train"):  # as the command ``train`` does
        startup.use_one_thread_per_operation()
    startup.find_devices()
    figures = JOBS[args.job](config, args)
    if out:
        record = {"job": args.job, "batch": args.batch, "side": args.side, **figures}
        with replacing(out) as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        print(f"written to {out}")
    return 0


def whole_numbers(text: str) -> list[int]:
    """Returns ``'1,16'`` as integers from 1 up, in ascending order; for ``type=``."""
    return sorted({whole_number(part) for part in text.split(",")})


def whole_kernel_conv():
    """Returns ``MaskedConv2D`` as most libraries write it: the whole kernel times its mask."""
    import tensorflow as tf

    from pixelcnn_tf.layers.masked_conv import MaskedConv2D
    from pixelcnn_tf.layers.masks import get_mask

    class WholeKernelConv2D(MaskedConv2D):
        def build(self, input_shape):
            features = input_shape[-1]
            shape = (*self.kernel_size, features, self.filters)
            self.mask = get_mask(
                self.kernel_size, features, self.filters, self.mask_type, self.n_channels
            )
            self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")
            self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

        def call(self, inputs):
            kernel = self.kernel * tf.cast(self.mask, self.compute_dtype)
            return self.activation(tf.nn.conv2d(inputs, kernel, 1, "SAME") + self.bias)

    return WholeKernelConv2D


def check_masked(job: str, config: Config) -> None:
    """Raises UserError for a model whose blocks are not masked convolutions."""
    if config.model.pixel_layer != "resblock":
        raise UserError(f"{job}: measures masked convolutions; must have pixel_layer 'resblock'")


def train(config: Config, args) -> dict:
    """Measure training steps with kernels cropped to the rows that the mask keeps, and with whole
    ones."""
    import tensorflow as tf

    from pixelcnn_tf.models.build import build_model

    check_masked("train", config)
    n_channels = channels_of(config)
    config = with_batch(config, args.batch).resolved(args.side, args.side, n_channels)
    shape = (args.batch, args.side, args.side, n_channels)

    def step() -> tuple[Callable[[], None], int]:
        model = build_model(config)
        images = np.random.default_rng(0).integers(model.likelihood.n_values, size=shape)
        images = tf.constant(images, tf.uint8)
        trainer = make_trainer(config, model)
        return lambda: float(trainer.train_step(images)[0]), model.count_params()

    cropped, n_cropped = step()
    whole_conv = whole_kernel_conv()
    with (
        mock.patch("pixelcnn_tf.models.pixel_rnn.MaskedConv2D", whole_conv),
        mock.patch("pixelcnn_tf.models.blocks.MaskedConv2D", whole_conv),
    ):
        whole, n_whole = step()
        seconds = interleave({"whole": whole, "cropped": cropped}, args.rounds)
    speed = {name: args.batch / s for name, s in seconds.items()}
    ratio = speed["cropped"] / speed["whole"]
    print_table(
        f"training, batch {args.batch}, {args.side}x{args.side}x{n_channels}, {config.precision}",
        ["kernels", "weights", "ms/step", "images/s", "ratio"],
        [
            ["whole, masked", f"{n_whole:,}", 1e3 * seconds["whole"], speed["whole"], 1.0],
            ["cropped", f"{n_cropped:,}", 1e3 * seconds["cropped"], speed["cropped"], ratio],
        ],
    )
    return {
        "whole_images_per_s": speed["whole"],
        "cropped_images_per_s": speed["cropped"],
        "ratio": ratio,
    }


def conv(config: Config, args) -> dict:
    """Measure forward and backward passes of one masked k x k convolution, by padding."""
    import tensorflow as tf

    check_masked("conv", config)
    features = config.model.hidden_dim * channels_of(config)
    figures, rows = {}, []
    for dtype in (tf.float32, tf.bfloat16):
        for k in (3, 5, 7):
            x = tf.cast(tf.random.normal([args.batch, args.side, args.side, features]), dtype)
            whole = tf.cast(tf.random.normal([k, k, features, features]), dtype)
            cropped = whole[: k // 2 + 1]
            pads = [[0, 0], [k // 2, 0], [k // 2, k // 2], [0, 0]]
            seconds = interleave(
                {
                    "whole kernel, SAME": _forward_backward(x, whole, "SAME"),
                    "cropped, padding inside": _forward_backward(x, cropped, pads),
                    "cropped, padded before": _forward_backward(x, cropped, "VALID", pads),
                },
                args.rounds,
            )
            base = seconds["whole kernel, SAME"]
            for name, s in seconds.items():
                rows.append([f"{dtype.name} {k}x{k} {name}", 1e3 * s, base / s])
                figures[f"{dtype.name} {k}x{k} {name}"] = {"ms": 1e3 * s, "ratio": base / s}
    title = f"one convolution, batch {args.batch}, {args.side}x{args.side}x{features}"
    print_table(title, ["padding", "ms", "ratio"], rows)
    return figures


def _forward_backward(x, kernel, padding, pads=None) -> Callable[[], None]:
    import tensorflow as tf

    @tf.function(autograph=False)
    def step(x, kernel):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            inputs = x if pads is None else tf.pad(x, pads)
            loss = tf.reduce_sum(tf.nn.conv2d(inputs, kernel, 1, padding) ** 2)
        return [tf.reduce_sum(g) for g in tape.gradient(loss, [x, kernel])]

    return lambda: [float(g) for g in step(x, kernel)]


JOBS = {
    "train": train,
    "conv": conv,
    "sample": sample,
    **{job: models_of(table) for job, table in TABLES.items()},
    "conditional": conditional,
    "parts": parts,
    "tfp": tfp,
    "torch": torch_peer,
    "data": data,
    "codec": codec,
    "checkouts": checkouts,
}

if __name__ == "__main__":
    sys.exit(exit_with(main))
