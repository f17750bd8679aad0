"""The time spent in training, and means over windows of steps."""

import contextlib
import time
from collections.abc import Iterator
from typing import NamedTuple, SupportsFloat

import numpy as np

from pixelcnn_tf.utils.errors import TrainingDiverged


class Clock:
    """Counts the seconds of training steps: without compiling, evaluations, samples, checkpoints.

    It stands still until ``start``, which is called after the first step, the one that compiles.

    Example:

    >>> clock = pixelcnn_tf.training.clock.Clock(seconds=60.0)
    >>> clock.seconds
    60.0
    >>> clock.start()
    >>> clock.seconds > 60.0
    True
    """

    def __init__(self, seconds: float = 0.0):
        self._counted = seconds
        self._started: float | None = None

    @property
    def running(self) -> bool:
        """Whether ``start`` was called."""
        return self._started is not None

    @property
    def seconds(self) -> float:
        """The seconds counted so far, those of earlier processes included."""
        if self._started is None:
            return self._counted
        return self._counted + time.perf_counter() - self._started

    def start(self) -> None:
        """Count from now on."""
        self._counted, self._started = self.seconds, time.perf_counter()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Within the ``with`` block no time is counted."""
        began = time.perf_counter()
        try:
            yield
        finally:
            if self._started is not None:
                self._started += time.perf_counter() - began


class Means(NamedTuple):
    """Means over the steps of a window: nats per image, gradient norm, images per second, and the
    share of the time in which the next batch was waited for.

    Example:

    >>> pixelcnn_tf.training.clock.Means(80.0, 0.5, 200.0, 0.01).nats
    80.0
    """

    nats: float
    gradient_norm: float
    images_per_second: float
    waiting: float


class Window:
    """The results of the steps since the last line of the log.

    They are read only on demand, so that the device need not wait for the host at every step.

    Args:
        batch_size: number of images per step.
        clock: counts the seconds of the steps.

    Example:

    >>> from pixelcnn_tf.training.clock import Clock, Window
    >>> window = Window(4, Clock())
    >>> window.add(320.0, 0.5)  # the sum over 4 images
    >>> float(window.close(step=1).nats)
    80.0
    """

    def __init__(self, batch_size: int, clock: Clock):
        self.batch_size = batch_size
        self.clock = clock
        self._start_over()

    def _start_over(self) -> None:
        self.results: list[tuple[SupportsFloat, SupportsFloat]] = []
        self._untimed = 0
        self._waited = 0.0
        self._began = self.clock.seconds
        self._opened = time.perf_counter()

    def add(self, nats: SupportsFloat, norm: SupportsFloat) -> None:
        """Add the sum of nats over the batch and the gradient norm of one step."""
        self.results.append((nats, norm))

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """The time in the ``with`` block counts as waiting for the next batch."""
        began = time.perf_counter()
        yield
        self._waited += time.perf_counter() - began

    def start_clock(self) -> None:
        """Leave the steps so far out of the speed: the first one compiles."""
        self._untimed = len(self.results)
        self._waited = 0.0
        self.clock.start()
        self._began = self.clock.seconds

    def wait(self) -> None:
        """Wait for the step before the last one, so that the clock is at most one step ahead of
        the device, which always has work."""
        if len(self.results) > 1:
            float(self.results[-2][0])

    def check(self, step: int) -> np.ndarray:
        """Returns all results up to ``step``, float64 ``[steps, 2]``.

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
        """Returns the means of this window and starts the next one.

        Raises:
            TrainingDiverged: a result is not finite.
        """
        values = self.check(step)  # waits for the last step
        nats, norm = values.mean(axis=0)
        timed = len(values) - self._untimed
        seconds = self.clock.seconds - self._began
        if not self.clock.running or not timed:  # only steps that compiled: count them
            timed, seconds = len(values), time.perf_counter() - self._opened
        seconds = max(seconds, 1e-9)
        speed, waiting = timed * self.batch_size / seconds, min(self._waited / seconds, 1.0)
        self._start_over()
        return Means(nats / self.batch_size, norm, speed, waiting)
