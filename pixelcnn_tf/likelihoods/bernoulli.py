"""The Bernoulli distribution."""

import keras
import tensorflow as tf

from pixelcnn_tf.likelihoods.base import Likelihood
from pixelcnn_tf.utils.serialization import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class Bernoulli(Likelihood):
    """One logit a sub-pixel, for images of zeros and ones: binary cross-entropy."""

    n_values = 2
    n_params = 1
    units = ("nats_per_image", "bits_per_dim")

    def __init__(self, name: str = "bernoulli", **kwargs):
        super().__init__(name=name, **kwargs)

    def log_probs(self, values, logits):
        logits = self.checked(logits)[..., 0]
        return -tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(values, tf.float32), logits)

    def probabilities(self, logits):
        logits = self.checked(logits)
        return tf.concat([tf.sigmoid(-logits), tf.sigmoid(logits)], axis=-1)
