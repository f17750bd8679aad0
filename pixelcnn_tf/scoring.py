"""Scores of images under trained models, and paired comparisons of two models.

Imports ``sampling``, ``models``, ``likelihoods`` and ``utils``; imported by ``anomaly`` and
``cli``.
"""

import weakref
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pixelcnn_tf.likelihoods.base import scale_to
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.inputs import check_images, check_model, condition_for, labels_for
from pixelcnn_tf.models.parts import in_parts
from pixelcnn_tf.sampling.scheduler import memory_errors
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.machine import memory
from pixelcnn_tf.utils.progress import progress as progress_bar
from pixelcnn_tf.utils.stored_images import StoredImages


class PairedDifference(NamedTuple):
    """A paired comparison of the models A and B, in one unit.

    Attributes:
        mean_a, mean_b: the mean negative log-likelihood under each model; lower is better.
        difference: ``mean_a - mean_b``; negative where A is better.
        standard_error: the standard error of the difference, estimated from the differences of
            single images; NaN for one image.

    Example:

    >>> from pixelcnn_tf.scoring import PairedDifference
    >>> PairedDifference(mean_a=3.1, mean_b=3.2, difference=-0.1, standard_error=0.02).difference
    -0.1
    """

    mean_a: float
    mean_b: float
    difference: float
    standard_error: float


class Comparison(NamedTuple):
    """The result of ``compare``.

    Attributes:
        nats_per_image, bits_per_dim: the same ``PairedDifference`` in both units.
        n_images: number of images that both models scored.
        scores: float64 ``[2, n_images]``, nats per image under each model; None if they were not
            kept.

    Example:

    >>> from pixelcnn_tf.scoring import Comparison, PairedDifference
    >>> bits = PairedDifference(3.1, 3.2, -0.1, 0.02)
    >>> nats = PairedDifference(412.5, 425.8, -13.3, 2.7)
    >>> Comparison(nats, bits, n_images=100).bits_per_dim.mean_a
    3.1
    """

    nats_per_image: PairedDifference
    bits_per_dim: PairedDifference
    n_images: int
    scores: np.ndarray | None = None


def score(
    model: PixelModel,
    images: "npt.ArrayLike | StoredImages",
    labels: npt.ArrayLike | None = None,
    *,
    condition: "npt.ArrayLike | StoredImages | None" = None,
    per_subpixel: bool = False,
    batch_size: int = 64,
    progress: bool | Callable[[int, int], None] = True,
) -> np.ndarray:
    """Returns the negative log-likelihood of every image, in nats.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus`` (or any model with ``likelihood`` and
            ``n_channels``). Dropout is off.
        images: integers ``[n, height, width, channels]``, 0 to ``n_values - 1`` of the
            likelihood, in any numeric dtype and any size that the model accepts.
        labels: for a class-conditional model: one integer for all images or ``[n]``, 0 to
            ``n_classes - 1``.
        condition: for a conditional model: integers ``[n, height, width, channels]``, or without
            ``n`` one for all images, as in ``generate_images``.
        per_subpixel: whether to return the score of every sub-pixel instead.
        batch_size: number of images evaluated at once; fewer where the outputs of the model would
            take more than half of the memory.
        progress: True shows a progress bar on standard error after two seconds of work, False
            shows none; a function is called after each batch with the number of scored images
            and the number of all images.

    Returns:
        float64 ``[n]``, nats per image; with ``per_subpixel`` float64 ``[n, height, width,
        channels]``, which sums to nats per image. Divide nats per image by
        ``ln 2 * height * width * channels`` for bits per dimension.

    Raises:
        UserError: images of another shape or with other values; missing, unexpected or wrong
            labels or condition; or a batch that does not fit in memory.

    Example:

    >>> model = pixelcnn_tf.PixelRNN(4, 4, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> nats = pixelcnn_tf.score(model, np.zeros([5, 6, 6, 1], np.uint8), batch_size=2)
    >>> nats.shape, nats.dtype.name
    ((5,), 'float64')
    """
    check_model(model)
    stored = isinstance(images, StoredImages)
    if stored:
        check_images(model, images[:1])  # the shape
    else:
        images = check_images(model, images)
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise UserError(f"batch_size={batch_size!r}: must be an integer from 1 up")
    n, size = len(images), min(batch_size, len(images))
    while size > 1 and 2 * model.output_bytes((size, *images.shape[1:])) > memory() // 2:
        size //= 2
    labels = labels_for(model, labels, n)
    condition = condition_for(model, condition, n, images.shape[1:3])
    out = np.empty(images.shape if per_subpixel else [n])
    graph = _graph(model)
    with (
        memory_errors(images.shape, size),
        progress_bar("scoring", n, "image", disable=progress is not True) as bar,
    ):
        for first in range(0, n, size):
            part = slice(first, first + size)
            chosen = check_images(model, images[part]) if stored else images[part]
            given = {"images": chosen}
            given |= {} if labels is None else {"labels": labels[part]}
            if isinstance(condition, StoredImages):  # its values are not checked yet
                own = condition[part]
                own = condition_for(model, own, len(own), images.shape[1:3])
                given["condition"] = np.asarray(own)
            elif condition is not None:
                given["condition"] = condition[part]
            count = len(chosen)
            given = {name: _filled_up(array, size) for name, array in given.items()}
            nats = graph(**given, per_subpixel=per_subpixel)
            out[part] = nats.numpy()[:count]
            bar.update(count)
            if callable(progress):
                progress(first + count, n)
    return out


