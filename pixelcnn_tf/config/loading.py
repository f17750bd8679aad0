"""Loading of config files, which are checked before anything else happens."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pixelcnn_tf.config.plugins import load_plugins
from pixelcnn_tf.config.schema import Config, first_problem
from pixelcnn_tf.utils.errors import UserError


def load_config(
    path: str | Path, overrides: Sequence[str] = (), plugins: Sequence[str] = ()
) -> Config:
    """Returns the checked config of a file. Its plugins are run.

    Args:
        path: a YAML file; keys that are left out take their defaults.
        overrides: texts ``'section.key=value'`` with the value in YAML, which take precedence over
            the file.
        plugins: Python files, relative to the working directory, that are run in addition to the
            plugins that the config lists.

    Raises:
        UserError: no such file, invalid YAML, unknown keys, wrong types, impossible values or
            contradictions; the message names the key, the value and what would be right. Or a
            wrong plugin; the message names its file and line.

    Example:
        >>> from pathlib import Path
        >>> _ = Path("example.yml").write_text("model: {n_layers: 4}")
        >>> pixelcnn_tf.load_config("example.yml", ["training.steps=50"]).model.n_layers
        4
        >>> Path("example.yml").unlink()
    """
    path = Path(path)
    values = _read(path)
    overrides = [overrides] if isinstance(overrides, str) else overrides
    for override in overrides:
        _apply(values, override)
    for section in ("data", "model", "training", "sampling"):
        if section in values and values[section] is None:
            values[section] = {}  # all of its keys are commented out
    _find_plugins(values, path, plugins)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        problem = first_problem(error)
        key, _, rest = problem.partition(":")
        keys = [override.partition("=")[0] for override in overrides]
        if rest.startswith(" unknown key"):  # an unknown section is reported without the rest
            keys = [typed[: len(key)] if typed.startswith(f"{key}.") else typed for typed in keys]
        if key in keys:
            raise UserError(f"--set {problem}") from None
        if overrides:
            load_config(path)  # raises an error if the file is wrong even without them
            raise UserError(f"{path} with --set: {problem}") from None
        raise UserError(f"{path}: {problem}") from None


def load_plugins_of(path: str | Path) -> None:
    """Runs the plugins that a config file lists, without checking the rest of the file.

    Raises:
        UserError: no such file, invalid YAML, or a wrong plugin.

    Example:
        >>> pixelcnn_tf.config.load_plugins_of("none.yml")
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: none.yml: no such file; ...
    """
    path = Path(path)
    _find_plugins(_read(path), path)


def _find_plugins(values: dict, path: Path, more: Sequence[str] = ()) -> None:
    """Runs the plugins of a config and puts their absolute paths into ``values``."""
    extra = load_plugins(list(more))  # first: they may replace files that were moved
    if "plugins" in values:
        values["plugins"] = load_plugins(values["plugins"], path.parent)
    if extra and isinstance(values.setdefault("plugins", []), list):
        values["plugins"] = list(dict.fromkeys([*values["plugins"], *extra]))


def _read(path: Path) -> dict:
    """Returns the keys and values of a YAML file.

    Raises:
        UserError: no such file, invalid YAML, or something other than keys and values.
    """
    try:
        values = _parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; pixelcnn-tf init writes one to start from"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise UserError(f"{path}: cannot be read as a text file: {reason}") from None
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{path}: must hold 'key: value' lines, not a {type(values).__name__}")
    return values


def _apply(values: dict, override: str) -> None:
    """Applies one override ``a.b=value`` to nested ``values``."""
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
    """Returns the value of a YAML text.

    Raises:
        ValueError: invalid YAML, or a key that occurs twice in one section.
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
    """Raises an error for a key that occurs twice, of which YAML would silently keep the last."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for key, value in node.value:
        name = str(key.value)
        if name in seen:
            raise yaml.MarkedYAMLError(
                problem=f"the key {name!r} occurs twice", problem_mark=key.start_mark
            )
        seen.add(name)
        _refuse_duplicates(value)
