"""The command that trains, to start it as a process of its own, or to state it with results."""

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import Config

#: The folder of main.py, in which the command is to be started.
ROOT = Path(__file__).resolve().parents[1]
#: Settings that a stated command omits or formats differently.
_NOT_SHOWN = {"runs_dir", "data.source", "data.image_size", "model.n_channels"}
#: What settings that a config file leaves out become for most images.
_IMPLIED = {"data.values": "ordered", "model.input": "value"}


def set_flags(settings: Mapping) -> list[str]:
    """Returns ``--set KEY=VALUE`` for each of the settings."""
    return [flag for item in settings.items() for flag in ("--set", "{}={}".format(*item))]


def train_command(config: str, settings: Mapping) -> list[str]:
    """Returns the command that trains as a config file and further settings say."""
    return [sys.executable, "main.py", "--config", config, *set_flags(settings)]


def command_of(config: Config, path: str) -> str:
    """Returns the command that trains a model with a config, relative to a config file.

    Args:
        config: of the run.
        path: of the file, below the root of the repository.
    """
    settings = _changes(config, path)
    texts = [
        f"{key}={'null' if value is None else json.dumps(value).strip(chr(34))}"
        for key, value in settings.items()
    ]
    return shlex.join(
        ["python", "main.py", "--config", path, *(f for t in texts for f in ("--set", t))]
    )


def closest_config(config: Config) -> str:
    """Returns the path, below the root, of the config file that a config differs least from."""
    paths = ["config.yml"]
    paths += [f"configs/{path.name}" for path in sorted((ROOT / "configs").glob("*.yml"))]
    return min(paths, key=lambda path: len(_changes(config, path)))


def _changes(config: Config, path: str) -> dict:
    """Returns the settings, by key, that a config file lacks or that are other ones there."""
    before = _flat(load_config(ROOT / path).model_dump(mode="json"))
    after = _flat(config.model_dump(mode="json"))
    changes = {key: after[key] for key in after if before.get(key) != after[key]}
    settings = {key: changes[key] for key in changes if key not in _NOT_SHOWN}
    for key, value in _IMPLIED.items():
        if before.get(key) is None and settings.get(key) == value:
            del settings[key]
    source = Path(config.data.source).name
    if source != before["data.source"]:
        settings["data.source"] = source
    return settings


def _flat(values: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in values.items():
        flat |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat
