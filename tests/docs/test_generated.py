"""Pages and figures that scripts write are what the code gives."""

import pytest
from documents import ROOT

from docs.generate import api_index, architecture, cli, wavefront


def same_words(page: str, expected: str) -> bool:
    """Whether two texts differ only in how argparse, of another Python, breaks lines."""
    return page.split() == expected.split()


@pytest.mark.parametrize("generator", [api_index, architecture, cli])
def test_page_is_up_to_date(generator):
    command = f"python -m {generator.__name__}"
    assert same_words(generator.PAGE.read_text(), generator.page()), f"run {command}"


def test_layer_diagram_is_up_to_date():
    assert architecture.DIAGRAM.read_text() == architecture.diagram(), (
        "run python -m docs.generate.architecture"
    )


def test_every_module_of_the_package_is_in_the_architecture():
    page = architecture.PAGE.read_text()
    for part, paths in architecture.modules().items():
        section = page.split(f"### `{part}`\n")[1].split("\n### ")[0]
        for path in paths:
            if path.stem not in ("__init__", part):
                assert f"| `{path.stem}` | " in section, path


def test_figures_exist_and_are_small():
    for name in wavefront.FIGURES:
        assert (ROOT / "docs" / "figures" / f"{name}.svg").stat().st_size < 200_000
