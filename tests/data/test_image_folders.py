"""Images from folders of image files."""

import numpy as np
import pytest
from PIL import Image

from pixelcnn_tf import UserError, load_images
from pixelcnn_tf.config.schema import DataConfig


def load(source, **options):
    return load_images(DataConfig.model_validate({"source": str(source), **options}))


def write_images(folder, rng, size=(9, 7), endings=("png", "jpg", "bmp", "webp"), mode="RGB"):
    for i, ending in enumerate(endings):
        folder.mkdir(parents=True, exist_ok=True)
        array = rng.integers(256, size=(*size, 3)).astype(np.uint8)
        Image.fromarray(array).convert(mode).save(folder / f"{i}.{ending}")


def test_nested_folders_of_every_format(tmp_path, rng):
    write_images(tmp_path / "a", rng)
    write_images(tmp_path / "b" / "c", rng, endings=("PNG", "jpeg"))
    (tmp_path / "notes.txt").write_text("no image")
    write_images(tmp_path.with_name("linked"), rng)
    (tmp_path / "a" / "linked").symlink_to(tmp_path.with_name("linked"))
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    images = load(tmp_path)
    assert images.train.shape == (9, 9, 7, 3)
    assert images.test.shape == (1, 9, 7, 3)


def test_folder_with_train_and_test(tmp_path, rng):
    write_images(tmp_path / "train", rng, endings=("png",) * 1)
    write_images(tmp_path / "test", rng, endings=("png", "bmp"))
    images = load(tmp_path)
    assert (len(images.train), len(images.test)) == (1, 2)


def test_lossless_files_are_read_exactly(tmp_path, rng):
    array = rng.integers(256, size=(2, 5, 6, 3)).astype(np.uint8)
    for i, image in enumerate(array):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    images = np.concatenate(load(tmp_path)[:2])
    assert sorted(images.tolist()) == sorted(array.tolist())


def test_grey_files_have_one_channel(tmp_path, rng):
    write_images(tmp_path, rng, endings=("png", "bmp"), mode="L")
    assert load(tmp_path).train.shape == (1, 9, 7, 1)


def test_one_colour_image_gives_all_images_three_channels(tmp_path, rng):
    write_images(tmp_path, rng, endings=("png", "bmp"), mode="L")
    Image.fromarray(np.full((9, 7, 3), (1, 2, 3), np.uint8)).save(tmp_path / "c.png")
    assert load(tmp_path, test_share=0.3).train.shape == (2, 9, 7, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_are_laid_on_white(mode, tmp_path):
    image = Image.new("RGBA", (6, 6), (200, 10, 10, 0))
    for i in range(2):
        image.convert(mode).save(
            tmp_path / f"{i}.png", **({"transparency": 0} if mode == "P" else {})
        )
    assert (load(tmp_path).train == 255).all()


def test_crop_keeps_proportions_and_resize_does_not(tmp_path):
    """A wide image, its left half black, its right half white."""
    wide = np.zeros((10, 40, 3), np.uint8)
    wide[:, 20:] = 255
    wide[:, :5] = 128
    for i in range(2):
        Image.fromarray(wide).save(tmp_path / f"{i}.png")
    cropped = load(tmp_path, image_size=10, fit="crop").train[0, 5, :, 0]
    resized = load(tmp_path, image_size=10, fit="resize").train[0, 5, :, 0]
    assert cropped[0] == 0  # the grey edge is cut off
    assert abs(int(resized[0]) - 128) < 20


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("empty", "no images in this folder"),
        ("broken", r"1\.png: not a readable image"),
        ("cut short", r"1\.png: not a readable image"),
        ("mixed sizes", "set data.image_size"),
        ("16 bits", r"1\.png: has mode I;16; must have 8 bits"),
    ],
)
def test_folders_that_cannot_be_used(case, words, tmp_path, rng):
    if case != "empty":
        write_images(tmp_path, rng, endings=("png", "png", "png"))
    target = tmp_path / "1.png"
    if case == "broken":
        target.write_bytes(b"\x89PNG but not really")
    elif case == "cut short":
        target.write_bytes(target.read_bytes()[:100])
    elif case == "mixed sizes":
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(target)
    elif case == "16 bits":
        Image.fromarray(np.full((9, 7), 40_000, np.uint16)).save(target)
    with pytest.raises(UserError, match=words) as error:
        load(tmp_path)
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)
