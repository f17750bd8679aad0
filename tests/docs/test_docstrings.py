"""Every public class and function has a docstring with an example, and every function is annotated.

That the examples run is for doctest; here they only have to be there.
"""

import ast
from pathlib import Path

import pytest

import pixelcnn_tf

PACKAGE = Path(pixelcnn_tf.__file__).parent
MODULES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


def public(path):
    """The public classes and functions of a module."""
    kinds = ast.ClassDef | ast.FunctionDef
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    return [node for node in nodes if isinstance(node, kinds) and not node.name.startswith("_")]


@pytest.mark.parametrize("name", MODULES)
def test_public_names_have_examples(name):
    missing = [
        node.name for node in public(MODULES[name]) if ">>> " not in (ast.get_docstring(node) or "")
    ]
    assert not missing, f"{name}: no example in the docstrings of {', '.join(missing)}"


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_are_annotated(name):
    functions = [node for node in public(MODULES[name]) if isinstance(node, ast.FunctionDef)]
    untyped = [node.name for node in functions if node.returns is None]
    for node in functions:
        arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        untyped += [f"{node.name}({arg.arg})" for arg in arguments if arg.annotation is None]
    assert not untyped, f"{name}: no annotation on {', '.join(untyped)}"


@pytest.mark.parametrize("name", MODULES)
def test_modules_have_docstrings(name):
    assert ast.get_docstring(ast.parse(MODULES[name].read_text(encoding="utf-8")))
