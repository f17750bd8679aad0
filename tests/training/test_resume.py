"""Stopping, crashing, and going on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import make_trainer, small_config, weights
from tqdm import tqdm

from experiments.commands import set_flags
from pixelcnn_tf import Trainer, UserError, load_config, load_model
from pixelcnn_tf.training.checkpoints import Checkpoints, saved_steps
from pixelcnn_tf.training.clock import Clock, Window
from pixelcnn_tf.training.signals import Interrupted
from pixelcnn_tf.utils.errors import TrainingDiverged

ROOT = Path(__file__).resolve().parents[2]


def test_a_signal_saves_and_the_next_fit_goes_on(finished, tmp_path, images, monkeypatch):
    straight = load_model(finished().run_dir).trainable_weights
    config = small_config(tmp_path / "stopped", checkpoint_every=100)
    add = Window.add

    def add_and_signal(self, *results):
        add(self, *results)
        if len(self.results) == 1:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Window, "add", add_and_signal)
    with pytest.raises(Interrupted) as stop:
        make_trainer(config).fit(images)
    assert stop.value.step == 1
    assert stop.value.signum == signal.SIGINT
    assert saved_steps(tmp_path / "stopped" / "small" / "checkpoints") == [1]
    monkeypatch.setattr(Window, "add", add)

    resumed = make_trainer(config)
    resumed.fit(images)
    assert resumed.step == 8
    for a, b in zip(straight, weights(resumed), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("where", ["valid_step", "create_image_samples"])
def test_a_signal_while_evaluating_or_sampling_saves_too(where, tmp_path, images, monkeypatch):
    original = getattr(Trainer, where)

    def signal_first(self, *arguments, **given):
        signal.raise_signal(signal.SIGINT)
        return original(self, *arguments, **given)

    monkeypatch.setattr(Trainer, where, signal_first)
    config = small_config(tmp_path, checkpoint_every=100, sample_every=4)
    with pytest.raises(Interrupted) as stop:
        make_trainer(config).fit(images)
    assert stop.value.step == 4
    assert saved_steps(tmp_path / "small" / "checkpoints") == [4]


def test_a_signal_at_the_very_end_saves_and_the_next_fit_is_done(tmp_path, images, monkeypatch):
    after_step = Trainer._after_step

    def signal_last(self, *arguments):
        results = after_step(self, *arguments)
        if self.step == 8:
            signal.raise_signal(signal.SIGTERM)
        return results

    monkeypatch.setattr(Trainer, "_after_step", signal_last)
    trainer = make_trainer(small_config(tmp_path))
    with pytest.raises(Interrupted) as stop:
        trainer.fit(images)
    assert stop.value.signum == signal.SIGTERM
    assert trainer.evaluate(trainer._dataset(images, "test"))  # no signal is left behind
    trainer = make_trainer(small_config(tmp_path))
    assert trainer.fit(images)["bits_per_dim"] > 0
    assert trainer.step == 8


def test_two_processes_do_not_train_in_one_folder(tmp_path, images):
    trainer = make_trainer(small_config(tmp_path, steps=2))
    trainer.run.create(trainer.config)
    before = trainer.run.config.read_text()
    other = make_trainer(small_config(tmp_path, steps=2, log_every=1))
    with trainer.run.locked():
        with pytest.raises(UserError, match="another process trains here"):
            other.fit(images)
        with pytest.raises(UserError, match="another process trains here"):
            other.run.set_aside()
    assert trainer.run.config.read_text() == before
    trainer.fit(images)


def test_a_reader_of_the_progress_that_goes_away_costs_no_step(tmp_path, images, monkeypatch):
    """As of ``main.py 2>&1 | tee log``."""

    def gone(*_):
        raise BrokenPipeError

    monkeypatch.setattr(tqdm, "update", gone)
    trainer = make_trainer(small_config(tmp_path, checkpoint_every=100))
    with pytest.raises(BrokenPipeError):
        trainer.fit(images)
    assert saved_steps(tmp_path / "small" / "checkpoints") == [1]


def test_a_log_that_cannot_be_written_costs_no_step(tmp_path, images, monkeypatch):
    """What TensorFlow makes of a full disk is what it makes of a full memory."""

    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.summary, "scalar", full)
    trainer = make_trainer(small_config(tmp_path, checkpoint_every=100, log_every=3))
    with pytest.raises(OSError, match="cannot be written: No space left on device") as error:
        trainer.fit(images)
    assert error.value.filename == str(tmp_path / "small" / "logs")
    assert saved_steps(tmp_path / "small" / "checkpoints") == [3]


def test_a_resume_is_quiet(finished, tmp_path, images, capfd):
    finished(steps=4)
    make_trainer(small_config(tmp_path)).fit(images)
    warnings = [line for line in capfd.readouterr().err.splitlines() if "WARNING" in line]
    # Many trainers of one process: each traces its own step.
    assert not [line for line in warnings if "triggered tf.function retracing" not in line]


def test_fit_fills_in_the_config_and_makes_the_run_folder(tmp_path, images):
    config = small_config(tmp_path, sample_every=4)
    data = config.data.model_copy(update={"image_size": None})
    trainer = make_trainer(config.model_copy(update={"data": data}))
    with pytest.raises(UserError, match="image_size: not known before fit"):
        trainer.create_image_samples()
    trainer.fit(images)
    assert load_config(tmp_path / "small" / "config.yml").data.image_size == (4, 4)
    assert (tmp_path / "small" / "samples" / "step_000004.png").exists()


def test_a_kill_in_the_very_first_save_is_no_obstacle(tmp_path, images):
    folder = tmp_path / "small" / "checkpoints"
    make_trainer(small_config(tmp_path)).run.create(small_config(tmp_path))
    (folder / "ckpt-2_temp").mkdir(parents=True)
    (folder / "ckpt-2_temp" / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"x")
    make_trainer(small_config(tmp_path)).fit(images)
    assert saved_steps(folder) == [8, 6, 4]
    assert not (folder / "ckpt-2_temp").exists()


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("rmsprop", marks=pytest.mark.slow)])
def test_restoring_brings_every_number_back(optimizer, tmp_path, images):
    """Into a model of other initial weights (and another name), with and without optimizer."""
    config = small_config(tmp_path, optimizer=optimizer)
    trained = make_trainer(config)
    trained.fit(images)
    folder = tmp_path / "small" / "checkpoints"
    for with_optimizer in (True, False):
        other = make_trainer(config.model_copy(update={"seed": 1}))
        assert (weights(other)[0] != weights(trained)[0]).any()
        checkpoints = Checkpoints(folder, other.model, other.optimizer if with_optimizer else None)
        assert checkpoints.restore() == 8
        for a, b in zip(trained.model.weights, other.model.weights, strict=True):
            np.testing.assert_array_equal(a, b)
        if with_optimizer:
            for a, b in zip(trained.optimizer.variables, other.optimizer.variables, strict=True):
                np.testing.assert_array_equal(a, b)


def test_states_of_random_generators_are_saved_too(tmp_path):
    def model():
        layers = [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(0.5)]
        return keras.Sequential(layers)

    one, two = model(), model()
    one(np.ones((2, 3)), training=True)
    Checkpoints(tmp_path, one).save(1)
    Checkpoints(tmp_path, two).restore()
    drawn = [m(np.ones((2, 3)), training=True) for m in (one, two)]
    np.testing.assert_array_equal(*drawn)


def test_load_model_takes_what_is_newest(finished, tmp_path, images):
    """The model file of a shorter run is no answer while a longer one trains."""
    trainer = make_trainer(finished(steps=4))
    assert trainer.checkpoints.restore() == 4
    trainer.model.save(trainer.run.model)
    trainer.run.results.write_text('{"step": 4}')
    old = load_model(tmp_path / "small").get_weights()
    for a, b in zip(old, weights(trainer), strict=True):
        np.testing.assert_array_equal(a, b)
    longer = make_trainer(small_config(tmp_path, steps=6))
    longer.fit(images)
    new = load_model(tmp_path / "small").get_weights()
    for a, b in zip(new, weights(longer), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(old, new, strict=True))


def test_speed_counts_training_only(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("pixelcnn_tf.training.clock.time.perf_counter", lambda: now[0])
    clock = Clock()
    window = Window(5, clock)
    window.start_clock()
    for _ in range(4):
        with window.waiting():
            now[0] += 0.25
        now[0] += 0.75
        window.add(20.0, 1.0)
        with clock.paused():
            now[0] += 100.0
    means = window.close(step=4)
    # 20 nats over 5 images; 5 images a second; a quarter of the time is waiting
    assert means == (4.0, 1.0, 5.0, 0.25)
    for _ in range(3):
        now[0] += 1.0
        window.add(20.0, 1.0)
        if len(window.results) == 1:
            now[0] += 100.0  # compiling
            window.start_clock()
    assert window.close(step=7) == (4.0, 1.0, 5.0, 0.0)


# Trains the runs of these names, but for "killed" if it is not the only one: it dies at step 8.
TRAIN = """
import os, signal, sys
from pixelcnn_tf.utils import startup
startup.import_tensorflow()
from pixelcnn_tf.training.checkpoints import Checkpoints
save = Checkpoints.save
def save_and_die(self, step, seconds):
    save(self, step, seconds)
    if step == 8:
        os.kill(os.getpid(), signal.SIGKILL)
