"""Images and labels from .npz and .npy files."""

import io

import numpy as np
import pytest

from pixelcnn_tf import UserError, load_images
from pixelcnn_tf.config.schema import DataConfig


def load(source, **options):
    return load_images(DataConfig.model_validate({"source": str(source), **options}))


def test_npz_with_a_test_split_and_grey_images_without_an_axis(tmp_path, rng):
    x = rng.integers(256, size=(6, 5, 4)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x[:4], x_test=x[4:], y_train=np.arange(4))
    images = load(tmp_path / "a.npz")
    np.testing.assert_array_equal(images.train, x[:4, ..., None])
    np.testing.assert_array_equal(images.test, x[4:, ..., None])


def test_npz_with_other_names(tmp_path, rng):
    x = rng.integers(256, size=(10, 5, 4, 3)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", images=x)
    images = load(tmp_path / "a.npz", train_key="images", test_share=0.3)
    assert (len(images.train), len(images.test)) == (7, 3)
    both = np.concatenate(images[:2]).tolist()
    assert sorted(both) == sorted(x.tolist())


def test_unused_arrays_are_ignored(tmp_path, rng):
    x = rng.integers(256, size=(10, 5, 4)).astype(np.uint8)
    names = np.array(["a", None], dtype=object)
    np.savez(tmp_path / "a.npz", x_train=x, names=names, mean=np.float64(3))
    assert len(load(tmp_path / "a.npz").train) == 9


@pytest.mark.parametrize("words", ["{}_images", "x_{}", "X_{}", "Images_{}"])
@pytest.mark.parametrize("validation", ["val", "valid", "validation"])
def test_validation_arrays_are_the_validation_set(words, validation, tmp_path, rng):
    x = rng.integers(256, size=(6, 5, 4, 1)).astype(np.uint8)
    sets = {"train": x[:3], validation: x[3:5], "test": x[5:]}
    arrays = {words.format(part): array for part, array in sets.items()}
    labels = {f"{part}_labels": np.arange(len(array)) for part, array in sets.items()}
    np.savez(tmp_path / "a.npz", **arrays, **labels)
    images = load_images(str(tmp_path / "a.npz"), labels=True)
    np.testing.assert_array_equal(images.train, x[:3])
    np.testing.assert_array_equal(images.validation, x[3:5])
    np.testing.assert_array_equal(images.test, x[5:])
    assert [len(part) for part in images[2:4]] == [3, 1]
    assert images.validation_labels.tolist() == [0, 1]


def test_arrays_that_are_left_out_are_printed(tmp_path, capsys):
    x = np.zeros((4, 5, 5), np.uint8)
    np.savez(tmp_path / "a.npz", images=x, ids=np.arange(4), labels=np.arange(4))
    load(tmp_path / "a.npz", test_share=0.3)
    assert "a.npz: left out the arrays ids\n" in capsys.readouterr().err


def test_the_ending_of_an_array_file_does_not_matter(tmp_path, rng):
    x = rng.integers(256, size=(10, 5, 4)).astype(np.uint8)
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, x)
    assert len(load(tmp_path / "a.npz").train) == 9


def bad_array(case):
    good = np.zeros((10, 4, 4, 3), np.uint8)
    return {
        "floats": good / 255.0,
        "negative": good.astype(np.int64) - 1,
        "rank": good[0, 0],
        "one": np.zeros((8, 9, 3), np.uint8),
        "empty": good[:0],
        "objects": np.array([None, {}], dtype=object),
    }[case]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("floats", "a.npy: holds float64 from 0 to 0; must be integers.*65535"),
        ("negative", "a.npy: holds int64 from -1 to -1"),
        ("rank", r"a.npy: has shape \(4, 3\)"),
        ("one", r"has shape \(8, 9, 3\), like one image .*: save x\[None\]"),
        ("empty", r"a.npy: has shape \(0, 4, 4, 3\)"),
        ("objects", "a.npy: an array of Python objects"),
    ],
)
def test_arrays_that_are_not_images(case, words, tmp_path):
    np.save(tmp_path / "a.npy", bad_array(case), allow_pickle=True)
    with pytest.raises(UserError, match=words) as error:
        load(tmp_path / "a.npy")
    assert "\n" not in str(error.value)


