"""The names of conditions in ``data.condition``, and what they mean for a model."""

import re
from typing import Annotated

from pydantic import AfterValidator

from pixelcnn_tf.utils.errors import suggestion

#: Conditions that are read with the images.
PAIRED = "paired"

_NAMES = ("grey", "edges", "down2", "down4", "down8", PAIRED)


def factor_of_kind(kind: str) -> int:
    """Returns how many times larger the images are than a condition that is made from them.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> from pixelcnn_tf.config.conditions import factor_of_kind
        >>> factor_of_kind("grey"), factor_of_kind("down4")
        (1, 4)
    """
    if kind in ("grey", "edges", PAIRED):
        return 1
    near = suggestion(kind, list(_NAMES))
    if number := re.fullmatch(r"down([0-9]{1,9})", kind):
        factor = min(max(int(number[1]), 2), 64)
        if kind == f"down{factor}":
            return factor
        near = f"; did you mean 'down{factor}'?"
    raise ValueError(f"must be 'grey', 'edges', 'downK' for a K from 2 to 64, or 'paired'{near}")


def made_channels(kind: str, n_channels: int) -> int:
    """Returns the channels of a condition that is made from images of ``n_channels``.

    Example:
        >>> from pixelcnn_tf.config.conditions import made_channels
        >>> made_channels("grey", 3), made_channels("down4", 3)
        (1, 3)
    """
    return 1 if kind in ("grey", "edges") else n_channels


def _known(kind: str) -> str:
    factor_of_kind(kind)
    return kind


#: The name of a condition: ``'grey'``, ``'edges'``, ``'down4'`` or ``'paired'``.
ConditionName = Annotated[str, AfterValidator(_known)]
