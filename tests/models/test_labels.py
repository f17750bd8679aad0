"""Labels: where they come from, and that they stay with their images."""

import keras
import numpy as np
import pytest
from PIL import Image

from pixelcnn_tf import UserError, get_dataset, load_images
from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.data.paths import path_classes
from pixelcnn_tf.data.pipeline import check_labels


def load(source, labels=True, **options):
    return load_images(DataConfig.model_validate({"source": str(source), **options}), labels)


def marked(labels):
    """Images whose every value is their label."""
    return np.asarray(labels, np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)


def assert_together(images):
    """``marked`` images have the labels that they show."""
    assert images.train_labels.dtype == images.test_labels.dtype == np.int32
    np.testing.assert_array_equal(images.train[:, 0, 0, 0], images.train_labels)
    np.testing.assert_array_equal(images.test[:, 0, 0, 0], images.test_labels)


# Built-in sources


@pytest.mark.parametrize("source", ["digits", "digits_grey"])
def test_digits_are_labelled_by_the_digit(source):
    """Strokes of the nearest neighbour in training mostly mean the same digit."""
    images = load(source)
    assert images.train_labels.dtype == images.test_labels.dtype == np.int32
    assert images.train_labels.shape == images.train.shape[:1]
    assert set(images.test_labels) == set(images.train_labels) == set(range(10))

    def strokes(part):
        # The corner is paper; the rest counts by how far it is from its colour.
        flat = np.abs(part.astype(np.float32) - part[:, :1, :1]).sum(-1).reshape(len(part), -1)
        flat = flat > 100 if source == "digits" else flat / 16
        return flat.astype(np.float32)

    train, test = strokes(images.train), strokes(images.test[:200])
    nearest = ((train**2).sum(1) - 2 * test @ train.T).argmin(axis=1)
    assert (images.train_labels[nearest] == images.test_labels[:200]).mean() > 0.9


def test_labels_change_no_image():
    for with_labels, without in zip(load("digits")[:2], load("digits", False)[:2], strict=True):
        np.testing.assert_array_equal(with_labels, without)


def test_without_labels_none_are_loaded():
    assert load("digits", labels=False)[2:4] == (None, None)
    assert load_images("digits_grey").train_labels is None


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10", "cifar100"])
def test_keras_datasets(name, monkeypatch, rng):
    labels = rng.integers(100, size=(2, 6)).astype(np.uint8)
    images = np.broadcast_to(labels[..., None, None], (2, 6, 4, 4))
    if "cifar" in name:
        images, labels = np.stack([images] * 3, axis=-1), labels[..., None]
    pairs = tuple(zip(images, labels, strict=True))
    monkeypatch.setattr(keras.datasets, name, type("module", (), {"load_data": lambda: pairs}))
    assert_together(load(name))
    assert load(name, labels=False).train_labels is None


# Files of arrays


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int8])
@pytest.mark.parametrize("column", [False, True])
def test_npz_with_a_test_split(dtype, column, tmp_path, rng):
    y = rng.integers(9, size=10).astype(dtype)
    x = marked(y)
    y = y[:, None] if column else y
    np.savez(tmp_path / "a.npz", x_train=x[:6], x_test=x[6:], y_train=y[:6], y_test=y[6:])
    images = load(tmp_path / "a.npz")
    assert (images.train_labels.shape, images.test_labels.shape) == ((6,), (4,))
    assert_together(images)


def test_npz_without_a_test_split_under_other_names(tmp_path):
    y = np.arange(50) % 7
    np.savez(tmp_path / "a.npz", pictures=marked(y), kinds=y, y_test=np.zeros(3))
    images = load(tmp_path / "a.npz", train_key="pictures", train_label_key="kinds", test_share=0.3)
    assert len(images.test_labels) == 15
    assert_together(images)


@pytest.mark.parametrize("names", [{"x_train"}, {"x_train", "x_test"}, {"x_train", "y_test"}])
def test_npz_without_training_labels_has_none(names, tmp_path):
    np.savez(tmp_path / "a.npz", **{name: marked(np.arange(5)) for name in names})
    assert load(tmp_path / "a.npz")[2:4] == (None, None)


def test_npy_has_no_labels(tmp_path):
    np.save(tmp_path / "a.npy", marked(np.arange(5)))
    assert load(tmp_path / "a.npy", train_label_key="x_train")[2:4] == (None, None)


