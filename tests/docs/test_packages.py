"""The docstring of each package says which question it answers, and whom it imports."""

import ast
import re

import pytest
from documents import ROOT

from docs.generate.architecture import imports, modules

GRAPH = imports()
PACKAGES = [name for name in modules() if (ROOT / "pixelcnn_tf" / name).is_dir()]
SENTENCE = re.compile(
    r"\A\w.+?\.\n\nQuestion: .+\?\n\nImports: (?P<imports>.+?)\.\nImported by: (?P<users>.+?)\.",
    flags=re.DOTALL,
)


def named(text: str) -> set[str]:
    """Returns the packages that a list of a docstring names; "every ... except" is resolved."""
    names = set(re.findall(r"``(\w+)``", text)) & set(GRAPH)
    return set(GRAPH) - names if text.startswith(("every", "every other")) else names


def agrees(text: str, packages: set[str]) -> None:
    """Raises AssertionError if a list of a docstring names other packages than ``packages``."""
    assert packages <= named(text), "a package is not named"
    assert text.startswith("every") or named(text) == packages, "a package is named for no reason"


@pytest.mark.parametrize("package", PACKAGES)
def test_docstring_of_the_package(package):
    source = (ROOT / "pixelcnn_tf" / package / "__init__.py").read_text()
    found = SENTENCE.match(ast.get_docstring(ast.parse(source)) or "")
    assert found, "must have a summary, 'Question: ...?', 'Imports: ...' and 'Imported by: ...'"
    users = {user for user in GRAPH if package in GRAPH[user]}
    agrees(found["imports"], GRAPH[package])
    agrees(found["users"], users)


def test_every_package_has_a_page_of_the_api_reference():
    for part in modules():
        page = (ROOT / "docs" / "api" / f"{part}.md").read_text()
        assert f"::: pixelcnn_tf.{part}" in page
