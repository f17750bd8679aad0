"""Ctrl-C, SIGTERM and SIGHUP (a terminal that closes), deferred until the work is saved."""

import contextlib
import os
import signal
import threading


class Interrupted(Exception):
    """Training was asked to stop, and its state was saved.

    Attributes:
        step: the step that was saved.
        signum: the signal that asked for it.

    Example:

    >>> str(pixelcnn_tf.training.signals.Interrupted(12, 2))
    'stopped at step 12'
    """

    def __init__(self, step: int, signum: int):
        super().__init__(f"stopped at step {step}")
        self.step = step
        self.signum = signum


class StopRequested(Exception):
    """Raised by ``DeferredSignals.check`` after a signal has arrived.

    Example:
        >>> signals = DeferredSignals()
        >>> signals.signum = 2  # as after Ctrl-C
        >>> signals.check()
        Traceback (most recent call last):
            ...
        pixelcnn_tf.training.signals.StopRequested
    """


class DeferredSignals:
    """Within the ``with`` block, the first of these signals only makes ``check`` raise.

    It is acknowledged on standard error at once. A second signal has its usual effect. Outside
    the main thread, where Python allows no handlers, signals are not deferred.

    Example:

    >>> with pixelcnn_tf.training.signals.DeferredSignals() as signals:
    ...     signals.check()  # raises StopRequested after Ctrl-C
    """

    signum: int | None = None

    def check(self) -> None:
        """Raise ``StopRequested`` after a signal. Called where the state is consistent."""
        if self.signum is not None:
            raise StopRequested

    def __enter__(self) -> "DeferredSignals":
        self._previous = {}
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                signum = getattr(signal, name, None)
                if signum is None:  # Windows has no SIGHUP
                    continue
                if name == "SIGHUP" and signal.getsignal(signum) == signal.SIG_IGN:  # nohup
                    continue
                self._previous[signum] = signal.signal(signum, self._take)
        return self

    def _take(self, signum, frame):
        self.signum = signum
        self._restore()
        name = "Ctrl-C" if signum == signal.SIGINT else signal.Signals(signum).name
        text = f"\n{name}: stopping after this step and saving; once more stops without saving\n"
        with contextlib.suppress(OSError):  # a terminal that closed
            os.write(2, text.encode())  # print is not safe in a handler

    def _restore(self):
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        self._previous = {}

    def __exit__(self, *exception):
        self._restore()
