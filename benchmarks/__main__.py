"""Measure speed: ratios of ways to do the same thing, in one run.

examples:
  python -m benchmarks train             the reference model: whole against cropped kernels
  python -m benchmarks train --json train.json
  python -m benchmarks train --set model.n_layers=2 --batch 4 --rounds 3
  python -m benchmarks conv              one masked convolution, ways to pad it
  python -m benchmarks sample            plain sampler, raster sampler, scoring; growth
  python -m benchmarks sample --batches 16 --sides 32 --whole-plain
  python -m benchmarks family            training, scoring, sampling of each kind of model
  python -m benchmarks colour            the same of PixelCNN++ and others, on colour images
  python -m benchmarks tfp               PixelCNN++ beside TensorFlow Probability's PixelCNN

Absolute figures belong to the machine and the moment; the ratios are what to compare. The
ways take turns, round after round, so that a slow moment slows them alike; figures are medians.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.measuring import (
    alone,
    channels_of,
    make_trainer,
    print_table,
    random_model,
    take_turns,
    warm,
    with_batch,
)
from benchmarks.models import configs_of, models_of
from benchmarks.tfp import tfp
from pixelcnn_tf.cli.parsing import Parser, exit_with, whole_number
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable, replacing
from pixelcnn_tf.utils.errors import UserError

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
#: The configs of jobs that measure one model, and the sides of images, if not the reference's.
JOB_CONFIGS = {"tfp": CONFIGS / "pixelcnnpp_small.yml"}
JOB_SIDES = {"family": 28}
#: Jobs that measure the models of a table of docs/results.md.
TABLES = {"family": "mnist_binary", "colour": "cifar10_small"}
#: Flags that not all jobs have a use for, and which do.
USERS = {"config": "train conv sample tfp", "whole_plain": "sample tfp"}
USERS |= {"batches": "sample", "sides": "sample"}


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("job", choices=sorted(JOBS), help="what to measure")
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="the model (configs/reference.yml; tfp: configs/pixelcnnpp_small.yml)",
    )
    parser.add_overrides()
    parser.add_argument("--batch", type=whole_number, help="images at once (the config's)")
    parser.add_argument(
        "--side", type=whole_number, help="height and width (32; family: 28, as MNIST)"
    )
    parser.add_argument(
        "--batches",
        type=whole_numbers,
        default=[1, 16, 64, 256],
        metavar="N,N",
        help="sample: how many images at a time (1,16,64,256)",
    )
    parser.add_argument(
        "--sides",
        type=whole_numbers,
        default=[16, 32, 64],
        metavar="N,N",
        help="sample: sizes for the growth (16,32,64)",
    )
    parser.add_argument(
        "--whole-plain",
        action="store_true",
        help="sample, tfp: run the plain sampler, or that of TensorFlow Probability, to its end, "
        "many minutes, rather than extrapolate",
    )
    parser.add_argument("--rounds", type=whole_number, default=9, help="turns of each way (9)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    args = parser.parse_args(argv)
    parser.refuse_unused(args, [args.job], USERS)
    out = check_writable(args.json) if args.json else None
    if args.job in TABLES:
        config = next(iter(configs_of(TABLES[args.job], args.overrides).values()))
    else:
        default = JOB_CONFIGS.get(args.job, CONFIGS / "reference.yml")
        config = load_config(args.config or default, args.overrides)
    if config.model.n_classes is not None:
        raise UserError(f"{args.job}: n_classes {config.model.n_classes}: must be without classes")
    args.side = args.side or JOB_SIDES.get(args.job, 32)
    if args.job in ("colour", "tfp") and args.side % 4:
        fits = -(-args.side // 4) * 4
        raise UserError(f"--side {args.side}: must be a multiple of 4, for PixelCNN++: {fits}, say")
    args.batch = args.batch or config.training.batch_size
    startup.import_tensorflow()
    startup.find_devices()
    figures = JOBS[args.job](config, args)
    if out:
        record = {"job": args.job, "batch": args.batch, "side": args.side, **figures}
        with replacing(out) as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        print(f"written to {out}")
    return 0


def whole_numbers(text: str) -> list[int]:
    """For ``type=``: ``'1,16'`` as integers from 1 up, in rising order."""
    return sorted({whole_number(part) for part in text.split(",")})


def whole_kernel_conv():
    """``MaskedConv2D`` as most libraries write it: the whole kernel, times its mask."""
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
    """Raises UserError for a model of other blocks than masked convolutions."""
    if config.model.pixel_layer != "resblock":
        raise UserError(f"{job}: measures masked convolutions; must have pixel_layer 'resblock'")


def train(config: Config, args) -> dict:
    """Training steps with kernels cropped to the rows the mask keeps, against whole ones."""
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
        seconds = take_turns({"whole": whole, "cropped": cropped}, args.rounds)
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
    """Forward and backward of one masked k x k convolution, by way of padding."""
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
            seconds = take_turns(
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
    print_table(title, ["way", "ms", "ratio"], rows)
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


def sample(config: Config, args) -> dict:
    """The plain sampler, the raster sampler, and scoring; how sampling grows with the size."""
    import tensorflow as tf

    from pixelcnn_tf import generate_images

    model = random_model(config)
    score = tf.function(model, autograph=False)
    side, rows, figures = args.side, [], {}
    for batch in args.batches:
        images = tf.zeros([batch, side, side, model.n_channels])
        ways = {
            "raster": warm(lambda n=batch: generate_images(model, side, n, 0)),
            "score": warm(lambda x=images: score(x)[0, 0, 0, 0, 0].numpy()),
        }
        if args.whole_plain:
            seconds = take_turns(ways, args.rounds, self_timed=ways)
            start = time.perf_counter()
            generate_images(model, side, batch, 0, method="naive")
            seconds["plain"] = time.perf_counter() - start
        else:
            ways["plain"] = _plain_seconds(model, batch, side)
            seconds = take_turns(ways, args.rounds, self_timed=ways)
        compile_s, peak_mb = alone(config, batch, side)
        speed = {name: batch / s for name, s in seconds.items()}
        row = {
            "plain_images_per_s": speed["plain"],
            "raster_images_per_s": speed["raster"],
            "score_images_per_s": speed["score"],
            "ratio_to_plain": speed["raster"] / speed["plain"],
            "fraction_of_scoring": speed["raster"] / speed["score"],
            "compile_s": compile_s,
            "peak_mb": peak_mb if np.isfinite(peak_mb) else None,
        }
        rows.append([str(batch), *row.values()])
        for name, value in row.items():
            figures.setdefault(name, {})[str(batch)] = value
    figures["plain_is_extrapolated"] = not args.whole_plain
    header = ["batch", "plain/s*", "raster/s", "score/s", "raster/plain", "raster/score"]
    print_table(
        f"images of {side}x{side}x{model.n_channels} a second, {model.count_params():,} weights, "
        f"{config.precision}",
        [*header, "compile s", "peak MB"],
        rows,
    )
    print(
        "* run whole" if args.whole_plain else "* extrapolated from a few sub-pixels of five rows"
    )
    figures["growth"] = _growth(config, model, args)
    return figures


def _plain_seconds(model, batch: int, side: int) -> Callable[[], float]:
    """What measures how long the plain sampler would take for ``batch`` images.

    A sub-pixel of row r takes a run of the model on r + 1 rows. So: two sub-pixels in each of
    five rows from the first to the last, and straight lines between.
    """
    import tensorflow as tf

    from pixelcnn_tf.sampling.loops import Tables
    from pixelcnn_tf.sampling.scheduler import NaiveBatch, table_of

    row_size = side * model.n_channels
    zeros = table_of(np.zeros([batch, side, side, model.n_channels], np.float32), batch)
    tables = Tables(
        images=tf.constant(zeros),
        uniforms=tf.constant(zeros + 0.5),
    )
    at = sorted({round(part * (side - 1)) for part in (0, 0.25, 0.5, 0.75, 1)})

    def measure() -> float:
        seconds = []
        for row in at:
            middle = row * row_size + row_size // 2
            walk = NaiveBatch(model, (side, side), tables, np.arange(middle, middle + 2))
            start = time.perf_counter()
            walk.advance(2)
            seconds.append((time.perf_counter() - start) / 2)
        return row_size * float(np.interp(np.arange(side), at, seconds).sum())

    return measure


def _growth(config: Config, model, args) -> dict[str, float]:
    """Seconds an image by side, all sizes in turn."""
    from pixelcnn_tf import generate_images

    n = args.batch
    seconds = take_turns(
        {str(side): lambda side=side: generate_images(model, side, n, 0) for side in args.sides},
        args.rounds,
    )
    each = {side: s / n for side, s in seconds.items()}
    rows, last = [], None
    for side, s in each.items():
        rows.append([f"{side}x{side}", 1e3 * s, s / last if last else float("nan")])
        last = s
    print_table(f"raster sampler by size, {n} at once", ["size", "ms/image", "x the last"], rows)
    return each


JOBS = {
    "train": train,
    "conv": conv,
    "sample": sample,
    **{job: models_of(table) for job, table in TABLES.items()},
    "tfp": tfp,
}

if __name__ == "__main__":
    sys.exit(exit_with(main))
