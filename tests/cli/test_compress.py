"""The commands ``compress`` and ``decompress``."""

import errno
import shutil

import numpy as np
import pytest
from helpers import random_images
from PIL import Image

from pixelcnn_tf import PixelRNN, encode
from pixelcnn_tf.cli import compress, decompress
from pixelcnn_tf.cli.parsing import exit_with


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with models, images for them, and compressed files."""
    folder = tmp_path_factory.mktemp("codec")
    models = {}
    for name, options in {
        "colour": {},
        "binary": {"n_channels": 1, "likelihood": "bernoulli"},
        "grey": {"n_channels": 1},
        "classes": {"n_classes": 3},
    }.items():
        models[name] = PixelRNN(2, 2, n_layers=1, **options)
        models[name].build((None, None, None, models[name].n_channels))
        models[name].save(folder / f"{name}.keras")
    rng = np.random.default_rng(0)
    (folder / "photos" / "sub").mkdir(parents=True)
    for name, size in {"a.png": (6, 4), "b.bmp": (5, 5), "sub/a.png": (3, 7)}.items():
        pixels = random_images(rng, 1, size[1], size[0], 3, 256)[0]
        Image.fromarray(pixels).save(folder / "photos" / name)
    Image.fromarray(random_images(rng, 1, 6, 6, 1, 256)[0, ..., 0]).save(folder / "grey.png")
    Image.new("1", (6, 5), 1).save(folder / "white.png")
    Image.new("RGBA", (4, 4), (9, 9, 9, 100)).save(folder / "alpha.png")
    Image.new("RGBA", (4, 4), (9, 9, 9, 255)).save(folder / "opaque.png")
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(folder / "deep.png")
    Image.new("CMYK", (4, 4)).save(folder / "ink.jpg")
    Image.fromarray(np.eye(5, dtype=np.uint8)).save(folder / "ones.png")
    np.save(folder / "bright.npy", 255 * np.ones([2, 5, 5, 1], np.uint8))
    (folder / "words.txt").write_text("words")
    (folder / "broken.png").write_text("no image")
    images = [np.zeros([3, 4, 3], np.uint8), np.zeros([4, 4, 3], np.uint8)]
    data = encode(models["colour"], images)
    (folder / "old.pxc").write_bytes(data)
    (folder / "cut.pxc").write_bytes(data[:-9])
    (folder / "same.pxc").write_bytes(encode(models["colour"], images, names=["a", "./a"]))
    noise = random_images(rng, 1, 40, 40, 3, 256)[0]
    Image.fromarray(noise).save(folder / "cut.png")
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:-500])
    (folder / "evil.pxc").write_bytes(encode(models["colour"], images, names=["a", "../b"]))
    return folder


@pytest.fixture
def model_files(made, tmp_path, monkeypatch):
    """A copy of these files, which is the working folder."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(command, *arguments):
    return exit_with(lambda: command.main([str(argument) for argument in arguments]))


def pixels_of(path):
    return np.asarray(Image.open(path).convert("RGB"))


def test_a_folder_comes_back_as_it_was(model_files, capsys):
    flags = "--run", "colour.keras", "--out"
    assert run(compress, "photos", *flags, "a.pxc", "--verify", "--stats") == 0
    out = capsys.readouterr().out
    assert "3 images, 210 bytes: " in out and "bits per dim: a.pxc" in out
    assert "PNG" in out and "bits/dim" in out
    assert run(decompress, "a.pxc", *flags, "new") == 0
    assert "3 images: new" in capsys.readouterr().out
    new = model_files / "new"
    names = {path.relative_to(new).as_posix() for path in new.rglob("*.png")}
    assert names == {"a.png", "b.png", "sub/a.png"}
    for old, new in (("a.png", "a.png"), ("b.bmp", "b.png"), ("sub/a.png", "sub/a.png")):
        np.testing.assert_array_equal(pixels_of(f"photos/{old}"), pixels_of(f"new/{new}"))
    assert not list(model_files.glob(".*"))  # nothing temporary is left


def test_grey_images_in_a_colour_model_and_opaque_ones(model_files):
    flags = "--run", "colour.keras", "--out"
    assert run(compress, "grey.png", "opaque.png", *flags, "a.pxc") == 0
    assert run(decompress, "a.pxc", *flags, "new") == 0
    for name in ("grey.png", "opaque.png"):
        np.testing.assert_array_equal(pixels_of(name), pixels_of(f"new/{name}"))


def test_binary_images_and_arrays(model_files):
    flags = "--run", "binary.keras", "--out"
    assert run(compress, "white.png", *flags, "a.pxc") == 0
    assert run(decompress, "a.pxc", *flags, "new") == 0
    assert (np.asarray(Image.open("new/white.png")) == 255).all()
    images = np.random.default_rng(0).integers(2, size=[5, 6, 4, 1]).astype(np.uint8)
    np.save("b.npy", images)
    assert run(compress, "b.npy", *flags, "b.pxc") == 0
    for name in ("c.npy", "c.npz", "c"):
        assert run(decompress, "b.pxc", *flags, name) == 0
    np.testing.assert_array_equal(np.load("c.npy"), images)
    np.testing.assert_array_equal(np.load("c.npz")["x_test"], images)
    assert sorted(path.name for path in (model_files / "c").iterdir()) == [
        f"{i}.png" for i in range(5)
    ]


