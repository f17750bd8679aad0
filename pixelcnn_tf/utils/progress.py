"""What is shown on the way: progress bars, and notes."""

import contextlib
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path

from tqdm import tqdm

from pixelcnn_tf.utils.errors import UserError


def progress(
    name: str, total: int | None, unit: str, over: Iterable | None = None, **options
) -> tqdm:
    """Returns a progress bar with the rate and the time left, shown after two seconds of work.

    Args:
        name: the text before the bar.
        total: the number of units, or None if ``over`` has a length.
        unit: the name of one unit, as in ``'image'``.
        over: an iterable whose items are counted; without it, the caller uses ``update``.
        options: further options of ``tqdm``.

    Examples:
        >>> list(progress("counting", 3, "number", range(3)))
        [0, 1, 2]
    """
    options = {"delay": 2, "leave": False, **options}
    name = _renamed(name)
    # A log file gets few lines, because they cannot be overwritten there.
    mininterval = 0.2 if sys.stderr is not None and sys.stderr.isatty() else 10.0
    return tqdm(
        over,
        name,
        total=total,
        unit=unit,
        mininterval=mininterval,
        dynamic_ncols=True,
        **options,
    )


_said: set[str] = set()
_shown_as: ContextVar[tuple[str, str]] = ContextVar("shown as", default=("", ""))


@contextlib.contextmanager
def shown_as(path: Path, name: Path) -> Iterator[None]:
    """Within the ``with`` block, ``name`` takes the place of a path in progress bars, notes and
    UserErrors.

    Examples:
        >>> with shown_as(Path("/tmp/x"), Path("a.zip")):
        ...     say("/tmp/x/b.gif: read the first image")
    """
    token = _shown_as.set((str(path), str(name)))
    try:
        yield
    except UserError as error:
        raise UserError(_renamed(str(error))) from None
    finally:
        _shown_as.reset(token)


def _renamed(text: str) -> str:
    path, name = _shown_as.get()
    return text.replace(path, name) if path else text


def say(text: str) -> None:
    """Prints a note to standard error, once in each process.

    Examples:
        >>> say("photos: left out 2 .txt")
    """
    text = _renamed(text)
    if text not in _said:
        _said.add(text)
        print(f"note: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def sampling_progress(n_images: int, size: tuple[int, int]) -> Iterator[Callable[[int, int], None]]:
    """Yields a function for ``generate_images(progress=...)`` that shows a progress bar.

    Args:
        n_images: the number of images to be drawn.
        size: their height and width.

    Examples:
        >>> with sampling_progress(n_images=2, size=(8, 8)) as show:
        ...     show(64, 128)
    """
    with pixel_progress("sampling", n_images * math.prod(size)) as show:
        yield show


@contextlib.contextmanager
def pixel_progress(name: str, n_pixels: int | None = None) -> Iterator[Callable[[int, int], None]]:
    """Yields a function that shows a progress bar, to be called with the number of pixels done and
    that of all pixels.

    Args:
        name: the text before the bar.
        n_pixels: the number of all pixels, if it is known from the beginning.

    Examples:
        >>> with pixel_progress("compressing") as show:
        ...     show(64, 128)
    """
    with progress(name, n_pixels, "pixel", unit_scale=True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            if not bar.n:
                bar.unpause()  # the time of compilation does not count for the estimate
            bar.update(done - bar.n)

        yield show
