"""Checks of the numbers that are arguments of layers and models."""

from typing import Any

import numpy as np


def count(name: str, value: Any, most: int | None = None) -> int:
    """Returns ``value`` as an int.

    Args:
        name: the name of the argument, for the error message.
        value: the value to check: an integer from 1 to ``most``.
        most: the largest allowed value; None for no limit.

    Raises:
        ValueError: it is not such an integer.

    Examples:
        >>> count("n_layers", 3)
        3
        >>> count("n_layers", 0)
        Traceback (most recent call last):
        ValueError: n_layers=0: must be an integer from 1 up
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < 1 or (most is not None and value > most):
        limit = "up" if most is None else f"to {most}"
        raise ValueError(f"{name}={value!r}: must be an integer from 1 {limit}")
    return int(value)


def dropout_rate(value: Any) -> float:
    """Returns ``value`` if it is a number from 0 to below 1.

    Raises:
        ValueError: it is not.

    Examples:
        >>> dropout_rate(0.5)
        0.5
        >>> dropout_rate(1)
        Traceback (most recent call last):
        ValueError: dropout=1: must be a number from 0 to below 1
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise ValueError(f"dropout={value!r}: must be a number from 0 to below 1")
    return value


def check_heads(n_heads: int, name: str, features: int) -> None:
    """Raises ValueError unless ``n_heads`` divides ``features``.

    Example:
        >>> check_heads(4, "key_features", 18)
        Traceback (most recent call last):
            ...
        ValueError: n_heads=4: must divide key_features=18; 1, 2, 3, 6, 9 or 18 do
    """
    if features % n_heads:
        fits = [str(n) for n in range(1, features + 1) if features % n == 0]
        listed = " or ".join([", ".join(fits[:-1]), fits[-1]])
        raise ValueError(f"n_heads={n_heads}: must divide {name}={features}; {listed} do")
