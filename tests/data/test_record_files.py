"""TFRecord files of encoded images, and the folders that TensorFlow Datasets prepares."""

import gzip
import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pixelcnn_tf import DataConfig, load_images
from pixelcnn_tf.data.paths import path_classes
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.stored_images import StoredImages


def encoded(image, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def write_records(path, images, labels=None, key="image", label_key="label"):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for i, image in enumerate(images):
            content = image if isinstance(image, bytes) else encoded(image)
            features = {key: tf.train.Feature(bytes_list={"value": [content]})}
            if labels is not None:
                features[label_key] = tf.train.Feature(int64_list={"value": np.ravel(labels[i])})
            example = tf.train.Example(features={"feature": features})
            writer.write(example.SerializeToString())


@pytest.fixture
def prepared(tmp_path, rng, monkeypatch):
    """The home of the data sets of TensorFlow Datasets with one of them, and its images."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    images = rng.integers(4, size=(12, 6, 5, 3)).astype(np.uint8)
    for version in ("1.9.0", "1.10.0"):
        folder = tmp_path / "birds" / version
        write_records(folder / "birds-train.tfrecord-00000-of-00002", images[:5], range(5))
        write_records(folder / "birds-train.tfrecord-00001-of-00002", images[5:9], [2, 2, 1, 0])
        write_records(folder / "birds-test.tfrecord-00000-of-00001", images[9:], [0, 1, 2])
        (folder / "label.labels.txt").write_text("owl\nwren\njay\ntit\nkite\n")
    write_records(tmp_path / "birds/1.9.0/birds-test.tfrecord-00000-of-00001", images[:1], [0])
    return tmp_path, images


@pytest.mark.parametrize("cache_gb", [0, 1])
@pytest.mark.parametrize("by_name", [True, False])
def test_prepared_data(cache_gb, by_name, prepared):
    home, expected = prepared
    source = "tfds:birds" if by_name else str(home / "birds" / "1.10.0")
    data = DataConfig(source=source, cache_gb=cache_gb)
    images = load_images(data, labels=True)
    assert isinstance(images.train, StoredImages) == (cache_gb == 0)
    np.testing.assert_array_equal(np.asarray(images.train), expected[:9])
    np.testing.assert_array_equal(np.asarray(images.test), expected[9:])
    assert images.train_labels.tolist() == [0, 1, 2, 3, 4, 2, 2, 1, 0]
    assert images.test_labels.tolist() == [0, 1, 2]
    assert path_classes(data) == ["owl", "wren", "jay", "tit", "kite"]


def test_one_file_of_other_names(tmp_path, rng):
    images = rng.integers(4, size=(10, 4, 4)).astype(np.uint8)
    write_records(tmp_path / "a.tfrecords", images, range(10), "image/encoded", "image/class/label")
    loaded = load_images(DataConfig(source=str(tmp_path / "a.tfrecords")), labels=True)
    assert loaded.train.shape == (9, 4, 4, 1) and loaded.test.shape == (1, 4, 4, 1)
    np.testing.assert_array_equal(loaded.train[..., 0], images[loaded.train_labels])
    write_records(tmp_path / "b.tfrec", images, range(10), "photo", "kind")
    names = {"train_key": "photo", "train_label_key": "kind"}
    named = load_images(DataConfig(source=str(tmp_path / "b.tfrec"), **names), labels=True)
    np.testing.assert_array_equal(named.train, loaded.train)
    np.testing.assert_array_equal(named.train_labels, loaded.train_labels)


def test_records_are_resized_and_skipped_like_files(tmp_path, rng, capsys):
    sizes = [(8, 9), (20, 10), (7, 7), (9, 9)]
    images = [encoded(rng.integers(256, size=(*s, 3)).astype(np.uint8), "JPEG") for s in sizes]
    images[1] = images[1][:40]
    write_records(tmp_path / "a.tfrecord", images, [3, 2, 1, 0])
    settings = {"source": str(tmp_path / "a.tfrecord"), "image_size": 4, "test_share": 0.4}
    with pytest.raises(UserError, match=r"a\.tfrecord: record 1: not a readable image \("):
        load_images(DataConfig(**settings))
    loaded = load_images(DataConfig(**settings, skip_broken=True), labels=True)
    assert loaded.train.shape == (2, 4, 4, 3)
    assert sorted([*loaded.train_labels, *loaded.test_labels]) == [0, 1, 3]
    assert "skipped 1 broken files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file, x: file.write_bytes(b"no records at all"), "a.tfrecord: not a TFRecord file"),
        (lambda file, x: file.write_bytes(gzip.compress(b"x" * 99)), "a.tfrecord: is compressed"),
        (
            lambda file, x: write_records(file, x, [[], 0, 1]),
            "0: 'label' is not one integer",
        ),
        (lambda file, x: file.write_bytes(b""), "holds no images"),
        (lambda file, x: write_records(file, x, key="z"), r"no encoded image among .*\(z\)"),
        (lambda file, x: write_records(file, [b"x"] * 3), "not readable images: .*record 0"),
        (lambda file, x: write_records(file, x, [-1, 0, 1]), "labels must be integers from 0 up"),
    ],
)
def test_wrong_files(write, message, tmp_path):
    write(tmp_path / "a.tfrecord", np.zeros((3, 4, 4), np.uint8))
    with pytest.raises(UserError, match=message):
        load_images(DataConfig(source=str(tmp_path / "a.tfrecord")), labels=True)


def test_a_file_that_is_cut(tmp_path):
    write_records(tmp_path / "a.tfrecord", np.zeros((3, 4, 4), np.uint8))
    content = (tmp_path / "a.tfrecord").read_bytes()
    (tmp_path / "a.tfrecord").write_bytes(content[:-7])
    with pytest.raises(UserError, match=r"a\.tfrecord: is cut off after record 1"):
        load_images(DataConfig(source=str(tmp_path / "a.tfrecord")))


def test_a_file_of_several_is_missing(prepared):
    home, _ = prepared
    (home / "birds/1.10.0/birds-train.tfrecord-00000-of-00002").unlink()
    with pytest.raises(UserError, match=r"birds-train.tfrecord-00000-of-00002 is missing"):
        load_images("tfds:birds")


def test_a_file_that_is_cut_later(prepared):
    home, _ = prepared
    images = load_images(DataConfig(source="tfds:birds", cache_gb=0))
    file = home / "birds/1.10.0/birds-test.tfrecord-00000-of-00001"
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(UserError, match=r"record 2: can no longer be read \(no record here"):
        images.test[-1]


def test_no_training_set(prepared):
    home, _ = prepared
    for file in (home / "birds/1.10.0").glob("*train*"):
        file.unlink()
    with pytest.raises(UserError, match=r"no file is named like the training set \(test only\)"):
        load_images("tfds:birds")


def test_no_such_data(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    with pytest.raises(UserError, match=r"'tfds:birds': no prepared data in .*tfds.load\('birds'"):
        load_images("tfds:birds")
