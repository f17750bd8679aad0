"""Conditions of images: made from them, or read with them."""

import numpy as np
import pytest
from helpers import conv2d_reference
from PIL import Image

from pixelcnn_tf import UserError, get_dataset, load_images, make_condition
from pixelcnn_tf.config.schema import Config, DataConfig
from pixelcnn_tf.data.conditions import condition_of, condition_shape
from pixelcnn_tf.data.images import Images


def load(source, **options):
    return load_images(DataConfig.model_validate({"source": str(source), **options}))


def test_what_is_made(rng):
    images = rng.integers(256, size=(3, 8, 12, 3)).astype(np.uint8)
    luma = (images * [0.299, 0.587, 0.114]).sum(axis=-1)
    np.testing.assert_array_equal(make_condition(images, "grey")[..., 0], np.floor(luma + 0.5))
    means = images.reshape(3, 2, 4, 3, 4, 3).mean(axis=(2, 4))
    np.testing.assert_array_equal(make_condition(images, "down4"), np.floor(means + 0.5))
    sobel = np.outer([1, 2, 1], [-1, 0, 1])
    edges = make_condition(images, "edges")
    kernels = np.stack([sobel, sobel.T], axis=-1)[:, :, None]
    around = np.pad(np.floor(luma + 0.5), [(0, 0), (1, 1), (1, 1)], "symmetric")[..., None]
    derivatives = conv2d_reference(around, kernels, 0)[:, 1:-1, 1:-1]
    expected = np.minimum(np.floor(np.abs(derivatives).sum(axis=-1) / 4 + 0.5), 255)
    np.testing.assert_array_equal(edges[..., 0], expected)
    binary = images[..., :1] % 2
    halves = 255 * binary.reshape(3, 4, 2, 6, 2, 1).mean(axis=(2, 4))
    np.testing.assert_array_equal(make_condition(binary, "down2", 2), np.floor(halves + 0.5))


@pytest.mark.parametrize("kind", ["grey", "down2", "paired"])
def test_batches_have_the_conditions_of_their_images_mirrored_or_not(kind, rng):
    x = rng.integers(256, size=(20, 4, 6, 3)).astype(np.uint8)
    y = np.arange(20)
    paired = {}
    if kind == "paired":  # codes, which differ from those of the mirrored image
        paired = {"train_condition": x[..., :1] + np.int32(300), "test_condition": x[:5, ..., :1]}
    images = Images(x, x[:5], y, y[:5], augment=("flip",), condition=kind, **paired)
    mirrored = 0
    for batch, labels, condition in get_dataset(images, labels=True, condition=True).take(3):
        own = x[labels.numpy()]
        mirrored += int((own != batch.numpy()).any(axis=(1, 2, 3)).sum())
        batch = batch.numpy()
        expected = batch[..., :1] + np.int32(300) if kind == "paired" else None
        if expected is None:
            expected = make_condition(batch, kind)
        np.testing.assert_array_equal(condition, expected)
    assert 0 < mirrored < 48
    [(batch, condition)] = get_dataset(images, "test", condition=True)
    np.testing.assert_array_equal(condition, condition_of(images, "test"))
    third = [*get_dataset(images, labels=True, condition=True).take(3)][2]
    resumed = next(iter(get_dataset(images, start_step=2, labels=True, condition=True)))
    for part, same in zip(resumed, third, strict=True):
        np.testing.assert_array_equal(part, same)


