"""The command train: run folders, resumption, interruption, errors."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import yaml
from command_line import ROOT, train
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.commands import set_flags
from pixelcnn_tf import PixelCNNPlusPlus, Trainer, UserError, load_model
from pixelcnn_tf.cli import train as train_command
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.training import experiment
from pixelcnn_tf.training.clock import Window
from pixelcnn_tf.training.run_folder import RunFolder

pytestmark = pytest.mark.usefixtures("runs", "blank_samples")  # ``runs`` has true ones

# Results of a run


def test_a_run_folder_holds_all_results(runs):
    run = runs / "small"
    config = yaml.safe_load((run / "config.yml").read_text())
    assert config["data"]["image_size"] == [8, 8]
    assert config["model"]["n_channels"] == 1
    record = json.loads((run / "results.json").read_text())
    assert record["step"] == 6
    assert 0 < record["test"]["bits_per_dim"] < 10
    assert {p.name for p in (run / "samples").iterdir()} == {"step_000003.png", "final.png"}
    assert Image.open(run / "samples" / "final.png").size[0] > 100
    model = load_model(run)
    assert model(np.zeros((1, 8, 8, 1), np.uint8)).shape == (1, 8, 8, 1, 256)
    assert not list(run.rglob(".*"))  # nothing temporary


def test_tensorboard_reads_every_scalar_and_image(runs):
    def read(part):
        reader = EventAccumulator(str(runs / "small" / "logs" / part))
        reader.Reload()
        return reader

    expected = {
        "train": {
            "bits_per_dim": [2, 4, 6],
            "learning_rate": [2, 4, 6],
            "gradient_norm": [2, 4, 6],
            "images_per_second": [2, 4, 6],
            "waiting_for_data": [2, 4, 6],
        },
        "test": {"bits_per_dim": [3, 6]},
        "imgs": {"generated": [3, 6], "real": [0], "masks": [0]},
    }
    for part, tags in expected.items():
        reader = read(part)
        assert set(reader.Tags()["tensors"]) == set(tags) | (
            {"config"} if part == "train" else set()
        )
        for tag, steps in tags.items():
            events = reader.Tensors(tag)
            assert [event.step for event in events] == steps, (part, tag)
            if part == "imgs":
                width, height, png = events[0].tensor_proto.string_val[:3]
                assert png.startswith(b"\x89PNG")
                assert int(width) > 50
                assert int(height) > 50
            else:
                assert all(np.isfinite(float(_number(event))) for event in events)
    text = read("train").Tensors("config")[0].tensor_proto.string_val[0].decode()
    assert "hidden_dim: 2" in text


def _number(event):
    import tensorflow as tf

    return tf.make_ndarray(event.tensor_proto)


def test_the_last_lines_report_where_the_results_are(runs, capsys):
    """A finished run that is started again trains nothing and reports the same."""
    assert train(runs) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("small is already trained (--fresh trains it from scratch)")
    assert lines[-4].startswith("test         ")
    assert "bits per dim" in lines[-4]
    assert lines[-3].endswith("small/samples/final.png")
    assert lines[-2].endswith("small/model.keras")
    assert lines[-1].startswith("TensorBoard  ")
    assert lines[-1].endswith(f"tensorboard --logdir {runs}/small/logs")


def test_other_settings_are_refused_for_an_existing_run(runs, capsys):
    assert train(runs, **{"training.learning_rate": 0.5}) == 2
    error = capsys.readouterr().err
    assert "training.learning_rate: 0.006 there, 0.5 here" in error
    assert "--fresh" in error


def test_fresh_renames_the_old_run(runs, tmp_path, capsys):
    shutil.copytree(runs / "small", tmp_path / "small")
    (tmp_path / "small" / "note.txt").write_text("mine")
    assert train(tmp_path, "--fresh") == 0
    assert "the old run is now" in capsys.readouterr().out
    assert (tmp_path / "small.old-1" / "note.txt").read_text() == "mine"
    assert json.loads((tmp_path / "small" / "results.json").read_text())["step"] == 6


def test_a_run_with_a_constant_rate_can_be_extended(tmp_path, capsys):
    constant = {"training.schedule": "constant", "training.warmup_steps": 0}
    assert train(tmp_path, **constant) == 0
    more = {"training.steps": 8, "training.log_every": 1, "sampling.n_images": 1}
    assert train(tmp_path, **constant, **more) == 0
    assert json.loads((tmp_path / "small" / "results.json").read_text())["step"] == 8
    config = yaml.safe_load((tmp_path / "small" / "config.yml").read_text())
    assert config["sampling"]["n_images"] == 1  # has no influence on the weights
    assert train(tmp_path, **constant, **{"training.steps": 7}) == 2
    assert "training.steps: 8 there, 7 here" in capsys.readouterr().err


def test_ctrl_c_saves_and_the_same_command_resumes(tmp_path, monkeypatch, capsys):
    add = Window.add

    def add_and_signal(self, *results):
        add(self, *results)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Window, "add", add_and_signal)
    assert train(tmp_path) == 130
    assert "stopped at step 1 of 6 and saved" in capsys.readouterr().err
    monkeypatch.setattr(Window, "add", add)
    assert train(tmp_path) == 0
    assert json.loads((tmp_path / "small" / "results.json").read_text())["step"] == 6


def test_binary_digits_report_nats(tmp_path, capsys):
    settings = {"data.binarize": "sample", "model.likelihood": "bernoulli"}
    assert train(tmp_path, **settings) == 0
    record = json.loads((tmp_path / "small" / "results.json").read_text())
    nats, bits = record["test"]["nats_per_image"], record["test"]["bits_per_dim"]
    assert nats == pytest.approx(bits * 64 * np.log(2), rel=1e-6)
    assert "nats per image" in capsys.readouterr().out


def test_print_config_shows_everything_and_trains_nothing(tmp_path, capsys):
    assert train(tmp_path, "--print-config") == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["model"]["hidden_dim"] == 2
    assert config["training"]["optimizer"] == "adam"
    assert not list(tmp_path.iterdir())


def test_pixelcnn_pp_is_initialized_from_data_once(tmp_path, monkeypatch):
    """Training itself is not run."""

    def enough(*_):
        raise UserError("enough")

    seen, config = [], str(ROOT / "configs" / "digits_pixelcnn_pp.yml")
    monkeypatch.setattr(PixelCNNPlusPlus, "initialize_from", lambda _, images: seen.append(images))
    monkeypatch.setattr(Trainer, "fit", enough)
    small = {"data.source": "digits_grey", "data.image_size": 8, "runs_dir": tmp_path}
    sets = set_flags(small)
    assert exit_with(lambda: train_command.main(["--config", config, *sets])) == 2
    assert [batch.shape for batch in seen] == [(112, 8, 8, 1)]
    monkeypatch.setattr(experiment, "saved_steps", lambda _: [5])  # as if it resumed
    assert exit_with(lambda: train_command.main(["--config", config, *sets])) == 2
    assert len(seen) == 1


def test_a_run_is_locked_until_its_results_are_written_and_keeps_its_images(
    tmp_path, rng, monkeypatch, capsys
):
    honest, seen = Trainer.write_samples, []

    def write_samples(self, name):
        with pytest.raises(UserError, match="another process"), RunFolder(self.run.path).locked():
            pass
        seen.append(name)
        return honest(self, name)

    monkeypatch.setattr(Trainer, "write_samples", write_samples)
    images = rng.integers(256, size=(20, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "x.npy", images)
    settings = {"data.source": tmp_path / "x.npy", "training.sample_every": 100}
    assert train(tmp_path, **settings) == 0
    assert seen == ["final"]
    with RunFolder(tmp_path / "small").locked():
        pass
    np.save(tmp_path / "x.npy", images ^ 1)  # the run is finished, but not with these
    assert train(tmp_path, **settings) == 2
    assert "was started with other images" in capsys.readouterr().err


def test_lack_of_memory_is_reported_on_one_line(tmp_path, monkeypatch, capsys):
    def too_much(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(Trainer, "initialize", too_much)
    assert train(tmp_path) == 2
    error = capsys.readouterr().err
    assert "do not fit memory; use smaller ones" in error and error.count("\n") == 1


def test_a_closed_pipe_is_not_an_error():
    """As in ``main.py --print-config | true``: status 141 and no output."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "main.py", "--config", "config.yml", "--print-config"]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
