"""Mixtures of logistic distributions, discretized to the values of sub-pixels.

A softmax has an output for every value of a sub-pixel and does not use the order of the values. A
mixture has three outputs per component, and assigns similar probabilities to neighbouring values
from the first training step on.
"""

import math
from collections.abc import Callable

import keras
import tensorflow as tf

from pixelcnn_tf.likelihoods.base import Likelihood
from pixelcnn_tf.likelihoods.categorical import Softmax
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import count
from pixelcnn_tf.utils.values import checked_n_values

#: Bounds of the log scales. The lower one is that of PixelCNN++ for 256 values, about an eighth of
#: one value; for other numbers of values it is the same part of one. At the upper one a logistic is
#: so wide that all values have nearly the same probability (except for the tails at the ends).
MIN_LOG_SCALE, MAX_LOG_SCALE = -7.0, 7.0


@keras.saving.register_keras_serializable(package=PACKAGE)
class LogisticMixture(Likelihood):
    """A mixture of logistic distributions for each sub-pixel, discretized to the values 0 to N - 1.

    With weights ``w``, means ``m`` and scales ``s`` of the components, in units of one value::

        P(v) = sum_k w_k * (sigmoid((v + 1/2 - m_k) / s_k) - sigmoid((v - 1/2 - m_k) / s_k))

    where the first sigmoid is replaced with 1 for ``v = N - 1`` and the second with 0 for
    ``v = 0``, so that these values include the tails.

    The model has ``n_params = 3 * n_mixtures`` outputs per sub-pixel, ``n_mixtures`` of each:

    - logits of the weights, whose softmax is ``w``;
    - means on the scale [-1, 1], to which the model scales images: the value ``v`` is
      ``2 * v / (N - 1) - 1``;
    - natural logarithms of the scales, in units of the means, clipped to -7 to 7 for 256 values;
      for others the lower bound is -7 plus ``log(255 / (N - 1))``.

    Args:
        n_mixtures: number of components, 1 to 100.
        n_values: number of values N, 2 to 65,536.

    Attributes:
        half: values per unit of the scale [-1, 1]; also its middle, ``(N - 1) / 2``.

    Raises:
        ValueError: ``n_mixtures`` or ``n_values`` is out of range.

    Source: Salimans et al. 2017, arXiv 1701.05517, section 2.1, equation 2.

    Example: a single narrow logistic around the value 200.

    >>> mixture = pixelcnn_tf.LogisticMixture(1)
    >>> params = tf.constant([[0.0, 2 * 200 / 255 - 1, -6.0]])
    >>> int(tf.argmax(mixture.probabilities(params)[0]))
    200
    >>> mixture.draw(params, tf.constant([0.5])).numpy().tolist()
    [200.0]
    """

    def __init__(
        self,
        n_mixtures: int = 10,
        name: str = "logistic_mixture",
        *,
        n_values: int = 256,
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.n_mixtures = count("n_mixtures", n_mixtures, most=100)
        self.n_params = 3 * self.n_mixtures
        self.n_values = checked_n_values(n_values)
        self.half = (n_values - 1) / 2
        self._min_log_scale = MIN_LOG_SCALE - math.log(self.half / 127.5)

    def component_log_probs(self, values, params) -> tf.Tensor:
        """Returns the log-probabilities of values under each component alone.

        Args:
            values: ``[...]``, integers 0 to ``n_values - 1`` of any numeric dtype.
            params: ``[..., 3 * n_mixtures]``.

        Returns:
            float32 ``[..., n_mixtures]``, nats; finite for means up to 1e30.

        Raises:
            ValueError: the last axis of ``params`` has another length.
        """
        values = tf.cast(values, tf.float32)[..., None]
        return self._log_probs(values, *self._parts(params)[1:])

    def log_probs(self, values, logits) -> tf.Tensor:
        log_weights = tf.nn.log_softmax(self._parts(logits)[0])
        return tf.reduce_logsumexp(log_weights + self.component_log_probs(values, logits), axis=-1)

    def probabilities(self, logits) -> tf.Tensor:
        return tf.exp(self._log_probs_of_all(logits))

    def cumulative(self, logits) -> Callable[[tf.Tensor], tf.Tensor]:
        weight_logits, means, sharpness = self._parts(logits)
        return self._at_most(tf.nn.softmax(weight_logits), means, sharpness)

    def draw(self, logits, uniforms, temperature=None, top_p=None) -> tf.Tensor:
        """Draws values by inverting the cumulative distribution; as in ``Likelihood``.

        The cumulative distribution of a mixture is a weighted sum of ``n_mixtures`` sigmoids, so
        the value is found by bisection in ``log2(n_values)`` steps, eight for 256 values. With
        ``temperature`` (the probabilities to the power of ``1 / temperature``, as dividing the
        logits does for a softmax) or ``top_p`` the probabilities of all values are needed.
        """
        if temperature is not None or top_p is not None:
            # Log-probabilities are the logits of a softmax.
            log_probs = self._log_probs_of_all(logits)
            return Softmax(self.n_values).draw(log_probs, uniforms, temperature, top_p)
        weight_logits, means, sharpness = self._parts(logits)
        weights = tf.nn.softmax(weight_logits)
        at_most, values = self._at_most(weights, means, sharpness), tf.zeros_like(uniforms)
        # The rounded sum of the weights may differ from 1: scale the uniforms.
        target = uniforms * tf.reduce_sum(weights, axis=-1)
        n_steps = (self.n_values - 1).bit_length()
        for half in (1 << step for step in reversed(range(n_steps))):  # unrolled, for XLA
            last = values + (half - 1)  # the largest value of the lower half
            passed = at_most(last) > target
            if self.n_values & (self.n_values - 1):  # no power of two: the upper half may be empty
                passed |= last >= self.n_values - 1
            values = tf.where(passed, values, values + half)
        return values

    def _log_probs_of_all(self, params):
        """Returns the log-probabilities of all values, float32 ``[..., n_values]``."""
        weight_logits, means, sharpness = self._parts(params)
        log_weights = tf.nn.log_softmax(weight_logits)[..., None]
        values = tf.range(float(self.n_values))
        if self.n_values <= 256:
            # The components are the last axis but one: XLA then needs half the time.
            log_probs = self._log_probs(values, means[..., None], sharpness[..., None])
            return tf.reduce_logsumexp(log_weights + log_probs, axis=-2)
        # One component after another: all of them would take n_mixtures times the memory.
        total = None
        for k in range(self.n_mixtures):
            part = slice(k, k + 1)
            own = self._log_probs(values, means[..., part], sharpness[..., part])
            own += log_weights[..., k, :]
            total = own if total is None else _log_add(total, own)
        return total

    def _parts(self, params):
        """Splits the parameters into logits of the weights, means, and reciprocal scales.

        Means are in units of one value, relative to the middle of the range: then ``v + 1/2`` is
        ``v - 127`` for 256 values, and the edges between values are exact. float32
        ``[..., n_mixtures]`` each.
        """
        weight_logits, means, log_scales = tf.split(self.checked(params), 3, axis=-1)
        log_scales = tf.clip_by_value(log_scales, self._min_log_scale, MAX_LOG_SCALE)
        return weight_logits, self.half * means, tf.exp(-log_scales) / self.half

    def _at_most(self, weights, means, sharpness) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns the cumulative distribution of a mixture from ``_parts``, as a function of
        values."""

        def at_most(values):
            edges = tf.cast(values, tf.float32)[..., None] - (self.half - 0.5)  # v + 1/2
            return tf.reduce_sum(weights * tf.sigmoid((edges - means) * sharpness), axis=-1)

        return at_most

    def _log_probs(self, values, means, sharpness):
        """Returns the log-probabilities of float32 values under logistics from ``_parts``.

        ``sigmoid(upper) - sigmoid(lower)`` is computed as a product, which loses no digits in the
        tails: ``sigmoid(upper) * sigmoid(-lower) * (1 - exp(lower - upper))``. At the ends of the
        range only one sigmoid is left. No branch is infinite, so that no gradient is infinite
        either.
        """
        upper = (values - (self.half - 0.5) - means) * sharpness
        lower = (values - (self.half + 0.5) - means) * sharpness
        first, last = values <= 0, values >= self.n_values - 1
        log_at_most = tf.where(last, 0.0, -tf.nn.softplus(-upper))
        log_at_least = tf.where(first, 0.0, -tf.nn.softplus(lower))
        log_between = tf.where(first | last, 0.0, tf.math.log(-tf.math.expm1(-sharpness)))
        return log_at_most + log_at_least + log_between

    def get_config(self):
        # Files of models of 256 values are as they were before there were others.
        values = {} if self.n_values == 256 else {"n_values": self.n_values}
        return {**super().get_config(), "n_mixtures": self.n_mixtures, **values}


class PixelMixture:
    """One mixture over whole pixels, factorized into one conditional mixture per channel.

    Each component has a mean and a scale for each channel; its mean of a channel depends linearly
    on the values of the previous channels. With the coefficients ``a``, for red, green and blue::

        m_g(r) = m_g + a_gr * r            m_b(r, g) = m_b + a_br * r + a_bg * g

    Given the values so far, the distribution of the next channel is again a mixture of logistics,
    in which the weight of a component is multiplied by the probability that it assigns to those
    values. The product of the conditional probabilities is the probability of the pixel under the
    joint mixture, and the channels can be drawn one by one.

    The parameters of a pixel, ``[..., n_params]``, consist of ``n_mixtures`` of each: logits of the
    weights; the mean of every channel; the log scale of every channel; and the coefficients (green
    on red, blue on red, blue on green), to which tanh is applied. The units are those of
    ``LogisticMixture``.

    Args:
        likelihood: the mixture for one sub-pixel.
        n_channels: channels per pixel.

    Source: Salimans et al. 2017, arXiv 1701.05517, section 2.2, equation 3.

    Example: parameters of the first channel, and of the second given the value 128.

    >>> from pixelcnn_tf.likelihoods.logistic_mixture import PixelMixture
    >>> mixture = PixelMixture(pixelcnn_tf.LogisticMixture(5), n_channels=3)
    >>> mixture.n_params
    50
    >>> [params.shape[-1] for params in mixture.per_channel(tf.zeros([50]), [tf.constant(128.0)])]
    [15, 15]
    """

    def __init__(self, likelihood: LogisticMixture, n_channels: int):
        self.likelihood = likelihood
        self.n_channels = n_channels
        n_pairs = n_channels * (n_channels - 1) // 2
        self._parts = [1, n_channels, n_channels, n_pairs]
        self.n_params = likelihood.n_mixtures * sum(self._parts)

    def per_channel(self, params, values: list) -> list[tf.Tensor]:
        """Returns the parameters of each sub-pixel of a pixel, given the previous values.

        Args:
            params: ``[..., n_params]``.
            values: the values of the first channels, ``[...]`` each, integers 0 to
                ``n_values - 1`` of any numeric dtype.

        Returns:
            the parameters for ``LogisticMixture``, ``[..., 3 * n_mixtures]``, of each of those
            channels and of the next one, if any.
        """
        n = self.likelihood.n_mixtures
        params = tf.cast(params, tf.float32)
        logits, means, log_scales, pairs = tf.split(params, [n * k for k in self._parts], axis=-1)
        means = tf.split(means, self.n_channels, axis=-1)
        log_scales = tf.split(log_scales, self.n_channels, axis=-1)
        n_pairs = self._parts[-1]
        coefficients = iter(tf.split(tf.tanh(pairs), n_pairs, axis=-1) if n_pairs else ())
        scaled = [
            tf.cast(value, tf.float32)[..., None] / self.likelihood.half - 1 for value in values
        ]
        channels = []
        for channel in range(min(len(values) + 1, self.n_channels)):
            if channel:
                before = values[channel - 1]
                logits += self.likelihood.component_log_probs(before, channels[-1])
            mean = means[channel]
            for earlier in scaled[:channel]:
                mean += next(coefficients) * earlier
            channels.append(tf.concat([logits, mean, log_scales[channel]], axis=-1))
        return channels


def _log_add(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Returns ``log(exp(a) + exp(b))``."""
    return tf.maximum(a, b) + tf.math.log1p(tf.exp(-tf.abs(a - b)))
