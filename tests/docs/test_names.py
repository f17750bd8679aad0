"""Settings, flags, classes and functions that the pages name exist."""

import builtins
import re

import pytest
from documents import ROOT, pages

from pixelcnn_tf.config import config_template

GUIDES = {page: text for page, text in pages().items() if page != "CHANGELOG.md"}
SOURCE = "\n".join(
    path.read_text()
    for folder in ("pixelcnn_tf", "benchmarks", "examples", "experiments", "docs/generate")
    for path in sorted((ROOT / folder).rglob("*.py"))
)
FLAGS = {*re.findall(r'"(--[a-z][a-z-]*)"', SOURCE), "--help", "--set"}


def defined_in(text: str) -> set[str]:
    """Returns the names of the functions, classes and variables of a text."""
    matches = re.findall(r"(?:(?:def|class) (\w+)|^(\w+) = )", text, flags=re.MULTILINE)
    return {name for match in matches for name in match}


OURS = defined_in(SOURCE)

#: Names of Keras, TensorFlow, NumPy and Python that pages mention, and flags of other programs.
THEIRS = {
    *dir(builtins),
    *("PReLU", "ReLU", "SiLU", "PixelSNAIL", "TensorBoard", "MirroredStrategy"),
    *("load_model", "safe_load", "while_loop", "fit", "compile", "custom_objects", "AnsCoder"),
}
FLAGS_OF_OTHERS = {"--logdir", "--strict", "--check", "--no-logo", "--nodes", "--ntasks-per-node"}


def spans(text: str) -> list[str]:
    """Returns the code spans of a page, outside of code blocks."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", text)]


def settings() -> set[str]:
    """Returns every setting of the package as ``section.key``."""
    found = set()
    choices = [
        {"block": block} for block in ("resblock", "gated", "row_lstm", "diagonal_bilstm", "snail")
    ]
    for choice in [*choices, {"architecture": "pixelcnn_pp"}]:
        section = ""
        for line in config_template(**choice).splitlines():
            if match := re.match(r"(\w+):", line):
                section = match[1]
            elif match := re.match(r"  (\w+):", line):
                found.add(f"{section}.{match[1]}")
    return found


SETTINGS = settings()


@pytest.mark.parametrize("page", GUIDES)
def test_settings_exist(page):
    named = set(re.findall(r"--set (\w+\.\w+)=", GUIDES[page]))
    for span in spans(GUIDES[page]):
        if match := re.match(r"((?:data|model|training|sampling)\.[a-z_]+)(?=$|[=:])", span):
            named.add(match[1])
    others = {"model.keras", "model.compile", "SECTION.KEY", "training.batchsize"}
    assert named - SETTINGS - others == set()


@pytest.mark.parametrize("page", [page for page in GUIDES if page != "docs/cli.md"])
def test_flags_exist(page):
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", "\n".join(spans(GUIDES[page]))))
    known = set(re.findall(r"--[a-z][a-z-]*", GUIDES["docs/cli.md"]))
    assert flags - known - FLAGS - FLAGS_OF_OTHERS == set()


@pytest.mark.parametrize("page", GUIDES)
def test_classes_and_functions_exist(page):
    text = "\n".join(spans(GUIDES[page]))
    named = set(re.findall(r"(?<![\w./])([A-Z]\w*[a-z]\w*[A-Z]\w*)", text))  # ClassNames
    named |= set(re.findall(r"(?<![\w.])([a-z_]+)\(", text))  # functions(
    assert named - OURS - defined_in(GUIDES[page]) - THEIRS == set()
