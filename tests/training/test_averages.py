"""Moving averages of the weights: kept in training, used for all that is shown and saved."""

import signal

import keras
import numpy as np
import pytest
import tensorflow as tf
from command_line import train
from helpers import make_trainer, small_config, two_devices, weights

from pixelcnn_tf import Trainer, UserError, generate_images, load_config, load_model
from pixelcnn_tf.testing import draw_weights
from pixelcnn_tf.training.checkpoints import Checkpoints, saved_steps
from pixelcnn_tf.training.optimizers import averages
from pixelcnn_tf.training.signals import Interrupted

DECAY = 0.75  # few steps tell weights and averages apart


def averaging(folder, strategy=None, **training):
    """A trainer that averages, with weights drawn so that its steps are large."""
    options = {"optimizer": "sgd", "learning_rate": 1.0, "ema_decay": DECAY, **training}
    trainer = make_trainer(small_config(folder, **options), strategy)
    draw_weights(trainer.model)
    return trainer


def values(variables):
    return [variable.numpy() for variable in variables]


def averages_of(trainer):
    return values(averages(trainer.optimizer))


def assert_same(one, two):
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def differ(one, two):
    return any((a != b).any() for a, b in zip(one, two, strict=True))


def bits(trainer, images):
    return trainer.evaluate(trainer._dataset(images, "test"))["bits_per_dim"]


def draw(trainer):
    """What ``create_image_samples`` draws, from the weights that the model has."""
    return generate_images(trainer.model, (4, 4), 4, trainer.config.seed, method="incremental")


def put_averages_in_for_good(trainer):
    for weight, average in zip(trainer.model.trainable_weights, averages_of(trainer), strict=True):
        weight.assign(average)


# What is averaged


@pytest.mark.parametrize(
    ("strategy", "precision"),
    [
        (None, "float32"),
        (two_devices, "mixed_bfloat16"),
        pytest.param(None, "mixed_bfloat16", marks=pytest.mark.slow),
        pytest.param(two_devices, "float32", marks=pytest.mark.slow),
    ],
)
def test_averages_are_those_of_numpy(strategy, precision, tmp_path, images):
    """The first one is the weights after the first step, not zeros or the first weights."""
    config = small_config(tmp_path, optimizer="sgd", learning_rate=1.0, ema_decay=DECAY)
    config = config.model_copy(update={"precision": precision})
    trainer = make_trainer(config, strategy() if strategy else None)
    draw_weights(trainer.model)
    expected = None
    for start in range(0, 20, 4):
        trainer.train_step(trainer._spread(tf.constant(images.train[start : start + 4])))
        now = weights(trainer)
        expected = expected or now
        expected = [DECAY * a + (1 - DECAY) * w for a, w in zip(expected, now, strict=True)]
    for average, wanted in zip(averages_of(trainer), expected, strict=True):
        np.testing.assert_allclose(average, wanted, atol=1e-6)
    assert differ(averages_of(trainer), now)


def test_training_goes_on_with_the_plain_weights(tmp_path, images):
    """Evaluated and sampled on the way, it ends with the bits of a run without averages."""
    ends = []
    for decay in (None, DECAY):
        often = {} if decay is None else {"eval_every": 2, "sample_every": 3}
        config = small_config(tmp_path / str(decay), optimizer="adam", ema_decay=decay, **often)
        trainer = make_trainer(config)
        trainer.fit(images)
        ends.append(weights(trainer))
        assert len(averages(trainer.optimizer)) == (0 if decay is None else len(ends[0]))
    assert_same(*ends)


# Where they are used


def test_evaluation_and_samples_are_of_the_averages(tmp_path, images):
    trainer = averaging(tmp_path, two_devices())
    result = trainer.fit(images)
    plain, averaged = weights(trainer), averages_of(trainer)
    assert bits(trainer, images) == result["bits_per_dim"]
    samples = trainer.create_image_samples()
    assert_same(weights(trainer), plain)
    assert_same(averages_of(trainer), averaged)
    with trainer.averaged_weights(), trainer.averaged_weights():
        assert_same(weights(trainer), averaged)
    assert_same(weights(trainer), plain)
    assert_same(values(load_model(trainer.run.path).trainable_weights), averaged)

    nats = trainer.model.likelihood.nll(images.test, trainer.model(images.test))
    of_plain = float(tf.reduce_mean(nats)) / (48 * np.log(2))
    put_averages_in_for_good(trainer)
    np.testing.assert_array_equal(samples, draw(trainer))
    nats = trainer.model.likelihood.nll(images.test, trainer.model(images.test))
    of_averages = float(tf.reduce_mean(nats)) / (48 * np.log(2))
    assert result["bits_per_dim"] == pytest.approx(of_averages, rel=1e-5)
    assert abs(of_plain - of_averages) > 1e-3


