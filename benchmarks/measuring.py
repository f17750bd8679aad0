"""Shared parts of the benchmarks: interleaved runs, tables, memory in a process of its own."""

import argparse
import contextlib
import ctypes
import shlex
import sys
import time
from collections.abc import Callable, Container, Hashable, Mapping
from pathlib import Path

import numpy as np

from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress


def interleave(
    runs: Mapping[Hashable, Callable], rounds: int, self_timed: Container = ()
) -> dict[Hashable, float]:
    """Returns the median seconds of each function, all of them called once per round, so that a
    slow moment of the machine slows all alike. A first round is not counted.

    Args:
        runs: functions by name.
        rounds: number of rounds that count.
        self_timed: names of functions that return their seconds.

    Example:

    >>> from benchmarks.measuring import interleave
    >>> sorted(interleave({"a": lambda: 2.0, "b": lambda: None}, rounds=3, self_timed=["a"]))
    ['a', 'b']
    """
    seconds: dict[Hashable, list[float]] = {name: [] for name in runs}
    for number in progress("measuring", rounds + 1, "round", range(rounds + 1)):
        for name, run in runs.items():
            start = time.perf_counter()
            returned = run()
            taken = returned if name in self_timed else time.perf_counter() - start
            if number:
                seconds[name].append(taken)
    return {name: float(np.median(values)) for name, values in seconds.items()}


def print_table(title: str, header: list[str], rows: list[list]) -> None:
    """Print columns of text, the first aligned left, the others right."""
    text = [header] + [[f"{v:.3g}" if isinstance(v, float) else str(v) for v in r] for r in rows]
    widths = [max(len(row[i]) for row in text) for i in range(len(header))]
    print(f"\n{title}")
    for row in text:
        first = row[0].ljust(widths[0])
        print("  ".join([first, *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))]))


def npz_file(text: str) -> str:
    """Returns the path of a file of images; for ``type=``."""
    if Path(text).suffix != ".npz" or not Path(text).is_file():
        raise argparse.ArgumentTypeError(
            f"{text!r}: must be a .npz file with x_train and x_test (and y_train, y_test)"
        )
    return text


def make_folder(folder: Path) -> None:
    """Make a folder. Raises UserError if files cannot be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be created: {error.strerror}") from None
    check_writable(folder / "measured.json")


def typed_command(script: str, argv: list[str] | None, data: str | None) -> str:
    """Returns the command line of an experiment for publication, without the folder of ``data``."""
    place = {data: Path(data).name, f"--data={data}": f"--data={Path(data).name}"} if data else {}
    flags = [place.get(flag, flag) for flag in argv or sys.argv[1:]]
    path = Path(script)
    name = path.parent.name if path.stem == "__main__" else path.stem
    return shlex.join(["python", "-m", f"experiments.{name}", *flags])


def warmed(run: Callable) -> Callable[[], float]:
    """Returns a function that calls ``run`` twice and returns the seconds of the second call: the
    function before it in the round left other data in the caches.

    Example:

    >>> from benchmarks.measuring import warmed
    >>> warmed(lambda: None)() < 1
    True
    """

    def timed() -> float:
        run()
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    return timed


def channels_of(config: Config) -> int:
    """Returns the channels of the images of a config; 3 where it does not say."""
    return config.model.n_channels or config.known_channels() or 3


def with_batch(config: Config, batch: int, **training) -> Config:
    """Returns the config with another batch size and other settings of training."""
    training = config.training.model_copy(update={"batch_size": batch, **training})
    return config.model_copy(update={"training": training})


def random_model(config: Config):
    """Returns the model of a config, with its initial weights."""
    from pixelcnn_tf.models.build import build_model

    return build_model(config.resolved(4, 4, channels_of(config)))


def make_trainer(config: Config, model, run_dir: Path | None = None):
    """Returns a ``Trainer`` with the optimizer of a config."""
    from pixelcnn_tf.training.optimizers import build_optimizer
    from pixelcnn_tf.training.trainer import Trainer

    return Trainer(config, model, model.likelihood, build_optimizer(config.training), run_dir)


def in_own_process(function: Callable, config: Config, *arguments):
    """Returns ``function(config, *arguments)``, called in a process of its own."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        values = config.model_dump()  # the class of a section is made when it is needed
        return pool.submit(_call, function, values, *arguments).result()


def _call(function: Callable, values: dict, *arguments):
    return function(Config.model_validate(values), *arguments)


def compile_and_sample(config: Config, batch: int, side: int) -> tuple[float, float]:
    """Returns the seconds to compile the incremental sampler and the megabytes at the peak of
    sampling (without those of the compiler), for a new process; the memory on Linux only."""
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
        ctypes.CDLL(None).malloc_trim(0)  # memory that the compiler and the first runs freed
    before = _status("VmRSS")
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak from here on
    generate_images(model, side, batch, 0)
    return seconds[0] - seconds[1], _status("VmHWM") - before


def _status(key: str) -> float:
    """Returns megabytes of this process, as reported by Linux."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024 / 1e6
    return float("nan")
