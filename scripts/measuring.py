"""What the measuring scripts share: taking turns, tables, counts, a process of its own."""

import contextlib
import ctypes
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from pixelcnn_tf import startup
from pixelcnn_tf.config import Config
from pixelcnn_tf.progress import progress


def take_turns(ways: dict[str, Callable], rounds: int, self_timed=()) -> dict[str, float]:
    """Median seconds of each way, after one run of each that is not counted. Those named in
    ``self_timed`` return their seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in progress("measuring", rounds + 1, "round", range(rounds + 1)):
        for name, way in ways.items():
            start = time.perf_counter()
            returned = way()
            taken = returned if name in self_timed else time.perf_counter() - start
            if number:
                seconds[name].append(taken)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def print_table(title: str, header: list[str], rows: list[list]) -> None:
    """Plain columns, the first to the left, numbers to the right."""
    text = [header] + [[f"{v:.3g}" if isinstance(v, float) else str(v) for v in r] for r in rows]
    widths = [max(len(row[i]) for row in text) for i in range(len(header))]
    print(f"\n{title}")
    for row in text:
        first = row[0].ljust(widths[0])
        print("  ".join([first, *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]))


def warm(way: Callable) -> Callable[[], float]:
    """What returns the seconds of ``way``, run once before: the way that had its turn before
    left other things in the caches."""

    def timed() -> float:
        way()
        start = time.perf_counter()
        way()
        return time.perf_counter() - start

    return timed


def random_model(config: Config):
    """The model of a config, as it is before training."""
    from pixelcnn_tf.models import build_model

    n_channels = config.model.n_channels or config.known_channels() or 3
    return build_model(config.resolved(4, 4, n_channels))


def used_weights(model) -> int:
    """How many weights a model has, less those that masks close."""
    from pixelcnn_tf import MaskedConv2D

    parts = model._flatten_layers(include_self=False, recursive=True)
    masks = [part.mask for part in parts if isinstance(part, MaskedConv2D)]
    return model.count_params() - sum(int((~mask).sum()) for mask in masks)


def alone(config: Config, batch: int, side: int) -> tuple[float, float]:
    """Seconds to compile, and megabytes at the peak of sampling (without the compiler's), of
    the raster sampler in a process of its own; the memory on Linux only."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_compile_and_sample, config, batch, side).result()


def _compile_and_sample(config: Config, batch: int, side: int) -> tuple[float, float]:
    startup.import_tensorflow()
    startup.find_devices()
    from pixelcnn_tf import generate_images

    model = random_model(config)
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        generate_images(model, side, batch, 0)
        seconds.append(time.perf_counter() - start)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # what the compiler and the first runs gave back
    before = _status("VmRSS")
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
    generate_images(model, side, batch, 0)
    return seconds[0] - seconds[1], _status("VmHWM") - before


def _status(key: str) -> float:
    """Megabytes of this process, as Linux tells them."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) / 1e3
    return float("nan")


class Average:
    """A running average of a model's weights, over the last tenth or so of the steps, at most
    over the last thousand; ``update`` it after each step."""

    def __init__(self, model):
        import tensorflow as tf

        self.weights = [weight.value for weight in model.trainable_weights]
        self.averages = [tf.Variable(weight, trainable=False) for weight in self.weights]
        self._graph = tf.function(self._update, autograph=False)
        self._n = 0

    def _update(self, share):
        for weight, average in zip(self.weights, self.averages, strict=True):
            average.assign_add(share * (weight - average))

    def update(self) -> None:
        import tensorflow as tf

        self._n += 1
        self._graph(tf.constant(max(9 / (9 + self._n), 0.001)))

    def swap(self) -> None:
        """Exchange the weights and their averages."""
        for weight, average in zip(self.weights, self.averages, strict=True):
            held = weight.numpy()
            weight.assign(average)
            average.assign(held)
