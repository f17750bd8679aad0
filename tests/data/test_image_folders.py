"""Images from folders of image files."""

import numpy as np
import pytest
from PIL import Image

from pixelcnn_tf import UserError, load_images
from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.paths import path_classes


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
        ("16 bits", r"1\.png: has more than 8 bits per channel; set data.sixteen_bit=scale"),
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


# Sets, classes, and what is left out


def write_sets(path, rng, **n_images):
    for name, n in n_images.items():
        write_images(path / name, rng, endings=("png",) * n) if n == 1 else [
            write_images(path / name / str(i), rng, endings=("png",)) for i in range(n)
        ]


@pytest.mark.parametrize("train", ["train", "Train", "TRAINING"])
@pytest.mark.parametrize("validation", ["val", "Valid", "validation", "dev"])
@pytest.mark.parametrize("test", ["test", "Testing", None])
def test_sets_are_what_their_folders_are_called(train, validation, test, tmp_path, rng, capsys):
    write_sets(tmp_path, rng, **{train: 5, validation: 2}, **({test: 3} if test else {}))
    images = load(tmp_path)
    assert len(images.validation) == 2
    assert (len(images.train), len(images.test)) == ((5, 3) if test else (4, 1))
    said = capsys.readouterr().err
    assert f"{train}/ is the training set, {validation}/ is the validation set" in said
    assert (f"{test}/ is the test set" in said) == bool(test)


def test_validation_images_of_their_own_are_made_binary_and_labelled(tmp_path, rng):
    for name in ("train", "val"):
        for label in ("a", "b"):
            write_images(tmp_path / name / label, rng, endings=("png",), mode="L")
    data = DataConfig(source=str(tmp_path), binarize="threshold")
    images = load_images(data, labels=True)
    assert images.validation.max() == 1
    assert images.validation_labels.tolist() == [0, 1]
    with pytest.raises(UserError, match="has validation images of its own"):
        load(tmp_path, validation_share=0.5)


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        ({"train": 1, "cars": 1}, r"train/ is named like the training set, but is beside other"),
        ({"val": 1, "cars": 1}, "val/ is named like a set, but is beside other images"),
        ({"test": 1}, "test/ is named like a set, but is alone"),
        ({"train": 1, "val": 1, "valid": 1}, "val/ and valid/ are both named like the validation"),
        ({"train": 1, "Train": 1}, "are both named like the training set"),
    ],
)
def test_ambiguous_folders_are_refused(folders, words, tmp_path, rng):
    write_sets(tmp_path, rng, **folders)
    with pytest.raises(UserError, match=words) as error:
        load(tmp_path)
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def test_a_class_may_be_called_like_a_set(tmp_path, rng):
    write_sets(tmp_path, rng, bus=2, train=2)
    data = DataConfig(source=str(tmp_path), class_names=["bus", "train"], test_share=0.25)
    images = load_images(data, labels=True)
    assert sorted([*images.train_labels, *images.test_labels]) == [0, 0, 1, 1]


def test_sets_with_a_year_and_other_endings(tmp_path, rng, capsys):
    for folder, n in [("train2017", 1), ("val2017", 2), ("Test-Images", 3)]:
        write_images(tmp_path / folder, rng, endings=("png",) * n)
    images = load(tmp_path)
    assert (len(images.train), len(images.validation), len(images.test)) == (1, 2, 3)
    assert "train2017/ is the training set, val2017/ is the validation" in capsys.readouterr().err


def test_sets_by_a_word_of_their_names(tmp_path, rng):
    for folder, n in [("DIV2K_train_HR", 2), ("DIV2K_valid_HR", 1), ("my_test (1)", 3)]:
        write_images(tmp_path / folder, rng, endings=("png",) * n)
    images = load(tmp_path)
    assert (len(images.train), len(images.validation), len(images.test)) == (2, 1, 3)


