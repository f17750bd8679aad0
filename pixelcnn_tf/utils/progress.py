"""The one progress bar of all long work."""

import contextlib
import math
import sys
from collections.abc import Callable, Iterator

from tqdm import tqdm


def progress(name: str, total: int | None, unit: str, over=None, **options) -> tqdm:
    """A progress bar with rate and time left, once the work has taken two seconds."""
    options = {"delay": 2, "leave": False, **options}
    # Lines that cannot be rewritten (a log file) are written seldom.
    mininterval = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(
        over,
        name,
        total=total,
        unit=unit,
        mininterval=mininterval,
        dynamic_ncols=True,
        **options,
    )


@contextlib.contextmanager
def sampling_progress(n_images: int, size: tuple[int, int]) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for ``generate_images(progress=...)``."""
    with progress("sampling", n_images * math.prod(size), "pixel", unit_scale=True) as bar:

        def show(done: int, _: int) -> None:
            if not bar.n:
                bar.unpause()  # the first steps may compile: no measure of the time left
            bar.update(done - bar.n)

        yield show
