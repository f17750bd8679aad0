"""The errors that a user can mend."""

import re


class UserError(ValueError):
    """A wrong config, file, image, shape or flag, told in one line.

    The message says what is wrong, where (key, file, value) and what would be right.
    The command line prints it without a traceback and exits with status 2.
    """


class TrainingDiverged(UserError):
    """The loss or a weight is no longer a finite number."""


def first_line(error: Exception) -> str:
    """The message of one of TensorFlow's errors, or of another, in one line; less the names of
    graph nodes that TensorFlow puts before it."""
    text = getattr(error, "message", str(error)) or type(error).__name__
    return re.sub(r"\{\{.*?\}\} ?", "", text.splitlines()[0])


def suggestion(word: str, known: list[str]) -> str:
    """``"; did you mean 'x'?"`` for the closest known word, else ``""``."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
