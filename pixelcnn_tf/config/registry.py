"""The registry: every block, architecture, likelihood and data source by its name.

An entry holds a class or function (or its import path, so that a config can be checked without
TensorFlow) and the pydantic model of its settings. The config schema, error messages, ``--help``,
the comments of a generated ``config.yml`` and ``build_model`` read the registry; names are listed
nowhere else.

The modules of ``_BUILT_INS`` add the entries of this package, the functions of
``pixelcnn_tf.config.registration`` those of users.
"""

import contextlib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from pixelcnn_tf.utils.errors import UserError, suggestion

Kind = Literal["block", "model", "likelihood", "source"]

#: The term for an entry of each kind in error messages.
NOUNS: dict[Kind, str] = {
    "block": "block",
    "model": "architecture",
    "likelihood": "likelihood",
    "source": "data source",
}

#: The modules that register the entries of this package; none imports TensorFlow.
_BUILT_INS = (
    "pixelcnn_tf.models.registered",
    "pixelcnn_tf.likelihoods.registered",
    "pixelcnn_tf.data.registered",
)


@dataclass(frozen=True, eq=False)
class Entry:
    """A registered block, architecture, likelihood or data source.

    Attributes:
        kind: ``'block'``, ``'model'``, ``'likelihood'`` or ``'source'``.
        name: the name in configs.
        target: the class or function, or ``'module:attribute'``.
        settings: a pydantic model: the settings, their defaults, limits and descriptions.
        summary: a few words for ``--help`` and the comments of configs.
        facts: further properties, available before ``target`` is loaded, such as the
            ``channels`` of a data source.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> entry = registry.get("block", "gated")
        >>> entry.origin, entry.summary
        ('pixelcnn_tf.models.blocks:GatedBlock', 'Gated PixelCNN')
    """

    kind: Kind
    name: str
    target: Any
    settings: type[BaseModel]
    summary: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def load(self) -> Any:
        """Returns the class or function, which is imported if necessary."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)

    def arguments(self, section: Any) -> dict[str, Any]:
        """Returns the arguments of the constructor from a section of a config.

        They are all settings except those that the settings class lists as ``derived``.
        """
        derived = getattr(self.settings, "derived", ())
        names = [name for name in self.settings.model_fields if name not in derived]
        return {name: getattr(section, name) for name in names}

    @property
    def origin(self) -> str:
        """The module and the name of ``target``: ``'module:name'``."""
        if isinstance(self.target, str):
            return self.target
        return f"{self.target.__module__}:{self.target.__qualname__}"


_entries: dict[tuple[Kind, str], Entry] = {}
_loading_built_ins = False


def _load_built_ins() -> None:
    global _loading_built_ins
    if not _loading_built_ins:
        _loading_built_ins = True
        for module in _BUILT_INS:
            importlib.import_module(module)


def add(entry: Entry) -> None:
    """Adds an entry.

    A class that is defined a second time, as in a notebook cell that is run again, replaces the
    first one.

    Raises:
        UserError: the name is taken.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> from pixelcnn_tf.config.settings import LikelihoodSettings
        >>> with registry.restored():
        ...     registry.add(registry.Entry("likelihood", "mine", "mine:Mine", LikelihoodSettings))
        ...     registry.names("likelihood")
        ['softmax', 'logistic', 'bernoulli', 'mine']
    """
    _load_built_ins()
    old = _entries.get((entry.kind, entry.name))
    if old is not None and old.origin != entry.origin:
        raise UserError(
            f"the name {entry.name!r} is taken: {old.origin} is a {NOUNS[entry.kind]} of this "
            "name; choose another name"
        )
    _entries[entry.kind, entry.name] = entry


def entries(kind: Kind) -> list[Entry]:
    """Returns all entries of a kind, beginning with those of this package.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> [entry.name for entry in registry.entries("likelihood")]
        ['softmax', 'logistic', 'bernoulli']
    """
    _load_built_ins()
    return [entry for entry in _entries.values() if entry.kind == kind]


def names(kind: Kind) -> list[str]:
    """Returns the names of all entries of a kind.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> registry.names("block")
        ['resblock', 'gated', 'row_lstm', 'diagonal_bilstm', 'snail']
    """
    return [entry.name for entry in entries(kind)]


def find(kind: Kind, name: Any) -> Entry | None:
    """Returns the entry with a name, or None.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> registry.find("source", "mnist").facts["channels"]
        1
    """
    _load_built_ins()
    return _entries.get((kind, name)) if isinstance(name, str) else None


def get(kind: Kind, name: Any) -> Entry:
    """Returns the entry with a name.

    Raises:
        ValueError: there is no such entry; the message lists the names and suggests the closest.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> registry.get("block", "gatd")
        Traceback (most recent call last):
        ValueError: must be one of resblock, gated, row_lstm, diagonal_bilstm, snail; did you ...
    """
    entry = find(kind, name)
    if entry is None:
        known = names(kind)
        raise ValueError(f"must be one of {', '.join(known)}{suggestion(str(name), known)}")
    return entry


def import_modules() -> None:
    """Imports the modules of all entries whose target is an import path.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> registry.import_modules()
    """
    _load_built_ins()
    for entry in _entries.values():
        if isinstance(entry.target, str) and entry.kind != "source":
            importlib.import_module(entry.target.partition(":")[0])


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Removes the entries that are added within the ``with`` block at its end.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> with registry.restored():
        ...     _ = pixelcnn_tf.register_block("mine", pixelcnn_tf.PixelCNNResBlock)
        >>> registry.find("block", "mine") is None
        True
    """
    _load_built_ins()
    before = dict(_entries)
    try:
        yield
    finally:
        _entries.clear()
        _entries.update(before)


@contextlib.contextmanager
def kept_if_successful() -> Iterator[None]:
    """Removes the entries that are added within the ``with`` block if it raises an exception.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> with registry.kept_if_successful():
        ...     registry.get("block", "gatd")
        Traceback (most recent call last):
        ValueError: must be one of ...
    """
    _load_built_ins()
    before = dict(_entries)
    try:
        yield
    except BaseException:
        _entries.clear()
        _entries.update(before)
        raise
