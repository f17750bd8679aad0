"""The benchmark of the two samplers."""

import time
from collections.abc import Callable

import numpy as np

from benchmarks.measuring import (
    compile_and_sample,
    in_own_process,
    interleave,
    print_table,
    random_model,
    warmed,
)
from pixelcnn_tf.config.schema import Config


def sample(config: Config, args) -> dict:
    """Measure naive and incremental sampling and scoring, and sampling by image size."""
    import tensorflow as tf

    from pixelcnn_tf import generate_images

    model = random_model(config)
    score = tf.function(model, autograph=False)
    side, rows, figures = args.side, [], {}
    for batch in args.batches:
        images = tf.zeros([batch, side, side, model.n_channels])
        runs = {
            "incremental": warmed(lambda n=batch: generate_images(model, side, n, 0)),
            "score": warmed(lambda x=images: score(x)[0, 0, 0, 0, 0].numpy()),
        }
        if args.whole_naive:
            seconds = interleave(runs, args.rounds, self_timed=runs)
            start = time.perf_counter()
            generate_images(model, side, batch, 0, method="naive")
            seconds["naive"] = time.perf_counter() - start
        else:
            runs["naive"] = _naive_seconds(model, batch, side)
            seconds = interleave(runs, args.rounds, self_timed=runs)
        compile_s, peak_mb = in_own_process(compile_and_sample, config, batch, side)
        speed = {name: batch / s for name, s in seconds.items()}
        row = {
            "naive_images_per_s": speed["naive"],
            "incremental_images_per_s": speed["incremental"],
            "score_images_per_s": speed["score"],
            "ratio_to_naive": speed["incremental"] / speed["naive"],
            "fraction_of_scoring": speed["incremental"] / speed["score"],
            "compile_s": compile_s,
            "peak_mb": peak_mb if np.isfinite(peak_mb) else None,
        }
        rows.append([str(batch), *row.values()])
        for name, value in row.items():
            figures.setdefault(name, {})[str(batch)] = value
    figures["naive_is_extrapolated"] = not args.whole_naive
    header = ["batch", "naive/s*", "incr./s", "score/s", "incr./naive", "incr./score"]
    print_table(
        f"images of {side}x{side}x{model.n_channels} per second, {model.count_params():,} weights, "
        f"{config.precision}",
        [*header, "compile s", "peak MB"],
        rows,
    )
    print(
        "* run to the end"
        if args.whole_naive
        else "* extrapolated from a few sub-pixels of five rows"
    )
    figures["growth"] = _growth(config, model, args)
    return figures


def _naive_seconds(model, batch: int, side: int) -> Callable[[], float]:
    """Returns a function that returns how long the naive sampler would take for ``batch`` images.

    A sub-pixel of row r takes an evaluation of the model on r + 1 rows. The function measures two
    sub-pixels in each of five rows, from the first to the last, and interpolates linearly.
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
            part = NaiveBatch(model, (side, side), tables, np.arange(middle, middle + 2))
            start = time.perf_counter()
            part.advance(2)
            seconds.append((time.perf_counter() - start) / 2)
        return row_size * float(np.interp(np.arange(side), at, seconds).sum())

    return measure


def _growth(config: Config, model, args) -> dict[str, float]:
    """Returns seconds per image by side, all sizes interleaved."""
    from pixelcnn_tf import generate_images

    n = args.batch
    seconds = interleave(
        {str(side): lambda side=side: generate_images(model, side, n, 0) for side in args.sides},
        args.rounds,
    )
    each = {side: s / n for side, s in seconds.items()}
    rows, last = [], None
    for side, s in each.items():
        rows.append([f"{side}x{side}", 1e3 * s, s / last if last else float("nan")])
        last = s
    print_table(
        f"incremental sampling by size, {n} per batch", ["size", "ms/image", "x smaller"], rows
    )
    return each
