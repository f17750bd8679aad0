"""Links of all pages lead somewhere, and files that they name exist."""

import re

import pytest
from documents import ROOT, anchor_of, pages, text_of

PAGES = pages()


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page):
    folder = (ROOT / page).parent
    text = re.sub(r"^```.*?^```$", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    broken = []
    for target in re.findall(r"\]\(((?!https?://|mailto:)[^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        path = (folder / name) if name else ROOT / page
        if name == "tutorial.md":  # the notebook as a page of the site
            path = ROOT / "docs" / "tutorial.ipynb"
        if not path.exists():
            broken.append(target)
        elif anchor:
            headings = re.findall(r"^#+ (.+)$", text_of(path), flags=re.MULTILINE)
            if anchor not in {anchor_of(heading) for heading in headings}:
                broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_named_files_of_the_repository_exist(page):
    named = re.findall(
        r"(?<![\w/])(?:configs/\w+\.yml|(?:scripts|tests|experiments|benchmarks|docs|pixelcnn_tf)"
        r"/[\w/]+\.(?:py|md|ipynb|svg|png))\b",
        PAGES[page],
    )
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_page_is_in_the_navigation_of_the_site():
    navigation = (ROOT / "mkdocs.yml").read_text()
    for page in PAGES:
        if page.startswith("docs/"):
            name = page.removeprefix("docs/").replace(".ipynb", ".md")
            assert re.search(rf"[ :]{re.escape(name)}$", navigation, re.MULTILINE), page
