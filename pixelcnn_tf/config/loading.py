"""Config files, checked before anything else happens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pixelcnn_tf.config.plugins import load_plugins
from pixelcnn_tf.config.schema import Config, first_problem
from pixelcnn_tf.utils.errors import UserError


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read and check a config file.

    Args:
        path: a YAML file; keys that it leaves out take their defaults.
        overrides: ``'section.key=value'`` each, the value in YAML; they win over the file.

    Raises:
        UserError: no such file, bad YAML, unknown keys, wrong types, impossible values or
            contradictions; names the key, the value and what would be right.
    """
    path = Path(path)
    try:
        values = _parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; config.yml and configs/ hold examples") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UserError(f"{path}: cannot be read as a text file: {reason}") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: must hold 'key: value' lines, not a {type(values).__name__}")
    overrides = [overrides] if isinstance(overrides, str) else overrides
    for override in overrides:
        _apply(values, override)
    for section in ("data", "model", "training", "sampling"):
        if section in values and values[section] is None:
            values[section] = {}  # all its keys are commented out
    if "plugins" in values:
        values["plugins"] = load_plugins(values["plugins"], path.parent)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problem = first_problem(error)
        typed = any(problem.startswith(override.partition("=")[0] + ":") for override in overrides)
        if typed:
            raise UserError(f"--set {problem}") from None
        if overrides:
            load_config(path)  # raises what is wrong with the file alone
            raise UserError(f"{path} with --set: {problem}") from None
        raise UserError(f"{path}: {problem}") from None


def _apply(values: dict, override: str) -> None:
    """Set one ``a.b=value`` in nested ``values``."""
    keys, equals, text = override.partition("=")
    *sections, last = keys.strip().split(".")
    if not equals or not all([*sections, last]):
        raise UserError(f"--set {override!r}: must be KEY=VALUE, as in model.n_layers=4")
    try:
        value = _parse_yaml(text)
    except ValueError as error:
        raise UserError(f"--set {override!r}: {error}") from None
    for section in sections:
        if values.get(section) is None:
            values[section] = {}
        values = values[section]
        if not isinstance(values, dict):
            raise UserError(f"--set {override!r}: {section!r} is not a section of the config")
    values[last] = value


def _parse_yaml(text: str) -> Any:
    """What a YAML text says.

    Raises:
        ValueError: no valid YAML, or a key that stands twice in one section.
    """
    try:
        _refuse_duplicates(yaml.compose(text, yaml.SafeLoader))
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "cannot be read"
        raise ValueError(f"{where}no valid YAML: {problem}") from None
    except (ValueError, TypeError, RecursionError) as error:  # PyYAML lets these through
        raise ValueError(f"no valid YAML: {error}") from None


def _refuse_duplicates(node: yaml.Node | None) -> None:
    """YAML keeps the last of two equal keys without a word; say so instead."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for key, value in node.value:
        name = str(key.value)
        if name in seen:
            raise yaml.MarkedYAMLError(
                problem=f"the key {name!r} stands twice", problem_mark=key.start_mark
            )
        seen.add(name)
        _refuse_duplicates(value)
