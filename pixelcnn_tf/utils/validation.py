"""Numbers that layers and models are made with."""

import numpy as np


def count(name: str, value, most: int | None = None) -> int:
    """``value`` as an int; ValueError unless it is an integer from 1 up, to ``most``."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < 1 or (most is not None and value > most):
        limit = "up" if most is None else f"to {most}"
        raise ValueError(f"{name}={value!r}: must be an integer from 1 {limit}")
    return int(value)


def dropout_rate(value) -> float:
    """``value``; ValueError unless it is a number from 0 to below 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise ValueError(f"dropout={value!r}: must be a number from 0 to below 1")
    return value
