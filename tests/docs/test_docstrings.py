"""Every public class and function has a docstring with an example, and every function is annotated.

That the examples run is for doctest; here they only have to be there.
"""

import ast
from pathlib import Path

import pixelcnn_tf

PACKAGE = Path(pixelcnn_tf.__file__).parent
MODULES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}


def public(name):
    """The public classes and functions of a module."""
    kinds = ast.ClassDef | ast.FunctionDef
    nodes = MODULES[name].body
    return [node for node in nodes if isinstance(node, kinds) and not node.name.startswith("_")]


def test_public_names_have_examples():
    missing = [
        f"{name}: {node.name}"
        for name in MODULES
        for node in public(name)
        if ">>> " not in (ast.get_docstring(node) or "")
    ]
    assert not missing, f"no example in the docstrings of {', '.join(missing)}"


def test_public_functions_are_annotated():
    untyped = []
    for name in MODULES:
        for node in public(name):
            if not isinstance(node, ast.FunctionDef):
                continue
            arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            named = [arg.arg for arg in arguments if arg.annotation is None]
            named += ["return"] * (node.returns is None)
            untyped += [f"{name}: {node.name}({argument})" for argument in named]
    assert not untyped, f"no annotation on {', '.join(untyped)}"


def test_modules_have_docstrings():
    assert not [name for name in MODULES if not ast.get_docstring(MODULES[name])]
