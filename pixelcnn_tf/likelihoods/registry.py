"""The likelihoods by the names that configs give them."""

from pixelcnn_tf.config.types import parse_likelihood
from pixelcnn_tf.likelihoods.base import Likelihood
from pixelcnn_tf.likelihoods.bernoulli import Bernoulli
from pixelcnn_tf.likelihoods.categorical import Softmax
from pixelcnn_tf.likelihoods.logistic_mixture import LogisticMixture


def get_likelihood(name: str) -> Likelihood:
    """The likelihood of a config name: ``'bernoulli'``, ``'softmax-N'`` for N values, or
    ``'logistic-K'`` for a mixture of K logistics.

    Raises:
        ValueError: an unknown name.
    """
    try:
        kind, number = parse_likelihood(name)
    except ValueError as error:
        raise ValueError(f"likelihood {name!r}: {error}") from None
    if kind == "bernoulli":
        return Bernoulli()
    return {"softmax": Softmax, "logistic": LogisticMixture}[kind](number)
