"""The command that trains, for experiments that start it as a process of its own."""

import sys
from collections.abc import Mapping
from pathlib import Path

#: The folder of main.py, in which the command is to be started.
ROOT = Path(__file__).resolve().parents[1]


def set_flags(settings: Mapping) -> list[str]:
    """Returns ``--set KEY=VALUE`` for each of the settings."""
    return [flag for item in settings.items() for flag in ("--set", "{}={}".format(*item))]


def train_command(config: str, settings: Mapping) -> list[str]:
    """Returns the command that trains as a config file and further settings say."""
    return [sys.executable, "main.py", "--config", config, *set_flags(settings)]
