"""Completion: a part of given images is hidden, and the model draws it again."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.inputs import check_images, check_model, condition_for, labels_for
from pixelcnn_tf.sampling.generate import generate_images
from pixelcnn_tf.sampling.scheduler import plan_batches
from pixelcnn_tf.sampling.settings import SamplingSettings, is_integer
from pixelcnn_tf.utils.errors import UserError, suggestion

#: The parts of an image that have a name.
HALVES = ("lower", "upper", "left", "right")


def complete_images(
    model: PixelModel,
    images: npt.ArrayLike,
    hidden: np.ndarray | str,
    n_completions: int,
    seed: int,
    labels: npt.ArrayLike | None = None,
    settings: SamplingSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    condition: npt.ArrayLike | None = None,
    **overrides: Any,
) -> np.ndarray:
    """Draws the hidden part of images again, several times.

    Each sub-pixel is drawn given those before it in raster order; a hidden pixel above a known
    one does not take it into account.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        images: integers ``[n, height, width, channels]``, 0 to ``n_values - 1``.
        hidden: booleans ``[height, width]``, ``[height, width, channels]`` or of the shape of
            ``images``; or the name of a part as ``hidden_mask`` takes it, ``'lower'``.
        n_completions: completions per image.
        seed: the same seed draws the same completions.
        labels: for a class-conditional model: one integer for all images or ``[n]``.
        settings, progress, overrides: as in ``generate_images``.
        condition: for a conditional model: integers ``[n, height, width, channels]``, or without
            ``n`` one for all images.

    Returns:
        integers as ``generate_images`` returns, ``[n, n_completions, height, width, channels]``;
        what is not hidden is as in ``images``.

    Raises:
        UserError: an argument that is out of range or does not fit the others, or images that do
            not fit memory.

    Source: the completions in figure 1 of arXiv 1601.06759.

    Example:

    >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> images = np.ones([2, 4, 4, 1], np.uint8)
    >>> completions = pixelcnn_tf.complete_images(model, images, "lower", 3, seed=0)
    >>> completions.shape, bool((completions[:, :, :2] == 1).all())
    ((2, 3, 4, 4, 1), True)
    """
    check_model(model)
    images = check_images(model, images)
    n, height, width, _ = images.shape
    if isinstance(hidden, str):
        hidden = hidden_mask(hidden, height, width)
    if not is_integer(n_completions) or n_completions < 1:
        raise UserError(f"n_completions={n_completions!r}: must be an integer from 1 up")
    settings = (settings or SamplingSettings()).updated(overrides)
    labels = labels_for(model, labels, n)
    given = condition_for(model, condition, n, (height, width))
    try:
        hidden = np.asarray(hidden)
    except ValueError:  # lists of different lengths
        raise UserError("hidden: must be an array") from None
    if hidden.dtype != bool:
        raise UserError(f"hidden: must hold booleans, not {hidden.dtype}")
    if hidden.shape not in ((height, width), images.shape[1:], images.shape):
        raise UserError(
            f"hidden {hidden.shape}: must be {(height, width)}, {images.shape[1:]} or "
            f"{images.shape}, as the images are"
        )
    n_all = n * n_completions
    plan_batches(model, (n_all, *images.shape[1:]), settings)  # before the images are repeated
    completions = generate_images(
        model,
        (height, width),
        n_all,
        seed,
        initial_images=images.repeat(n_completions, axis=0),
        known=~(hidden.repeat(n_completions, axis=0) if hidden.ndim == 4 else hidden),
        labels=None if labels is None else labels.repeat(n_completions),
        condition=None if given is None else np.asarray(given).repeat(n_completions, axis=0),
        settings=settings,
        progress=progress,
    )
    return completions.reshape(n, n_completions, *images.shape[1:])


def hidden_mask(part: str, height: int, width: int, argument: str = "hidden") -> np.ndarray:
    """Returns the mask of a part of an image.

    Args:
        part: ``'lower'``, ``'upper'``, ``'left'`` or ``'right'`` half, or a box
            ``'TOP,LEFT,HEIGHTxWIDTH'`` in pixels.
        height, width: the size of the image.
        argument: what an error calls ``part``.

    Returns:
        booleans ``[height, width]``, True where hidden.

    Raises:
        UserError: another part, a box that reaches out of the image, no pixel.

    Example:

    >>> from pixelcnn_tf.sampling.complete import hidden_mask
    >>> hidden_mask("1,0,2x1", 3, 2).astype(int).tolist()
    [[0, 0], [1, 0], [1, 0]]
    """
    hidden = np.zeros((height, width), bool)
    if part in HALVES:
        rows = {"lower": slice(height // 2, None), "upper": slice(height // 2)}
        columns = {"left": slice(width // 2), "right": slice(width // 2, None)}
        hidden[rows.get(part, slice(None)), columns.get(part, slice(None))] = True
    else:
        hidden[_box(part, height, width, argument)] = True
    check_hides_some(hidden, part, argument)
    return hidden


def check_hides_some(hidden: np.ndarray, part: str, argument: str = "hidden") -> None:
    """Raises UserError if a mask ``[height, width]``, named ``part``, hides no pixel.

    Example:
        >>> check_hides_some(np.zeros([4, 6], bool), "mask.png")
        Traceback (most recent call last):
            ...
        pixelcnn_tf.utils.errors.UserError: hidden mask.png: hides no pixel of images of 4x6
    """
    if not hidden.any():
        size = "x".join(map(str, hidden.shape))
        raise UserError(f"{argument} {part}: hides no pixel of images of {size}")


def _box(text: str, height: int, width: int, argument: str) -> tuple[slice, slice]:
    parts = text.lower().replace("x", ",").split(",")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
        raise UserError(
            f"{argument} {text}: must be {', '.join(HALVES)}, a box TOP,LEFT,HEIGHTxWIDTH, or a "
            f"mask{suggestion(text, list(HALVES))}"
        )
    top, left, tall, wide = map(int, parts)
    if top + tall > height or left + wide > width:
        raise UserError(f"{argument} {text}: reaches out of images of {height}x{width}")
    return slice(top, top + tall), slice(left, left + wide)
