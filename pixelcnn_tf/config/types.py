"""The types of settings, and the base class of the sections of a config."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def _number(value: Any) -> Any:
    """Converts ``1e-3``, which YAML 1.1 reads as text because it has no point, to a number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _whole(value: Any) -> Any:
    """Converts ``1e3`` to an integer."""
    number = _number(value) if isinstance(value, str) else None
    return int(number) if isinstance(number, float) and number.is_integer() else value


def _pair(value: Any) -> Any:
    """Converts one number, the side of a square, to (height, width)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("must be an integer or [height, width]")
    return tuple(value)


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd, so that the kernel has a centre")
    return value


def _text(value: Any) -> Any:
    """Converts a name of digits, which YAML reads as a number, to text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _one_folder(value: str) -> str:
    plain = value == Path(value).name and value.isprintable() and len(value) <= 100
    if not value or not plain or value in (".", ".."):
        raise ValueError("must be a plain folder name, without '/', of at most 100 characters")
    return value


#: A finite number.
Real = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]

#: An integer from 1 up.
Count = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=10**9)]

Side = Annotated[int, Field(ge=1, le=4096)]

#: ``(height, width)`` of images, in pixels; one number stands for a square.
Size = Annotated[tuple[Side, Side], BeforeValidator(_pair)]

OddSide = Annotated[int, Field(ge=1, le=31), AfterValidator(_odd)]

#: ``(height, width)`` of a kernel, both odd; one number stands for a square.
OddSize = Annotated[tuple[OddSide, OddSide], BeforeValidator(_pair)]

#: ``(height, width)`` of a kernel; one number stands for a square.
KernelSize = Annotated[
    tuple[Annotated[int, Field(ge=1, le=31)], Annotated[int, Field(ge=1, le=31)]],
    BeforeValidator(_pair),
]

Seed = Annotated[int, Field(ge=0, lt=2**31)]

FolderName = Annotated[str, BeforeValidator(_text), AfterValidator(_one_folder)]


class Section(BaseModel):
    """The base class of the sections of a config.

    Unknown keys and values of another type are errors; instances are immutable.

    Example:
        >>> from pixelcnn_tf.config.types import Section
        >>> class Options(Section):
        ...     rate: float = 0.5
        >>> Options(rate=1.5)
        Options(rate=1.5)
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