def test_classes_with_the_word_of_a_set(tmp_path, rng):
    """One such word means nothing; several are not clear."""
    write_images(tmp_path / "train_station", rng, endings=("png",))
    write_images(tmp_path / "beach", rng, endings=("png",))
    assert len(load_images(DataConfig(source=str(tmp_path)), hold_out=False).train) == 2
    write_images(tmp_path / "test_tube", rng, endings=("png",))
    with pytest.raises(UserError, match=r"test_tube/, train_station/ are .* but beach/ beside"):
        load(tmp_path)
    names = ["train_station", "test_tube", "beach"]
    data = DataConfig(source=str(tmp_path), class_names=names)
    assert load_images(data, labels=True, hold_out=False).train_labels.tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["seg_train/seg_train/a", "seg_test/seg_test/a", "seg_pred/seg_pred"], "but seg_pred/"),
        (["trainA", "trainB", "testA", "testB"], "are both named like the"),
        (["DIV2K_train_HR", "DIV2K_valid_HR", "Flickr2K"], "but Flickr2K/ beside them"),
        (["cat/my_train", "cat/my_test", "dog/my_train"], "named like sets, but are not directly"),
    ],
)
def test_sets_that_are_not_clear(folders, message, tmp_path, rng):
    for folder in folders:
        write_images(tmp_path / folder, rng, endings=("png",))
    with pytest.raises(UserError, match=message):
        load(tmp_path)


@pytest.mark.parametrize("folders", [("trains", "tests"), ("my_train", "my_test")])
def test_other_folders_without_images_change_nothing(folders, tmp_path, rng):
    for folder, n in zip(folders, (2, 1), strict=True):
        write_images(tmp_path / folder, rng, endings=("png",) * n)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "a.txt").write_text("")
    images = load(tmp_path)
    assert (len(images.train), len(images.test)) == (2, 1)


@pytest.mark.parametrize("below", ["train", "Val2017"])
def test_sets_within_classes_are_refused(below, tmp_path, rng):
    for name in ("owl", "wren"):
        for part in ("test", below):
            write_images(tmp_path / name / part, rng, endings=("png",))
    with pytest.raises(UserError, match=rf"owl/{below}/ and owl/test/|owl/test/ and owl/{below}/"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("root", "inside"),
    [
        ("images/train", ""),
        ("train/images", ""),
        ("train", "images"),  # as in Tiny ImageNet
        ("all/images", ""),
    ],
)
def test_folders_around_the_classes_are_no_class(root, inside, tmp_path, rng):
    for name in ("owl", "wren"):
        write_images(tmp_path / root / name / inside, rng, endings=("png",))
    data = DataConfig(source=str(tmp_path))
    assert path_classes(data) == ["owl", "wren"]
    images = load_images(data, labels=True, hold_out=False)
    assert images.train_labels.tolist() == [0, 1]


def test_a_folder_named_images_is_no_class(tmp_path, rng):
    write_images(tmp_path / "images", rng, endings=("png",) * 2)
    assert path_classes(DataConfig(source=str(tmp_path))) is None
    assert path_classes(DataConfig(source=str(tmp_path), class_names=["images"])) == ["images"]


def test_train_alone_is_no_class(tmp_path, rng):
    write_images(tmp_path / "train", rng)
    images = load_images(DataConfig(source=str(tmp_path)), labels=True)
    assert len(images.train) == 3 and images.train_labels is None


def test_hidden_files_are_neither_images_nor_classes(tmp_path, rng):
    for label in ("cat", "dog", ".ipynb_checkpoints", "__MACOSX", ".thumbnails"):
        write_images(tmp_path / label, rng, endings=("png", "png"))
    (tmp_path / "cat" / "._0.png").write_bytes(b"\0\5\26\7")
    for name in ("Thumbs.db", ".DS_Store", "desktop.ini"):
        (tmp_path / "dog" / name).write_bytes(b"\0")
    images = load_images(DataConfig(source=str(tmp_path), test_share=0.25), labels=True)
    assert sorted([*images.train_labels, *images.test_labels]) == [0, 0, 1, 1]


