"""Writes docs/cli.md from the help of each sub-command: ``python -m docs.generate.cli``."""

import contextlib
import io
import os
from unittest import mock

from docs.generate.pages import ROOT
from pixelcnn_tf.cli.main import COMMANDS, main

PAGE = ROOT / "docs" / "cli.md"

INTRODUCTION = """\
# Command line

<!-- Written by `python -m docs.generate.cli` from the help of each command. -->

`pip install .` installs the command `pixelcnn-tf`. In a checkout, `python -m pixelcnn_tf` is the
same; `python main.py` is `pixelcnn-tf train`, and the files of `scripts/` are the other commands.

Mistakes in flags, settings and files are reported on one line that begins with `error:`, with exit
status 2, before TensorFlow is imported wherever that is possible. `--set SECTION.KEY=VALUE`
overrides a setting of a config file and may be repeated; `train` prints all settings with
`--print-config`.
"""


def help_of(command: list[str]) -> str:
    """Returns what ``pixelcnn-tf COMMAND --help`` prints on a terminal of 88 columns."""
    out = io.StringIO()
    plain = {"COLUMNS": "90", "NO_COLOR": "1"}
    stop = contextlib.suppress(SystemExit)
    with mock.patch.dict(os.environ, plain), contextlib.redirect_stdout(out), stop:
        main([*command, "--help"])
    return out.getvalue().rstrip()


def page() -> str:
    """Returns docs/cli.md."""
    parts = [INTRODUCTION]
    for name in COMMANDS:
        parts += [f"## {name}", "", f"```text\n{help_of([name])}\n```", ""]
    return "\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
