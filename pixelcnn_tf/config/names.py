"""Settings whose values are registered names."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo

from pixelcnn_tf.config import registry
from pixelcnn_tf.config.registry import Entry, Kind
from pixelcnn_tf.utils.errors import suggestion


@dataclass(frozen=True)
class NameOf:
    """A mark for settings whose values are the registered names of a kind.

    Example:
        >>> from typing import Annotated
        >>> from pixelcnn_tf.config.names import NameOf
        >>> Annotated[str, NameOf("block")].__metadata__
        (NameOf(kind='block'),)
    """

    kind: Kind


def one_of(words: list[str]) -> str:
    """Returns quoted words as a list in a sentence: ``"'a', 'b' or 'c'"``.

    Example:
        >>> from pixelcnn_tf.config.names import one_of
        >>> one_of(["resblock", "gated", "row_lstm"])
        "'resblock', 'gated' or 'row_lstm'"
    """
    quoted = [f"{word!r}" for word in words]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def parse_likelihood(name: str) -> tuple[Entry, BaseModel]:
    """Returns the likelihood that a name in a config stands for, and its settings.

    The name is the registered name, followed by the values of the settings: ``'softmax-256'``,
    ``'logistic-10'``, ``'bernoulli'``.

    Raises:
        ValueError: an unknown name, or a number out of range.

    Example:
        >>> from pixelcnn_tf.config.names import parse_likelihood
        >>> entry, settings = parse_likelihood("logistic-10")
        >>> entry.name, settings.n_mixtures, settings.n_values
        ('logistic', 10, 256)
    """
    kind, *numbers = name.split("-")
    entry = registry.find("likelihood", kind)
    if entry is not None and len(numbers) == len(entry.settings.model_fields):
        try:
            values = {
                key: _number(text)
                for key, text in zip(entry.settings.model_fields, numbers, strict=True)
            }
            return entry, entry.settings.model_validate(values)
        except ValueError:  # ValidationError is one, too
            pass
    known = registry.entries("likelihood")
    spellings = [_spelling(entry) for entry in known]
    listed = " or ".join([", ".join(spellings[:-1]), spellings[-1]])
    raise ValueError(f"must be {listed}{suggestion(name, [example_name(e) for e in known])}")


def likelihood_values(name: str) -> int | None:
    """Returns the number of values of a sub-pixel; None if the likelihood does not state it.

    Example:
        >>> from pixelcnn_tf.config.names import likelihood_values
        >>> likelihood_values("bernoulli"), likelihood_values("softmax-16")
        (2, 16)
    """
    return getattr(parse_likelihood(name)[1], "n_values", None)


def takes_n_values(name: str) -> bool:
    """Returns whether the number of values is not part of the name, but an argument of its own,
    ``model.n_values``.

    Example:
        >>> from pixelcnn_tf.config.names import takes_n_values
        >>> takes_n_values("logistic-10"), takes_n_values("softmax-16")
        (True, False)
    """
    return getattr(parse_likelihood(name)[1], "any_n_values", False)


def example_name(entry: Entry) -> str:
    """Returns the name of a likelihood with its default settings, as ``'softmax-256'``.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> from pixelcnn_tf.config.names import example_name
        >>> example_name(registry.get("likelihood", "softmax"))
        'softmax-256'
    """
    fields = entry.settings.model_fields.values()
    return "-".join([entry.name, *(str(field.get_default()) for field in fields)])


def _number(text: str) -> int | float:
    """Returns the number that a text of digits, with or without a decimal point, stands for."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        raise ValueError(f"{text!r}: must be a number")
    return float(text) if "." in text else int(text)


def _spelling(entry: Entry) -> str:
    """Returns ``"'softmax-256' (or 'softmax-N', N values from 2 to 256)"``, for example."""
    fields = entry.settings.model_fields
    if not fields:
        return f"{entry.name!r}"
    symbols = [field.title or name.upper() for name, field in fields.items()]
    pattern = "-".join([entry.name, *symbols])
    meanings = [
        f"{symbol} {field.description or name}{_limits(field)}"
        for symbol, (name, field) in zip(symbols, fields.items(), strict=True)
    ]
    return f"{example_name(entry)!r} (or {pattern!r}, {', '.join(meanings)})"


def _limits(field: FieldInfo) -> str:
    least = next((m.ge for m in field.metadata if hasattr(m, "ge")), None)
    most = next((m.le for m in field.metadata if hasattr(m, "le")), None)
    if least is not None and most is not None:
        return f" from {least} to {most}"
    return "" if least is None else f" from {least} up"


def _likelihood(value: str) -> str:
    parse_likelihood(value)
    return value


def _block(value: str) -> str:
    registry.get("block", value)
    return value


#: The name of a likelihood with its numbers: ``'softmax-256'``.
LikelihoodName = Annotated[str, AfterValidator(_likelihood), NameOf("likelihood")]

#: The name of a block. An architecture with a setting ``pixel_layer`` of this type is a stack of
#: such blocks; their settings are in the same section of the config.
BlockName = Annotated[str, AfterValidator(_block), NameOf("block")]
