"""Measure speed: ratios of ways to do the same thing, in one run.

examples:
  python scripts/benchmark.py train             the reference model: whole against cropped kernels
  python scripts/benchmark.py train --json train.json
  python scripts/benchmark.py train --set model.n_layers=2 --batch 4 --rounds 3
  python scripts/benchmark.py conv              one masked convolution, ways to pad it

Absolute figures belong to the machine and the moment; the ratios are what to compare. The
ways take turns, round after round, so that a slow moment slows them alike; figures are medians.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from pixelcnn_tf import startup
from pixelcnn_tf.cli import Parser, exit_with, whole_number
from pixelcnn_tf.config import Config, load_config
from pixelcnn_tf.files import check_writable, replacing
from pixelcnn_tf.progress import progress

REFERENCE = Path(__file__).resolve().parents[1] / "configs" / "reference.yml"


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("job", choices=sorted(JOBS), help="what to measure")
    parser.add_argument("--config", default=REFERENCE, metavar="FILE", help="the reference model")
    parser.add_overrides()
    parser.add_argument("--batch", type=whole_number, help="images at once (the config's)")
    parser.add_argument("--side", type=whole_number, default=32, help="height and width (32)")
    parser.add_argument("--rounds", type=whole_number, default=9, help="turns of each way (9)")
    parser.add_argument("--json", metavar="FILE", help="also write the figures here")
    args = parser.parse_args(argv)
    out = check_writable(args.json) if args.json else None
    config = load_config(args.config, args.overrides)
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


def take_turns(ways: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median seconds of each way, after one run of each that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in progress("measuring", rounds + 1, "round", range(rounds + 1)):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def print_table(title: str, header: list[str], rows: list[list]) -> None:
    """Plain columns, the first to the left, numbers to the right."""
    text = [header] + [[f"{v:.3g}" if isinstance(v, float) else str(v) for v in r] for r in rows]
    widths = [max(len(row[i]) for row in text) for i in range(len(header))]
    print(f"\n{title}")
    for row in text:
        first = row[0].ljust(widths[0])
        print("  ".join([first, *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]))


def whole_kernel_conv():
    """``MaskedConv2D`` as most libraries write it: the whole kernel, times its mask."""
    import tensorflow as tf

    from pixelcnn_tf.layers import MaskedConv2D
    from pixelcnn_tf.masks import get_mask

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


def train(config: Config, args) -> dict:
    """Training steps with kernels cropped to the rows the mask keeps, against whole ones."""
    import tensorflow as tf

    from pixelcnn_tf.models import build_model
    from pixelcnn_tf.optimizers import build_optimizer
    from pixelcnn_tf.trainer import Trainer

    training = config.training.model_copy(update={"batch_size": args.batch})
    config = config.model_copy(update={"training": training})
    n_channels = config.model.n_channels or config.known_channels() or 3
    config = config.resolved(args.side, args.side, n_channels)
    shape = (args.batch, args.side, args.side, n_channels)

    def step() -> tuple[Callable[[], None], int]:
        model = build_model(config)
        images = np.random.default_rng(0).integers(model.likelihood.n_values, size=shape)
        images = tf.constant(images, tf.uint8)
        trainer = Trainer(config, model, model.likelihood, build_optimizer(training))
        return lambda: float(trainer.train_step(images)[0]), model.count_params()

    cropped, n_cropped = step()
    whole_conv = whole_kernel_conv()
    with (
        mock.patch("pixelcnn_tf.models.MaskedConv2D", whole_conv),
        mock.patch("pixelcnn_tf.blocks.MaskedConv2D", whole_conv),
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

    features = config.model.hidden_dim * (config.known_channels() or 3)
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


JOBS = {"train": train, "conv": conv}

if __name__ == "__main__":
    sys.exit(exit_with(main))
