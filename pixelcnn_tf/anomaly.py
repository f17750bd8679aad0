"""Anomaly scores: how unusual images are under a trained model, compared with its test images.

Imports ``scoring``, ``models``, ``likelihoods`` and ``utils``; imported by ``cli``.

The bits per dimension of an image are the plain score. They depend on how complex the image is as
well as on how unusual it is: a constant image costs few bits under almost any model (Nalisnick et
al. 2019, arXiv 1810.09136; Serrà et al. 2019, arXiv 1909.11480). The corrected scores subtract the
bits of something that knows about complexity only: a general lossless coder, or a model that was
trained on noisy images.
"""

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pixelcnn_tf.likelihoods.base import scale_to
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.inputs import check_model
from pixelcnn_tf.scoring import score
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.utils.image_formats import available, size_in
from pixelcnn_tf.utils.progress import progress as progress_bar
from pixelcnn_tf.utils.stored_images import StoredImages
from pixelcnn_tf.utils.values import dtype_for

#: Corrections of the plain score.
Correction = Literal["complexity", "ratio"]

#: The lossless formats of ``complexity``.
CODERS = ("PNG", "WebP")


class AnomalyScores(NamedTuple):
    """The result of ``anomaly_scores``, for ``n`` images.

    Attributes:
        bits_per_dim: float64 ``[n]``, the negative log-likelihood of each image.
        subtracted: float64 ``[n]``, the bits per dimension that the correction subtracts; zeros
            for the plain score.
        score: float64 ``[n]``, ``bits_per_dim - subtracted``; higher is more anomalous.
        z_score: float64 ``[n]``, by how many standard deviations the score is above the mean of
            the reference images.
        percentile: float64 ``[n]``, the percentage of the reference images with a lower score,
            those with the same score counting half: 0 to 100.
        mean, standard_deviation: of the scores of the reference images (the latter with
            ``n - 1``).

    Example:

    >>> from pixelcnn_tf.anomaly import AnomalyScores
    >>> bits, zeros = np.array([2.5]), np.zeros(1)
    >>> result = AnomalyScores(bits, zeros, bits, np.array([1.0]), np.array([84.0]), 2.0, 0.5)
    >>> result.z_score
    array([1.])
    """

    bits_per_dim: np.ndarray
    subtracted: np.ndarray
    score: np.ndarray
    z_score: np.ndarray
    percentile: np.ndarray
    mean: float
    standard_deviation: float


