"""What happens to a finished run whose files are damaged or deleted, and to one that is stopped
before or after its training steps."""

import shutil
import signal

import numpy as np
import pytest
from command_line import train

from pixelcnn_tf import PixelRNN, Trainer, load_model
from pixelcnn_tf.cli import evaluate
from pixelcnn_tf.cli.parsing import exit_with

pytestmark = pytest.mark.usefixtures("blank_samples")


@pytest.fixture
def run(runs, tmp_path):
    """A copy of a finished run, below ``tmp_path``."""
    return shutil.copytree(runs / "small", tmp_path / "small")


@pytest.mark.parametrize("at", ["initialize", "write_results", "final samples"])
def test_a_signal_outside_of_the_training_steps(at, tmp_path, capfd, monkeypatch):
    """It is said, nothing is lost, and the same command completes the run."""
    steps = []

    def stopped(self, *args):
        if at != "final samples" or args == ("final",):
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patched:
        if at == "write_results":
            patched.setattr("pixelcnn_tf.training.experiment.write_results", stopped)
        else:
            name = "initialize" if at == "initialize" else "write_samples"
            patched.setattr(Trainer, name, stopped)
        assert train(tmp_path) == 143
    error = capfd.readouterr().err
    assert "SIGTERM: stopping" in error
    if at == "initialize":
        assert "stopped before the first step; the same command starts again" in error
    else:
        assert "stopped at step 6 of 6 and saved in" in error
        monkeypatch.setattr(Trainer, "train_step", lambda *_: steps.append(1))
    assert train(tmp_path) == 0
    assert (tmp_path / "small" / "results.json").exists()
    assert not steps


def test_a_damaged_model_file(run, capsys):
    expected = load_model(run).get_weights()
    model = run / "model.keras"
    model.write_bytes(model.read_bytes()[:-200])
    for one, two in zip(load_model(run).get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, two)
    assert "model.keras: is not a Keras model file" in (error := capsys.readouterr().err)
    assert "loading the checkpoint of step 6" in error
    shutil.rmtree(run / "checkpoints")
    assert exit_with(lambda: evaluate.main(["--run", str(run)])) == 2
    assert "model.keras: is not a Keras model file" in capsys.readouterr().err


def test_training_again_repairs_a_damaged_model_file(run, tmp_path, capsys):
    model = run / "model.keras"
    size = model.stat().st_size
    model.write_bytes(model.read_bytes()[:-200])
    assert train(tmp_path) == 0
    assert "already trained" not in capsys.readouterr().out
    assert abs(model.stat().st_size - size) < 200


def test_a_file_in_the_place_of_the_checkpoints(run, tmp_path, capsys):
    (run / "results.json").unlink()
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").write_text("")
    assert train(tmp_path) == 2
    assert "small/checkpoints: is a file; must be the folder" in capsys.readouterr().err


def test_deleted_files_of_a_finished_run(run, tmp_path, capsys):
    (run / "images.txt").unlink()
    shutil.rmtree(run / "checkpoints")
    assert train(tmp_path) == 0
    error = capsys.readouterr().err
    assert "small/images.txt is missing: nobody can tell any more" in error
    assert "small/checkpoints holds no checkpoint: the run cannot be made longer" in error
    assert evaluate.main(["--run", str(run)]) == 0
    assert "images.txt is missing: the images may be others" in capsys.readouterr().err


@pytest.mark.parametrize("n_classes", [None, 2])
def test_evaluate_notices_other_images(n_classes, tmp_path, rng, capsys):
    """One more image moves training images into the test set."""
    images = rng.integers(256, size=(31, 8, 8)).astype(np.uint8)
    labels = np.arange(31) % 2
    file = tmp_path / "a.npz"
    np.savez(file, x_train=images[:30], y_train=labels[:30])
    settings = {"data.source": file, "model.n_classes": n_classes or "null"}
    assert train(tmp_path, **settings) == 0
    typed = ["--run", str(tmp_path / "small")]
    assert evaluate.main(typed) == 0
    np.savez(file, x_train=images, y_train=labels)
    assert exit_with(lambda: evaluate.main(typed)) == 2
    assert "small: its images, or their division into sets, have" in capsys.readouterr().err
    np.savez(tmp_path / "b.npz", x_train=images, y_train=labels)
    assert evaluate.main([*typed, "--set", f"data.source={tmp_path / 'b.npz'}"]) == 0


def test_models_of_other_folders_are_not_replaced(run, tmp_path):
    """A model in the place of ``model.keras`` that is whole is loaded, whatever it is."""
    other = PixelRNN(2, 2, 1, n_channels=1)
    other(np.zeros([1, 4, 4, 1], np.uint8))
    other.save(run / "model.keras")
    for one, two in zip(load_model(run).get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
