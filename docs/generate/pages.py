"""Sections of pages that are written by scripts."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def replace_section(page: str, name: str, content: str) -> str:
    """Replaces what stands between the markers of a section.

    Args:
        page: the text of the page, with ``<!-- begin NAME ... -->`` and ``<!-- end NAME -->``.
        name: of the section.
        content: the new text between the markers.

    Raises:
        ValueError: the page has no such section.
    """
    pattern = rf"(<!-- begin {name}\b[^>]*-->\n).*?(<!-- end {name} -->)"
    if not re.search(pattern, page, flags=re.DOTALL):
        raise ValueError(f"no section {name!r}: its markers are missing")
    new = f"\n{content.strip()}\n\n"
    return re.sub(pattern, lambda m: m[1] + new + m[2], page, count=1, flags=re.DOTALL)