def test_before_the_first_step_the_weights_are_used(tmp_path, images):
    """There is no average yet: Keras has zeros in its place."""
    results = [bits(averaging(tmp_path, ema_decay=decay), images) for decay in (None, DECAY)]
    assert results[0] == results[1]


def test_weights_come_back_after_an_exception(tmp_path, images, monkeypatch):
    trainer = averaging(tmp_path)
    trainer.fit(images)
    plain = weights(trainer)

    def fail(self, **arguments):
        assert differ(weights(trainer), plain)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "valid_step", fail)
    with pytest.raises(KeyboardInterrupt):
        bits(trainer, images)
    assert_same(weights(trainer), plain)
    with pytest.raises(ZeroDivisionError), trainer.averaged_weights():
        _ = 1 / 0
    assert_same(weights(trainer), plain)


@pytest.mark.usefixtures("blank_samples")
def test_the_model_file_has_the_averages(tmp_path):
    """And a checkpoint of the same step is loaded as the same model."""
    settings = {"training.schedule": "constant", "training.warmup_steps": 0}
    settings |= {"training.ema_decay": DECAY, "training.sample_every": 100, "sampling.n_images": 1}
    assert train(tmp_path, **settings) == 0
    run = tmp_path / "small"
    saved = values(load_model(run).trainable_weights)
    trainer = make_trainer(load_config(run / "config.yml"))
    assert trainer.checkpoints.restore() == 6
    assert_same(saved, averages_of(trainer))
    assert differ(saved, weights(trainer))
    (run / "model.keras").unlink()
    assert_same(saved, values(load_model(run).trainable_weights))


# Going on


def test_a_checkpoint_of_an_interrupted_evaluation_has_the_plain_weights(
    tmp_path, images, monkeypatch
):
    straight = averaging(tmp_path / "straight", sample_every=4)
    straight.fit(images)
    original = Trainer.valid_step

    def signal_first(self, **arguments):
        signal.raise_signal(signal.SIGINT)
        return original(self, **arguments)

    broken = averaging(tmp_path / "broken", sample_every=4, checkpoint_every=100)
    monkeypatch.setattr(Trainer, "valid_step", signal_first)
    with pytest.raises(Interrupted) as stop:
        broken.fit(images)
    monkeypatch.undo()
    assert stop.value.step == 4
    assert saved_steps(broken.run.checkpoints) == [4]
    at_stop = weights(broken), averages_of(broken)
    assert differ(*at_stop)

    resumed = averaging(tmp_path / "broken", sample_every=4)
    assert resumed.checkpoints.restore() == 4
    assert_same(weights(resumed), at_stop[0])
    assert_same(averages_of(resumed), at_stop[1])
    resumed.fit(images)
    for name in (weights, averages_of):
        for a, b in zip(name(straight), name(resumed), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_runs_and_checkpoints_without_averages_go_on_without(tmp_path, images):
    """Also those of a config that does not know the key."""
    old = small_config(tmp_path, steps=4)
    make_trainer(old).fit(images)
    path = old.run_dir / "config.yml"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "ema_decay" not in line))
    trainer = make_trainer(small_config(tmp_path, steps=4))
    trainer.fit(images)
    assert_same(values(load_model(old.run_dir).trainable_weights), weights(trainer))
    with pytest.raises(UserError, match=r"ema_decay: None there, 0\.75 here"):
        averaging(tmp_path, optimizer="adam", learning_rate=1e-3).fit(images)


# Optimizers made by hand


def test_an_optimizer_made_with_use_ema_does_the_same(tmp_path, images):
    asked = averaging(tmp_path / "asked")
    config = small_config(tmp_path / "given")
    optimizer = keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=DECAY)
    # The Trainer does not scale the loss, so the scale must be 1.
    optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0)
    given = Trainer(config, asked.model, asked.likelihood, optimizer)
    first = weights(asked)
    results = [given.fit(images)]
    averaged = averages_of(given)
    for weight, value in zip(given.model.trainable_weights, first, strict=True):
        weight.assign(value)
    results.append(asked.fit(images))
    assert results[0] == results[1]
    assert_same(averaged, averages_of(asked))
    loaded = load_model(config.run_dir)
    assert_same(averaged, values(loaded.trainable_weights))


def test_an_optimizer_without_averages_is_refused_where_the_config_asks_for_them(tmp_path):
    trainer = averaging(tmp_path)
    with pytest.raises(UserError, match=r"ema_decay: 0\.75, but the optimizer keeps no averages"):
        Trainer(trainer.config, trainer.model, trainer.likelihood, keras.optimizers.SGD(1.0))


def test_a_checkpoint_of_step_0_is_of_the_weights(tmp_path):
    trainer = averaging(tmp_path)
    trainer.checkpoints.save(0)
    first = weights(trainer)
    draw_weights(trainer.model, seed=1)
    Checkpoints(trainer.run.checkpoints, trainer.model).restore()
    assert_same(weights(trainer), first)
