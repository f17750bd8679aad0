"""The Bernoulli distribution."""

from collections.abc import Callable

import keras
import tensorflow as tf

from pixelcnn_tf.likelihoods.base import Likelihood
from pixelcnn_tf.utils.serialization import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class Bernoulli(Likelihood):
    """A Bernoulli distribution for each sub-pixel of binary images.

    With the logit ``x`` of a sub-pixel, ``P(1) = sigmoid(x)`` and ``P(0) = sigmoid(-x)``; the
    negative log-likelihood is the binary cross-entropy. ``n_values`` is 2, ``n_params`` is 1.
    Scores are reported in nats per image, as is usual for binarized MNIST.

    Source: arXiv 1601.06759, section 5.5 (binarized MNIST).

    Example:

    >>> bernoulli = pixelcnn_tf.Bernoulli()
    >>> bernoulli.probabilities(np.zeros([3, 1], "float32")).numpy().tolist()
    [[0.5, 0.5], [0.5, 0.5], [0.5, 0.5]]
    """

    n_values = 2
    n_params = 1
    units = ("nats_per_image", "bits_per_dim")

    def __init__(self, name: str = "bernoulli", **kwargs):
        super().__init__(name=name, **kwargs)

    def log_probs(self, values, logits) -> tf.Tensor:
        logits = self.checked(logits)[..., 0]
        return -tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(values, tf.float32), logits)

    def probabilities(self, logits) -> tf.Tensor:
        logits = self.checked(logits)
        return tf.concat([tf.sigmoid(-logits), tf.sigmoid(logits)], axis=-1)

    def cumulative(self, logits) -> Callable[[tf.Tensor], tf.Tensor]:
        probability = tf.sigmoid(-self.checked(logits)[..., 0])
        return lambda values: probability  # of 0, the only value but the last