@pytest.mark.parametrize("sets", ["train", "train and test", "stored"])
def test_paired_arrays(sets, tmp_path, rng):
    x = rng.integers(256, size=(40, 4, 4, 1)).astype(np.uint8)
    arrays = {"x_train": x, "c_train": x[:, ::2, ::2, 0] // 2}
    if sets == "train and test":
        arrays |= {"x_test": x[:7], "c_test": arrays["c_train"][:7]}
    np.savez(tmp_path / "a.npz", **arrays)
    options = {"cache_gb": 0} if sets == "stored" else {}
    images = load(tmp_path / "a.npz", condition="paired", validation_share=0.2, **options)
    for name in ("train", "test", "validation"):
        own, condition = getattr(images, name), getattr(images, f"{name}_condition")
        assert len(own) > 0
        np.testing.assert_array_equal(np.asarray(own)[:, ::2, ::2] // 2, condition)
    assert condition_shape(images) == (2, 2, 1)


def test_paired_folders(tmp_path, capsys):
    for name in "abc":
        for folder, side, value in (("x", 4, ord(name)), ("c", 2, ord(name) - 1)):
            (tmp_path / folder).mkdir(exist_ok=True)
            image = Image.fromarray(np.full((side, side), value, np.uint8))
            image.save(tmp_path / folder / f"{name}.png")
    options = {"condition": "paired", "condition_source": str(tmp_path / "c")}
    images = load(tmp_path / "x", **options)
    for name in ("train", "test"):
        own, condition = getattr(images, name), getattr(images, f"{name}_condition")
        np.testing.assert_array_equal(own[:, ::2, ::2] - 1, condition)
    # As the config of the run says, which has the size of the images.
    config = Config(data={"source": str(tmp_path / "x"), **options}, model={"n_channels": 1})
    data = config.resolved(4, 4, 1, condition=(2, 2, 1)).data
    again = load_images(data)
    np.testing.assert_array_equal(again.test_condition, images.test_condition)
    (tmp_path / "c" / "b.png").rename(tmp_path / "c" / "d.png")
    with pytest.raises(UserError, match=r"/c has no image 'b'; .* must have the same names$"):
        load(tmp_path / "x", **options)
    (tmp_path / "c" / "d.png").unlink()
    with pytest.raises(UserError, match=r"has no image 'b'|2 conditions for 3 images"):
        load(tmp_path / "x", **options)


def test_paired_folders_that_sort_in_another_order(tmp_path):
    for folder, suffix in (("x", "png"), ("c", "tif")):
        (tmp_path / folder).mkdir()
        for name in ("a", "a.q"):
            image = Image.fromarray(np.zeros((4, 4), np.uint8))
            image.save(tmp_path / folder / f"{name}.{suffix}")
    with pytest.raises(UserError, match=r"images sort 'a' where .* sort 'a\.q'"):
        load(tmp_path / "x", condition="paired", condition_source=str(tmp_path / "c"))


X = np.zeros((10, 4, 6), np.uint8)
WRONG = {
    "no grey": ({}, {"condition": "grey"}, "^data.condition 'grey': the images have 1 channel; "),
    "down3": ({}, {"condition": "down4"}, "^data.condition 'down4': 4 must divide both sides"),
    "no arrays": ({}, {"condition": "paired"}, "no array 'c_train' in it"),
    "no test": (
        {"x_test": X, "c_train": X},
        {"condition": "paired"},
        "no array 'c_test' in it, the conditions of the test images",
    ),
    "number": ({"c_train": X[:3]}, {"condition": "paired"}, "3 conditions for 10 images"),
    "floats": ({"c_train": X / 2}, {"condition": "paired"}, "float64 .*; must be integers"),
    "negative": ({"c_train": X - np.int8(1)}, {"condition": "paired"}, "-1 to -1; must be from 0"),
    "size": (
        {"c_train": X[:, :3]},
        {"condition": "paired"},
        "conditions are 3x6, images 4x6; must be of the same size, or divided by an integer",
    ),
    "no source": (
        {},
        {"condition": "paired", "condition_source": "none"},
        "^data.condition_source: none: no such file or folder$",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_conditions_are_one_line(case, tmp_path):
    arrays, options, words = WRONG[case]
    np.savez(tmp_path / "a.npz", x_train=X, **arrays)
    with pytest.raises(UserError, match=words) as error:
        load(tmp_path / "a.npz", **options)
    assert "\n" not in str(error.value)


def test_wrong_use_is_one_line():
    with pytest.raises(UserError, match=r"^condition 'gray': must be .*; did you mean 'grey'"):
        make_condition(X[..., None], "gray")
    with pytest.raises(
        UserError, match=r"^condition=True: these images have none; set data.condit"
    ):
        get_dataset("digits_grey", condition=True)
    with pytest.raises(UserError, match=r"'paired', but digits_grey has no conditions; name them"):
        load("digits_grey", condition="paired")
