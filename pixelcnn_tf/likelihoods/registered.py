"""Registers the likelihoods of this package and their settings, without TensorFlow."""

from typing import Annotated, ClassVar

from pydantic import Field

from pixelcnn_tf.config.registration import register_likelihood
from pixelcnn_tf.config.settings import LikelihoodSettings
from pixelcnn_tf.utils.values import MOST_VALUES


class SoftmaxSettings(LikelihoodSettings):
    """The settings of ``Softmax``.

    Example:
        >>> from pixelcnn_tf.likelihoods.registered import SoftmaxSettings
        >>> SoftmaxSettings()
        SoftmaxSettings(n_values=256)
    """

    n_values: Annotated[int, Field(ge=2, le=MOST_VALUES)] = Field(
        default=256, title="N", description="values"
    )


class LogisticSettings(LikelihoodSettings):
    """The settings of ``LogisticMixture``.

    Example:
        >>> from pixelcnn_tf.likelihoods.registered import LogisticSettings
        >>> LogisticSettings(n_mixtures=5)
        LogisticSettings(n_mixtures=5)
    """

    n_values: ClassVar[int] = 256
    any_n_values: ClassVar[bool] = True

    n_mixtures: Annotated[int, Field(ge=1, le=100)] = Field(
        default=10, title="K", description="mixtures"
    )


class BernoulliSettings(LikelihoodSettings):
    """The settings of ``Bernoulli``, which has none.

    Example:
        >>> from pixelcnn_tf.likelihoods.registered import BernoulliSettings
        >>> BernoulliSettings.n_values
        2
    """

    n_values: ClassVar[int] = 2


register_likelihood(
    "softmax",
    "pixelcnn_tf.likelihoods.categorical:Softmax",
    settings=SoftmaxSettings,
    summary="a categorical distribution over as many values, 2 to 65536",
)
register_likelihood(
    "logistic",
    "pixelcnn_tf.likelihoods.logistic_mixture:LogisticMixture",
    settings=LogisticSettings,
    summary="a mixture of as many logistics, over n_values values",
)
register_likelihood(
    "bernoulli",
    "pixelcnn_tf.likelihoods.bernoulli:Bernoulli",
    settings=BernoulliSettings,
    summary="binary images, from data.binarize",
)