def test_labels_are_read_or_given(model_files):
    images, labels = np.zeros([4, 5, 5, 3], np.uint8), np.array([2, 0, 1, 1])
    np.savez("l.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    flags = "--run", "classes.keras", "--out"
    assert run(compress, "l.npz", *flags, "l.pxc") == 0
    assert run(decompress, "l.pxc", *flags, "m.npz") == 0
    np.testing.assert_array_equal(np.load("m.npz")["y_test"], labels)
    assert run(compress, "photos/a.png", *flags, "one.pxc", "--label", "2") == 0
    assert run(decompress, "one.pxc", *flags, "one") == 0


COLOUR = "--run colour.keras --out x.pxc"
WRONG = [
    (compress, f"none.png {COLOUR}", "none.png: no such file or folder"),
    (compress, f"broken.png {COLOUR}", "broken.png: not a readable image"),
    (compress, f"cut.png {COLOUR}", "cut.png: not a readable image (image file is truncated"),
    (compress, f"photos/a.png words.txt {COLOUR}", "words.txt: is no image file"),
    (compress, f"alpha.png {COLOUR}", "alpha.png: has transparent pixels"),
    (compress, f"deep.png {COLOUR}", "deep.png: has more than 8 bits per channel"),
    (compress, f"ink.jpg {COLOUR}", "ink.jpg: has colours of mode CMYK"),
    (compress, f"photos/a.png photos/sub/a.png {COLOUR}", "a.png: two images would have this name"),
    (compress, "photos/a.png --run none --out x.pxc", "--run none: no such run folder"),
    (compress, "photos/a.png --run colour.keras --out x.png", "x.png: must end in .pxc"),
    (compress, "photos/a.png --run colour.keras --out no/x.pxc", "there is no folder no"),
    (compress, "photos/a.png --run colour.keras --out old.pxc", "old.pxc: exists already"),
    (compress, "photos/a.png --run grey.keras --out x.pxc", "has 3 channels; the model has 1"),
    (compress, "grey.png --run binary.keras --out x.pxc", "must be black and white"),
    (compress, "ones.png --run binary.keras --out x.pxc", "must be black and white"),
    (compress, "bright.npy --run binary.keras --out x.pxc", "those of the model are 0 to 1"),
    (compress, f"photos/a.png {COLOUR} --tile 3", "--tile 3: must be an integer from 8 up"),
    (compress, f"photos/a.png {COLOUR} --label 1", "not class-conditional"),
    (compress, "photos --run classes.keras --out x.pxc", "add --label"),
    (compress, "photos/a.png --run classes.keras --out x.pxc --label 3", "none of the 3 classes"),
    (compress, "photos/a.png --run classes.keras --out x.pxc --label all", "must be one class"),
    (decompress, "none.pxc --run colour.keras --out new", "none.pxc: no such file"),
    (decompress, "photos --run colour.keras --out new", "photos: is a folder"),
    (decompress, "words.txt --run colour.keras --out new", "words.txt: is not a .pxc file"),
    (decompress, "old.pxc --run colour.keras --out photos", "contains files; add --force"),
    (decompress, "old.pxc --run colour.keras --out words.txt", "words.txt: is no folder"),
    (decompress, "old.pxc --run colour.keras --out no/new", "there is no folder no"),
    (decompress, "old.pxc --run colour.keras --out a.npy", "several sizes; name a folder"),
    (decompress, "old.pxc --run classes.keras --out new", "was written with another model"),
    (decompress, "same.pxc --run colour.keras --out new", "gives two images the same name"),
    (decompress, "old.pxc --run colour.keras --out a.zip", "a.zip: is no folder"),
    (decompress, "cut.pxc --run colour.keras --out new", "cut.pxc: is damaged or cut short"),
    (decompress, "evil.pxc --run colour.keras --out new", "which is not within a folder"),
]


@pytest.mark.parametrize("command, arguments, words", WRONG)
def test_wrong_input(command, arguments, words, model_files, capsys):
    before = {path: path.stat().st_mtime_ns for path in model_files.rglob("*")}
    assert run(command, *arguments.split()) == 2
    assert before == {path: path.stat().st_mtime_ns for path in model_files.rglob("*")}
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and words in error


def test_force_overwrites(model_files):
    flags = "--run", "colour.keras", "--force", "--out"
    (model_files / "old").mkdir()
    (model_files / "old" / "a.png").write_text("old")
    (model_files / "old" / "mine.txt").write_text("kept")
    for _ in range(2):
        assert run(compress, "photos/a.png", *flags, "a.pxc") == 0
    assert run(decompress, "a.pxc", *flags, "old") == 0
    np.testing.assert_array_equal(pixels_of("photos/a.png"), pixels_of("old/a.png"))
    assert (model_files / "old" / "mine.txt").read_text() == "kept"


def test_images_that_cannot_be_written_among_files_leave_them_as_they_are(model_files):
    """All are complete before one of them is moved."""
    flags = "--run", "colour.keras", "--force", "--out"
    assert run(compress, "photos", *flags, "a.pxc") == 0
    (model_files / "old").mkdir()
    (model_files / "old" / "a.png").write_text("old")
    full = OSError(errno.ENOSPC, "No space left on device")
    save, calls = Image.Image.save, []

    def fails_at_last(image, path, **options):
        calls.append(path)
        if len(calls) == 3:
            raise full
        save(image, path, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image.Image, "save", fails_at_last)
        assert run(decompress, "a.pxc", *flags, "old") == 2
    assert (model_files / "old" / "a.png").read_text() == "old"
    assert [path.name for path in (model_files / "old").iterdir()] == ["a.png"]
    assert run(decompress, "a.pxc", *flags, "old") == 0
    np.testing.assert_array_equal(pixels_of("photos/sub/a.png"), pixels_of("old/sub/a.png"))