def write_bad(path, case):
    good = np.zeros((10, 4, 4, 3), np.uint8)
    if case == "truncated.npz":
        buffer = io.BytesIO()
        np.savez(buffer, x_train=good)
        path.write_bytes(buffer.getvalue()[:100])
    elif case == "text.npy":
        path.write_text("no array")
    elif case == "empty.npz":
        path.write_bytes(b"")
    elif case == "names.npz":
        np.savez(path, others=good, more=good)
    elif case == "sizes.npz":
        np.savez(path, x_train=good, x_test=good[:, :3])
    elif case == "one.npy":
        np.save(path, good[:1])
    elif case == "compressed.npz":
        np.savez_compressed(path, x_train=np.random.default_rng(0).integers(9, size=(99, 4, 4)))
        contents = bytearray(path.read_bytes())
        contents[len(contents) // 3] ^= 0xFF
        path.write_bytes(contents)
    elif case == "header.npy":
        np.save(path, good)
        path.write_bytes(path.read_bytes().replace(b"'shape': (", b"'shape': (("))
    elif case == "channels.npy":
        np.save(path, np.zeros((10, 3, 8, 8), np.uint8))
    elif case == "words.md":
        path.write_text("x")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("truncated.npz", "not a readable NumPy file"),
        ("text.npy", "not a readable NumPy file"),
        ("empty.npz", "not a readable NumPy file"),
        ("names.npz", "no array 'x_train' in it; it holds others, more"),
        ("sizes.npz", "training images are .* test images"),
        ("one.npy", "leaves none for training"),
        ("words.md", "must be a folder of images, .*, or one of .npz, .npy"),
        ("compressed.npz", "not a readable NumPy file"),
        ("header.npy", "not a readable NumPy file"),
        ("channels.npy", "must have channels last"),
        ("missing.npz", "must be a file, a folder, or one of digits"),
    ],
)
def test_files_that_cannot_be_used(case, words, tmp_path):
    write_bad(tmp_path / case, case)
    with pytest.raises(UserError, match=words) as error:
        load(tmp_path / case)
    assert "\n" not in str(error.value)
    assert case in str(error.value)


def test_arrays_are_not_resized(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((10, 4, 6, 3), np.uint8))
    with pytest.raises(UserError, match=r"data.image_size: \[8, 8\], but .* \[4, 6\]"):
        load(tmp_path / "a.npy", image_size=8)
    assert load(tmp_path / "a.npy", image_size=(4, 6)).train.shape == (9, 4, 6, 3)


def test_a_misspelt_name_gets_a_suggestion():
    with pytest.raises(UserError, match="did you mean 'cifar10'"):
        load("cifr10")


def test_floats_of_zeros_and_ones_have_two_cures(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(4)[None])
    with pytest.raises(UserError, match=r"if they are binary, \(x \* 255\).* if 1 means white"):
        load(tmp_path / "a.npy")


@pytest.mark.parametrize(
    "shape", [(100, 8, 4), (28, 28, 100), (3, 32, 32), (32, 32, 3, 2), (2940, 1)]
)
def test_orders_of_axes_that_are_not_clear(shape, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(
        UserError, match=r"has shape .*: (save x|one greyscale image is x)"
    ) as error:
        load(tmp_path / "a.npy")
    if len(shape) == 3:
        assert f"x[..., None] if these are {shape[0]} greyscale images" in str(error.value)
    assert "reshape(-1, 1, 1)" not in str(error.value)


@pytest.mark.parametrize(
    ("array", "cure"),
    [
        (np.array([0, 128, 255]), "x.astype('uint8')"),
        (np.array([0.0, 17.0, 255.0]), "x.astype('uint8')"),
        (np.arange(129, 255, 2) / 127.5 - 1, None),  # of bright images; also whole times 255
        (np.array([False, True, True]), "x.astype('uint8')"),
        (np.array([0, 10, 255]) / 255, "(x * 255).round().astype('uint8')"),
        (np.arange(10, dtype=np.float16) / 255, "(x * 255).round().astype('uint8')"),
        (np.array([0, 10, 255]) / 256, "(x * 256).round().astype('uint8')"),
        (np.array([0.2, 0.3, 1.0]), None),  # scaled by another number
        (np.array([0, 0.5, 1.0]), None),  # 256 would become 0
        (np.array([0, 10, 255]) / 127.5 - 1, "((x + 1) * 127.5).round().astype('uint8')"),
        (np.array([-1, -0.25, 0.7]), None),
        (np.array([-2.1, 0.3, 1.9]), None),
        (np.array([0, 256, 65535]), "x.astype('uint16')"),
        (np.array([0, 256, 65536]), None),
        (np.array([-1, 3, 5]), None),
        (np.array([0.5, np.nan, 1]), None),
        (np.array([0.5, 17.2, 255]), None),
    ],
)
def test_a_cure_is_offered_only_where_it_is_right(array, cure, tmp_path):
    array = np.resize(array, (10, 4, 4, 1))
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match="must be integers from 0 to 65535") as error:
        load(tmp_path / "a.npy")
    assert str(error.value).endswith(f": save {cure}" if cure else "int32")
    if cure:
        cured = eval(cure, {"x": array})
        assert cured.dtype == (np.uint8 if array.max() < 256 else np.uint16)
        np.save(tmp_path / "a.npy", cured)
        assert len(load(tmp_path / "a.npy").train) == 9
        low = -1 if array.min() < 0 else 0
        scale = next((s for s in (255, 256, 127.5) if f"* {s}" in cure), 1)
        np.testing.assert_allclose((array - low) * scale, cured, atol=0.1)