def anomaly_scores(
    model: PixelModel,
    images: "npt.ArrayLike | StoredImages",
    reference: "npt.ArrayLike | StoredImages",
    labels: npt.ArrayLike | None = None,
    reference_labels: npt.ArrayLike | None = None,
    *,
    condition: "npt.ArrayLike | StoredImages | None" = None,
    reference_condition: "npt.ArrayLike | StoredImages | None" = None,
    correct: Correction | None = None,
    background: PixelModel | None = None,
    batch_size: int = 64,
    progress: bool = True,
) -> AnomalyScores:
    """Returns how unusual each image is, compared with reference images.

    The score of an image is its negative log-likelihood in bits per dimension, less what the
    correction subtracts:

    - ``'complexity'``: the bits of a general lossless coder, see ``complexity``. Source: Serrà et
      al. 2019 (arXiv 1909.11480), equation 1.
    - ``'ratio'``: the bits under the background model, which makes the score a likelihood ratio.
      Source: Ren et al. 2019 (arXiv 1906.02845), equation 3; their background model was trained
      on noisy images, as with ``data.mutation_rate``.

    Args:
        model: as in ``score``.
        images: as in ``score``: integers ``[n, height, width, channels]``.
        reference: images that are not anomalous and that the model was not trained on, such as the
            test images of its run; at least two, of the same height, width and channels.
        labels, reference_labels: as in ``score``, for a class-conditional model.
        condition, reference_condition: as in ``score``, for a conditional model. A background
            model gets the same if it is conditional.
        correct: ``'complexity'``, ``'ratio'`` or None for the plain score.
        background: a model of the same channels and values, for ``correct='ratio'``. Where it is
            class-conditional, ``model`` must be so, too.
        batch_size: number of images evaluated at once.
        progress: whether to show progress bars on standard error after two seconds of work.

    Returns:
        the scores, z-scores and percentiles. Where all reference images have the same score,
        z-scores are infinite, or NaN for an image with that score.

    Raises:
        UserError: as ``score``; images of another shape than the reference; fewer than two
            reference images; a missing, unexpected or unsuitable background model.

    Example: an untrained model gives every image the same probability, so that only complexity is
    left.

    >>> model = pixelcnn_tf.PixelRNN(4, 4, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> noise = np.random.default_rng(0).integers(2, size=[6, 8, 8, 1])
    >>> result = pixelcnn_tf.anomaly_scores(
    ...     model, np.zeros([1, 8, 8, 1]), noise, correct="complexity"
    ... )
    >>> result.percentile, bool(result.z_score > 0)
    (array([100.]), True)
    """
    if correct not in (None, "complexity", "ratio"):
        raise UserError(f"correct={correct!r}: must be 'complexity', 'ratio' or None")
    if (correct == "ratio") != (background is not None):
        wanted = "is missing" if background is None else "is given"
        raise UserError(f"background: {wanted}, correct={correct!r}; it is for 'ratio'")
    if background is not None:
        _check_background(model, background)
    images, reference = _as_array(images), _as_array(reference)
    if len(reference) < 2:
        raise UserError(f"reference: {number_of(len(reference), 'image')}; must be at least 2")
    if images.shape[1:] != reference.shape[1:]:
        raise UserError(
            f"images {images.shape}: must have the height, width and channels of the reference, "
            f"{reference.shape[1:]}"
        )
    options = {"batch_size": batch_size, "progress": progress}
    models = model, background, correct
    own, subtracted = _bits(*models, images, labels, condition, **options)
    others_own, others_subtracted = _bits(
        *models, reference, reference_labels, reference_condition, **options
    )
    scores, others = own - subtracted, np.sort(others_own - others_subtracted)
    mean, deviation = float(others.mean()), float(others.std(ddof=1))
    if others[0] == others[-1]:  # the rounded mean may differ from them
        mean, deviation = float(others[0]), 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        z_score = (scores - mean) / np.float64(deviation)
    ranks = np.searchsorted(others, scores, "left") + np.searchsorted(others, scores, "right")
    percentile = ranks * (50.0 / len(others))
    return AnomalyScores(own, subtracted, scores, z_score, percentile, mean, deviation)


def complexity(
    images: "npt.ArrayLike | StoredImages", n_values: int = 256, *, progress: bool = True
) -> np.ndarray:
    """Returns the size of each image under a general lossless coder: the smaller one of a PNG file
    and a lossless WebP file.

    Args:
        images: integers ``[n, height, width, channels]``, 0 to ``n_values - 1``. Channels other
            than one or three are coded side by side, in grey.
        n_values: 2 for binary images, which PNG codes with one bit per sub-pixel; for more than 256
            it is a PNG file with 16 bits per sub-pixel.
        progress: whether to show a progress bar on standard error after two seconds of work.

    Returns:
        float64 ``[n]``, bits per dimension, those of the headers included: 8 times the size of the
        file in bytes, divided by ``height * width * channels``.

    Raises:
        UserError: images of another shape or with other values.

    Source: Serrà et al. 2019 (arXiv 1909.11480), section 3.

    Example:

    >>> from pixelcnn_tf.anomaly import complexity
    >>> rng = np.random.default_rng(0)
    >>> flat, noise = np.zeros([32, 32, 3]), rng.integers(256, size=[32, 32, 3])
    >>> bits = complexity(np.stack([flat, noise]))
    >>> bool(bits[0] < 0.2), bool(bits[1] > 8)
    (True, True)
    """
    images = _as_array(images)
    if isinstance(images, np.ndarray):
        wrong = images.dtype.kind not in "iufb" or not np.isin(images, np.arange(n_values)).all()
    else:
        wrong = images.max() >= n_values
    if wrong:
        raise UserError(f"images: must hold integers from 0 to {n_values - 1}")
    height, width, channels = images.shape[1:]
    coders = [name for name in CODERS if name in available()]
    sizes = np.empty(len(images))
    for i in progress_bar(
        "compressing", len(images), "image", range(len(images)), disable=not progress
    ):
        pixels = np.asarray(images[i]).astype(dtype_for(n_values))
        # More effort takes 25 times as long, for about the same size.
        sizes_in = [size_in(coder, pixels, n_values, effort=False) for coder in coders]
        sizes[i] = min(size for size in sizes_in if size is not None)
    return sizes * 8 / (height * width * channels)


