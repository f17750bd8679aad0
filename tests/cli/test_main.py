"""The command pixelcnn-tf: its sub-commands, help, and what is loaded when."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
import yaml
from command_line import ROOT

import pixelcnn_tf
from pixelcnn_tf.cli import init
from pixelcnn_tf.cli.main import COMMANDS, main
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.config.loading import load_config

HEAVY = {"tensorflow", "keras", "matplotlib"}


def in_a_process(*arguments, after=""):
    """Runs ``python -m pixelcnn_tf`` with the arguments, then Python code."""
    code = (
        "import sys\nfrom pixelcnn_tf.cli.main import run\n"
        f"sys.argv = ['pixelcnn-tf', *{list(arguments)!r}]\n"
        f"try:\n    status = run()\nexcept SystemExit as stop:\n    status = stop.code\n{after}\n"
        "sys.exit(status)"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_is_shown_before_tensorflow_and_matplotlib_are_imported(command):
    done = in_a_process(
        *command.split(),
        "--help",
        after=f"print({HEAVY!r} & set(sys.modules), file=sys.stderr)",
    )
    assert (done.returncode, done.stderr) == (0, "set()\n")
    assert done.stdout.startswith(f"usage: pixelcnn-tf {command}".strip())
    assert "examples:\n  pixelcnn-tf" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--config", "none.yml"],
        ["train", "--config", "config.yml", "--set", "training.steps=0"],
        ["sample", "--run", "none"],
        ["complete", "--run", "none"],
        ["evaluate", "--run", "none"],
        ["score", "a.png", "--run", "none"],
        ["plot-masks", "--kernel", "4"],
        ["plot-receptive-field", "--config", "none.yml"],
        ["init", "--source", "none"],
    ],
)
def test_wrong_flags_and_configs_are_reported_before_tensorflow_is_imported(arguments):
    done = in_a_process(*arguments, after=f"print({HEAVY!r} & set(sys.modules))")
    assert (done.returncode, done.stdout) == (2, "set()\n")
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_every_module_of_commands_is_listed():
    files = {file.stem.replace("_", "-") for file in (ROOT / "pixelcnn_tf" / "cli").glob("*.py")}
    assert set(COMMANDS) == files - {"--init--", "conditions", "main", "parsing"}


def test_the_installed_command_and_the_module_are_the_same():
    project = (ROOT / "pyproject.toml").read_text()
    name, target = "pixelcnn-tf", "pixelcnn_tf.cli.main:run"
    assert f'{name} = "{target}"' in project
    assert callable(EntryPoint(name, target, "console_scripts").load())
    done = subprocess.run(
        [sys.executable, "-m", "pixelcnn_tf", "--version"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == (f"{pixelcnn_tf.__version__}\n", "")


@pytest.mark.parametrize(
    ("file", "command"), [("main.py", "train"), ("scripts/plot_masks.py", "plot-masks")]
)
def test_the_files_of_a_checkout_have_the_help_of_their_command(file, command):
    done = subprocess.run(
        [sys.executable, file, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: python {file} ")
    assert f"  python {file} --" in done.stdout
    assert f"pixelcnn-tf {command}" not in done.stdout


@pytest.mark.parametrize(
    ("flags", "settings"),
    [
        ([], ("digits", "pixel_rnn", "resblock")),
        (["--source", "mnist", "--block", "gated"], ("mnist", "pixel_rnn", "gated")),
        (["--source", "cifar10", "--block", "row_lstm"], ("cifar10", "pixel_rnn", "row_lstm")),
        (
            ["--source", "cifar10", "--architecture", "pixelcnn_pp"],
            ("cifar10", "pixelcnn_pp", None),
        ),
    ],
)
def test_init_writes_a_config_that_loads(flags, settings, tmp_path, capsys):
    output = tmp_path / "my config.yml"
    assert main(["init", *flags, "--out", str(output)]) == 0
    assert f"pixelcnn-tf train --config '{output}'" in capsys.readouterr().out
    config = load_config(output)
    assert (config.data.source, config.model.architecture, config.model.pixel_layer) == settings
    assert [file.name for file in tmp_path.iterdir()] == ["my config.yml"]


def test_init_overwrites_only_by_force(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert init.main([]) == 0
    (tmp_path / "config.yml").write_text("mine")
    assert exit_with(init.main, argv=[]) == 2
    assert "config.yml: exists already; use --force" in capsys.readouterr().err
    assert (tmp_path / "config.yml").read_text() == "mine"
    assert init.main(["--force"]) == 0
    assert yaml.safe_load((tmp_path / "config.yml").read_text())["data"]["source"] == "digits"


def test_init_takes_a_folder_of_images(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    assert init.main(["--source", "photos", "--out", "photos.yml"]) == 0
    assert load_config("photos.yml").data.source == "photos"
