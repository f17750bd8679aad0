"""Levels from text files."""

import re

import numpy as np
import pytest
from pydantic import ValidationError

from pixelcnn_tf import Config, UserError, load_images
from pixelcnn_tf.config.schema import DataConfig, first_problem
from pixelcnn_tf.data.exact_images import read_exact
from pixelcnn_tf.data.level_files import as_text
from pixelcnn_tf.data.sources import load_all_images
from pixelcnn_tf.visualization.grids import completion_grid, condition_grid, image_grid


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def data(source, **settings):
    return DataConfig(source=str(source), **settings)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_what_is_read_is_what_was_written(ending, tmp_path, rng):
    """All levels of a file, in order, with any characters: spaces, letters beyond ASCII."""
    alphabet = " #é水x"
    images = rng.integers(5, size=(7, 3, 4, 1)).astype(np.uint8)
    text = as_text(images, alphabet).replace("\n", ending)
    path = write(tmp_path / "a.txt", "\ufeff" + text)
    np.testing.assert_array_equal(load_all_images(path, data(path, alphabet=alphabet)), images)
    ordered = load_images(data(path), hold_out=False)
    assert ordered.alphabet == "".join(sorted(alphabet))
    assert as_text(ordered.train, ordered.alphabet).replace("\n", ending) == text


def test_a_folder_with_sets(tmp_path):
    write(tmp_path / "train" / "b.txt", "ab\nba\n")
    write(tmp_path / "train" / "deep" / "a.txt", "aa\naa\n\n\nbb\nbb")
    write(tmp_path / "test" / "c.txt", "ca\nca\n")
    images = load_images(data(tmp_path))
    assert images.train[:, 0, :, 0].tolist() == [[0, 1], [0, 0], [1, 1]]
    assert images.test[:, 0, :, 0].tolist() == [[2, 0]]
    assert images.alphabet == "abc"


def test_windows_do_not_overlap_and_leave_out_the_rest(tmp_path):
    path = write(tmp_path / "a.txt", "abcde\nfghij\nklmno\n\nabc\nabc\n")
    images = load_all_images(path, data(path, alphabet="abcdefghijklmno", window=(2, 2)))
    assert images[..., 0].tolist() == [[[0, 1], [5, 6]], [[2, 3], [7, 8]], [[0, 1], [0, 1]]]


@pytest.mark.parametrize(
    ("text", "settings", "words"),
    [
        ("ab\nabc\n", {}, "a.txt, line 2: has 3 characters, line 1 has 2"),
        ("ab\n\nab\nab\n", {}, "line 3: a level of 2x2, but the one at"),
        ("ab\n", {"window": (2, 2)}, "line 1: a level of 1x2, smaller than data.window 2x2"),
        ("ab\na?\n", {"alphabet": "ab"}, "line 2: the character '?' is not in data.alphabet 'ab'"),
        ("aa\n", {}, "the levels have 1 different character; must be 2 to 256"),
        ("\n\n", {}, "is empty; must hold at least one level"),
        ("".join(map(chr, range(1000, 1257))), {}, "257 different characters; must be 2 to 256"),
    ],
)
def test_wrong_levels_are_refused_with_the_line(text, settings, words, tmp_path):
    path = write(tmp_path / "a.txt", text)
    with pytest.raises(UserError) as caught:
        load_images(data(path, **settings))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_other_wrong_files_are_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"a\.txt: cannot be read: is not text in UTF-8"):
        load_images(data(tmp_path / "a.txt"))
    path = write(tmp_path / "b.txt", "ab\nba")
    with pytest.raises(UserError, match=r"b\.txt: must be images; levels as text need"):
        load_all_images(path, data("digits"))
    with pytest.raises(UserError, match=r"data.window: .* digits_grey holds none"):
        load_images(data("digits_grey", window=(4, 4)))
    with pytest.raises(UserError, match=r"b\.txt: is text; must be images"):
        read_exact([path], n_channels=1, n_values=2)
    write(tmp_path / "c" / "train" / "a.txt", "ab")
    (tmp_path / "c" / "val").mkdir()
    with pytest.raises(UserError, match=r"val: holds no \.txt files"):
        load_images(data(tmp_path / "c"))


@pytest.mark.parametrize(
    ("section", "likelihood", "words"),
    [
        ({"alphabet": "aba"}, "softmax-3", "data.alphabet: 'aba' must hold each character once"),
        ({"alphabet": "abc"}, "softmax-4", "has 3 characters, .* 4 values; must be 'softmax-3'"),
        ({"alphabet": "ab", "source": "digits"}, "softmax-256", "for images of one channel, not 3"),
        ({"palette": ["red"]}, "softmax-2", "data.palette: has 1 colour for 2 values"),
        ({"palette": "tab10"}, "softmax-16", "data.palette: has 10 colours for 16 values"),
        ({"palette": ["red", "gren"]}, "softmax-2", "'gren' is no colour.*did you mean 'green'"),
        ({"palette": "virids"}, "softmax-2", "data.palette.*did you mean 'viridis'"),
        ({"palette": 3}, "softmax-2", "data.palette: 3 must be a list of colours"),
    ],
)
def test_alphabets_and_palettes_that_do_not_fit(section, likelihood, words):
    with pytest.raises(ValidationError) as caught:
        Config.model_validate(
            {"data": {"source": "a.txt", **section}, "model": {"likelihood": likelihood}}
        )
    message = first_problem(caught.value)
    assert re.search(words, message) and "\n" not in message, message


def test_grids_have_the_colours_of_the_palette():
    colours = DataConfig(palette=["white", "#0000ff", "black"]).colours(3)
    images = np.array([[[0, 1], [2, 1]]], np.uint8)[..., None]
    grid = image_grid(images, 3, colours=colours)
    assert {tuple(pixel) for pixel in grid.reshape(-1, 3)} == {(255,) * 3, (0, 0, 255), (0,) * 3}
    hidden = np.array([[False, False], [True, True]])
    shown = completion_grid(images, hidden, images[:, None], 3, colours)
    assert {(0, 0, 255), (105,) * 3, (150,) * 3} <= {tuple(p) for p in shown.reshape(-1, 3)}
    rows = condition_grid(100 * images, images[:, None], images, 3, colours=colours)
    expected = {(255,) * 3, (0, 0, 255), (0,) * 3, (100,) * 3, (200,) * 3}
    assert {tuple(pixel) for pixel in rows.reshape(-1, 3)} == expected


def test_levels_without_a_palette_have_distinct_colours_and_images_have_greys():
    colours = DataConfig(source="a.txt", alphabet="abcdefgh").colours(8)
    assert colours is not None and len(np.unique(colours, axis=0)) == 8
    assert DataConfig(source="digits_grey").colours(256) is None
