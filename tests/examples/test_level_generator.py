"""The levels of the example are those that its generator draws."""

import runpy

from command_line import ROOT

FOLDER = ROOT / "examples" / "levels"


def test_the_levels_are_those_of_the_generator():
    text_of = runpy.run_path(str(FOLDER / "generate.py"))["text_of"]
    assert text_of(800, 0) == (FOLDER / "levels.txt").read_text()
    assert text_of(3, 1) != text_of(3, 2)
