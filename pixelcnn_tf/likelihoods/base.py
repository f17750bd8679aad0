"""What a model's outputs mean: probabilities of the values of every sub-pixel.

A likelihood is also a Keras loss (bits per dimension), so that
``model.compile(loss=model.likelihood)`` and the ``Trainer`` minimize the same number.

Units: a sub-pixel is one dimension. ``nats`` are summed over all sub-pixels of an image;
bits per dimension are ``nats / (ln 2 * height * width * channels)``.
"""

import math

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.serialization import PACKAGE


class Likelihood(keras.losses.Loss):
    """The interface that every likelihood fills.

    Attributes:
        n_values: sub-pixels take the values 0 to ``n_values - 1``; at most 256.
        n_params: outputs that the model gives for each sub-pixel.
        units: what ``report`` tells, the first being the headline.
    """

    n_values: int
    n_params: int
    units: tuple[str, ...] = ("bits_per_dim",)

    def log_probs(self, values, logits) -> tf.Tensor:
        """Log-probabilities of the values of sub-pixels.

        Args:
            values: ``[...]``, integers 0 to ``n_values - 1`` of any numeric dtype.
            logits: ``[..., n_params]``, the model's outputs.

        Returns:
            float32 ``[...]``, nats.

        Raises:
            ValueError: another number of outputs per sub-pixel than ``n_params``.
        """
        raise NotImplementedError(f"{type(self).__name__}.log_probs")

    def nll(self, images, logits) -> tf.Tensor:
        """Negative log-likelihood of whole images.

        Args:
            images: ``[batch, height, width, channels]``, integers 0 to ``n_values - 1``
                of any numeric dtype.
            logits: ``[batch, height, width, channels, n_params]``, the model's outputs.

        Returns:
            float32 ``[batch]``, nats per image, summed over all sub-pixels.

        Raises:
            ValueError: another number of outputs per sub-pixel than ``n_params``.
        """
        return -tf.reduce_sum(self.log_probs(images, logits), axis=[1, 2, 3])

    def probabilities(self, logits) -> tf.Tensor:
        """float32 probabilities ``[..., n_values]`` from outputs ``[..., n_params]``."""
        raise NotImplementedError(f"{type(self).__name__}.probabilities")

    def draw(self, logits, uniforms, temperature=None, top_p=None):
        """Choose values by the inverse of the cumulative distribution.

        Args:
            logits: ``[..., n_params]``.
            uniforms: float32 ``[...]`` in [0, 1).
            temperature: divides the logits; below 1 sharpens, above 1 flattens; None: 1.
            top_p: in (0, 1): draw from the likeliest values only, the fewest that have this
                probability together (nucleus sampling, Holtzman et al. 2019,
                arXiv 1904.09751, section 3.1; as likely as the last of them counts too).

        Returns:
            float32 ``[...]``, whole numbers from 0 to ``n_values - 1``.
        """
        if temperature is not None:
            logits = logits / temperature
        probabilities = self.probabilities(logits)
        if top_p is not None:
            probabilities = nucleus(probabilities, top_p)
        return inverse_cumulative(probabilities, uniforms)

    def check_values(self, images: np.ndarray) -> None:
        """Raises UserError unless all values are integers from 0 to ``n_values - 1``.

        Args:
            images: an array of any shape and numeric dtype.
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
            raise UserError(f"images: {wanted}; these are {images.dtype} that are not whole")

    def checked(self, logits):
        """``logits`` as float32; ValueError if the last axis is not ``n_params`` long."""
        if logits.shape[-1] not in (None, self.n_params):
            raise ValueError(
                f"{self.name}: {logits.shape[-1]} outputs a sub-pixel; must be {self.n_params}, as "
                "of a model with this likelihood"
            )
        return tf.cast(logits, tf.float32)

    def report(self, nats: float, n_dims: int) -> dict[str, float]:
        """The figures to show for a mean of ``nats`` an image of ``n_dims`` sub-pixels."""
        return {unit: float(nats) * scale_to(unit, n_dims) for unit in self.units}

    def call(self, y_true, y_pred):
        """Bits per dimension of each image, float32 ``[batch]``.

        Raises:
            tf.errors.InvalidArgumentError: ``y_true`` holds something else than whole numbers
                from 0 to ``n_values - 1`` (images not binarized, or scaled to [0, 1]).
        """
        wanted = f"images must hold whole numbers from 0 to {self.n_values - 1}"
        whole = tf.clip_by_value(tf.round(y_true), 0, self.n_values - 1)
        tf.debugging.assert_equal(y_true, whole, f"{self.name}: {wanted}")
        shape = tf.shape(y_true)
        n_dims = tf.cast(tf.reduce_prod(shape[1:]), tf.float32)
        return self.nll(y_true, y_pred) * scale_to("bits_per_dim", n_dims)


def nucleus(probabilities, top_p):
    """``probabilities`` ``[..., n]`` with zeros in place of all but the likeliest ones, the
    fewest whose sum reaches ``top_p``. They are not scaled to sum to 1 again."""
    falling = tf.sort(probabilities, direction="DESCENDING")
    needed = tf.cumsum(falling, axis=-1, exclusive=True) < top_p
    least = tf.reduce_min(tf.where(needed, falling, 1.0), axis=-1, keepdims=True)
    least = tf.minimum(least, falling[..., :1])  # however little is asked for
    return tf.where(probabilities >= least, probabilities, 0.0)


def inverse_cumulative(probabilities, uniforms):
    """The values at which the cumulative distribution passes ``uniforms``.

    The values are searched in blocks of about their square root, first for the block and then
    in it: a cumulative sum over 256 values takes longer than the softmax before it.

    Args:
        probabilities: float32 ``[..., n]``, in any scale.
        uniforms: float32 ``[...]`` in [0, 1).

    Returns:
        float32 ``[...]``, whole numbers from 0 to ``n - 1``.
    """
    n = probabilities.shape[-1]
    size = math.isqrt(n - 1) + 1
    n_blocks = -(-n // size)
    flat = tf.reshape(probabilities, [-1, n])
    blocks = tf.reshape(tf.pad(flat, [[0, 0], [0, n_blocks * size - n]]), [-1, n_blocks, size])
    ends = tf.cumsum(tf.reduce_sum(blocks, axis=-1), axis=-1)
    # Rounding may end the sum just off 1: scale the uniform, not the probabilities.
    target = tf.reshape(uniforms, [-1, 1]) * ends[:, -1:]
    block = _count(ends <= target)
    start = tf.gather(tf.pad(ends, [[0, 0], [1, 0]]), block, batch_dims=1)
    within = tf.cumsum(tf.gather(blocks, block, batch_dims=1), axis=-1) + start[:, None]
    # Rounding may end it below the target, too: never go past the last value that adds to it.
    value = _count((within <= target) & (within < within[:, -1:]))
    return tf.reshape(tf.cast(block * size + value, tf.float32), tf.shape(uniforms))


def _count(conditions):
    return tf.reduce_sum(tf.cast(conditions, tf.int32), axis=-1)


def scale_to(unit: str, n_dims):
    """What nats an image of ``n_dims`` sub-pixels (number or tensor) are multiplied with to
    give ``unit``.

    Raises:
        ValueError: an unknown unit.
    """
    if unit == "bits_per_dim":
        return 1 / (math.log(2) * n_dims)
    if unit == "nats_per_image":
        return 1.0
    raise ValueError(f"unit={unit!r}: must be 'bits_per_dim' or 'nats_per_image'")


def in_words(figures: dict[str, float]) -> str:
    """What ``report`` tells, for people: ``'0.0834 bits per dim'``."""
    return ", ".join(f"{value:.4f} {unit.replace('_', ' ')}" for unit, value in figures.items())


@keras.saving.register_keras_serializable(package=PACKAGE)
class NLLMetric(keras.metrics.Mean):
    """The mean negative log-likelihood over all images seen, for ``model.compile``.

    Args:
        likelihood: of the model, ``model.likelihood``.
        unit: ``'bits_per_dim'`` or ``'nats_per_image'``.
    """

    def __init__(self, likelihood: Likelihood, unit: str = "bits_per_dim", name=None, **kwargs):
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
