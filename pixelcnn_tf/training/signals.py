"""Ctrl-C, SIGTERM and SIGHUP (a terminal that closes), put off until the work can be saved."""

import signal
import threading


class Interrupted(Exception):
    """Training was asked to stop, and its state was saved.

    Attributes:
        step: the step that was saved.
        signum: the signal that asked.
    """

    def __init__(self, step: int, signum: int):
        super().__init__(f"stopped at step {step}")
        self.step = step
        self.signum = signum


class StopAsked(Exception):
    """Raised by ``PutOff.check`` once a signal came."""


class PutOff:
    """Within the ``with`` block, the first of those signals only makes ``check`` raise.

    A second one does what it always did. Outside the main thread, where Python allows no
    handlers, nothing changes.
    """

    signum: int | None = None

    def check(self) -> None:
        """Raise ``StopAsked`` if a signal came: called wherever the state is consistent."""
        if self.signum is not None:
            raise StopAsked

    def __enter__(self):
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

    def _restore(self):
        for signum, handler in self._previous.items():
            signal.signal(signum, handler)
        self._previous = {}

    def __exit__(self, *exception):
        self._restore()
