"""The likelihoods of this package, by name, with their settings. Without TensorFlow."""

from typing import Annotated, ClassVar

from pydantic import Field

from pixelcnn_tf.config.registration import register_likelihood
from pixelcnn_tf.config.settings import LikelihoodSettings


class SoftmaxSettings(LikelihoodSettings):
    """The settings of ``Softmax``."""

    n_values: Annotated[int, Field(ge=2, le=256)] = Field(
        default=256, title="N", description="values"
    )


class LogisticSettings(LikelihoodSettings):
    """The settings of ``LogisticMixture``."""

    n_values: ClassVar[int] = 256

    n_mixtures: Annotated[int, Field(ge=1, le=100)] = Field(
        default=10, title="K", description="mixtures"
    )


class BernoulliSettings(LikelihoodSettings):
    """The settings of ``Bernoulli``: none."""

    n_values: ClassVar[int] = 2


register_likelihood(
    "softmax",
    "pixelcnn_tf.likelihoods.categorical:Softmax",
    settings=SoftmaxSettings,
    summary="a categorical distribution over N values",
)
register_likelihood(
    "logistic",
    "pixelcnn_tf.likelihoods.logistic_mixture:LogisticMixture",
    settings=LogisticSettings,
    summary="a mixture of logistic distributions over 256 values",
)
register_likelihood(
    "bernoulli",
    "pixelcnn_tf.likelihoods.bernoulli:Bernoulli",
    settings=BernoulliSettings,
    summary="zeros and ones, with data.binarize",
)