def test_what_is_left_out_is_printed(tmp_path, rng, capsys):
    write_images(tmp_path / "cat", rng)
    write_images(tmp_path / "wren", rng)
    (tmp_path / "owl").mkdir()
    for name in ("a.txt", "b.TXT", "c.xcf", "README"):
        (tmp_path / name).write_text("x")
    frames = [Image.new("RGB", (7, 9), (shade, 0, 0)) for shade in (200, 10)]
    frames[0].save(tmp_path / "cat" / "z.gif", save_all=True, append_images=frames[1:])
    load_images(DataConfig(source=str(tmp_path)), labels=True)
    said = capsys.readouterr().err
    assert "left out 2 .txt, 1 without an ending, 1 .xcf (not images)" in said
    assert "no images in owl; the classes are 0 cat, 1 wren" in said
    assert "read the first image of 1 file\n" in said


@pytest.mark.parametrize("ending", ["gif", "tif", "TIFF", "ppm", "pgm", "jp2", "tga", "avif"])
def test_files_that_pillow_reads(ending, tmp_path, rng):
    if ending == "avif" and ".avif" not in Image.registered_extensions():
        pytest.skip("this Pillow reads no AVIF")
    write_images(tmp_path, rng, endings=(ending, ending), mode="L" if ending == "pgm" else "RGB")
    assert load(tmp_path).train.shape[1:3] == (9, 7)


def test_broken_files_of_all_sets_are_listed_at_once(tmp_path, rng):
    for part in ("train", "test"):
        write_images(tmp_path / part, rng)
        for i in range(12):
            (tmp_path / part / f"broken{i}.png").write_bytes(b"")
    with pytest.raises(UserError) as error:
        load(tmp_path)
    assert str(error.value).count("/broken") == 24


def test_a_class_of_broken_files_alone_is_printed(tmp_path, rng, capsys):
    for name in ("cat", "dog"):
        write_images(tmp_path / name, rng, endings=("png",))
    (tmp_path / "dog" / "0.png").write_bytes(b"")
    load_images(DataConfig(source=str(tmp_path), skip_broken=True), labels=True, hold_out=False)
    assert "no images in dog; the classes are 0 cat, 1 dog" in capsys.readouterr().err


def test_all_broken_files_are_listed_and_may_be_skipped(tmp_path, rng, capsys):
    for label in ("a", "b"):
        write_images(tmp_path / label, rng)
        (tmp_path / label / "1.jpg").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"a/1.jpg \(.*b/1.jpg \(.*data.skip_broken=true") as error:
        load(tmp_path)
    assert "\n" not in str(error.value)
    data = DataConfig(source=str(tmp_path), skip_broken=True, test_share=0.2)
    images = load_images(data, labels=True)
    assert sorted([*images.train_labels, *images.test_labels]) == [0, 0, 0, 1, 1, 1]
    assert "skipped 2 broken files" in capsys.readouterr().err


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    def refuse(path, onerror, **_):
        onerror(PermissionError(13, "Permission denied", str(path)))
        return iter(())

    monkeypatch.setattr("pixelcnn_tf.data.file_search.os.walk", refuse)
    monkeypatch.setattr("pixelcnn_tf.data.paths.os.access", lambda *_: False)
    with pytest.raises(UserError, match=rf"^{tmp_path}: cannot be read: Permission denied"):
        load(tmp_path)


def test_a_broken_file_with_parentheses_in_its_name(tmp_path, rng):
    write_images(tmp_path, rng, endings=("png",))
    (tmp_path / "copy (2).png").write_bytes(b"")
    with pytest.raises(UserError, match=r"copy \(2\).png: not a readable image \(cannot"):
        load(tmp_path)
