"""Commented config files, generated from the schema and the registry."""

import os
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pixelcnn_tf.config import registry
from pixelcnn_tf.config.model import model_section
from pixelcnn_tf.config.names import NameOf, example_name
from pixelcnn_tf.config.registry import Entry, Kind
from pixelcnn_tf.config.schema import Config, first_problem
from pixelcnn_tf.utils.errors import UserError

_WIDTH, _COLUMN = 100, 24


def config_template(
    source: str = "digits",
    architecture: str = "pixel_rnn",
    block: str = "resblock",
    name: str | None = None,
    plugins: Sequence[str] = (),
) -> str:
    """Returns the text of a config file for a data source, with a comment on every setting.

    The values describe a small model and a training run of some minutes. They are the first of the
    ``examples`` of each field or, if it has none, its default.

    Args:
        source: the value of ``data.source``, a registered name or a path.
        architecture: the value of ``model.architecture``.
        block: the value of ``model.pixel_layer``, for an architecture that is a stack of blocks.
        name: the name of the run; by default it is derived from ``source``.
        plugins: paths of plugins, which must be loaded; the file lists them.

    Returns:
        YAML that ``load_config`` reads.

    Raises:
        UserError: an unknown architecture or block.

    Example:
        >>> text = pixelcnn_tf.config_template(source="mnist", block="gated")
        >>> [line for line in text.splitlines() if "batch_size" in line]
        ['  batch_size: 16        # images per step, on all devices together']
    """
    named = {"architecture": architecture}
    if "pixel_layer" in _settings("model", architecture):
        named["pixel_layer"] = block
    try:
        model = model_section(named)
        config = Config.model_validate({"model": named, "data": {"source": source}})
    except ValidationError as error:
        raise UserError(first_problem(error)) from None
    given = {"name": name or _run_name(source), "source": source, "plugins": list(plugins), **named}
    lines = _header(source, model.entries[-1])
    derived = [key for entry in model.entries for key in getattr(entry.settings, "derived", ())]
    for key, field in Config.model_fields.items():
        section = getattr(config, key)
        if not isinstance(section, BaseModel):
            lines += _lines(key, field, given, "")
            continue
        lines += ["", f"{key}:"]
        for inner, inner_field in _ordered(section).items():
            if inner not in derived:
                lines += _lines(inner, inner_field, given, "  ")
    return "\n".join(lines) + "\n"


def choices(kind: Kind) -> list[str]:
    """Returns the registered names of a kind, each with its summary.

    Example:
        >>> from pixelcnn_tf.config.template import choices
        >>> choices("block")[:2]
        ['resblock: masked PixelCNN', 'gated: Gated PixelCNN']
    """
    words = []
    for entry in registry.entries(kind):
        name = example_name(entry) if kind == "likelihood" else entry.name
        words.append(f"{name}: {entry.summary}" if entry.summary else name)
    return words


def names_help() -> str:
    """Returns the registered names by the settings that take them, as part of ``--help``.

    Example:
        >>> print(pixelcnn_tf.config.names_help().splitlines()[2])
          model.pixel_layer   resblock, gated, row_lstm, diagonal_bilstm, snail
    """
    keys: dict[str, Kind] = {
        "model.architecture": "model",
        "model.pixel_layer": "block",
        "model.likelihood": "likelihood",
        "data.source": "source",
    }
    lines = ["settings whose values are names, and these names (--plugin adds more):"]
    for key, kind in keys.items():
        known = [choice.partition(":")[0] for choice in choices(kind)]
        lines.append(f"  {key:19} {', '.join(known)}{', or a path' * (kind == 'source')}")
    return "\n".join(lines)


def _settings(kind: Kind, name: str) -> dict[str, FieldInfo]:
    entry = registry.find(kind, name)
    return entry.settings.model_fields if entry else {}


def _ordered(section: BaseModel) -> dict[str, FieldInfo]:
    """Returns the fields of a section; in ``model``, the settings of the architecture and the
    block come first."""
    fields = dict(type(section).model_fields)
    last = [key for key in ("likelihood", "n_values", "n_classes", "n_channels") if key in fields]
    return {key: fields[key] for key in [*(k for k in fields if k not in last), *last]}


def _lines(key: str, field: FieldInfo, given: dict[str, Any], indent: str) -> list[str]:
    """Returns ``key: value  # comment``, with a long comment wrapped over several lines."""
    value = field.examples[0] if field.examples else field.get_default(call_default_factory=True)
    value = given.get(key, value)
    if isinstance(value, tuple):
        value = list(value) if len(set(value)) > 1 else value[0]
    text = yaml.safe_dump(value, default_flow_style=True, width=_WIDTH).splitlines()[0]
    start = f"{indent}{key}: {text}".ljust(_COLUMN - 2) + "  "
    kind = _kind_named(field)
    comment = (field.description or key) + (":" if kind else "")
    lines = _wrapped(comment, _COLUMN)
    if len(start) + 2 + len(lines[0]) > _WIDTH:
        lines = _wrapped(comment, len(start))
    lines += [f"  {choice}" for choice in choices(kind)] if kind else []
    return [f"{start}# {lines[0]}", *(f"{' ' * _COLUMN}# {line}" for line in lines[1:])]


def _kind_named(field: FieldInfo) -> Kind | None:
    """Returns the kind of the names that a setting takes; None if it takes no names."""
    return next((mark.kind for mark in field.metadata if isinstance(mark, NameOf)), None)


def _wrapped(comment: str, column: int) -> list[str]:
    """Returns the lines of a comment that begins at a column."""
    width = _WIDTH - column - 2
    return textwrap.wrap(comment, width, break_on_hyphens=False, break_long_words=False)


def _header(source: str, model: Entry) -> list[str]:
    """Returns the comment at the top of a config: images, model and commands."""
    entry = registry.find("source", source)
    what = f"{source} ({entry.summary})" if entry and entry.summary else source
    words = f"Images: {what}. Model: {model.name} ({model.summary})."
    return [
        *(f"# {line}" for line in textwrap.wrap(words, _WIDTH - 2)),
        "#",
        "#   pixelcnn-tf train --config config.yml",
        "#",
        "# The values suit a small model. A key that is left out takes its default, which may be",
        "# another value; --print-config shows the resulting config. To override a key:",
        "#   pixelcnn-tf train --config config.yml --set training.steps=8000 --set name=longer",
        "# In a checkout of the project, 'python main.py' does the same as 'pixelcnn-tf train'.",
        "",
    ]


def _run_name(source: str) -> str:
    """Returns a folder name derived from a data source."""
    if registry.find("source", source):
        return source
    stem = Path(os.path.abspath(os.path.expanduser(source))).stem
    return re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_") or "run"
