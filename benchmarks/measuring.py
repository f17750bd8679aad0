"""What the measuring scripts share: taking turns, tables, counts, a process of its own."""

import argparse
import contextlib
import ctypes
import math
import shlex
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable
from pixelcnn_tf.utils.errors import TrainingDiverged, UserError
from pixelcnn_tf.utils.progress import progress

#: Images of a batch where a test set is scored.
EVALUATION_BATCH = 100


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


def npz_file(text: str) -> str:
    """For ``type=``: a file of images."""
    if Path(text).suffix != ".npz" or not Path(text).is_file():
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be a .npz file with x_train and x_test (and y_train, y_test)"
        )
    return text


def make_folder(folder: Path) -> None:
    """Raises UserError if files cannot be put there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be created: {error.strerror}") from None
    check_writable(folder / "measured.json")


def typed_command(script: str, argv: list[str] | None, data: str | None) -> str:
    """The command line of a script, to be published: where ``data`` lies belongs to a machine."""
    place = {data: Path(data).name, f"--data={data}": f"--data={Path(data).name}"} if data else {}
    flags = [place.get(flag, flag) for flag in argv or sys.argv[1:]]
    path = Path(script)
    name = path.parent.name if path.stem == "__main__" else path.stem
    return shlex.join(["python", "-m", f"experiments.{name}", *flags])


def warm(way: Callable) -> Callable[[], float]:
    """What returns the seconds of ``way``, run once before: the way that had its turn before
    left other things in the caches."""

    def timed() -> float:
        way()
        start = time.perf_counter()
        way()
        return time.perf_counter() - start

    return timed


def channels_of(config: Config) -> int:
    """Of the images of a config; 3 where it does not say."""
    return config.model.n_channels or config.known_channels() or 3


def with_batch(config: Config, batch: int, **training) -> Config:
    """A config with another batch size and other settings of training."""
    training = config.training.model_copy(update={"batch_size": batch, **training})
    return config.model_copy(update={"training": training})


def random_model(config: Config):
    """The model of a config, as it is before training."""
    from pixelcnn_tf.models.build import build_model

    return build_model(config.resolved(4, 4, channels_of(config)))


def make_trainer(config: Config, model):
    """A ``Trainer`` with the optimizer of a config."""
    from pixelcnn_tf.training.optimizers import build_optimizer
    from pixelcnn_tf.training.trainer import Trainer

    return Trainer(config, model, model.likelihood, build_optimizer(config.training))


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
                return int(line.split()[1]) * 1024 / 1e6
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


def train_steps(
    trainer,
    average: Average,
    batches: Iterable,
    images: int | None = None,
    minutes: float | None = None,
    show: Callable[[float], str] = "{:.2f} nats".format,
) -> Iterator[tuple[int, float]]:
    """Train on so many images, or for so many minutes, step by step, with progress.

    The optimizer's learning rate falls from what it is to 0 along a cosine, over the images or the
    time. Compiling, in the first step, is no training time, and neither is what the caller does
    between two steps.

    Args:
        average: of the trainer's model; kept up to date.
        batches: without end, of images or of images and labels, all of one size.
        show: the mean nats an image of the last twenty steps, as the terminal shows them.

    Yields:
        Images seen and seconds of training so far, after each step.

    Raises:
        TrainingDiverged: a loss is not finite.
    """
    import tensorflow as tf

    limit = images or 60 * minutes
    highest = float(trainer.optimizer.learning_rate)
    recent: deque[float] = deque(maxlen=20)
    seen, seconds, done = 0, 0.0, 0.0
    bar = progress("training", round(limit), "image" if images else "s", delay=0, leave=True)
    with bar:
        for batch in batches:
            began = time.perf_counter()
            trainer.optimizer.learning_rate = highest * (1 + math.cos(math.pi * done / limit)) / 2
            batch = tf.nest.flatten(batch)
            nats = float(trainer.train_step(*batch)[0])  # waits for the step
            if not math.isfinite(nats):
                raise TrainingDiverged(
                    f"the loss is not finite after {seen:,} images; lower training.learning_rate"
                )
            average.update()
            if seen:
                seconds += time.perf_counter() - began
            else:
                bar.unpause()
            seen += len(batch[0])
            recent.append(nats / len(batch[0]))
            done = seen if images else seconds
            bar.set_postfix_str(f"{show(np.mean(recent))}, {seen:,} images", refresh=False)
            bar.update(min(round(done), bar.total) - bar.n)
            yield seen, seconds
            if done >= limit:
                return
