import io

import keras
import numpy as np
import pytest
from PIL import Image

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


# The pipeline


def test_training_sees_every_image_once_an_epoch_in_a_new_order():
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
def test_going_on_later_gives_the_rest_of_the_order(start):
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


# Built-in sources


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


def test_digits_come_in_many_colours_that_are_drawn_by_the_seed():
    one, two, other = load("digits"), load("digits"), load("digits", seed=1)
    np.testing.assert_array_equal(one.train, two.train)
    assert (one.train != other.train).any()
    assert len(np.unique(one.train.reshape(-1, 3), axis=0)) == 12  # six papers, six pens


def test_digits_grey_are_scikit_learns():
    images = load("digits_grey")
    assert images.train.shape[1:] == (8, 8, 1)
    assert len(images.train) + len(images.test) == 1797
    assert images.train.max() == 255


def test_digits_have_the_size_that_is_asked_for():
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


def test_without_a_network_one_line_says_what_to_do(monkeypatch):
    def fail():
        raise OSError("URL fetch failure on https://somewhere\nmore lines")

    monkeypatch.setattr(keras.datasets, "mnist", type("module", (), {"load_data": fail}))
    with pytest.raises(UserError, match=r"'mnist' could not be downloaded \(URL.*\.npz") as error:
        load("mnist")
    assert "\n" not in str(error.value)


# Binarization


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


def test_sampled_black_and_white_stay_so(tmp_path):
    np.save(tmp_path / "a.npy", np.tile(np.array([0, 255], np.uint8), (50, 4, 2))[..., None])
    drawn = load(tmp_path / "a.npy", binarize="sample").train
    assert (drawn[..., ::2, :] == 0).all()
    assert (drawn[..., 1::2, :] == 1).all()


# Files of arrays


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


def test_arrays_that_are_not_asked_for_do_no_harm(tmp_path, rng):
    x = rng.integers(256, size=(10, 5, 4)).astype(np.uint8)
    names = np.array(["a", None], dtype=object)
    np.savez(tmp_path / "a.npz", x_train=x, names=names, mean=np.float64(3))
    assert len(load(tmp_path / "a.npz").train) == 9


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
        ("floats", "a.npy: holds float64 from 0 to 0; must be uint8.*255"),
        ("negative", "a.npy: holds int64 from -1 to -1"),
        ("rank", r"a.npy: has shape \(4, 3\)"),
        ("one", r"has shape \(8, 9, 3\), like one image .*: save x\[None\]"),
        ("empty", r"a.npy: has shape \(0, 4, 4, 3\)"),
        ("objects", "a.npy: no readable NumPy file"),
    ],
)
def test_arrays_that_are_no_images(case, words, tmp_path):
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
        np.savez(path, pictures=good)
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
    elif case == "words.txt":
        path.write_text("x")


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("truncated.npz", "no readable NumPy file"),
        ("text.npy", "no readable NumPy file"),
        ("empty.npz", "no readable NumPy file"),
        ("names.npz", "no array 'x_train' in it; it holds pictures"),
        ("sizes.npz", "training images are .* test images"),
        ("one.npy", "leaves none for training"),
        ("words.txt", "must be a .npz or .npy file or a folder"),
        ("compressed.npz", "no readable NumPy file"),
        ("header.npy", "no readable NumPy file"),
        ("channels.npy", "must have channels last"),
        ("missing.npz", "is neither a file, a folder, nor one of digits"),
    ],
)
def test_files_that_cannot_be_used(case, words, tmp_path):
    write_bad(tmp_path / case, case)
    with pytest.raises(UserError, match=words) as error:
        load(tmp_path / case)
    assert "\n" not in str(error.value)
    assert case in str(error.value)


def test_a_size_that_arrays_do_not_have(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((10, 4, 6, 3), np.uint8))
    with pytest.raises(UserError, match=r"data.image_size: \[8, 8\], but .* \[4, 6\]"):
        load(tmp_path / "a.npy", image_size=8)
    assert load(tmp_path / "a.npy", image_size=(4, 6)).train.shape == (9, 4, 6, 3)


def test_a_misspelt_name_is_guessed():
    with pytest.raises(UserError, match="did you mean 'cifar10'"):
        load("cifr10")


# Folders of images


def write_images(folder, rng, size=(9, 7), endings=("png", "jpg", "bmp", "webp"), mode="RGB"):
    for i, ending in enumerate(endings):
        folder.mkdir(parents=True, exist_ok=True)
        array = rng.integers(256, size=(*size, 3)).astype(np.uint8)
        Image.fromarray(array).convert(mode).save(folder / f"{i}.{ending}")


def test_folder_of_every_kind_nested(tmp_path, rng):
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


def test_lossless_files_come_back_exactly(tmp_path, rng):
    array = rng.integers(256, size=(2, 5, 6, 3)).astype(np.uint8)
    for i, image in enumerate(array):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    images = np.concatenate(load(tmp_path)[:2])
    assert sorted(images.tolist()) == sorted(array.tolist())


def test_grey_files_have_one_channel(tmp_path, rng):
    write_images(tmp_path, rng, endings=("png", "bmp"), mode="L")
    assert load(tmp_path).train.shape == (1, 9, 7, 1)


def test_one_colour_image_makes_all_of_them_colour_images(tmp_path, rng):
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
        ("broken", r"1\.png: no readable image"),
        ("cut short", r"1\.png: no readable image"),
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
