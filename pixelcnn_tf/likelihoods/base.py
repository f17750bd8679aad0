"""The base class of likelihoods, and functions that they share.

A likelihood is also a Keras loss (bits per dimension), so that
``model.compile(loss=model.likelihood)`` and the ``Trainer`` minimize the same quantity.

Units: a sub-pixel is one dimension. Nats per image are summed over all sub-pixels of an image;
bits per dimension are ``nats / (ln 2 * height * width * channels)``.
"""

import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.likelihoods.cumulative import in_blocks, inverse_cumulative, nucleus
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.serialization import PACKAGE


class Likelihood(keras.losses.Loss):
    """The base class of all likelihoods.

    A subclass sets ``n_values`` and ``n_params``, and implements ``log_probs`` and
    ``probabilities``. Everything else follows from them; ``draw`` and ``cumulative`` may have
    faster ways.

    Attributes:
        n_values: sub-pixels take the integer values 0 to ``n_values - 1``; at most 65,536.
        n_params: number of outputs of the model per sub-pixel.
        units: the units of ``report``, the most important one first.

    Example: a likelihood that gives every value the same probability.

    >>> class Uniform(pixelcnn_tf.Likelihood):
    ...     n_values, n_params = 4, 1
    ...
    ...     def log_probs(self, values, logits):
    ...         return 0 * self.checked(logits)[..., 0] - tf.math.log(4.0)
    ...
    ...     def probabilities(self, logits):
    ...         return tf.repeat(0 * self.checked(logits) + 0.25, 4, axis=-1)
    >>> images, logits = np.zeros([1, 2, 2, 1]), np.zeros([1, 2, 2, 1, 1])
    >>> round(float(Uniform()(images, logits)), 4)  # bits per dimension
    2.0
    """

    n_values: int
    n_params: int
    units: tuple[str, ...] = ("bits_per_dim",)

    def log_probs(self, values, logits) -> tf.Tensor:
        """Returns the log-probabilities of the values of sub-pixels.

        Args:
            values: ``[...]``, whole numbers 0 to ``n_values - 1`` of any numeric dtype. They are
                not checked here; ``nll`` checks them.
            logits: ``[..., n_params]``, the outputs of the model.

        Returns:
            float32 ``[...]``, nats.

        Raises:
            ValueError: the last axis of ``logits`` is not ``n_params`` long.
        """
        raise NotImplementedError(f"{type(self).__name__}.log_probs")

    def probabilities(self, logits) -> tf.Tensor:
        """Returns the probabilities of all values.

        Args:
            logits: ``[..., n_params]``, the outputs of the model.

        Returns:
            float32 ``[..., n_values]``.
        """
        raise NotImplementedError(f"{type(self).__name__}.probabilities")

    def nll(self, images, logits) -> tf.Tensor:
        """Returns the negative log-likelihood of whole images.

        Args:
            images: ``[batch, height, width, channels]``, whole numbers 0 to ``n_values - 1`` of
                any numeric dtype.
            logits: ``[batch, height, width, channels, n_params]``, the outputs of the model.

        Returns:
            float32 ``[batch]``, nats per image, summed over all sub-pixels.

        Raises:
            ValueError: the last axis of ``logits`` is not ``n_params`` long, or the others are not
                those of ``images``.
            tf.errors.InvalidArgumentError: other values. A graph that XLA compiles cannot raise
                errors, and returns NaN for the images with such values.
        """
        values = self.checked_values(images)
        if not values.shape.is_compatible_with(np.shape(logits)[:-1]):
            raise ValueError(
                f"{self.name}: images {values.shape} for outputs {np.shape(logits)}; must be equal "
                "but for the last axis"
            )
        nats = -tf.reduce_sum(self.log_probs(values, logits), axis=[1, 2, 3])
        if not values.dtype.is_floating:
            return nats
        return tf.where(tf.reduce_any(tf.math.is_nan(values), axis=[1, 2, 3]), np.nan, nats)

    def cumulative(self, logits) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns the cumulative distribution as a function.

        Args:
            logits: ``[..., n_params]``, the outputs of the model.

        Returns:
            a function from values, 0 to ``n_values - 2``, float32 or int32 ``[...]``, to the
            probabilities that a sub-pixel is at most that large, float32 ``[...]``.
        """
        blocks, ends = in_blocks(self.probabilities(logits))
        size = blocks.shape[-1]
        starts = tf.pad(ends, [[0, 0], [1, 0]])

        def at_most(values):
            flat = tf.reshape(tf.cast(values, tf.int32), [-1])
            block, last = flat // size, flat % size
            within = tf.gather(blocks, block, batch_dims=1)
            within = tf.where(tf.range(size) <= last[:, None], within, 0.0)
            sums = tf.gather(starts, block, batch_dims=1) + tf.reduce_sum(within, axis=-1)
            return tf.reshape(sums, tf.shape(values))

        return at_most

    def draw(self, logits, uniforms, temperature=None, top_p=None) -> tf.Tensor:
        """Draws values by inverting the cumulative distribution.

        Args:
            logits: ``[..., n_params]``, the outputs of the model.
            uniforms: float32 ``[...]`` in [0, 1).
            temperature: divides the logits; below 1 sharpens the distribution, above 1 flattens
                it. None is 1.
            top_p: draws from the most likely values only, the smallest set with at least this
                probability, in (0, 1). None draws from all values.

        Returns:
            float32 ``[...]``, whole numbers from 0 to ``n_values - 1``.

        Source of ``top_p``, nucleus sampling: Holtzman et al. 2019, arXiv 1904.09751,
        section 3.1. Values that are as likely as the last one of the set belong to the set as well.
        """
        if temperature is not None:
            logits = logits / temperature
        probabilities = self.probabilities(logits)
        if top_p is not None:
            probabilities = nucleus(probabilities, top_p)
        return inverse_cumulative(probabilities, uniforms)

    def check_values(self, images) -> None:
        """Checks that the likelihood assigns a probability to every value of ``images``.

        Args:
            images: an array of any shape and numeric dtype.

        Raises:
            UserError: a value that is not an integer from 0 to ``n_values - 1``.
        """
        images = np.asarray(images)
        wanted = f"must hold integers from 0 to {self.n_values - 1}, the values of {self.name}"
        if images.dtype.kind not in "iufb":
            raise UserError(f"images: {wanted}, not {images.dtype}")
        if images.size == 0:
            return
        low, high = images.min(), images.max()
        if not (low >= 0 and high < self.n_values):  # also where they are NaN
            raise UserError(f"images: {wanted}; these are {images.dtype} from {low} to {high}")
        if images.dtype.kind == "f" and (images != np.round(images)).any():
            raise UserError(f"images: {wanted}; these are {images.dtype} that are not integers")

    def checked_values(self, images) -> tf.Tensor:
        """Returns ``images``, in which NaN replaces what is not a value of a sub-pixel.

        It is ``check_values`` for graphs. XLA leaves assertions out of the graphs that it compiles,
        so that only NaN shows that something is wrong.

        Args:
            images: a tensor of any shape and numeric dtype.

        Returns:
            float32 of the same shape; uint8 or uint16 if every value of that dtype is valid.

        Raises:
            tf.errors.InvalidArgumentError: a value that is not an integer from 0 to
                ``n_values - 1``, except in graphs that XLA compiles.
        """
        images = tf.convert_to_tensor(images)
        if images.dtype == tf.bool:
            images = tf.cast(images, tf.uint8)
        if images.dtype in (tf.uint8, tf.uint16) and images.dtype.max < self.n_values:
            return images
        values = tf.cast(images, tf.float32)
        if images.dtype.is_integer:
            valid = (values >= 0) & (values < self.n_values)
        else:
            valid = images == tf.clip_by_value(tf.round(images), 0, self.n_values - 1)
        wanted = f"{self.name}: images must hold integers from 0 to {self.n_values - 1}"
        tf.debugging.assert_equal(tf.reduce_all(valid), True, wanted)
        return tf.where(valid, values, np.nan)

    def checked(self, logits) -> tf.Tensor:
        """Returns ``logits`` as float32.

        Raises:
            ValueError: the last axis is not ``n_params`` long.
        """
        if logits.shape[-1] not in (None, self.n_params):
            raise ValueError(
                f"{self.name}: {logits.shape[-1]} outputs per sub-pixel; must be {self.n_params}, "
                "as for every model with this likelihood"
            )
        return tf.cast(logits, tf.float32)

    def report(self, nats: float, n_dims: int) -> dict[str, float]:
        """Converts nats per image into the units that are reported for this likelihood.

        Args:
            nats: the mean negative log-likelihood, in nats per image.
            n_dims: number of sub-pixels of an image.

        Returns:
            the mean in each of ``units``.
        """
        return {unit: float(nats) * scale_to(unit, n_dims) for unit in self.units}

    def call(self, y_true, y_pred):
        """Returns the bits per dimension of each image, float32 ``[batch]``.

        Raises:
            tf.errors.InvalidArgumentError: as ``nll``, for images that are not binarized, or are
                scaled to [0, 1].
        """
        shape = tf.shape(y_true)
        n_dims = tf.cast(tf.reduce_prod(shape[1:]), tf.float32)
        return self.nll(y_true, y_pred) * scale_to("bits_per_dim", n_dims)


def scale_to(unit: str, n_dims: int | tf.Tensor) -> float | tf.Tensor:
    """Returns the factor from nats per image to ``unit``.

    Args:
        unit: ``'bits_per_dim'`` or ``'nats_per_image'``.
        n_dims: number of sub-pixels of an image, a number or a scalar tensor.

    Raises:
        ValueError: an unknown unit.

    Example:

    >>> from pixelcnn_tf.likelihoods.base import scale_to
    >>> float(round(np.log(256) * 768 * scale_to("bits_per_dim", 768), 6))  # 8 bits each
    8.0
    """
    if unit == "bits_per_dim":
        return 1 / (math.log(2) * n_dims)
    if unit == "nats_per_image":
        return 1.0
    raise ValueError(f"unit={unit!r}: must be 'bits_per_dim' or 'nats_per_image'")


def format_report(figures: dict[str, float]) -> str:
    """Formats the result of ``Likelihood.report`` as text.

    Example:

    >>> from pixelcnn_tf.likelihoods.base import format_report
    >>> format_report({"nats_per_image": 81.25, "bits_per_dim": 0.15})
    '81.2500 nats per image, 0.1500 bits per dim'
    """
    return ", ".join(f"{value:.4f} {unit.replace('_', ' ')}" for unit, value in figures.items())


@keras.saving.register_keras_serializable(package=PACKAGE)
class NLLMetric(keras.metrics.Mean):
    """The mean negative log-likelihood over all images seen, for ``model.compile``.

    Args:
        likelihood: the likelihood of the model, ``model.likelihood``.
        unit: ``'bits_per_dim'`` or ``'nats_per_image'``.

    Raises:
        ValueError: an unknown unit.

    Example:

    >>> metric = pixelcnn_tf.NLLMetric(pixelcnn_tf.Bernoulli())
    >>> metric.update_state(np.ones([5, 2, 2, 1]), np.zeros([5, 2, 2, 1, 1], "float32"))
    >>> round(float(metric.result()), 4)
    1.0
    """

    def __init__(
        self,
        likelihood: Likelihood,
        unit: str = "bits_per_dim",
        name: str | None = None,
        **kwargs,
    ):
        super().__init__(name=name or unit, **kwargs)
        self.likelihood = likelihood
        self.unit = unit
        scale_to(unit, 1)  # checks it

    def update_state(self, y_true, y_pred, sample_weight=None):
        n_dims = tf.cast(tf.reduce_prod(tf.shape(y_true)[1:]), tf.float32)
        nats = self.likelihood.nll(y_true, y_pred)
        return super().update_state(nats * scale_to(self.unit, n_dims), sample_weight)

    def get_config(self):
        likelihood = keras.saving.serialize_keras_object(self.likelihood)
        return {**super().get_config(), "likelihood": likelihood, "unit": self.unit}

    @classmethod
    def from_config(cls, config):
        likelihood = keras.saving.deserialize_keras_object(config.pop("likelihood"))
        return cls(likelihood=likelihood, **config)
