"""Mixtures of logistic distributions, cut into the 256 values of 8-bit images.

A softmax has 256 outputs a sub-pixel and knows nothing of their order; a mixture has three a
component, and neighbouring values are alike from the first step on.
"""

import keras
import tensorflow as tf

from pixelcnn_tf.likelihoods.base import Likelihood
from pixelcnn_tf.likelihoods.categorical import Softmax
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import count

#: Bounds of the log scales: that of PixelCNN++ below; above, a logistic so wide that all values
#: are alike (and the ends take the rest).
MIN_LOG_SCALE, MAX_LOG_SCALE = -7.0, 7.0


#: Values to one unit of the scale in which the model sees its images, [-1, 1]; also its middle.
HALF = 127.5


@keras.saving.register_keras_serializable(package=PACKAGE)
class LogisticMixture(Likelihood):
    """Each sub-pixel is a mixture of logistic distributions, rounded to the values 0 to 255.

    A component gives the value ``v`` the probability of the interval from ``v - 1/2`` to
    ``v + 1/2``; 0 and 255 take the whole tails.

    The parameters of a sub-pixel, ``[..., 3 * n_mixtures]``, are, ``n_mixtures`` of each:

    - logits of the weights;
    - means, in the scale in which the model sees its images: the value ``v`` is
      ``2 * v / 255 - 1``;
    - natural logarithms of the scales, in units of the means; taken as -7 below that and as 7
      above.

    Args:
        n_mixtures: how many logistics, 1 to 100.

    Raises:
        ValueError: ``n_mixtures`` out of range.

    Source: arXiv 1701.05517, section 2.1, equation 2.
    """

    n_values = 256

    def __init__(self, n_mixtures: int = 10, name: str = "logistic_mixture", **kwargs):
        super().__init__(name=name, **kwargs)
        self.n_mixtures = count("n_mixtures", n_mixtures, most=100)
        self.n_params = 3 * self.n_mixtures

    def component_log_probs(self, values, params) -> tf.Tensor:
        """Log-probabilities of values under each component alone.

        Args:
            values: ``[...]``, whole numbers 0 to 255 of any numeric dtype.
            params: ``[..., 3 * n_mixtures]``.

        Returns:
            float32 ``[..., n_mixtures]``, nats; finite for means up to 1e30.

        Raises:
            ValueError: another number of parameters.
        """
        values = tf.cast(values, tf.float32)[..., None]
        return _log_probs(values, *self._parts(params)[1:])

    def log_probs(self, values, logits):
        """Log-probabilities under the mixture; as in ``Likelihood``."""
        log_weights = tf.nn.log_softmax(self._parts(logits)[0])
        return tf.reduce_logsumexp(log_weights + self.component_log_probs(values, logits), axis=-1)

    def probabilities(self, logits):
        return tf.exp(self._log_probs_of_all(logits))

    def draw(self, logits, uniforms, temperature=None, top_p=None):
        """Choose values by the inverse of the cumulative distribution; as in ``Likelihood``.

        The cumulative distribution of a mixture is a sum of ``n_mixtures`` sigmoids, so the
        value is found by halving the range eight times. With ``temperature`` (probabilities
        to the power of ``1 / temperature``, which dividing logits is for a softmax) or
        ``top_p`` it takes the probabilities of all 256 values.
        """
        if temperature is not None or top_p is not None:
            # Log-probabilities are the logits of a softmax.
            return Softmax(256).draw(self._log_probs_of_all(logits), uniforms, temperature, top_p)
        weight_logits, means, sharpness = self._parts(logits)
        weights = tf.nn.softmax(weight_logits)
        # Rounding may end the sum of the weights just off 1: scale the uniform.
        target = uniforms * tf.reduce_sum(weights, axis=-1)
        values = tf.zeros_like(uniforms)
        for half in (128, 64, 32, 16, 8, 4, 2, 1):  # unrolled, for XLA
            below = values + (half - 1)  # the largest value of the lower half
            at_most = tf.sigmoid((below[..., None] - 127 - means) * sharpness)
            passed = tf.reduce_sum(weights * at_most, axis=-1) > target
            values = tf.where(passed, values, values + half)
        return values

    def _log_probs_of_all(self, params):
        """``log_probs`` of the values 0 to 255, float32 ``[..., 256]``."""
        # Components in the last axis but one: long rows take XLA about half the time or less.
        weight_logits, means, sharpness = self._parts(params)
        log_weights = tf.nn.log_softmax(weight_logits)[..., None]
        log_probs = _log_probs(tf.range(256.0), means[..., None], sharpness[..., None])
        return tf.reduce_logsumexp(log_weights + log_probs, axis=-2)

    def _parts(self, params):
        """Logits of the weights; means, in values from the middle of the range; one over the
        scales, per value. float32 ``[..., n_mixtures]`` each.

        From the middle, for then ``v + 1/2`` is the whole number ``v - 127``, and the edges
        between values are exact.
        """
        weight_logits, means, log_scales = tf.split(self.checked(params), 3, axis=-1)
        log_scales = tf.clip_by_value(log_scales, MIN_LOG_SCALE, MAX_LOG_SCALE)
        return weight_logits, HALF * means, tf.exp(-log_scales) / HALF

    def get_config(self):
        return {**super().get_config(), "n_mixtures": self.n_mixtures}