@pytest.mark.parametrize("image", ["train_images", "images", "arr_0", "data", "X"])
@pytest.mark.parametrize("label", ["train_labels", "labels", "y"])
def test_usual_names_are_found(image, label, tmp_path, rng, capsys):
    x = rng.integers(256, size=(10, 5, 4)).astype(np.uint8)
    np.savez(tmp_path / "a.NPZ.npz", **{image: x, label: np.arange(10)})
    (tmp_path / "a.NPZ.npz").rename(tmp_path / "a.NPZ")
    images = load_images(DataConfig(source=str(tmp_path / "a.NPZ")), labels=True)
    np.testing.assert_array_equal(images.train, x[images.train_labels, ..., None])
    said = capsys.readouterr().err
    assert f"took the array {image!r} for data.train_key" in said
    assert f"took the array {label!r} for data.train_label_key" in said


def test_a_name_that_is_given_is_taken_as_it_is(tmp_path, rng):
    x = rng.integers(256, size=(10, 5, 4)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", images=x, more=x)
    with pytest.raises(UserError, match="no array 'pictures' in it; it holds images, more"):
        load(tmp_path / "a.npz", train_key="pictures")


@pytest.mark.parametrize("kind", ["one-hot", "one-hot floats", "column", "booleans", "strings"])
def test_labels_of_other_kinds(kind, tmp_path, rng, capsys):
    numbers = np.array([1, 0, 1, 1, 0, 1, 0, 0])
    labels = {
        "one-hot": np.eye(2, dtype=int)[numbers],
        "one-hot floats": np.eye(2, dtype="float32")[numbers],
        "column": numbers[:, None],
        "booleans": numbers.astype(bool),
        "strings": np.array(["owl", "wren"])[numbers],
    }[kind]
    x = rng.integers(256, size=(8, 5, 4)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=labels, x_test=x[:4], y_test=labels[:4])
    images = load_images(DataConfig(source=str(tmp_path / "a.npz")), labels=True)
    assert images.train_labels.tolist() == numbers.tolist()
    assert images.test_labels.tolist() == numbers[:4].tolist()
    assert ("the classes are 0 owl, 1 wren" in capsys.readouterr().err) == (kind == "strings")


def test_a_class_of_the_test_set_only_is_refused(tmp_path, rng):
    x = rng.integers(256, size=(2, 5, 4)).astype(np.uint8)
    labels = {"y_train": np.array(["owl", "wren"]), "y_test": np.array(["owl", "kite"])}
    np.savez(tmp_path / "a.npz", x_train=x, x_test=x, **labels)
    with pytest.raises(UserError, match="y_test: 'kite' is not among the training labels"):
        load_images(DataConfig(source=str(tmp_path / "a.npz")), labels=True)


@pytest.mark.parametrize("shape", [(64, 64), (5, 784), (5, 783)])
def test_two_axes_are_one_image_or_flattened_ones(shape, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(shape, np.uint8))
    with pytest.raises(UserError, match=r"one greyscale image is x\[None\]") as error:
        load(tmp_path / "a.npy")
    assert ("flattened" in str(error.value)) == (shape != (5, 783))


def test_labels_may_be_whole_floats(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 4, 4), np.uint8), labels=[0.0, 2.0, 1.0])
    images = load_images(str(tmp_path / "a.npz"), labels=True, hold_out=False)
    assert images.train_labels.tolist() == [0, 2, 1]


@pytest.mark.parametrize("n", [6, 50])
@pytest.mark.parametrize("channels", [1, 3])
def test_other_orders_of_the_axes_are_named_with_the_right_transpose(n, channels, tmp_path, rng):
    x = rng.integers(256, size=(n, 8, 9, channels)).astype(np.uint8)
    for given in (x.transpose(1, 2, 3, 0), x.transpose(0, 3, 1, 2), x.transpose(3, 1, 2, 0)):
        np.save(tmp_path / "a.npy", given)
        with pytest.raises(UserError, match=r": save x\.transpose\(") as error:
            load(tmp_path / "a.npy")
        order = eval(str(error.value).split("transpose")[1])
        np.testing.assert_array_equal(given.transpose(order), x)
