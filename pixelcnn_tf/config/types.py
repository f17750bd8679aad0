"""Types of settings in a config, and what all its sections share."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pixelcnn_tf.utils.errors import suggestion


def _number(value: Any) -> Any:
    """YAML 1.1 reads ``1e-3`` (no point) as text; a user means a number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _whole(value: Any) -> Any:
    """``1e3`` is a whole number too."""
    number = _number(value) if isinstance(value, str) else None
    return int(number) if isinstance(number, float) and number.is_integer() else value


def _pair(value: Any) -> Any:
    """One number stands for a square."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("must be an integer or [height, width]")
    return tuple(value)


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd, so that the kernel has a centre")
    return value


def parse_likelihood(name: str) -> tuple[str, int]:
    """Kind and number: ``('softmax', 256)`` (values) of ``'softmax-256'``, ``('logistic', 10)``
    (mixtures) of ``'logistic-10'``, ``('bernoulli', 2)`` (values) of ``'bernoulli'``.

    Raises:
        ValueError: an unknown name.
    """
    if name == "bernoulli":
        return "bernoulli", 2
    kind, _, number = name.partition("-")
    least, most = {"softmax": (2, 256), "logistic": (1, 100)}.get(kind, (1, 0))
    if number.isascii() and number.isdigit() and least <= int(number) <= most:
        return kind, int(number)
    raise ValueError(
        "must be 'softmax-256' (or 'softmax-N', N values from 2 to 256), 'logistic-10' (or "
        "'logistic-K', K mixtures from 1 to 100) or 'bernoulli'"
        f"{suggestion(name, ['softmax-256', 'logistic-10', 'bernoulli'])}"
    )


def _likelihood(value: str) -> str:
    parse_likelihood(value)
    return value


def _one_folder(value: str) -> str:
    plain = value == Path(value).name and value.isprintable() and len(value) <= 100
    if not value or not plain or value in (".", ".."):
        raise ValueError("must be a plain folder name, without '/', of at most 100 characters")
    return value


Real = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]


Count = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=10**9)]


Side = Annotated[int, Field(ge=1, le=4096)]


Size = Annotated[tuple[Side, Side], BeforeValidator(_pair)]


OddSide = Annotated[int, Field(ge=1, le=31), AfterValidator(_odd)]


OddSize = Annotated[tuple[OddSide, OddSide], BeforeValidator(_pair)]


Seed = Annotated[int, Field(ge=0, lt=2**31)]


LikelihoodName = Annotated[str, AfterValidator(_likelihood)]


FolderName = Annotated[str, AfterValidator(_one_folder)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
