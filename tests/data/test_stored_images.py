"""Data of any size: images that stay on disk train the same model as those in memory."""

import zlib

import numpy as np
import pytest
import tensorflow as tf
from command_line import train
from helpers import make_trainer, small_config, small_model, weights
from PIL import Image

from pixelcnn_tf import DataConfig, get_dataset, load_images, score
from pixelcnn_tf.data.sources import load_all_images
from pixelcnn_tf.training.run_folder import RunFolder
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.stored_images import StoredImages, combined_checksum


def make_folder(path, n=40, side=4, grey=()):
    """A folder of two classes; those images of the numbers in ``grey`` are greyscale."""
    rng = np.random.default_rng(3)
    for i in range(n):
        (path / "ab"[i % 2]).mkdir(parents=True, exist_ok=True)
        shape = (side, side) if i in grey else (side, side, 3)
        image = Image.fromarray(rng.integers(4, size=shape).astype(np.uint8))
        image.save(path / "ab"[i % 2] / f"{i:02}.png")
    return path


@pytest.fixture
def stored_and_loaded(tmp_path, request):
    """The images of one source, left on disk and in memory."""
    rng = np.random.default_rng(4)
    array = rng.integers(4, size=(40, 4, 4, 3)).astype(np.uint8)
    source = tmp_path / "source"
    if request.param.startswith("folder"):
        grey = {"folder": (), "folder, grey": range(40), "folder, mixed": (5, 8)}[request.param]
        make_folder(source, grey=grey)
    elif request.param == "npy":
        source = tmp_path / "a.npy"
        np.save(source, array)
    elif request.param == "npy, Fortran order":
        source = tmp_path / "a.npy"
        np.save(source, np.asfortranarray(array))
    elif request.param == "npy, int32":
        source = tmp_path / "a.npy"
        np.save(source, 20_000 * array.astype(np.int32))
    else:
        source = tmp_path / "a.npz"
        labels = np.arange(40) % 2
        np.savez(source, x_train=array[..., 0], y_train=labels, other=array[:3])
    settings = {"source": str(source), "validation_share": 0.2}
    return [load_images(DataConfig(**settings, cache_gb=gb), labels=True) for gb in (0, 1)]


EVERY_KIND = pytest.mark.parametrize(
    "stored_and_loaded",
    ["folder", "folder, grey", "folder, mixed", "npy", "npy, Fortran order", "npy, int32", "npz"],
    indirect=True,
)


@EVERY_KIND
def test_stored_images_are_those_in_memory(stored_and_loaded):
    stored, loaded = stored_and_loaded
    for one, two in zip(stored.arrays()[:5], loaded.arrays()[:5], strict=True):
        if two is None or two.ndim == 1:
            np.testing.assert_array_equal(one, two)
            continue
        assert isinstance(one, StoredImages) and isinstance(two, np.ndarray)
        assert (one.shape, one.dtype, one.nbytes) == (two.shape, two.dtype, two.nbytes)
        np.testing.assert_array_equal(np.asarray(one), two)
        np.testing.assert_array_equal(one[3], two[3])
        np.testing.assert_array_equal(one[np.array([3, 1])], two[[3, 1]])
        assert one.max() == two.max()
        assert one.checksum() == zlib.crc32(np.ascontiguousarray(two))


@EVERY_KIND
def test_batches_are_the_same(stored_and_loaded):
    labels = stored_and_loaded[1].train_labels is not None
    for split, start in [("train", 0), ("train", 13), ("test", 0), ("validation", 1)]:
        stored, loaded = (
            list(get_dataset(images, split, 3, 5, start, labels=labels).take(12))
            for images in stored_and_loaded
        )
        for one, two in zip(stored, loaded, strict=True):
            tf.nest.map_structure(np.testing.assert_array_equal, one, two)


def test_a_compressed_file_is_loaded(tmp_path, rng):
    array = rng.integers(4, size=(9, 4, 4, 1)).astype(np.uint8)
    np.savez_compressed(tmp_path / "a.npz", x_train=array)
    images = load_images(DataConfig(source=str(tmp_path / "a.npz"), cache_gb=0))
    assert isinstance(images.train, np.ndarray)
    assert len(images.train) + len(images.test) == 9


