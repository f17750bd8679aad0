"""Copies ``call`` and ``step`` of a block into docs/sampling.md: ``python -m
docs.generate.block_source``.
"""

import ast
import textwrap

from docs.generate.pages import ROOT, replace_section

PAGE = ROOT / "docs" / "sampling.md"
SOURCE = ROOT / "pixelcnn_tf" / "models" / "blocks.py"


def methods(class_name: str, *names: str) -> str:
    """Returns the source of some methods of a class of ``SOURCE``, without indentation."""
    text = SOURCE.read_text()
    (block,) = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef) and node.name == class_name
    ]
    found = {node.name: node for node in block.body if isinstance(node, ast.FunctionDef)}
    lines = text.splitlines()
    sources = ["\n".join(lines[found[n].lineno - 1 : found[n].end_lineno]) for n in names]
    return textwrap.dedent("\n\n\n".join(sources))  # as ruff formats it


def page() -> str:
    """Returns docs/sampling.md with the source up to date."""
    source = methods("PixelCNNResBlock", "call", "step")
    return replace_section(PAGE.read_text(), "block", f"```python\n{source}\n```")


if __name__ == "__main__":
    PAGE.write_text(page())
