"""One line for everything that is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import wrong_plugins
from command_line import ROOT, flags
from PIL import Image
from wrong_input import WRONG

from pixelcnn_tf import PixelRNN
from pixelcnn_tf.cli.parsing import exit_with


def tree(folder):
    return {str(p): p.stat().st_mtime_ns for p in sorted(Path(folder).rglob("*"))}


@pytest.fixture(scope="module")
def wrong_files(tmp_path_factory):
    """A folder of files that are not what they should be."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "words.txt").write_text("words")
    (folder / "bad.keras").write_bytes(b"PK\x05\x06" + bytes(18))  # an empty zip
    np.save(folder / "float.npy", np.zeros((9, 8, 8)))
    np.save(folder / "rgb.npy", np.zeros((9, 9, 8, 3), np.uint8))
    grey = np.zeros((9, 8, 8), np.uint8)
    np.savez(folder / "grey.npz", x_train=grey, x_test=grey)
    np.save(folder / "rgb8.npy", np.zeros((9, 8, 8, 3), np.uint8))
    for name in ("old.csv", "old2.json"):
        (folder / name).write_text("scores")
    for name, data in (("large", "image_size: 12"), ("colour", "source: digits, image_size: 8")):
        (folder / name).mkdir()
        channels = 3 if name == "colour" else 1
        text = f"data: {{{data}, mutation_rate: 0.1}}\nmodel: {{n_channels: {channels}}}\n"
        (folder / name / "config.yml").write_text(text)
    colour = PixelRNN(2, 2, n_layers=1)
    colour.build((None, None, None, 3))
    colour.save(folder / "colour.keras")
    for name in ("empty", "broken", "mixed", "other"):
        (folder / name).mkdir()
    (folder / "broken" / "a.png").write_text("no image")
    (folder / "other" / "thesis.txt").write_text("years of work")
    for side in (8, 9):
        Image.new("L", (side, side)).save(folder / "mixed" / f"{side}.png")
    wrong_plugins.write_all(folder)
    return folder


@pytest.mark.parametrize(("command", "arguments", "words"), WRONG)
def test_wrong_input_gets_one_line_status_2_and_writes_nothing(
    command, arguments, words, runs, wrong_files, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(ROOT)
    typed = []
    for argument in arguments:
        if argument in ("{new}", "{old}"):
            typed += flags(tmp_path if argument == "{new}" else runs)
        else:
            typed.append(argument.format(runs=runs, tmp=wrong_files))
    before = tree(wrong_files), tree(runs), tree(tmp_path), {p.name for p in ROOT.iterdir()}
    assert exit_with(lambda: command.main(typed)) == 2
    after = tree(wrong_files), tree(runs), tree(tmp_path), {p.name for p in ROOT.iterdir()}
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert words.replace("{tmp}", str(wrong_files)) in lines[0]
    assert before == after


@pytest.mark.parametrize(
    "arguments",
    [
        ["main.py", "--config", "none.yml"],
        ["main.py", "--config", "config.yml", "--set", "model.n_layers=-1"],
        ["scripts/sample.py", "--run", "nowhere"],
        ["scripts/plot_masks.py", "--kernel", "4"],
    ],
)
def test_wrong_input_in_a_process_of_its_own(arguments):
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
