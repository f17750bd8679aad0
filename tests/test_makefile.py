"""How the Makefile finds a Python and makes an environment, in dry runs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


@pytest.fixture
def make(tmp_path):
    """Returns a function that prints what make would run, with programs of the test's own."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("make", "sh"):
        (programs / name).symlink_to(shutil.which(name))

    def run(*variables, **scripts):
        for name, text in scripts.items():
            file = programs / name.replace("_", ".")
            file.write_text(f"#!/bin/sh\n{text}\n")
            file.chmod(0o755)
        return subprocess.run(
            ["make", "-n", ".venv/.installed", *variables],
            cwd=tmp_path,
            env={**{k: v for k, v in os.environ.items() if k != "PYTHON"}, "PATH": str(programs)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


THIS_PYTHON = f'exec {sys.executable} "$@"'


def test_a_python_that_is_found_but_does_not_run_is_passed_over(make):
    done = make(python3_12="exit 127", python3_10=THIS_PYTHON)
    assert "python3.10 -m venv .venv\n" in done.stdout
    assert ".venv/bin/python -m pip install --quiet -r requirements.txt" in done.stdout


def test_without_a_python_the_error_names_the_versions(make):
    done = make(python3="exit 1")
    assert done.returncode != 0
    assert "no Python 3.10 to 3.13 found; try make PYTHON=/path/to/python" in done.stderr


def test_a_named_python_wins(make):
    done = make("PYTHON=/opt/python", python3_12=THIS_PYTHON)
    assert "/opt/python -m venv .venv\n" in done.stdout


def test_uv_makes_the_environment_where_it_is_installed(make):
    done = make(uv="exit 0", python3_13=THIS_PYTHON)
    assert "uv venv --quiet --allow-existing --python python3.13 .venv\n" in done.stdout
    assert "uv pip install --quiet --python .venv/bin/python -r requirements.txt" in done.stdout
    assert "-m venv" not in done.stdout


def test_uv_fetches_a_python_where_none_is_found(make):
    assert "--python 3.12 .venv\n" in make(uv="exit 0").stdout
