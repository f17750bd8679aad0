"""The categorical distribution (softmax)."""

import keras
import tensorflow as tf

from pixelcnn_tf.likelihoods.base import Likelihood
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.values import checked_n_values


@keras.saving.register_keras_serializable(package=PACKAGE)
class Softmax(Likelihood):
    """A categorical distribution over the values of each sub-pixel.

    With the logits ``x`` of a sub-pixel, ``P(v) = exp(x[v]) / sum(exp(x))``. There is one
    output per value, ``n_params = n_values``; the order of the values has no influence.

    Args:
        n_values: number of values of a sub-pixel, 2 to 65,536.

    Raises:
        ValueError: ``n_values`` is out of range.

    Source: van den Oord, Kalchbrenner and Kavukcuoglu 2016, arXiv 1601.06759, section 2.2.

    Example: a model with equal logits needs eight bits for each of 256 values.

    >>> softmax = pixelcnn_tf.Softmax(256)
    >>> images = np.full([1, 4, 4, 3], 200, np.uint8)
    >>> round(float(softmax(images, np.zeros([1, 4, 4, 3, 256], "float32"))), 4)
    8.0
    """

    def __init__(self, n_values: int = 256, name: str = "softmax", **kwargs):
        super().__init__(name=name, **kwargs)
        self.n_values = self.n_params = checked_n_values(n_values)

    def log_probs(self, values, logits) -> tf.Tensor:
        logits = self.checked(logits)
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(values, tf.int32), logits)

    def probabilities(self, logits) -> tf.Tensor:
        return tf.nn.softmax(self.checked(logits))

    def get_config(self) -> dict:
        return {**super().get_config(), "n_values": self.n_values}
