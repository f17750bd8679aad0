"""Checkpoints on disk: damaged ones, and how many are kept."""

import gc

import pytest
import tensorflow as tf
from helpers import make_trainer, small_config

from pixelcnn_tf import UserError
from pixelcnn_tf.training.checkpoints import saved_steps


def damage(folder, how):
    data = folder / "ckpt-8.data-00000-of-00001"
    contents = data.read_bytes()
    if how == "truncated":
        data.write_bytes(contents[: len(contents) // 2])
    elif how == "empty":
        data.write_bytes(b"")
    elif how == "missing":
        data.unlink()
    elif how == "a folder":
        data.unlink()
        data.mkdir()
    elif how == "flipped":
        # Every tensor: which part of the file matters is TensorFlow's affair.
        data.write_bytes(bytes(byte ^ 0xFF for byte in contents))
    elif how == "index missing":
        (folder / "ckpt-8.index").unlink()
    elif how == "index truncated":
        index = folder / "ckpt-8.index"
        index.write_bytes(index.read_bytes()[:20])


@pytest.mark.parametrize(
    "how",
    [
        *("truncated", "missing", "flipped", "index truncated", "a folder"),
        *(pytest.param(how, marks=pytest.mark.slow) for how in ("empty", "index missing")),
    ],
)
def test_a_damaged_checkpoint_is_skipped_with_a_warning(how, finished, tmp_path, images, capsys):
    config = finished()
    damage(tmp_path / "small" / "checkpoints", how)
    trainer = make_trainer(config)
    assert trainer.checkpoints.restore() == 6
    assert "ckpt-8 is damaged and was skipped" in capsys.readouterr().err
    if how not in ("truncated", "a folder"):
        return  # how it goes on does not depend on the damage
    trainer.fit(images)
    assert trainer.step == 8
    fresh = make_trainer(config)
    assert fresh.checkpoints.restore() == 8  # written again, whole


def test_the_newest_checkpoints_are_kept(finished, tmp_path, images):
    """And nothing else; of what an older one left behind, later ones are not counted."""
    finished(steps=6)
    folder = tmp_path / "small" / "checkpoints"
    for name in ("ckpt-12.index", "ckpt-99.index"):
        (folder / name).write_bytes(b"")
    trainer = make_trainer(small_config(tmp_path, steps=10))
    trainer.fit(images)
    assert saved_steps(folder) == [99, 12, 10, 8, 6]
    trainer.checkpoints.save(12)
    assert saved_steps(folder) == [99, 12, 10, 8]
    data = "data-00000-of-00001"
    kept = {f"ckpt-{step}.{part}" for step in (12, 10, 8) for part in ("index", data)}
    assert {file.name for file in folder.iterdir()} == kept | {"ckpt-99.index"}


def test_a_damaged_checkpoint_takes_no_place_of_a_whole_one(finished, tmp_path, images):
    finished(keep_checkpoints=2, checkpoint_every=2)
    folder = tmp_path / "small" / "checkpoints"
    damage(folder, "truncated")
    config = small_config(tmp_path, keep_checkpoints=2, checkpoint_every=3, steps=9)
    make_trainer(config).fit(images)
    assert saved_steps(folder) == [9, 6]


def test_a_checkpoint_of_an_earlier_version_is_taken_quietly(finished, tmp_path, capfd):
    """One by a manager: with its counter, and a list of checkpoints beside it."""
    config = finished(steps=2)
    folder = tmp_path / "small" / "checkpoints"
    old = make_trainer(config).checkpoints
    assert old.restore() == 2
    manager = tf.train.CheckpointManager(old._state, str(folder), 3, checkpoint_name="ckpt")
    old._state.step.assign(4)
    manager.save(checkpoint_number=4)
    trainer = make_trainer(config)
    capfd.readouterr()
    assert trainer.checkpoints.restore() == 4
    trainer.checkpoints.save(5)
    del trainer
    gc.collect()
    assert "WARNING" not in capfd.readouterr().err
    assert not (folder / "checkpoint").exists()


def test_no_readable_checkpoint_is_an_error_not_a_new_start(finished, tmp_path, images):
    config = finished()
    for file in (tmp_path / "small" / "checkpoints").glob("ckpt-*.data*"):
        file.write_bytes(b"")
    with pytest.raises(UserError, match="none of its checkpoints can be read"):
        make_trainer(config).fit(images)
    for file in (tmp_path / "small" / "checkpoints").glob("ckpt-*.index"):
        file.unlink()
    with pytest.raises(UserError, match="none of its checkpoints can be read"):
        make_trainer(config).fit(images)