def test_images_are_read_when_they_are_needed(tmp_path):
    make_folder(tmp_path / "source")
    images = load_images(DataConfig(source=str(tmp_path / "source"), cache_gb=0))
    (tmp_path / "source" / "a" / "00.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"a/00.png: can no longer be read"):
        [np.asarray(part) for part in (images.train, images.test)]


@pytest.mark.parametrize("damage", ["changed", "deleted"])
def test_a_file_that_changes_during_training(damage, tmp_path, monkeypatch):
    """The error names the file, and the steps so far are saved."""
    make_folder(tmp_path / "source")
    images = load_images(DataConfig(source=str(tmp_path / "source"), cache_gb=0))
    trainer = make_trainer(small_config(tmp_path, steps=100, eval_every=1000))
    after = trainer._after_step

    def damaged(*args):
        if trainer.step == 5:
            for file in (tmp_path / "source").rglob("*.png"):
                if damage == "deleted":
                    file.unlink()
                else:
                    Image.fromarray(np.full((4, 4, 3), 2, np.uint8)).save(file)
        return after(*args)

    monkeypatch.setattr(trainer, "_after_step", damaged)
    message = {"changed": "has changed since", "deleted": "can no longer be read"}[damage]
    with pytest.raises(UserError, match=rf"source/[ab]/\d\d.png: {message}"):
        trainer.fit(images)
    assert trainer.checkpoints.restore() == trainer.step >= 5


@pytest.mark.parametrize("ending", ["npy", "npz"])
def test_an_array_file_that_changes_later(ending, tmp_path):
    array = np.ones((20, 4, 4, 3), np.uint8)
    file = tmp_path / f"a.{ending}"
    save = np.save if ending == "npy" else lambda file, x: np.savez(file, x_train=x)
    save(file, array)
    images = load_images(DataConfig(source=str(file), cache_gb=0))
    assert images.train.max() == 1
    save(file, array[:5])  # reading beyond its end would end the process
    with pytest.raises(UserError, match=f"a.{ending}: has changed since training began"):
        images.train[-1]


def test_damage_in_an_uncompressed_file(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.ones((20, 4, 4, 3), np.uint8))
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[700] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    for gb in (0, 1):
        with pytest.raises(UserError, match=r"x_train: not a readable NumPy file: Bad CRC-32"):
            load_images(DataConfig(source=str(tmp_path / "a.npz"), cache_gb=gb))


def test_a_run_is_resumed_on_either_side(tmp_path, images):
    """Checksums and weights do not depend on where the images are."""
    make_folder(tmp_path / "source")
    settings = {"source": str(tmp_path / "source"), "augment": ["flip"]}
    stored, loaded = (load_images(DataConfig(**settings, cache_gb=gb)) for gb in (0, 1))
    trained = []
    for first, second in [(stored, stored), (loaded, stored), (stored, loaded)]:
        config = small_config(tmp_path / str(len(trained)), steps=4)
        make_trainer(config).fit(first)
        assert RunFolder(config.run_dir).has_images(*second.arrays())
        longer = make_trainer(small_config(tmp_path / str(len(trained)), steps=8))
        longer.fit(second)
        trained.append(weights(longer))
    for others in trained[1:]:
        for one, two in zip(trained[0], others, strict=True):
            np.testing.assert_array_equal(one, two)


def test_commands_with_stored_images(tmp_path, capsys):
    """train, and a run that changes to images on disk; the test set is scored the same."""
    source = make_folder(tmp_path / "source")
    settings = {"data.source": source, "data.image_size": 4, "data.augment": "[flip]"}
    assert train(tmp_path, **settings) == 0
    out = capsys.readouterr().out
    assert train(tmp_path, **settings, **{"data.cache_gb": 0}) == 0
    assert "is already trained" in capsys.readouterr().out
    settings |= {"name": "stored", "data.cache_gb": 0}
    assert train(tmp_path, **settings) == 0
    assert capsys.readouterr().out.replace("/stored/", "/small/") == out


def test_scores(tmp_path, capsys):
    make_folder(tmp_path / "source")
    images = load_all_images(tmp_path / "source", DataConfig(cache_gb=0))
    model = small_model()
    stored = score(model, images, batch_size=7)
    np.testing.assert_array_equal(stored, score(model, np.asarray(images), batch_size=7))


def test_combined_checksums(rng):
    for n_bytes in (1, 3, 100):
        data = rng.integers(256, size=(7, n_bytes)).astype(np.uint8)
        checksums = np.array([zlib.crc32(row) for row in data], np.uint32)
        assert combined_checksum(checksums, n_bytes) == zlib.crc32(data)
    assert combined_checksum(np.zeros(0, np.uint32), 5) == 0


def test_half_of_the_training_images_are_mirrored(images):
    flipped = images._replace(augment=("flip",))
    plain, mirrored = (
        np.concatenate([batch.numpy() for batch in get_dataset(i, "train", 8, 1).take(50)])
        for i in (images, flipped)
    )
    as_they_are = (plain == mirrored).all(axis=(1, 2, 3))
    other_way = (plain[:, :, ::-1] == mirrored).all(axis=(1, 2, 3))
    assert (as_they_are | other_way).all()
    assert 160 < other_way.sum() < 240  # of 400
    resumed = np.concatenate(
        [batch.numpy() for batch in get_dataset(flipped, "train", 8, 1, start_step=40).take(10)]
    )
    np.testing.assert_array_equal(resumed, mirrored[320:])
    test = np.concatenate([batch.numpy() for batch in get_dataset(flipped, "test", 8, 1)])
    np.testing.assert_array_equal(test, images.test)
