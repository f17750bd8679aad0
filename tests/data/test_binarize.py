"""Binary images drawn from intensities."""

import numpy as np
import pytest

from pixelcnn_tf import UserError, get_dataset, load_images
from pixelcnn_tf.config.schema import Config, DataConfig
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.data.sources import load_all_images
from pixelcnn_tf.likelihoods.registry import get_likelihood
from pixelcnn_tf.training.experiment import check_values


def load(source, **options):
    return load_images(DataConfig.model_validate({"source": str(source), **options}))


def batches(images, n, start=0, seed=1, batch_size=4, split="train"):
    dataset = get_dataset(images, split, batch_size, seed, start)
    return [batch.numpy() for batch in dataset.take(n)]


@pytest.fixture
def grey(rng):
    """A set whose images bear their number in four pixels that cannot be drawn otherwise."""
    x = rng.integers(1, 255, size=(10, 8, 8, 1)).astype(np.uint8)
    x[:, 0, :4, 0] = 255 * ((np.arange(10)[:, None] >> np.arange(4)) & 1)
    return Images(x, x[:3] % 2, np.arange(10), np.arange(3), dynamic=True)


def numbers(batch):
    """Which of the images of ``grey`` these are."""
    return batch[:, 0, :4, 0] @ (1 << np.arange(4))


# Files


@pytest.mark.parametrize("how", ["threshold", "sample", "dynamic"])
def test_binary_images_are_not_binarized_again(how, tmp_path, rng):
    """Nearly all would become 0."""
    path, images = tmp_path / "x.npz", rng.integers(2, size=(6, 4, 4, 1)).astype(np.uint8)
    np.savez(path, x_train=images, x_test=images)
    with pytest.raises(UserError, match=f"'{how}', but .* binary already; set data.bina"):
        load(path, binarize=how)
    data = DataConfig.model_validate({"source": str(path), "binarize": how})
    np.testing.assert_array_equal(load_all_images(path, data), images)


@pytest.mark.parametrize("how", ["threshold", "sample"])
def test_static_binarization_leaves_nothing_to_draw(how):
    assert load("digits_grey", binarize=how).dynamic is False


def test_dynamic_keeps_training_intensities_and_has_the_test_images_of_sample():
    plain = load("digits_grey", seed=3)
    dynamic = load("digits_grey", seed=3, binarize="dynamic")
    sample = load("digits_grey", seed=3, binarize="sample")
    assert dynamic.dynamic is True
    np.testing.assert_array_equal(dynamic.train, plain.train)
    assert set(np.unique(dynamic.test)) == {0, 1}
    np.testing.assert_array_equal(dynamic.test, sample.test)


def test_training_and_test_images_are_drawn_independently(tmp_path):
    grey = np.full((50, 4, 4), 128, np.uint8)
    np.savez(tmp_path / "a.npz", x_train=grey, x_test=grey)
    images = load(tmp_path / "a.npz", binarize="sample")
    assert (images.train != images.test).mean() == pytest.approx(0.5, abs=0.1)
    data = DataConfig(source="digits", binarize="dynamic")
    np.testing.assert_array_equal(load_all_images(tmp_path / "a.npz", data), images.test)


def test_labels_stay():
    data = DataConfig(source="digits_grey", binarize="dynamic")
    labels = load_images(data, labels=True).train_labels
    plain = load_images(DataConfig(source="digits_grey"), labels=True).train_labels
    np.testing.assert_array_equal(labels, plain)


# Repeated draws


def test_an_image_is_drawn_again_each_time_it_is_used(grey):
    seen = np.concatenate(batches(grey, 10))  # four epochs
    assert seen.dtype == np.uint8
    assert set(np.unique(seen)) == {0, 1}
    for number in range(10):
        same = seen[numbers(seen) == number]
        assert len({image.tobytes() for image in same}) == len(same) == 4
    plain = np.concatenate(batches(grey._replace(dynamic=False), 10))
    np.testing.assert_array_equal(numbers(seen), numbers(plain // 255))


def test_intensity_is_the_probability():
    """Of every intensity; within 5 standard deviations of the number of ones."""
    x = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    n = 12_000
    ones = sum(b.sum(axis=0, dtype=int) for b in batches(Images(x, x, dynamic=True), 30, 0, 1, 400))
    p = np.arange(256) / 255
    error = np.abs(ones.ravel() - n * p)
    assert (error <= 5 * np.sqrt(n * p * (1 - p))).all()


def test_pixels_are_drawn_independently():
    x = np.full((1, 8, 8, 1), 128, np.uint8)
    (seen,) = batches(Images(x, x, dynamic=True), 1, batch_size=500)
    correlation = np.corrcoef(seen.reshape(500, 64).T) - np.eye(64)
    assert np.abs(correlation).max() < 0.25


@pytest.mark.parametrize("start", [1, 2, 3, 7, 30])
def test_a_resumed_run_sees_the_images_of_an_uninterrupted_one(grey, start):
    whole = batches(grey, 36)
    for resumed, unbroken in zip(batches(grey, 6, start), whole[start:], strict=False):
        np.testing.assert_array_equal(resumed, unbroken)


def test_draws_depend_on_the_seed(grey):
    one = Images(grey.train[:1], grey.test, dynamic=True)  # always in the same order
    first, again, other = (np.stack(batches(one, 5, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_labels_belong_to_the_drawn_images(grey):
    for batch, labels in get_dataset(grey, "train", 4, labels=True).take(5):
        np.testing.assert_array_equal(numbers(batch.numpy()), labels)


def test_test_images_are_not_drawn_again(grey):
    np.testing.assert_array_equal(np.concatenate(batches(grey, 9, split="test")), grey.test)


def test_batches_have_a_known_shape(grey):
    spec = get_dataset(grey, "train", 4).element_spec
    assert (spec.shape.as_list(), spec.dtype) == ([4, 8, 8, 1], "uint8")


# Likelihoods and configs


def test_bernoulli_takes_binary_images(grey):
    likelihood = get_likelihood("bernoulli")
    check_values(grey, likelihood)
    with pytest.raises(UserError, match=r"training images .* go from 0 to 255; set data\.binarize"):
        check_values(grey._replace(dynamic=False), likelihood)
    with pytest.raises(UserError, match=r"test images .* go from 0 to 254"):
        check_values(grey._replace(test=grey.train % 255), likelihood)


def test_a_config_can_binarize():
    data = {"source": "digits_grey", "binarize": "dynamic"}
    config = Config.model_validate({"data": data, "model": {"likelihood": "bernoulli"}})
    assert config.data.binarize == "dynamic"
    with pytest.raises(ValueError, match="'dynamic' makes binary images"):
        Config.model_validate({"data": data})