BAD = {
    "floats": (np.full(6, 0.5), r"y_train: has shape \(6,\) and holds float64 from 0.5 to 0.5; "),
    "negative": (np.arange(6) - 1, "y_train: .* int64 from -1 to 4; .* integers from 0 up"),
    "too few": (np.arange(5), r"y_train: has shape \(5,\) .* must be .* shape \(6,\)"),
    "not quite one-hot": (np.eye(6, dtype=np.uint8) * 2, r"y_train: has shape \(6, 6\)"),
    "empty": (np.zeros(0, int), r"y_train: has shape \(0,\)"),
    "one number": (np.int64(3), r"y_train: has shape \(\)"),
    "too few words": (np.array(list("abcde")), r"y_train: has shape \(5,\)"),
    "dates": (np.arange(6).astype("M8[D]"), "y_train: .* holds datetime64.D.; labels must be"),
    "huge": (np.arange(6) + 2**31, "y_train: .* integers from 0 up"),
    "objects": (
        np.array([None] * 6),
        "y_train: an array of Python objects; must be one of numbers",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_labels_are_an_error_only_where_labels_are_asked_for(case, tmp_path):
    labels, words = BAD[case]
    np.savez(tmp_path / "a.npz", x_train=marked(range(6)), y_train=labels)
    assert load(tmp_path / "a.npz", labels=False).train_labels is None
    with pytest.raises(UserError, match=words) as error:
        load(tmp_path / "a.npz")
    assert "\n" not in str(error.value)
    assert str(tmp_path / "a.npz") in str(error.value)


def test_test_images_need_labels_too(tmp_path):
    x, y = marked(range(6)), np.arange(6)
    np.savez(tmp_path / "a.npz", x_train=x, x_test=x[:3], y_train=y)
    assert len(load(tmp_path / "a.npz", labels=False).test) == 3
    with pytest.raises(UserError, match=r"no array 'y_test' in it.* data\.test_label_key$"):
        load(tmp_path / "a.npz")
    with pytest.raises(UserError, match=r"a\.npz: y_train: has shape \(6,\) .* \(3,\)"):
        load(tmp_path / "a.npz", test_label_key="y_train")


# Folders of pictures


def write(folder, *values):
    folder.mkdir(parents=True, exist_ok=True)
    for i, value in enumerate(values):
        Image.fromarray(np.full((2, 2), value, np.uint8)).save(folder / f"{i}.png")


def test_classes_are_the_first_sub_folders_in_order(tmp_path):
    write(tmp_path / "b", 1, 1, 1)
    write(tmp_path / "a", *[0] * 9)
    write(tmp_path / "c" / "a", *[2] * 9)
    write(tmp_path / "c", 2)
    images = load(tmp_path, test_share=0.4)
    assert_together(images)
    both = np.concatenate([images.train_labels, images.test_labels])
    assert np.bincount(both).tolist() == [9, 3, 10]


def test_classes_below_train_and_test(tmp_path):
    for part, n in (("train", 2), ("test", 1)):
        write(tmp_path / part / "cat", *[1] * n)
        write(tmp_path / part / "eel", *[2] * n)
    write(tmp_path / "train" / "ant", 0)
    images = load(tmp_path)
    assert_together(images)
    assert images.train_labels.tolist() == [0, 1, 1, 2, 2]
    assert images.test_labels.tolist() == [1, 2]


def test_numbers_are_sorted_by_their_value_and_given_names_stay(tmp_path):
    for name in ("2", "10", "0", "x"):
        write(tmp_path / name, 0, 0)
    assert path_classes(DataConfig(source=str(tmp_path))) == ["0", "2", "10", "x"]
    assert path_classes(DataConfig(source="digits")) is None
    (tmp_path / "few").mkdir()
    for name in ("2", "10"):
        write(tmp_path / "few" / name, 0, 0)
    data = DataConfig(source=str(tmp_path / "few"), class_names=["0", "2", "10", "x"])
    images = load_images(data, labels=True)
    assert set(images.train_labels) | set(images.test_labels) == {1, 2}
    with pytest.raises(UserError, match=r"10: is not one of the classes \(0, 2\)"):
        load_images(data.model_copy(update={"class_names": ["0", "2"]}), labels=True)


def test_a_class_without_training_images(tmp_path):
    write(tmp_path / "train" / "cat", 0)
    write(tmp_path / "test" / "dog", 0)
    with pytest.raises(
        UserError, match=r"test/dog: is not one of the classes \(cat\), .* remove it"
    ) as error:
        load(tmp_path)
    assert "\n" not in str(error.value)
    assert load(tmp_path, labels=False).test_labels is None


@pytest.mark.parametrize("where", [".", "train", "test"])
def test_folders_with_images_at_the_top_have_no_labels(where, tmp_path):
    if where == ".":
        write(tmp_path / "cat", 0, 0)
    else:
        write(tmp_path / "train" / "cat", 0)
        write(tmp_path / "test" / "cat", 0)
    write(tmp_path / where, 0)
    assert load(tmp_path)[2:4] == (None, None)


# What is made of them


def test_check_labels():
    images = Images(*(marked(y) for y in (range(3), range(2))), np.arange(3), np.array([5, 3]))
    check_labels(images, 6, "x.npz")
    check_labels(images, 7, "x.npz")
    words = r"^model\.n_classes: 5, but data\.source 'x\.npz' has labels from 0 to 5; .* least 6$"
    with pytest.raises(UserError, match=words):
        check_labels(images, 5, "x.npz")
    for without in (images._replace(train_labels=None), images._replace(test_labels=None)):
        words = r"^model\.n_classes: 6, but data\.source 'x\.npz' has no labels; must be .*folder"
        with pytest.raises(UserError, match=words) as error:
            check_labels(without, 6, "x.npz")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("start", [0, 2, 5])
@pytest.mark.parametrize("split", ["train", "test"])
def test_batches_of_images_and_their_labels(split, start):
    y = np.arange(30)
    images = Images(marked(y), marked(y + 1), y, y + 1)
    plain = get_dataset(images, split, 4, seed=1, start_step=start)
    labelled = get_dataset(images, split, 4, seed=1, start_step=start, labels=True)
    assert labelled.element_spec[1].dtype == "int32"
    n = 0
    for batch, (same, labels) in zip(plain.take(20), labelled.take(20), strict=True):
        np.testing.assert_array_equal(batch, same)
        np.testing.assert_array_equal(labels, batch[:, 0, 0, 0])
        n += 1
    assert n == (20 if split == "train" else 8 - start)


def test_a_source_is_loaded_with_its_labels():
    batch, labels = next(iter(get_dataset("digits_grey", "test", 5, labels=True)))
    assert (batch.shape, labels.shape) == ((5, 8, 8, 1), (5,))


def test_batches_without_labels_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", marked(range(5)))
    for source in (tmp_path / "a.npy", Images(marked(range(5)), marked(range(2)))):
        with pytest.raises(UserError, match=r"^labels=True: these images have no labels") as error:
            get_dataset(source, labels=True)
        assert "\n" not in str(error.value)
