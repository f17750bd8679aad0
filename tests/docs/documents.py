"""The pages of the documentation, and what they say, for the tests of this folder."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def pages() -> dict[str, str]:
    """Returns the text of every page, by path from the root; of the notebook, all its cells."""
    paths = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "docs" / "tutorial.ipynb"]
    return {str(path.relative_to(ROOT)): text_of(path) for path in sorted(paths)}


def text_of(path: Path) -> str:
    """Returns the text of one page."""
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = json.loads(path.read_text())["cells"]
    fences = {"markdown": ("", ""), "code": ("```python\n", "\n```")}
    return "\n\n".join("".join(c["source"]).join(fences[c["cell_type"]]) for c in cells)


def without_code(text: str) -> str:
    """Returns a page without its code blocks and code spans."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`]*`", "", text)


def python_blocks(text: str) -> list[str]:
    """Returns the Python code blocks of a page."""
    return re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[str]:
    """Returns the command lines of a page: in code spans and in code blocks."""
    blocks = re.findall(r"^```(?:text|sh|bash|console)?\n(.*?)^```$", text, re.DOTALL | re.M)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    rest = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    lines += [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", rest)]
    lines = [re.sub(r"^\s*(\$ )?(\.venv/bin/)?", "", line) for line in lines]
    return [line for line in lines if re.match(r"(pixelcnn-tf|python) \S", line)]


def anchor_of(heading: str) -> str:
    """Returns the anchor that GitHub and MkDocs give to a heading."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
