"""Writes the layer diagram and the list of modules of docs/architecture.md, from the code.

``python -m docs.generate.architecture`` after a module or an import has come or gone.
"""

import ast
import textwrap
from pathlib import Path

from docs.generate.pages import ROOT, replace_section

PACKAGE = "pixelcnn_tf"
PAGE = ROOT / "docs" / "architecture.md"
DIAGRAM = ROOT / "docs" / "figures" / "layers.svg"

#: Preferred columns of the diagram, so that arrows cross no box; 1 for all others.
COLUMNS = {
    **dict.fromkeys(["testing", "models", "layers"], 0),
    **dict.fromkeys(["likelihoods", "scoring", "anomaly"], 2),
    **dict.fromkeys(["data", "config"], 3),
    **dict.fromkeys(["codec", "serving", "zoo"], 4),
}
N_COLUMNS, BOX_WIDTH, COLUMN_PITCH, ROW_GAP, LINE = 5, 200, 224, 34, 15


def modules() -> dict[str, list[Path]]:
    """Returns the files of each part of the package: a sub-package, or a module on its own."""
    parts: dict[str, list[Path]] = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        relative = path.relative_to(ROOT / PACKAGE)
        if len(relative.parts) == 2:
            parts.setdefault(relative.parts[0], []).append(path)
        elif not relative.stem.startswith("__"):
            parts[relative.stem] = [path]
    return parts


def imports() -> dict[str, set[str]]:
    """Returns which other parts each part imports, within functions too."""
    parts = modules()
    found: dict[str, set[str]] = {}
    for part, paths in parts.items():
        names: set[str] = set()
        for path in paths:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names |= {f"{node.module}.{alias.name}" for alias in node.names}
                elif isinstance(node, ast.Import):
                    names |= {alias.name for alias in node.names}
        packages = {name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}.")}
        found[part] = {package for package in packages if package in parts} - {part}
    return found


def reduced(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """Returns the graph without the arrows that are implied by longer paths."""

    def below(part: str) -> set[str]:
        return graph[part].union(*(below(other) for other in graph[part]))

    return {
        part: {a for a in others if not any(a in below(b) for b in others - {a})}
        for part, others in graph.items()
    }


def depths(graph: dict[str, set[str]]) -> dict[str, int]:
    """Returns the row of each part: 0 at the top, below all parts that import it."""

    def depth(part: str) -> int:
        return max((depth(user) + 1 for user in graph if part in graph[user]), default=0)

    found = {part: depth(part) for part in graph}
    for part in graph:  # what nothing imports is drawn just above what it imports
        if not any(part in others for others in graph.values()) and graph[part]:
            found[part] = min(found[other] for other in graph[part]) - 1
    return found


def diagram() -> str:
    """Returns the layer diagram as SVG."""
    graph, parts = imports(), modules()
    rows: dict[int, list[str]] = {}
    for part, depth in depths(graph).items():
        rows.setdefault(depth, []).append(part)
    texts = {part: _box_lines(part, parts[part]) for part in graph}
    boxes: dict[str, tuple[float, float, float]] = {}
    y = 10.0
    for depth in sorted(rows):
        height = 30 + LINE * max(len(texts[part]) for part in rows[depth])
        free = list(range(N_COLUMNS))
        for part in rows[depth]:
            column = min(free, key=lambda c, part=part: abs(c - COLUMNS.get(part, 1)))
            free.remove(column)
            boxes[part] = 10 + COLUMN_PITCH * column, y, height
        y += height + ROW_GAP
    width, height = (N_COLUMNS - 1) * COLUMN_PITCH + BOX_WIDTH + 20, y - ROW_GAP + 10
    arrows = [
        _arrow(boxes[part], boxes[other])
        for part, others in sorted(reduced(graph).items())
        for other in sorted(others)
    ]
    drawn = [_box(part, texts[part], *boxes[part]) for part in sorted(boxes)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" font-family="sans-serif" font-size="12">',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#777"/></marker>'
            "</defs>",
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
            *arrows,
            *drawn,
            "</svg>\n",
        ]
    )


def _box_lines(part: str, paths: list[Path]) -> list[str]:
    names = [path.stem for path in paths if path.stem not in ("__init__", part)]
    return textwrap.wrap(", ".join(names), 32)


def _box(part: str, lines: list[str], x: float, y: float, height: float) -> str:
    text = "".join(
        f'<text x="{x + 10:.0f}" y="{y + 34 + LINE * i:.0f}" fill="#444" font-size="11">{line}'
        "</text>"
        for i, line in enumerate(lines)
    )
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{height:.0f}" rx="5" '
        f'fill="#e8eaf6" stroke="#5c6bc0"/><text x="{x + 10:.0f}" y="{y + 18:.0f}" '
        f'font-weight="bold">{part}</text>{text}'
    )


def _arrow(start: tuple[float, float, float], end: tuple[float, float, float]) -> str:
    (x1, y1, height), (x2, y2, _) = start, end
    lean = (x2 > x1) - (x2 < x1)  # leave and arrive on the side of the other box
    x1, x2 = x1 + BOX_WIDTH * (0.5 + 0.3 * lean), x2 + BOX_WIDTH * (0.5 - 0.3 * lean)
    return (
        f'<line x1="{x1:.0f}" y1="{y1 + height:.0f}" x2="{x2:.0f}" y2="{y2 - 1:.0f}" '
        'stroke="#777" stroke-width="1.3" marker-end="url(#tip)"/>'
    )


def module_list() -> str:
    """Returns a table of the modules of each part, by the first lines of their docstrings."""
    graph = imports()
    order = sorted(graph, key=lambda part: (-depths(graph)[part], part))
    lines = []
    for part in order:
        others = ", ".join(f"`{other}`" for other in sorted(graph[part], key=order.index))
        users = ", ".join(f"`{user}`" for user in order if part in graph[user])
        lines += [f"### `{part}`", ""]
        paths = modules()[part]
        lines += [first_line(paths[0] if len(paths) == 1 else _init(paths)), ""]
        lines += [
            f"Imports {others or 'nothing else'}; imported by {users or 'no other part'}.",
            "",
        ]
        inner = [path for path in paths if path.stem not in ("__init__", part)]
        if inner:
            lines += ["| module | contents |", "|---|---|"]
            lines += [f"| `{path.stem}` | {first_line(path)} |" for path in inner] + [""]
    return "\n".join(lines)


def _init(paths: list[Path]) -> Path:
    return next(path for path in paths if path.stem == "__init__")


def first_line(path: Path) -> str:
    """Returns the first paragraph of a module's docstring as one line of Markdown."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    paragraph = " ".join(docstring.split("\n\n")[0].split())
    return paragraph.replace("``", "`").replace("|", "\\|").removesuffix("::")


def page() -> str:
    """Returns docs/architecture.md with its list of modules up to date."""
    return replace_section(PAGE.read_text(), "modules", module_list())


if __name__ == "__main__":
    PAGE.write_text(page())
    DIAGRAM.write_text(diagram())
