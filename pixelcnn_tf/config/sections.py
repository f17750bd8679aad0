"""Sections of a config that hold the settings of what they name.

``model`` holds the keys of every model together with the settings of the architecture and of the
block that it names, flat; ``data`` those of its source. Each part is checked by the pydantic model
that it was registered with.
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
    """Returns the error of one key of a section; raised in a validator, it gets the name of the
    section."""
    error = PydanticCustomError(kind, "{error}", {"error": message, **context})  # type: ignore
    details = InitErrorDetails(type=error, loc=(key,) if key else (), input=value)
    return ValidationError.from_exception_data("section", [details])


def having(name: str, kinds: Iterable[Kind]) -> list[Entry]:
    """Returns the registered entries that have a setting of that name."""
    return [e for kind in kinds for e in registry.entries(kind) if name in e.settings.model_fields]


def combined(base: type[S], values: dict, entries: tuple[Entry, ...], kinds: tuple[Kind, ...]) -> S:
    """Returns the section that ``values`` describe.

    Args:
        base: the keys that the section always has.
        values: from the config file.
        entries: what the section names, whose settings are keys of it, too.
        kinds: the kinds of entries that the section may name. ``null`` for a setting of another
            entry of them means that the setting is left out.

    Returns:
        an instance of ``base``, or of a subclass with the settings of ``entries``.

    Raises:
        ValidationError: an unknown key, a wrong value.
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
            raise problem("", "invalid_key", "no key", key)
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
    """Whether ``null`` for a key is the same as leaving it out."""
    field = section.model_fields.get(key)
    if field is None:
        return isinstance(key, str) and bool(having(key, kinds))
    return field.default is not None and type(None) not in getattr(field.annotation, "__args__", ())


@functools.cache
def _section_class(base: type[S], entries: tuple[Entry, ...]) -> type[S]:
    """``base`` with the fields of the settings of ``entries``."""
    fields: dict[str, Any] = {}
    for entry in entries:
        for name, field in entry.settings.model_fields.items():
            fields[name] = (field.annotation, copy.copy(field))
    if not fields:
        return base
    return create_model(base.__name__, __base__=base, **fields)
