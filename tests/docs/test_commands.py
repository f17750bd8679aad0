"""Every command that a page shows is one that the commands accept."""

import importlib
import re
import shlex

import numpy as np
import pytest
from documents import ROOT, commands, pages

from pixelcnn_tf.cli import main as main_command
from pixelcnn_tf.cli.parsing import Parser
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.utils.errors import UserError

SHOWN = sorted(
    {line for page, text in pages().items() if page != "CHANGELOG.md" for line in commands(text)}
)

#: Modules that are run with ``python -m`` and take no flags, or are not ours.
WITHOUT_FLAGS = ("docs.generate.", "pytest", "venv", "pip", "build")


class Parsed(Exception):
    """The flags of a command were accepted."""


def words_of(line: str) -> list[str]:
    """Returns the words of a command, without the explanation or comment that follows it."""
    words = shlex.split(re.split(r" {3,}(?!-)", line)[0], comments=True)
    return words[: words.index("&&")] if "&&" in words else words


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with the configs of the repository, and with data files that commands name."""
    for name in ("config.yml", "configs", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    images, labels = np.zeros([4, 28, 28], np.uint8), np.zeros([4], np.uint8)
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    for name in ("mnist.npz", "cifar10_3k.npz", "mine.npz"):
        np.savez(tmp_path / name, **arrays)
    monkeypatch.chdir(tmp_path)


def entry(words: list[str]):
    """Returns the ``main`` that a command line calls, and its arguments."""
    if words[0] == "pixelcnn-tf":
        return main_command.main, words[1:]
    if words[1] == "main.py":
        return importlib.import_module("pixelcnn_tf.cli.train").main, words[2:]
    if words[1].startswith("scripts/"):
        name = words[1].removeprefix("scripts/").removesuffix(".py")
        assert (ROOT / words[1]).is_file()
        return importlib.import_module(f"pixelcnn_tf.cli.{name}").main, words[2:]
    assert words[1] == "-m", "a script of unknown kind"
    if words[2] == "pixelcnn_tf":
        return main_command.main, words[3:]
    module = importlib.import_module(words[2])
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{words[2]}.__main__")
    return module.main, words[3:]


@pytest.mark.parametrize("line", SHOWN)
def test_command_parses(line, checkout, monkeypatch):
    if "..." in line or "NAME" in line:
        pytest.skip("a pattern, not a command")
    words = words_of(line)
    if words[0] == "python" and (
        (words[1].startswith("-m") and words[2].startswith(WITHOUT_FLAGS)) or words[1] == "-c"
    ):
        return
    if words[1].startswith("examples/"):
        assert (ROOT / words[1]).is_file()
        return
    command, rest = entry(words)
    if not any(word.startswith("-") for word in rest) or "--help" in rest:
        return  # only named, as a part of a sentence
    original = Parser.parse_args

    def parse(self, args=None, namespace=None):
        raise Parsed(original(self, args, namespace))

    monkeypatch.setattr(Parser, "parse_args", parse)
    with pytest.raises(Parsed) as parsed:
        command(rest)
    args = parsed.value.args[0]
    configs = getattr(args, "config", None) or []
    for config in [configs] if isinstance(configs, str) else configs:
        if (ROOT / config).is_file():
            wrong = "training.batchsize" in line  # the example of a mistake
            try:
                load_config(config, args.overrides)
            except UserError:
                assert wrong
            else:
                assert not wrong


def test_commands_were_found():
    assert len(SHOWN) > 40
