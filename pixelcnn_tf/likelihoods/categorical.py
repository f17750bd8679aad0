"""The categorical distribution (softmax)."""

import keras
import tensorflow as tf

from pixelcnn_tf.likelihoods.base import Likelihood
from pixelcnn_tf.utils.serialization import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class Softmax(Likelihood):
    """A categorical distribution over the values of each sub-pixel.

    Args:
        n_values: how many values a sub-pixel has, 2 to 256.

    Raises:
        ValueError: ``n_values`` out of range.

    Source: arXiv 1601.06759, section 2.2.
    """

    def __init__(self, n_values: int = 256, name: str = "softmax", **kwargs):
        super().__init__(name=name, **kwargs)
        if not isinstance(n_values, int) or not 2 <= n_values <= 256:
            raise ValueError(f"n_values={n_values!r}: must be an integer from 2 to 256")
        self.n_values = self.n_params = n_values

    def log_probs(self, values, logits):
        logits = self.checked(logits)
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(values, tf.int32), logits)

    def probabilities(self, logits):
        return tf.nn.softmax(self.checked(logits))

    def get_config(self):
        return {**super().get_config(), "n_values": self.n_values}
