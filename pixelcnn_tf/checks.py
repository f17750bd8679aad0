"""Numbers that layers and models are made with."""

import numpy as np


def count(name: str, value) -> int:
    """``value`` as an int; ValueError unless it is an integer from 1 up."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}={value!r}: must be an integer from 1 up")
    return int(value)


def dropout_rate(value) -> float:
    """``value``; ValueError unless it is a number from 0 to below 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise ValueError(f"dropout={value!r}: must be a number from 0 to below 1")
    return value
