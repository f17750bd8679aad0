"""Pages and figures that scripts write are what the code gives."""

import pytest
from documents import ROOT

from docs.generate import api_index, architecture, block_source, cli, wavefront, zoo
from pixelcnn_tf import PixelRNN


def same_words(page: str, expected: str) -> bool:
    """Whether two texts differ only in how argparse, of another Python, breaks lines."""
    return page.split() == expected.split()


@pytest.mark.parametrize("generator", [api_index, architecture, block_source, cli, zoo])
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


def test_figures_show_the_schedule_of_the_code():
    """The figures compute steps and lookaheads by the formulas of the page."""
    from pixelcnn_tf.layers.schedule import Schedule

    masked = PixelRNN(2, 2, n_layers=2, n_channels=1, likelihood="bernoulli")
    masked.build((None, None, None, 1))
    schedule = Schedule(masked, 1, 32, 32)
    assert schedule.lag == 4
    assert schedule.n_steps == 156
    assert schedule.step_of(3, 5) == wavefront.step_of(3, 5, schedule.lag)

    gated = PixelRNN(2, 2, n_layers=2, n_channels=1, pixel_layer="gated", likelihood="bernoulli")
    gated.build((None, None, None, 1))
    schedule = Schedule(gated, 1, 32, 32)
    assert schedule.lag == 6
    assert {0, 1, 2} == set(schedule.lookaheads.values())