class PixelMixture:
    """One mixture for whole pixels, told as mixtures of one sub-pixel after another.

    A component has, for each colour, a mean and a scale; its mean of a colour moves with the
    values of the colours before it, linearly. Given those values, what is left for the next
    colour is again a mixture of logistics: the weight of a component is multiplied with the
    probability that it gave to them. The probabilities of the colours of a pixel multiply to that
    of the pixel under the one mixture, and they can be drawn one by one.

    The parameters of a pixel, ``[..., n_params]``, are, ``n_mixtures`` of each: logits of the
    weights; the mean of every colour; the log scale of every colour; and the coefficients of
    green by red, blue by red, blue by green, before their tanh. As in ``LogisticMixture``
    otherwise.

    Args:
        likelihood: of one sub-pixel.
        n_channels: colours a pixel.

    Source: arXiv 1701.05517, section 2.2, equation 3.
    """

    def __init__(self, likelihood: LogisticMixture, n_channels: int):
        self.likelihood = likelihood
        self.n_channels = n_channels
        n_pairs = n_channels * (n_channels - 1) // 2
        self._parts = [1, n_channels, n_channels, n_pairs]
        self.n_params = likelihood.n_mixtures * sum(self._parts)

    def of_colours(self, params, values: list) -> list:
        """The parameters of the sub-pixels of a pixel, each given the values before it.

        Args:
            params: ``[..., n_params]``.
            values: of the first colours, ``[...]`` each, whole numbers 0 to 255.

        Returns:
            ``[..., 3 * n_mixtures]`` for each of those and for the next colour, if there is one.
        """
        n = self.likelihood.n_mixtures
        params = tf.cast(params, tf.float32)
        logits, means, log_scales, pairs = tf.split(params, [n * k for k in self._parts], axis=-1)
        means = tf.split(means, self.n_channels, axis=-1)
        log_scales = tf.split(log_scales, self.n_channels, axis=-1)
        n_pairs = self._parts[-1]
        coefficients = iter(tf.split(tf.tanh(pairs), n_pairs, axis=-1) if n_pairs else ())
        scaled = [tf.cast(value, tf.float32)[..., None] / HALF - 1 for value in values]
        colours = []
        for channel in range(min(len(values) + 1, self.n_channels)):
            if channel:
                before = values[channel - 1]
                logits += self.likelihood.component_log_probs(before, colours[-1])
            mean = means[channel]
            for earlier in scaled[:channel]:
                mean += next(coefficients) * earlier
            colours.append(tf.concat([logits, mean, log_scales[channel]], axis=-1))
        return colours


def _log_probs(values, means, sharpness):
    """Log-probabilities of float32 values 0 to 255 under logistics as ``_parts`` gives them.

    ``sigmoid(upper) - sigmoid(lower)`` is taken as a product, which loses nothing in the tails:
    ``sigmoid(upper) * sigmoid(-lower) * (1 - exp(lower - upper))``. At an end of the range one
    sigmoid is all that there is. No branch is infinite, so that neither is a gradient.
    """
    upper = (values - 127 - means) * sharpness
    lower = (values - 128 - means) * sharpness
    first, last = values <= 0, values >= 255
    log_at_most = tf.where(last, 0.0, -tf.nn.softplus(-upper))
    log_at_least = tf.where(first, 0.0, -tf.nn.softplus(lower))
    log_between = tf.where(first | last, 0.0, tf.math.log(-tf.math.expm1(-sharpness)))
    return log_at_most + log_at_least + log_between
