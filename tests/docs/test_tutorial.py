"""The tutorial runs from top to bottom, and is stored with its outputs."""

import matplotlib.pyplot as plt
import nbformat
import pytest
from documents import ROOT

from docs.generate import tutorial

#: A smaller model and a shorter training, for a quick test of all cells.
SHORT = {"n_layers=4,": "n_layers=1,", "epochs, batch_size = 12, 32": "epochs, batch_size = 1, 64"}


def printed(notebook) -> str:
    """Returns all text that the cells of a notebook printed."""
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    return "\n".join(out.text for out in outputs if out.output_type == "stream")


def assert_right(text: str):
    assert "100% of the images are identical to those of the loop" in text
    assert "bits per dimension" in text


def test_tutorial_runs(capsys, monkeypatch):
    """All cells in this process, where TensorFlow is imported already."""
    monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
    cells = nbformat.read(tutorial.NOTEBOOK, as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    for old, new in SHORT.items():
        assert old in code
        code = code.replace(old, new)
    exec(code, {})
    assert_right(capsys.readouterr().out)


@pytest.mark.slow
def test_tutorial_runs_as_a_notebook():
    assert_right(printed(tutorial.execute(replace=SHORT)))


def test_stored_tutorial_has_outputs_and_is_small():
    assert (ROOT / "docs" / "tutorial.ipynb").stat().st_size < 1_000_000
    notebook = nbformat.read(tutorial.NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code)
    pictures = [out for cell in code for out in cell.outputs if "image/png" in out.get("data", {})]
    assert len(pictures) >= 6
    assert "Error" not in printed(notebook)
