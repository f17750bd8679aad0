"""Batches: their order, shape and type."""

import numpy as np
import pytest
import tensorflow as tf

from pixelcnn_tf import UserError, get_dataset, load_images
from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.images import Images


def load(source, **options):
    return load_images(DataConfig.model_validate({"source": str(source), **options}))


def numbered(n):
    """Images whose value is their number."""
    return np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)


def values(dataset, n_batches):
    return [batch.numpy()[:, 0, 0, 0].tolist() for batch in dataset.take(n_batches)]


def test_training_sees_every_image_once_per_epoch_in_a_new_order():
    images = Images(numbered(20), numbered(3))
    epochs = np.array(values(get_dataset(images, "train", 5, seed=1), 12)).reshape(3, 20)
    for epoch in epochs:
        assert sorted(epoch) == list(range(20))
    assert (epochs[0] != epochs[1]).any()
    assert (epochs[0] != np.arange(20)).any()


def test_order_depends_on_the_seed_alone():
    images = Images(numbered(20), numbered(3))
    one, two, other = (values(get_dataset(images, "train", 7, seed=s), 9) for s in (1, 1, 2))
    assert one == two
    assert one != other


@pytest.mark.parametrize("start", [1, 2, 3, 7, 30])
def test_a_later_start_gives_the_rest_of_the_order(start):
    images = Images(numbered(20), numbered(3))
    whole = values(get_dataset(images, "train", 7, seed=1), 40)
    assert (
        values(get_dataset(images, "train", 7, seed=1, start_step=start), 10) == whole[start:][:10]
    )


def test_test_images_come_once_in_order_with_a_smaller_last_batch():
    batches = values(get_dataset(Images(numbered(2), numbered(7)), "test", 3), 10)
    assert batches == [[0, 1, 2], [3, 4, 5], [6]]


def test_batches_are_uint8_of_a_known_shape():
    dataset = get_dataset("digits", "train", 4)
    assert dataset.element_spec.shape.as_list() == [4, 12, 12, 3]
    assert next(iter(dataset)).dtype == "uint8"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("digits", "valid"), "split='valid'"),
        (("digits", "train", 0), "batch_size=0"),
        (("",), "source='': must be a name"),
        ((3,), "source=3: must be a name"),
    ],
)
def test_wrong_arguments(arguments, words):
    with pytest.raises(UserError, match=words):
        get_dataset(*arguments)


@pytest.mark.parametrize(
    "options", [{}, {"dynamic": True}, {"augment": ("flip",)}, {"mutation_rate": 0.4}]
)
def test_parts_of_a_batch_are_those_of_the_whole(options, rng):
    images = Images(*(rng.integers(256, size=(n, 3, 3, 1)).astype(np.uint8) for n in (20, 3)))
    images = images._replace(**options)
    whole = [batch.numpy() for batch in get_dataset(images, "train", 6, seed=1).take(5)]
    parts = [get_dataset(images, "train", 6, seed=1, part=part, n_parts=3) for part in range(3)]
    for expected, *batches in zip(whole, *parts, strict=False):
        assert [len(batch) for batch in batches] == [2, 2, 2]
        np.testing.assert_array_equal(np.concatenate(batches), expected)
    assert parts[0].cardinality() == tf.data.INFINITE_CARDINALITY


@pytest.mark.parametrize(("part", "n_parts"), [(0, 4), (3, 3), (-1, 2)])
def test_batches_must_divide_by_their_parts(part, n_parts):
    with pytest.raises(UserError, match="n_parts"):
        get_dataset(Images(numbered(20), numbered(3)), batch_size=6, part=part, n_parts=n_parts)


@pytest.mark.parametrize(("dynamic", "largest"), [(False, 6), (True, 1)])
def test_noise_replaces_subpixels_at_random(dynamic, largest, rng):
    """With the probability, by values of the images, again at each step; a resumed run sees the
    same, the test set has none."""
    array = rng.integers(7, size=(40, 8, 8, 3)).astype(np.uint8)
    plain = Images(np.full_like(array, 255) if dynamic else array, array, dynamic=dynamic)
    noisy = plain._replace(mutation_rate=0.3)
    before, after = (
        np.concatenate([batch.numpy() for batch in get_dataset(i, "train", 8, 1).take(10)])
        for i in (plain, noisy)
    )
    assert after.dtype == np.uint8 and after.max() == largest
    differ = before != after
    assert differ.mean() == pytest.approx(0.3 * largest / (largest + 1), abs=0.02)
    assert len(np.unique(after[differ])) == (1 if dynamic else largest + 1)
    assert (differ[:40] & differ[40:]).mean() < 0.12  # each step has noise of its own
    resumed = [b.numpy() for b in get_dataset(noisy, "train", 8, 1, start_step=7).take(3)]
    np.testing.assert_array_equal(np.concatenate(resumed), after[56:])
    test = np.concatenate([batch.numpy() for batch in get_dataset(noisy, "test", 8, 1)])
    np.testing.assert_array_equal(test, array)


def test_the_noise_of_a_config():
    assert load("digits_grey", mutation_rate=0.2).mutation_rate == 0.2
    for wrong in (0, 1.5, "much"):
        with pytest.raises(ValueError, match="mutation_rate"):
            load("digits_grey", mutation_rate=wrong)
