"""Writes the list of public names of docs/api/index.md: ``python -m docs.generate.api_index``."""

import inspect

import pixelcnn_tf
from docs.generate.pages import ROOT, replace_section

PAGE = ROOT / "docs" / "api" / "index.md"


def public_names() -> str:
    """Returns a table of what can be imported from ``pixelcnn_tf``, by sub-package."""
    rows = []
    for name in pixelcnn_tf.__all__:
        value = getattr(pixelcnn_tf, name)
        summary = " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())
        summary = summary.replace("``", "`").replace("|", "\\|").removesuffix("::")
        module = value.__module__
        part = module.split(".")[1]
        rows.append((part, f"| [`{name}`][{module}.{name}] | `{part}` | {summary} |"))
    lines = ["| name | package | what it is |", "|---|---|---|"]
    return "\n".join(lines + [row for _, row in sorted(rows)])


def page() -> str:
    """Returns docs/api/index.md with its list up to date."""
    return replace_section(PAGE.read_text(), "names", public_names())


if __name__ == "__main__":
    PAGE.write_text(page())
