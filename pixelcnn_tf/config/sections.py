"""Sections of a config that contain the settings of the entries that they name.

``model`` contains the keys that every model has and the settings of its architecture and its block,
side by side; ``data`` contains those of its source. The pydantic model that an entry was registered
with checks its settings.
"""

import copy
import functools
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import ValidationError, create_model
from pydantic_core import InitErrorDetails, PydanticCustomError

from pixelcnn_tf.config import registry
from pixelcnn_tf.config.registry import Entry, Kind
from pixelcnn_tf.config.types import Section

S = TypeVar("S", bound=Section)


def problem(key: str, kind: str, message: str, value: Any, **context: Any) -> ValidationError:
    """Returns an error about one key of a section.

    Raised in a validator, it is reported with the name of the section.

    Example:
        >>> from pixelcnn_tf.config.sections import problem
        >>> problem("n_layers", "value_error", "must be odd", 4).errors()[0]["msg"]
        'must be odd'
    """
    error = PydanticCustomError(kind, "{error}", {"error": message, **context})  # type: ignore
    details = InitErrorDetails(type=error, loc=(key,) if key else (), input=value)
    return ValidationError.from_exception_data("section", [details])


def having(name: str, kinds: Iterable[Kind]) -> list[Entry]:
    """Returns the registered entries that have a setting with a name.

    Example:
        >>> from pixelcnn_tf.config.sections import having
        >>> [entry.name for entry in having("hidden_dim", ["model"])]
        ['pixel_rnn']
    """
    return [e for kind in kinds for e in registry.entries(kind) if name in e.settings.model_fields]


def combined(base: type[S], values: dict, entries: tuple[Entry, ...], kinds: tuple[Kind, ...]) -> S:
    """Returns the section that ``values`` describe.

    Args:
        base: the section with the keys that it always has.
        values: the keys and values of the config file.
        entries: the entries that the section names; their settings are keys of the section.
        kinds: the kinds of entries that the section can name. A setting of another entry of these
            kinds may be ``null``, which is the same as leaving it out.

    Returns:
        an instance of ``base``, or of a subclass with the settings of ``entries``.

    Raises:
        ValidationError: an unknown key or a wrong value.

    Example:
        >>> from pixelcnn_tf.config import DataConfig, registry
        >>> from pixelcnn_tf.config.sections import combined
        >>> entry = registry.get("source", "mnist")
        >>> combined(DataConfig, {"source": "mnist"}, (entry,), ("source",)).source
        'mnist'
    """
    section = _section_class(base, entries)
    fields = section.model_fields
    given = {
        key: value
        for key, value in values.items()
        if not (value is None and _means_default(section, key, kinds))
    }
    for key in given:
        if not isinstance(key, str):
            raise problem("", "invalid_key", "not a key", key)
        if key not in fields:
            raise problem(key, "extra_forbidden", "unknown key", given[key], known=list(fields))
    if section is base:
        return base.model_validate(given)
    checked: dict[str, Any] = {}
    for part in (*(entry.settings for entry in entries), base):
        own = {key: value for key, value in given.items() if key in part.model_fields}
        checked.update(dict(part.model_validate(own)))
    return section.model_construct(set(given), **checked)


def _means_default(section: type[Section], key: Any, kinds: tuple[Kind, ...]) -> bool:
    """Returns whether ``null`` for a key is the same as leaving it out."""
    field = section.model_fields.get(key)
    if field is None:
        return isinstance(key, str) and bool(having(key, kinds))
    return field.default is not None and type(None) not in getattr(field.annotation, "__args__", ())


@functools.cache
def _section_class(base: type[S], entries: tuple[Entry, ...]) -> type[S]:
    """Returns a subclass of ``base`` with the settings of ``entries`` as additional fields."""
    fields: dict[str, Any] = {}
    for entry in entries:
        for name, field in entry.settings.model_fields.items():
            fields[name] = (field.annotation, copy.copy(field))
    if not fields:
        return base
    return create_model(base.__name__, __base__=base, **fields)
