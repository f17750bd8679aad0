"""Checks of registrations. Every problem is reported on one line.

``plugins`` puts the file and the line of the plugin before it.
"""

import importlib
import inspect
import re
from typing import Any

from pydantic import BaseModel

from pixelcnn_tf.config.registry import NOUNS, Kind
from pixelcnn_tf.config.settings import (
    BlockSettings,
    LikelihoodSettings,
    ModelSettings,
    SourceSettings,
)
from pixelcnn_tf.utils.errors import UserError

#: By kind: the base class of the settings, that of the classes, and the methods to be filled in.
_SETTINGS: dict[Kind, type[BaseModel]] = {
    "block": BlockSettings,
    "model": ModelSettings,
    "likelihood": LikelihoodSettings,
    "source": SourceSettings,
}
_BASES: dict[Kind, str] = {
    "block": "pixelcnn_tf.models.blocks:Block",
    "model": "pixelcnn_tf.models.base:PixelModel",
    "likelihood": "pixelcnn_tf.likelihoods.base:Likelihood",
}
_METHODS: dict[Kind, tuple[str, ...]] = {
    "block": ("call", "step"),
    "model": ("call", "step", "observe"),
    "likelihood": ("log_probs", "probabilities"),
}

#: Arguments that configs and ``build_model`` set themselves; no setting may have such a name.
_RESERVED: dict[Kind, set[str]] = {
    "block": {"architecture", "pixel_layer", "n_channels", "n_classes", "name", "dtype"},
    "model": {"architecture", "n_channels", "n_classes", "name", "dtype"},
    "likelihood": {"name", "dtype"},
    "source": set(),
}


def check_name(kind: Kind, name: Any) -> None:
    """Checks that a name can be written in a config.

    Raises:
        UserError: it cannot.

    Example:
        >>> from pixelcnn_tf.config.checks import check_name
        >>> check_name("block", "My block")
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: register_block: the name 'My block' must be ...
    """
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(
            f"register_{kind}: the name {name!r:.80} must be lower-case letters, digits and '_', "
            "and begin with a letter"
        )


def check_settings(kind: Kind, name: str, settings: Any) -> None:
    """Checks that the settings of a registration are a pydantic model that a config can contain.

    Raises:
        UserError: they are not.

    Example:
        >>> from pixelcnn_tf.config.checks import check_settings
        >>> check_settings("block", "wide", {"width": 3})
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: block 'wide': settings must be a pydantic model ...
    """
    where = f"{NOUNS[kind]} {name!r}: settings"
    if not (isinstance(settings, type) and issubclass(settings, BaseModel)):
        raise UserError(
            f"{where} must be a pydantic model (a subclass of {_SETTINGS[kind].__name__}, "
            f"for example), not {settings!r:.80}"
        )
    fields = settings.model_fields
    if kind == "model" and "likelihood" not in fields:
        raise UserError(
            f"{where} must have a field 'likelihood': make {settings.__name__} a subclass of "
            "ModelSettings"
        )
    reserved = _RESERVED[kind]
    if kind == "source":
        reserved = set(_load("pixelcnn_tf.config.data:DataConfig").model_fields)
    taken = [field for field in fields if field in reserved]
    if taken:
        raise UserError(
            f"{where} may not have a field {taken[0]!r}, which configs have already; choose "
            "another name"
        )
    required = [key for key, field in fields.items() if field.is_required()]
    if required:
        raise UserError(f"{where}: the field {required[0]!r} must have a default")


def check_function(name: str, target: Any) -> None:
    """Checks that a data source is a function of one argument.

    Raises:
        UserError: it is not.

    Example:
        >>> from pixelcnn_tf.config.checks import check_function
        >>> check_function("noise", "noise.npz")
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: data source 'noise' must be a function, not 'noise.npz'
    """
    if not callable(target):
        raise UserError(f"data source {name!r} must be a function, not {target!r:.80}")
    try:
        inspect.signature(target).bind(None)
    except TypeError:
        raise UserError(
            f"data source {name!r}: {target.__name__} must take one argument, the data section of "
            "the config"
        ) from None


def check_class(kind: Kind, name: str, target: Any) -> None:
    """Checks that a class has the base class and the methods that its kind requires.

    Raises:
        UserError: it lacks one of them.

    Example:
        >>> from pixelcnn_tf.config.checks import check_class
        >>> check_class("block", "wide", dict)
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: block 'wide': dict must be a subclass of Block
    """
    noun, base = NOUNS[kind], _load(_BASES[kind])
    if not (isinstance(target, type) and issubclass(target, base)):
        given = target.__name__ if isinstance(target, type) else repr(target)[:80]
        raise UserError(f"{noun} {name!r}: {given} must be a subclass of {base.__name__}")
    missing = [method for method in _METHODS[kind] if not _has(target, method, base)]
    if missing:
        raise UserError(f"{noun} {name!r}: {target.__name__} has no method {missing[0]!r}")


def _has(target: type, method: str, base: type) -> bool:
    """Returns whether a class implements a method.

    The methods of the base class and of Keras do not count: they raise NotImplementedError.
    """
    found = next((cls for cls in target.__mro__ if method in vars(cls)), base)
    abstract = method in getattr(target, "__abstractmethods__", ())
    return not (abstract or issubclass(base, found))


def check_arguments(kind: Kind, target: type, settings: type[BaseModel]) -> None:
    """Checks that all settings are arguments of the class.

    Raises:
        UserError: one of them is not.

    Example:
        >>> from pixelcnn_tf.config.checks import check_arguments
        >>> class Settings(pixelcnn_tf.BlockSettings):
        ...     rate: int = 2
        >>> check_arguments("block", pixelcnn_tf.PixelCNNResBlock, Settings)
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: block: Settings has the field 'rate', which is no ...
    """
    derived = getattr(settings, "derived", ())
    accepted = arguments(target)
    unknown = [name for name in settings.model_fields if name not in {*accepted, *derived}]
    if unknown:
        raise UserError(
            f"{NOUNS[kind]}: {settings.__name__} has the field {unknown[0]!r}, which is no "
            f"argument of {target.__name__} ({', '.join(accepted)})"
        )


def arguments(target: type) -> list[str]:
    """Returns the names of the arguments of a constructor.

    They include those of the base classes, as long as each constructor passes its keyword
    arguments on.

    Example:
        >>> from pixelcnn_tf.config.checks import arguments
        >>> arguments(pixelcnn_tf.LogisticMixture)[:2]
        ['n_mixtures', 'name']
    """
    found: list[str] = []
    for cls in target.__mro__:
        if "__init__" not in vars(cls):
            continue
        if cls.__module__.startswith("keras."):
            break
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        found += [p.name for p in parameters if p.kind in named and p.name not in found]
        if all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters):
            break
    return found


def _load(path: str) -> Any:
    module, _, attribute = path.partition(":")
    return getattr(importlib.import_module(module), attribute)