def surprise_maps(
    model: PixelModel,
    images: "npt.ArrayLike | StoredImages",
    labels: npt.ArrayLike | None = None,
    *,
    condition: "npt.ArrayLike | StoredImages | None" = None,
    batch_size: int = 64,
    progress: bool = True,
) -> np.ndarray:
    """Returns the surprise of the model at every pixel: its negative log-likelihood, given the
    pixels before it.

    Args:
        model, images, labels, condition, batch_size: as in ``score``.
        progress: whether to show a progress bar on standard error after two seconds of work.

    Returns:
        float64 ``[n, height, width]``, bits per pixel, summed over the channels; the sum over an
        image, divided by ``height * width * channels``, is its bits per dimension.

    Raises:
        UserError: as ``score``.

    Example:

    >>> model = pixelcnn_tf.PixelRNN(4, 4, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> pixelcnn_tf.surprise_maps(model, np.zeros([5, 6, 7, 1], np.uint8)).shape
    (5, 6, 7)
    """
    options = {"condition": condition, "batch_size": batch_size, "progress": progress}
    nats = score(model, images, labels, per_subpixel=True, **options)
    return nats.sum(axis=-1) * scale_to("bits_per_dim", 1)


def _bits(
    model: PixelModel,
    background: PixelModel | None,
    correct: Correction | None,
    images: np.ndarray | StoredImages,
    labels: npt.ArrayLike | None,
    condition: "npt.ArrayLike | StoredImages | None",
    **options,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the bits per dimension of each image, and those that the correction subtracts."""
    scale = scale_to("bits_per_dim", int(np.prod(images.shape[1:])))
    bits = score(model, images, labels, condition=condition, **options) * scale
    if background is not None:
        given = None if background.n_classes is None else labels
        of_it = None if background.condition_spec is None else condition
        return bits, score(background, images, given, condition=of_it, **options) * scale
    if correct == "complexity":
        values = model.likelihood.n_values
        return bits, complexity(images, values, progress=options["progress"])
    return bits, np.zeros(len(images))


def _as_array(images: "npt.ArrayLike | StoredImages") -> "np.ndarray | StoredImages":
    array = images if isinstance(images, StoredImages) else np.asarray(images)
    if array.ndim != 4 or 0 in array.shape:
        raise UserError(f"images {array.shape}: must be (n, height, width, channels), at least one")
    return array


def _check_background(model: PixelModel, background: PixelModel) -> None:
    """Raises UserError unless both models are distributions over the same images."""
    check_model(model)
    check_model(background)
    for what, own, other in (
        ("channels per pixel", model.n_channels, background.n_channels),
        ("values per sub-pixel", model.likelihood.n_values, background.likelihood.n_values),
    ):
        if own != other:
            raise UserError(f"background: has {other} {what}; must have {own}, like the model")
    if background.n_classes not in (None, model.n_classes):
        raise UserError(
            f"background: has {background.n_classes} classes; must have "
            f"{model.n_classes or 'none'}, like the model"
        )
