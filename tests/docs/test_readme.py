"""The README is short, and its Python and that of the pages runs as it stands."""

import pytest
from documents import ROOT, python_blocks


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 160


@pytest.mark.parametrize(
    ("page", "n_blocks"), [("README.md", 1), ("docs/usage.md", 3)], ids=["readme", "usage"]
)
def test_python_runs_as_it_stands(page, n_blocks, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = python_blocks((ROOT / page).read_text())
    assert len(blocks) == n_blocks
    names = {}
    for block in blocks:
        exec(block.replace("epochs=5", "epochs=1").replace("n_layers=4", "n_layers=1"), names)
    images = names["images"]
    assert images.shape == (16, 8, 8, 1)
    if page == "README.md":
        assert (tmp_path / "digits.keras").is_file() and (tmp_path / "mnist.png").is_file()
        assert "bits per dimension" in capsys.readouterr().out
    else:
        assert names["nats"].shape == (16,)
        assert (names["halves"][:, :, :4] == images[:, None, :4]).all()


def test_the_python_of_the_page_on_the_zoo_runs(capsys):
    names = {}
    for block in python_blocks((ROOT / "docs/zoo.md").read_text()):
        exec(block, names)
    assert names["images"].shape == (4, 28, 28, 1)
    assert "nats_per_image" in capsys.readouterr().out


def test_the_python_of_the_page_on_conditions_runs():
    names = {}
    for block in python_blocks((ROOT / "docs/conditioning.md").read_text()):
        exec(block.replace("n_layers=2", "n_layers=1"), names)
    assert names["nats"].shape == (20,)
    assert names["drawn"].shape == (4, 16, 16, 3)