from pixelcnn_tf import Trainer
Trainer.write_samples = lambda *_: None  # not compared
import main
names, flags = sys.argv[1].split(), sys.argv[2:]
for name in names:
    if name == "killed" and len(names) > 1:
        Checkpoints.save = save_and_die
    status = main.main([*flags, "--set", f"name={name}"])
sys.exit(status)
"""


def train_in_a_process(names, tmp_path):
    settings = {
        "runs_dir": tmp_path,
        "deterministic": "true",
        "data.source": "digits_grey",
        "data.image_size": "8",
        "model.n_layers": 1,
        "model.hidden_dim": 4,
        "model.out_dim": 4,
        "training.steps": 16,
        "training.batch_size": 4,
        "training.warmup_steps": 2,
        "training.ema_decay": 0.9,
        "training.checkpoint_every": 4,
        "training.eval_every": 1000,
        "sampling.n_images": 1,
    }
    flags = set_flags(settings)
    return subprocess.run(
        [sys.executable, "-c", TRAIN, names, "--config", "config.yml", *flags],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_killed_and_resumed_is_the_same_to_the_last_bit(tmp_path):
    # Both in one process, for starting TensorFlow takes longer than training.
    assert train_in_a_process("straight killed", tmp_path).returncode == -signal.SIGKILL
    assert (tmp_path / "straight" / "model.keras").exists()
    assert not (tmp_path / "killed" / "model.keras").exists()
    assert saved_steps(tmp_path / "killed" / "checkpoints") == [8, 4]
    resumed = train_in_a_process("killed", tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    one, two = (load_model(tmp_path / name).get_weights() for name in ("straight", "killed"))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    results = [
        json.loads((tmp_path / n / "results.json").read_text()) for n in ("straight", "killed")
    ]
    assert results[0]["test"] == results[1]["test"]
    # The model file has averages; weights and the optimizer's state are here.
    paths = [str(tmp_path / n / "checkpoints" / "ckpt-16") for n in ("straight", "killed")]
    one, two = (tf.train.load_checkpoint(path) for path in paths)
    names = [n for n in one.get_variable_to_shape_map() if n.startswith(("model", "opt", "aver"))]
    assert {name.split("/")[0] for name in names} == {"model", "optimizer", "averages"}
    for name in names:
        np.testing.assert_array_equal(one.get_tensor(name), two.get_tensor(name))


def test_divergence_stops_and_keeps_the_last_good_checkpoint(finished, tmp_path, images):
    finished(steps=4)
    good = load_model(tmp_path / "small").get_weights()
    trainer = make_trainer(small_config(tmp_path, steps=50))
    restore = trainer.checkpoints.restore

    def restore_and_blow_up():
        step = restore()
        trainer.optimizer.learning_rate = float("inf")
        return step

    trainer.checkpoints.restore = restore_and_blow_up
    with pytest.raises(TrainingDiverged, match=r"not finite.*last good checkpoint .* step 4"):
        trainer.fit(images)
    kept = load_model(tmp_path / "small").get_weights()
    for a, b in zip(good, kept, strict=True):
        np.testing.assert_array_equal(a, b)
