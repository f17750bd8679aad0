"""An animation of sampling: pixels appear in the order in which they are computed."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from pixelcnn_tf.layers.schedule import Schedule
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.visualization.grids import chequered, drawn, image_grid

#: The most frames before the last one, and how long all of these and the last one are shown.
MOST_FRAMES, SECONDS, PAUSE = 60, 4.0, 2.5


def sampling_frames(
    images: np.ndarray,
    lag: int,
    n_values: int = 256,
    columns: int | None = None,
    colours: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Yields image grids, from one without any pixel to the finished one.

    Args:
        images: integers ``[n, height, width, channels]``, values 0 to ``n_values - 1``.
        lag: how many columns a row is ahead of the row below it: ``lag`` of a ``Schedule``; the
            width of the images shows one pixel after another, in raster order. Pixels that are
            not yet drawn are a grey chequerboard.
        n_values, columns, colours: as in ``image_grid``.

    Yields:
        uint8 ``[grid height, grid width, 3]``, at most 61 times.

    Example: the rows of images of 3x4 pixels, each two columns ahead of the next one.

    >>> from pixelcnn_tf.visualization.animation import sampling_frames
    >>> frames = list(sampling_frames(np.zeros([2, 3, 4, 1], np.uint8), lag=2))
    >>> len(frames), frames[0].shape
    (9, (256, 608, 3))
    """
    images = drawn(images, n_values, colours)
    rows, columns_ = np.indices(images.shape[1:3])
    steps = rows * lag + columns_ + 1
    n_steps = int(steps.max())
    for done in np.linspace(0, n_steps, min(n_steps, MOST_FRAMES) + 1):
        yield image_grid(chequered(images, steps > done), columns=columns)


def save_sampling(
    model: PixelModel,
    images: np.ndarray,
    path: str | Path,
    columns: int | None = None,
    colours: np.ndarray | None = None,
) -> None:
    """Writes how ``model`` has drawn images as a GIF file: the frames of ``sampling_frames`` in
    about four seconds, which repeat after a pause on the finished grid.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        images: integers ``[n, height, width, channels]``, drawn by ``generate_images``.
        path: the file; one that exists is replaced.
        columns, colours: as in ``image_grid``.

    Raises:
        OSError: the file cannot be written.

    Example:

    >>> import pathlib, tempfile
    >>> from pixelcnn_tf.visualization.animation import save_sampling
    >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> model.build((None, None, None, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "a.gif")
    ...     save_sampling(model, np.zeros([2, 3, 4, 1], np.uint8), path)
    ...     Image.open(path).n_frames
    13
    """
    lag = Schedule(model, 1, *images.shape[1:3]).lag
    frames = list(sampling_frames(images, lag, model.likelihood.n_values, columns, colours))
    # One palette for all frames, with the colours of the images and of the chequerboard.
    both = Image.fromarray(np.concatenate([frames[0], frames[-1]]))
    palette = both.quantize(256, dither=Image.Dither.NONE)
    first, *others = (
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in frames
    )
    # GIF counts hundredths of a second, and browsers slow down what is shown for less than two.
    duration = max(20, round(100 * SECONDS / len(others)) * 10)
    durations = [duration] * len(others) + [round(1000 * PAUSE)]
    with replacing(path) as temporary:
        first.save(
            temporary, "GIF", save_all=True, append_images=others, duration=durations, loop=0
        )
