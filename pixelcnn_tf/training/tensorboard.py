"""What goes to TensorBoard: means over windows of steps, scalars, pictures, text."""

import contextlib
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pixelcnn_tf.utils.errors import TrainingDiverged, first_line


class Summaries:
    """Event files below a folder, one sub-folder ("run" in TensorBoard) a part. Methods raise
    OSError where they cannot be written."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    @contextlib.contextmanager
    def _writing(self, part: str, step: int):
        try:
            if part not in self._writers:
                self._writers[part] = tf.summary.create_file_writer(str(self.folder / part))
            with self._writers[part].as_default(step=step):
                yield
            self._writers[part].flush()
        except tf.errors.OpError as error:  # a full disk, a folder that is gone
            reason = f"cannot be written: {first_line(error)}"
            raise OSError(None, reason, str(self.folder)) from None

    def scalars(self, part: str, values: dict[str, float], step: int) -> None:
        with self._writing(part, step):
            for tag, value in values.items():
                tf.summary.scalar(tag, value)

    def image(self, part: str, tag: str, picture: np.ndarray, step: int) -> None:
        """``picture`` is uint8 ``[height, width, 3]``."""
        with self._writing(part, step):
            tf.summary.image(tag, picture[None])

    def text(self, part: str, tag: str, text: str, step: int) -> None:
        """Shown as it stands, line by line."""
        with self._writing(part, step):
            tf.summary.text(tag, f"```\n{text}```")


class Means(NamedTuple):
    """Over the steps of a window: nats an image, gradient norm, images a second."""

    nats: float
    gradient_norm: float
    images_per_second: float


class Window:
    """What the steps since the last line of the log returned, read only when asked for,
    so that the device need not wait for the host at every step."""

    def __init__(self, n_dims: int, batch_size: int):
        self.n_dims = n_dims
        self.batch_size = batch_size
        self._start_over()

    def _start_over(self) -> None:
        self.results: list = []
        self._untimed = 0
        self._started = time.perf_counter()

    def add(self, nats, norm) -> None:
        """Sum of nats over the batch and gradient norm of one step."""
        self.results.append((nats, norm))

    def restart_clock(self) -> None:
        """The steps so far do not count in the speed: the first one compiles."""
        self._untimed = len(self.results)
        self._started = time.perf_counter()

    @contextlib.contextmanager
    def paused(self):
        """Time spent in here does not count as training."""
        began = time.perf_counter()
        yield
        self._started += time.perf_counter() - began

    def check(self, step: int) -> np.ndarray:
        """All results up to ``step``: float64 ``[steps, 2]``.

        Raises:
            TrainingDiverged: one is not finite.
        """
        values = np.array([[float(v) for v in pair] for pair in self.results]).reshape(-1, 2)
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if bad.size:
            at = step - len(values) + bad[0] + 1
            raise TrainingDiverged(f"the loss is not finite at step {at}")
        return values

    def close(self, step: int) -> Means:
        """The means of this window; starts the next one.

        Raises:
            TrainingDiverged: a result is not finite.
        """
        values = self.check(step)  # waits for the last step
        seconds = max(time.perf_counter() - self._started, 1e-9)
        nats, norm = values.mean(axis=0)
        timed = (len(values) - self._untimed) or len(values)
        speed = timed * self.batch_size / seconds
        self._start_over()
        return Means(nats / self.batch_size, norm, speed)
