"""Likelihoods by their names in configs."""

from pixelcnn_tf.config.names import parse_likelihood
from pixelcnn_tf.likelihoods.base import Likelihood


def get_likelihood(name: str) -> Likelihood:
    """Returns the likelihood with a name, as in configs.

    Args:
        name: ``'softmax-N'`` for N values, ``'logistic-K'`` for a mixture of K logistics,
            ``'bernoulli'``, or the name of a registered likelihood, followed by its settings.

    Raises:
        ValueError: the name is unknown, or a number is out of range.

    Example:
        >>> pixelcnn_tf.get_likelihood("logistic-10").n_params
        30
    """
    try:
        entry, settings = parse_likelihood(name)
    except ValueError as error:
        raise ValueError(f"likelihood {name!r}: {error}") from None
    return entry.load()(**entry.arguments(settings))
