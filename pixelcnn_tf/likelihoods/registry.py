"""Likelihoods by their names in configs."""

from pixelcnn_tf.config.names import parse_likelihood
from pixelcnn_tf.likelihoods.base import Likelihood


def get_likelihood(name: str, n_values: int | None = None) -> Likelihood:
    """Returns the likelihood with a name, as in configs.

    Args:
        name: ``'softmax-N'`` for N values, ``'logistic-K'`` for a mixture of K logistics,
            ``'bernoulli'``, or the name of a registered likelihood, followed by its settings.
        n_values: number of values, 2 to 65,536, if the name does not state it: of ``'logistic-K'``;
            None: 256.

    Raises:
        ValueError: the name is unknown, a number is out of range, or the likelihood has another
            number of values.

    Example:
        >>> pixelcnn_tf.get_likelihood("logistic-10").n_params
        30
    """
    try:
        entry, settings = parse_likelihood(name)
    except ValueError as error:
        raise ValueError(f"likelihood {name!r}: {error}") from None
    given = entry.arguments(settings)
    if getattr(settings, "any_n_values", False) and n_values is not None:
        given["n_values"] = n_values
    likelihood = entry.load()(**given)
    if n_values not in (None, likelihood.n_values):
        raise ValueError(
            f"n_values={n_values!r}: the likelihood {name!r} has {likelihood.n_values} values"
        )
    return likelihood
