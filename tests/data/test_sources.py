"""Built-in data sets, and static binarization."""

import keras
import numpy as np
import pytest

from pixelcnn_tf import UserError, load_images
from pixelcnn_tf.config.schema import DataConfig


def load(source, **options):
    return load_images(DataConfig.model_validate({"source": str(source), **options}))


def test_digits_are_split_by_digit():
    """No handwritten digit of the test set, in whatever tint, is in the training set."""
    images = load("digits")
    assert images.train.shape[1:] == (12, 12, 3)
    assert images.train.dtype == np.uint8

    def shapes(part):
        """The strokes without their colours: where a pixel differs from the corner's paper."""
        paper = np.array(
            [
                np.unique(i.reshape(-1, 3), axis=0, return_counts=True)[0][
                    np.unique(i.reshape(-1, 3), axis=0, return_counts=True)[1].argmax()
                ]
                for i in part
            ]
        )
        return {(i != p).any(-1).tobytes() for i, p in zip(part, paper, strict=True)}

    grey = load("digits_grey")
    assert len(images.test) % len(grey.test) == 0
    assert len(shapes(images.train) & shapes(images.test)) < 0.02 * len(images.test)
    originals = [{i.tobytes() for i in part} for part in grey[:2]]
    assert not originals[0] & originals[1]


def test_digits_have_random_colours_that_depend_on_the_seed():
    one, two, other = load("digits"), load("digits"), load("digits", seed=1)
    np.testing.assert_array_equal(one.train, two.train)
    assert (one.train != other.train).any()
    assert len(np.unique(one.train.reshape(-1, 3), axis=0)) == 12  # six papers, six pens


def test_digits_grey_are_scikit_learns():
    images = load("digits_grey")
    assert images.train.shape[1:] == (8, 8, 1)
    assert len(images.train) + len(images.test) == 1797
    assert images.train.max() == 255


def test_digits_have_the_requested_size():
    assert load("digits", image_size=(16, 10)).test.shape[1:] == (16, 10, 3)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_keras_datasets(name, monkeypatch, rng):
    shape = (6, 28, 28) if "mnist" in name else (6, 32, 32, 3)
    arrays = rng.integers(256, size=(2, *shape)).astype(np.uint8)
    fake = type("module", (), {"load_data": lambda: ((arrays[0], None), (arrays[1], None))})
    monkeypatch.setattr(keras.datasets, name, fake)
    images = load(name)
    assert images.train.shape == (6, *shape[1:3], 1 if "mnist" in name else 3)
    np.testing.assert_array_equal(images.test.reshape(shape), arrays[1])


def test_without_a_network_the_error_suggests_a_file(monkeypatch):
    def fail():
        raise OSError("URL fetch failure on https://somewhere\nmore lines")

    monkeypatch.setattr(keras.datasets, "mnist", type("module", (), {"load_data": fail}))
    with pytest.raises(UserError, match=r"'mnist' could not be downloaded \(URL.*\.npz") as error:
        load("mnist")
    assert "\n" not in str(error.value)


def test_threshold_and_sample(tmp_path):
    grey = np.full((200, 4, 4, 1), 64, np.uint8)
    grey[:, :2] = 200
    np.save(tmp_path / "a.npy", grey)
    hard = load(tmp_path / "a.npy", binarize="threshold").train
    assert (hard[:, :2] == 1).all()
    assert (hard[:, 2:] == 0).all()
    drawn = load(tmp_path / "a.npy", binarize="sample").train
    assert set(np.unique(drawn)) == {0, 1}
    assert drawn[:, :2].mean() == pytest.approx(200 / 255, abs=0.03)
    assert drawn[:, 2:].mean() == pytest.approx(64 / 255, abs=0.03)
    np.testing.assert_array_equal(drawn, load(tmp_path / "a.npy", binarize="sample").train)
    assert (drawn != load(tmp_path / "a.npy", binarize="sample", seed=1).train).any()


def test_black_and_white_are_never_changed_by_sampling(tmp_path):
    np.save(tmp_path / "a.npy", np.tile(np.array([0, 255], np.uint8), (50, 4, 2))[..., None])
    drawn = load(tmp_path / "a.npy", binarize="sample").train
    assert (drawn[..., ::2, :] == 0).all()
    assert (drawn[..., 1::2, :] == 1).all()
