"""Training by the clock, and scores of held-out training images."""

import contextlib
import io
import json
import signal

import numpy as np
import pytest
import tensorflow as tf
from command_line import train
from helpers import make_trainer, small_config, weights

from pixelcnn_tf import Trainer, UserError, load_images, load_model
from pixelcnn_tf.config import DataConfig
from pixelcnn_tf.testing import draw_weights
from pixelcnn_tf.training.checkpoints import Checkpoints, saved_steps
from pixelcnn_tf.training.clock import Clock, Window
from pixelcnn_tf.training.optimizers import rate_at
from pixelcnn_tf.training.signals import Interrupted


@pytest.fixture
def ticking(monkeypatch):
    """Each step takes a second; nothing else takes time."""
    now = [0.0]
    monkeypatch.setattr("pixelcnn_tf.training.clock.time.perf_counter", lambda: now[0])
    add = Window.add

    def tick(self, *results):
        now[0] += 1.0
        add(self, *results)

    monkeypatch.setattr(Window, "add", tick)


def timed(folder, minutes=0.1, **training):
    training = {"steps": None, "minutes": minutes, "eval_every": 100, **training}
    return small_config(folder, **training)


def held_out(images):
    return images._replace(train=images.train[4:], validation=images.train[:4])


# Minutes


def test_a_run_ends_with_its_minutes_the_first_step_not_counted(ticking, tmp_path, images):
    trainer = make_trainer(timed(tmp_path))
    trainer.fit(images)
    assert trainer.step == 7  # six seconds
    assert trainer.clock.seconds == 6.0
    assert saved_steps(trainer.run.checkpoints)[0] == 7


@pytest.mark.parametrize(("steps", "end"), [(3, 3), (100, 7)])
def test_of_steps_and_minutes_the_first_that_is_reached_ends_a_run(
    steps, end, ticking, tmp_path, images
):
    trainer = make_trainer(timed(tmp_path, steps=steps))
    trainer.fit(images)
    assert trainer.step == end


def test_a_stopped_run_goes_on_with_the_minutes_that_are_left(
    ticking, tmp_path, images, monkeypatch
):
    tick = Window.add

    def tick_and_signal(self, *results):
        tick(self, *results)
        if len(self.results) == 4:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Window, "add", tick_and_signal)
    with pytest.raises(Interrupted):
        make_trainer(timed(tmp_path, log_every=100)).fit(images)
    monkeypatch.setattr(Window, "add", tick)
    resumed = make_trainer(timed(tmp_path, log_every=100))
    assert resumed.checkpoints.restore() == 4
    assert resumed.checkpoints.seconds == 3.0
    resumed.fit(images)
    assert resumed.clock.seconds == 6.0
    assert resumed.step == 4 + 1 + 3  # the first step of each process compiles
    done = make_trainer(timed(tmp_path, log_every=100))
    done.fit(images)
    assert done.step == 8


def test_the_cosine_follows_the_time(ticking, tmp_path, images, monkeypatch):
    rates = []
    trainer = make_trainer(timed(tmp_path, schedule="cosine", learning_rate=0.5, warmup_steps=2))
    step = trainer.train_step

    def noting(**batch):
        rates.append(float(tf.convert_to_tensor(trainer.optimizer.learning_rate)))
        return step(**batch)

    monkeypatch.setattr(trainer, "train_step", noting)
    trainer.fit(images)
    seconds = [0, 0, 1, 2, 3, 4, 5]
    expected = [0.25 * (1 + np.cos(np.pi * s / 6)) for s in seconds]
    expected[0], expected[1] = 0.0, expected[1] / 2  # the warm-up
    np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=1e-9)


def test_with_steps_as_well_the_cosine_ends_with_what_ends_the_run(tmp_path):
    training = timed(tmp_path, minutes=1, steps=10, schedule="cosine", learning_rate=1.0).training
    assert rate_at(training, 10, 1.0) == 0.0
    assert rate_at(training, 1, 60.0) == 0.0
    assert rate_at(training, 5, 1.0) == pytest.approx(0.5)
    assert rate_at(training, 1, 30.0) == pytest.approx(0.5)


def test_checkpoints_without_seconds_are_restored(tmp_path):
    """Those of version 0.1.0."""
    trainer = make_trainer(small_config(tmp_path))
    checkpoints = trainer.checkpoints
    checkpoints._written = checkpoints._state
    checkpoints.save(3, 9.0)
    other = Checkpoints(checkpoints.folder, trainer.model, trainer.optimizer)
    assert other.restore() == 3
    assert other.seconds == 0.0