def compare(
    model_a: PixelModel,
    model_b: PixelModel,
    images: "npt.ArrayLike | StoredImages",
    labels: npt.ArrayLike | None = None,
    *,
    condition: "npt.ArrayLike | StoredImages | None" = None,
    batch_size: int = 64,
    progress: bool | Callable[[int, int], None] = True,
) -> Comparison:
    """Compares two models on the same images.

    The scores of an image under two models are correlated, so that the standard error of the mean
    difference is much smaller than that of either mean.

    Args:
        model_a, model_b: as ``model`` in ``score``; if only one of them is class-conditional, the
            other one ignores the labels; likewise for the condition.
        images, labels, condition, batch_size: as in ``score``.
        progress: as in ``score``; it counts the images of both models.

    Returns:
        a ``Comparison``: in nats per image and in bits per dimension, the mean of each model, the
        mean difference and its standard error.

    Raises:
        UserError: as ``score``; the message names the model.

    Example:

    >>> def model(hidden_dim):
    ...     return pixelcnn_tf.PixelRNN(
    ...         hidden_dim, 4, n_layers=1, n_channels=1, likelihood="bernoulli"
    ...     )
    >>> images = np.random.default_rng(0).integers(2, size=[20, 6, 6, 1])
    >>> result = pixelcnn_tf.compare(model(2), model(4), images)
    >>> result.n_images
    20
    >>> bits = result.bits_per_dim
    >>> abs(bits.mean_a - bits.mean_b - bits.difference) < 1e-9
    True
    >>> bits.standard_error < result.nats_per_image.standard_error
    True
    """
    models = model_a, model_b
    some_classes = any(model.n_classes is not None for model in models)
    some_conditional = any(model.condition_spec is not None for model in models)
    nats = []
    for i, model in enumerate(models):
        shown = progress
        if callable(progress):
            shown = lambda done, n, i=i: progress(i * n + done, 2 * n)  # noqa: E731
        given = None if some_classes and model.n_classes is None else labels
        of_model = None if some_conditional and model.condition_spec is None else condition
        options = {"condition": of_model, "batch_size": batch_size, "progress": shown}
        try:
            nats.append(score(model, images, given, **options))
        except UserError as error:
            raise UserError(f"model_{'ab'[i]}: {error}") from None
    a, b = nats
    n, n_dims = len(a), int(np.prod(np.shape(images)[1:]))
    differences = a - b
    error = differences.std(ddof=1) / n**0.5 if n > 1 else float("nan")
    figures = [float(x) for x in (a.mean(), b.mean(), differences.mean(), error)]
    bits = [figure * scale_to("bits_per_dim", n_dims) for figure in figures]
    return Comparison(PairedDifference(*figures), PairedDifference(*bits), n, np.stack(nats))


def _filled_up(part: np.ndarray, size: int) -> tf.Tensor:
    """Returns a batch padded to the size of the others, which avoids a second tracing."""
    return tf.constant(np.pad(part, [(0, size - len(part))] + [(0, 0)] * (part.ndim - 1)))


#: The graph of each model, kept as long as the model.
_graphs: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


def _graph(model) -> Callable:
    """Returns a ``tf.function`` from what ``call`` takes to nats, kept for the next call."""
    if model not in _graphs:
        reference = weakref.ref(model)  # the dictionary must not keep the model in memory

        def nats(images, labels=None, condition=None, per_subpixel=False):
            model = reference()
            assert model is not None

            def of_part(images, labels, condition):
                return model.nll(images, labels, per_subpixel=per_subpixel, condition=condition)

            return tf.concat(in_parts(of_part, images, labels, condition), axis=0)

        _graphs[model] = tf.function(nats, autograph=False)
    return _graphs[model]
