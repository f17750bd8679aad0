"""The tables of docs/codec.md."""

import json

import numpy as np
import pytest

from experiments import codec, photos


def test_a_sheet_holds_all_images():
    images = np.random.default_rng(0).integers(256, size=[7, 2, 3, 1], dtype=np.uint8)
    sheet = codec._sheet(images)
    assert sheet.shape == (6, 9, 1)
    np.testing.assert_array_equal(sheet[2:4, 3:6], images[4])
    assert (sheet[4:, 3:] == 0).all()


def test_the_page_shows_the_records():
    page = codec.PAGE.read_text(encoding="utf-8")
    for path in codec.RECORDS.glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        assert codec._table(path.stem, record) in page


def test_patches_and_test_photographs_are_different_photographs():
    pytest.importorskip("skimage")
    assert not {*photos.TRAINING} & {name for names in photos.TEST.values() for name in names}
    patches = photos.patches()
    assert patches.shape[1:] == (64, 64, 3) and len(patches) > 400
    np.testing.assert_array_equal(patches[0], photos.photo("skimage", "coffee.png")[:64, :64])
