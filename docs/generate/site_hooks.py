"""Hooks of the MkDocs build: the notebook as a page, formulas as MathML.

The site needs neither a network nor JavaScript for either of them.
"""

import base64
import html
import json
import re
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

NOTEBOOK = "tutorial.ipynb"
#: Pictures outside of docs/, as pages name them, with the name of the model.
SAMPLES = r"\.\./pixelcnn_tf/zoo/(\w+)/samples\.png"


def on_files(files: Files, config) -> Files:
    """Adds ``tutorial.md`` and its pictures, made from the notebook as it was last executed, and
    the pictures of the zoo."""
    notebook = json.loads(Path(config.docs_dir, NOTEBOOK).read_text())
    page, pictures = notebook_page(notebook)
    files.append(File.generated(config, "tutorial.md", content=page))
    for name, content in pictures.items():
        files.append(File.generated(config, name, content=content))
    for path in sorted(Path(config.docs_dir, "../pixelcnn_tf/zoo").glob("*/samples.png")):
        name = f"zoo_{path.parent.name}.png"
        files.append(File.generated(config, name, content=path.read_bytes()))
    return files


def on_page_markdown(markdown: str, page, **_) -> str:
    """Formulas as MathML; links to the notebook lead to its page, and links to what is not part
    of the site become plain text."""
    if page.file.src_uri == "tutorial.md":
        markdown = formulas(markdown)
    else:
        markdown = markdown.replace(f"({NOTEBOOK})", "(tutorial.md)")
    markdown = re.sub(SAMPLES, r"zoo_\1.png", markdown)
    outside = "../" * (page.file.src_uri.count("/") + 1)
    return re.sub(
        r"(?<!!)\[([^\]]+)\]\(([^)#]+)\)",
        lambda link: link[1] if _is_no_page(link[2], outside) else link[0],
        markdown,
    )


def on_page_content(content: str, **_) -> str:
    """Marks flags in code spans, which browsers would break between their two hyphens."""
    flag = r'<span class="flag">\1</span>'
    return re.sub(
        r"<code>[^<]*</code>",
        lambda code: re.sub(r"(?<= )(--[a-z-]+)", flag, code[0]),
        content,
    )


def _is_no_page(target: str, outside: str) -> bool:
    """Whether a link leads to a file outside of docs/, to a folder, or to a file of figures."""
    if "://" in target:
        return False
    return target.startswith(outside) or Path(target).suffix in ("", ".json")


def notebook_page(notebook: dict) -> tuple[str, dict[str, bytes]]:
    """Converts a notebook.

    Args:
        notebook: the parsed JSON of an executed notebook.

    Returns:
        the page as Markdown, and its PNG pictures by file name.
    """
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                name = f"tutorial_{len(pictures) + 1}.png"
                pictures[name] = base64.b64decode(data["image/png"])
                parts.append(f"![Output of the cell above]({name})")
            elif "text" in output:
                text = html.escape("".join(output["text"]).rstrip())
                parts.append(f'<pre class="output">{text}</pre>')
    return "\n\n".join(parts) + "\n", pictures


def formulas(markdown: str) -> str:
    """Replaces ``$$...$$`` and ``$...$`` outside of code blocks by MathML."""
    pieces = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    for i in range(0, len(pieces), 2):
        display = re.sub(
            r"\$\$(.+?)\$\$",
            lambda match: f"<div>{convert(match[1], display='block')}</div>",
            pieces[i],
            flags=re.DOTALL,
        )
        # In a span, because Markdown takes a line that starts with <math> for a block.
        pieces[i] = re.sub(
            r"\$([^$\n]+?)\$", lambda match: f"<span>{convert(match[1])}</span>", display
        )
    return "".join(pieces)