def test_the_clock_counts_only_what_it_is_started_for(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("pixelcnn_tf.training.clock.time.perf_counter", lambda: now[0])
    clock = Clock(10.0)
    now[0] += 5.0
    with clock.paused():
        now[0] += 5.0
    assert clock.seconds == 10.0
    clock.start()
    now[0] += 2.0
    with pytest.raises(ZeroDivisionError), clock.paused():
        now[0] += 100.0
        _ = 1 / 0
    assert clock.seconds == 12.0


TIMED = {"training.steps": "null", "training.minutes": 0.005, "training.warmup_steps": 0}
TIMED |= {"data.validation_share": 0.2, "training.eval_every": 20}
TIMED |= {f"training.{what}_every": 10**6 for what in ("sample", "checkpoint")}


@pytest.fixture(scope="module")
def timed_run(tmp_path_factory):
    """The folder of a run of the command for 0.3 seconds, and what it printed."""
    folder, printed = tmp_path_factory.mktemp("timed"), io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert train(folder, **TIMED) == 0
    return folder, printed.getvalue()


def test_a_timed_run_of_the_command(timed_run, capsys):
    folder, _ = timed_run
    record = json.loads((folder / "small" / "results.json").read_text())
    assert record["training_seconds"] >= 0.3
    assert record["images_seen"] == 4 * record["step"]
    assert (record["minutes"], record["steps"]) == (0.005, None)
    assert set(record["versions"]) >= {"pixelcnn_tf", "tensorflow", "keras"}
    assert 0 < record["used_parameters"] < record["parameters"]
    assert train(folder, **TIMED) == 0
    assert "small is already trained" in capsys.readouterr().out


# Validation


def test_validation_images_are_held_out_of_the_training_images():
    whole = load_images(DataConfig(source="digits_grey"), labels=True)
    parts = load_images(DataConfig(source="digits_grey", validation_share=0.25), labels=True)
    assert len(parts.validation) == len(parts.validation_labels) == round(len(whole.train) / 4)
    assert len(parts.train) + len(parts.validation) == len(whole.train)
    np.testing.assert_array_equal(parts.test, whole.test)
    both = np.concatenate([parts.train, parts.validation])
    assert sorted(map(bytes, both)) == sorted(map(bytes, whole.train))
    other = load_images(DataConfig(source="digits_grey", validation_share=0.25, seed=1))
    assert (other.validation != parts.validation).any()


def test_validation_images_of_dynamic_runs_are_drawn_once():
    data = DataConfig(source="digits_grey", binarize="dynamic", validation_share=0.1)
    images = load_images(data)
    assert images.validation.max() == 1
    assert images.train.max() > 1
    np.testing.assert_array_equal(images.validation, load_images(data).validation)


def test_a_share_that_leaves_nothing_is_one_line(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.zeros((2, 4, 4), np.uint8))
    data = DataConfig(source=str(tmp_path / "a.npz"), validation_share=0.9)
    with pytest.raises(UserError, match=r"validation_share 0\.9 leaves none for training; lower"):
        load_images(data)


def test_scores_are_of_validation_images_and_the_test_images_are_scored_once(
    tmp_path, images, monkeypatch
):
    seen = []
    original = Trainer._dataset

    def noting(self, images, split, *more):
        seen.append(split)
        return original(self, images, split, *more)

    monkeypatch.setattr(Trainer, "_dataset", noting)
    trainer = make_trainer(validating(tmp_path))
    result = trainer.fit(held_out(images))
    assert seen == ["validation", "validation", "test"]
    assert [point["step"] for point in trainer.curve.points] == [4, 8]
    assert {path.name for path in trainer.run.logs.iterdir()} == {
        "train", "imgs", "validation", "test",
    }  # fmt: skip
    assert result["bits_per_dim"] > 0


def validating(folder, **training):
    config = small_config(folder, **training)
    return config.model_copy(
        update={"data": config.data.model_copy(update={"validation_share": 0.2})}
    )


def test_the_best_weights_are_kept(tmp_path, images):
    """A rate so high that the score gets worse after the first evaluation."""
    settings = {"optimizer": "sgd", "learning_rate": 1.0, "ema_decay": 0.5, "eval_every": 2}
    trainer = make_trainer(validating(tmp_path, **settings))
    draw_weights(trainer.model)
    images = held_out(images)
    scores = iter([3.0, 2.0, 4.0, 5.0])
    add = trainer.curve.add
    kept = []

    def scripted(step, seconds, results):
        best = add(step, seconds, {**results, "bits_per_dim": next(scores)})
        with trainer.averaged_weights():
            kept.append(weights(trainer))
        return best

    trainer.curve.add = scripted
    result = trainer.fit(images)
    assert trainer.curve.best["step"] == 4
    last = weights(trainer)
    with trainer.best_weights():
        for a, b in zip(weights(trainer), kept[1], strict=True):
            np.testing.assert_array_equal(a, b)
        assert trainer.evaluate(trainer._dataset(images, "test")) == result
    for a, b in zip(weights(trainer), last, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(load_model(trainer.run.best).trainable_weights, kept[1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_resumed_run_has_the_same_curve(tmp_path, images):
    images = held_out(images)
    straight = make_trainer(validating(tmp_path / "a", schedule="constant"))
    straight.fit(images)
    make_trainer(validating(tmp_path / "b", steps=4)).fit(images)
    resumed = make_trainer(validating(tmp_path / "b"))
    resumed.fit(images)
    scores = [[point["bits_per_dim"] for point in t.curve.points] for t in (straight, resumed)]
    np.testing.assert_allclose(*scores, rtol=1e-5)
    assert [point["step"] for point in resumed.curve.points] == [4, 8]


def test_the_command_says_which_set_a_score_is_of(timed_run):
    folder, out = timed_run
    assert "validation and 180 test images of" in out
    lines = dict(line.split(maxsplit=1) for line in out.splitlines() if line)
    record = json.loads((folder / "small" / "results.json").read_text())
    assert f"({record['validation_images']:,} images, step" in lines["validation"]
    assert f"({record['test_images']:,} images, step" in lines["test"]
    assert record["curve_images"] == "validation"
    assert record["validation"]["bits_per_dim"] == min(p["bits_per_dim"] for p in record["curve"])
