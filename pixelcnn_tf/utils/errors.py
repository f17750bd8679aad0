"""Errors that a user can correct."""

import re
from collections.abc import Iterable


class UserError(ValueError):
    """A wrong config, file, image, shape or flag, reported on one line.

    The message states what is wrong, where (key, file, value), and what would be right.
    The command line prints it without a traceback and exits with status 2.

    Examples:
        >>> raise UserError("--kernel 4: must be odd")
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: --kernel 4: must be odd
    """


class TrainingDiverged(UserError):
    """The loss or a weight is no longer a finite number.

    Examples:
        >>> issubclass(TrainingDiverged, UserError)
        True
    """


class WorkerLost(UserError):
    """Another process that trains the same model ended, or cannot be reached.

    Examples:
        >>> issubclass(WorkerLost, UserError)
        True
    """


def number_of(n: int, name: str) -> str:
    """Returns a number and what it counts, in the plural where that is right.

    Examples:
        >>> number_of(1, "image"), number_of(2000, "image")
        ('1 image', '2,000 images')
    """
    return f"{n:,} {name}" + "s" * (n != 1)


def first_line(error: Exception) -> str:
    """Returns the message of an exception on one line.

    The names of graph nodes, which TensorFlow puts before its messages, are removed.

    Examples:
        >>> first_line(OSError("no space left\\non this device"))
        'no space left'
    """
    text = getattr(error, "message", str(error)) or type(error).__name__
    return re.sub(r"\{\{.*?\}\} ?", "", text.splitlines()[0])


def suggestion(word: str, known: Iterable[str]) -> str:
    """Returns ``"; did you mean 'x'?"`` for the closest known word, or ``""`` if none is close.

    Examples:
        >>> suggestion("mnst", ["mnist", "cifar10"])
        "; did you mean 'mnist'?"
        >>> suggestion("imagenet", ["mnist", "cifar10"])
        ''
    """
    import difflib

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""
