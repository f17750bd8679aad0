import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import draw_weights, random_images

from pixelcnn_tf import Trainer, UserError, build_model, load_model
from pixelcnn_tf.checkpoints import saved_steps
from pixelcnn_tf.config import Config
from pixelcnn_tf.data import Images
from pixelcnn_tf.errors import TrainingDiverged
from pixelcnn_tf.interrupt import Interrupted
from pixelcnn_tf.trainer import _Window, build_optimizer

ROOT = Path(__file__).resolve().parents[1]


def small_config(tmp_path, **training):
    defaults = {"steps": 8, "batch_size": 4, "checkpoint_every": 2, "sample_every": 4}
    return Config.model_validate(
        {
            "name": "small",
            "runs_dir": str(tmp_path),
            "data": {"image_size": 4},
            "model": {
                "hidden_dim": 2,
                "out_dim": 2,
                "n_layers": 1,
                "n_channels": 3,
                "likelihood": "softmax-4",
            },
            "training": {**defaults, "log_every": 2, "eval_every": 4, **training},
            "sampling": {"n_images": 4},
        }
    )


def make_trainer(config, strategy=None):
    keras.utils.set_random_seed(config.seed)
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        model = build_model(config)
        optimizer = build_optimizer(config.training)
    return Trainer(config, model, model.likelihood, optimizer, strategy=strategy)


@pytest.fixture
def images(rng):
    return Images(random_images(rng, 40, 4, 4, 3), random_images(rng, 7, 4, 4, 3))


def weights(trainer):
    return [w.numpy() for w in trainer.model.trainable_weights]


def two_devices():
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


# Steps


def test_train_step_follows_the_gradient_of_bits_per_dimension(tmp_path, images):
    """Plain SGD by hand, with Keras's own loss, gives the same weights."""
    trainer = make_trainer(small_config(tmp_path, optimizer="sgd", learning_rate=0.1))
    batch = images.train[:4]
    before = weights(trainer)
    model = trainer.model
    with tf.GradientTape() as tape:
        loss = model.likelihood(batch, model(batch))
    variables = [w.value for w in model.trainable_weights]
    expected = [w - 0.1 * g for w, g in zip(before, tape.gradient(loss, variables), strict=True)]
    nats, norm = trainer.train_step(tf.constant(batch))
    for new, wanted in zip(weights(trainer), expected, strict=True):
        np.testing.assert_allclose(new, wanted, atol=1e-6)
    assert float(nats) / (4 * 48 * np.log(2)) == pytest.approx(float(loss), rel=1e-5)
    assert float(norm) > 0


def test_clipping_bounds_the_step(tmp_path, images):
    trainer = make_trainer(
        small_config(tmp_path, optimizer="sgd", learning_rate=1.0, clip_norm=1e-3)
    )
    before = weights(trainer)
    _, norm = trainer.train_step(tf.constant(images.train[:4]))
    change = np.sqrt(
        sum(((a - b) ** 2).sum() for a, b in zip(weights(trainer), before, strict=True))
    )
    assert float(norm) > 1e-3
    assert change == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("clip_norm", [None, 1e-2])
def test_two_devices_train_as_one(clip_norm, tmp_path, images):
    results = []
    for number, strategy in enumerate([None, two_devices()]):
        config = small_config(
            tmp_path / str(number), steps=4, clip_norm=clip_norm, optimizer="sgd", learning_rate=1.0
        )
        trainer = make_trainer(config, strategy)
        draw_weights(trainer.model)
        trainer.fit(images)
        results.append((weights(trainer), trainer.evaluate(trainer._test_set(images))))
    for one, two in zip(results[0][0], results[1][0], strict=True):
        np.testing.assert_allclose(one, two, atol=2e-5)
    assert results[0][1]["bits_per_dim"] == pytest.approx(results[1][1]["bits_per_dim"], rel=1e-4)


def test_two_devices_sample_and_save_as_one(tmp_path):
    trainers = [make_trainer(small_config(tmp_path), s) for s in (None, two_devices())]
    for trainer in trainers:
        draw_weights(trainer.model)
        trainer.model.save(tmp_path / f"{trainer.strategy.num_replicas_in_sync}.keras")
    one, two = (trainer.create_image_samples() for trainer in trainers)
    np.testing.assert_array_equal(one, two)
    one, two = (load_model(tmp_path / f"{n}.keras").get_weights() for n in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_batch_must_divide_by_the_devices(tmp_path):
    with pytest.raises(UserError, match="batch_size: 3 does not divide by the 2 devices"):
        make_trainer(small_config(tmp_path, batch_size=3), two_devices())


@pytest.mark.parametrize("strategy", [None, two_devices])
@pytest.mark.parametrize("batch_size", [1, 3, 5, 7, 64])
def test_evaluate_is_the_exact_average(batch_size, strategy, tmp_path, images):
    trainer = make_trainer(small_config(tmp_path), strategy() if strategy else None)
    draw_weights(trainer.model)
    model = trainer.model
    nats = model.likelihood.nll(images.test, model(images.test)).numpy().astype(float)
    dataset = tf.data.Dataset.from_tensor_slices(images.test).batch(batch_size)
    expected = nats.mean() / (48 * np.log(2))
    assert trainer.evaluate(dataset)["bits_per_dim"] == pytest.approx(expected, rel=1e-5)


def test_evaluate_of_nothing_is_an_error(tmp_path, images):
    trainer = make_trainer(small_config(tmp_path))
    dataset = tf.data.Dataset.from_tensor_slices(images.test).batch(2).take(0)
    with pytest.raises(UserError, match="no image"):
        trainer.evaluate(dataset)


def test_loss_falls(tmp_path):
    images = np.tile(np.arange(4, dtype=np.uint8)[:, None], (1, 3))[None, None].repeat(40, 0)
    images = np.broadcast_to(images, (40, 4, 4, 3)).copy()
    config = small_config(tmp_path, steps=60, learning_rate=0.03, checkpoint_every=100)
    trainer = make_trainer(config)
    before = trainer.evaluate(trainer._test_set(Images(images, images)))
    trainer.fit(Images(images, images))
    after = trainer.evaluate(trainer._test_set(Images(images, images)))
    assert after["bits_per_dim"] < 0.3 * before["bits_per_dim"]


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_precision_keeps_logits_and_weights_in_float32(dtype, tmp_path, images):
    config = small_config(tmp_path).model_copy(update={"precision": dtype})
    trainer = make_trainer(config)
    logits, nats = trainer.run_model(images.test)
    assert logits.dtype == nats.dtype == tf.float32
    assert {w.dtype for w in trainer.model.weights} == {"float32"}
    before = weights(trainer)
    trainer.train_step(tf.constant(images.train[:4]))
    assert any((a != b).any() for a, b in zip(before, weights(trainer), strict=True))


# Learning rates


def rates(steps, **training):
    config = Config.model_validate({"training": {"steps": 1000, **training}})
    rate = build_optimizer(config.training).learning_rate
    schedule = build_optimizer(config.training)._learning_rate
    if not callable(schedule):
        return [float(rate)] * len(steps)
    return [float(schedule(step)) for step in steps]


def test_schedules():
    assert rates([0, 500], learning_rate=0.1) == pytest.approx([0.1, 0.1])
    decayed = rates([0, 1, 450_000], learning_rate=1e-3, schedule="exponential", decay=0.999995)
    assert decayed == pytest.approx([1e-3, 1e-3 * 0.999995, 1e-3 * 0.999995**450_000], rel=1e-4)
    fast = rates([1, 100], learning_rate=1.0, schedule="exponential", decay=0.5)
    assert fast == pytest.approx([0.5, 0.5**100], rel=1e-3)
    cosine = rates([0, 50, 100, 550, 1000], learning_rate=1, schedule="cosine", warmup_steps=100)
    assert cosine == pytest.approx([0, 0.5, 1, 0.5, 0], abs=1e-6)


@pytest.mark.parametrize("name", ["adam", "adamw", "nadam", "rmsprop", "sgd"])
def test_optimizers_by_name(name):
    config = Config.model_validate({"training": {"optimizer": name, "learning_rate": 0.25}})
    optimizer = build_optimizer(config.training)
    assert type(optimizer).__name__.lower() == name
    assert float(optimizer.learning_rate) == 0.25


# Stopping and going on


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_next_fit_goes_on(signum, tmp_path, images, monkeypatch):
    straight = make_trainer(small_config(tmp_path / "straight"))
    straight.fit(images)

    config = small_config(tmp_path / "stopped", checkpoint_every=100)
    add = _Window.add

    def add_and_signal(self, *results):
        add(self, *results)
        if len(self.results) == 1:
            signal.raise_signal(signum)

    monkeypatch.setattr(_Window, "add", add_and_signal)
    with pytest.raises(Interrupted) as stop:
        make_trainer(config).fit(images)
    assert stop.value.step == 1
    assert stop.value.signum == signum
    assert saved_steps(tmp_path / "stopped" / "small" / "checkpoints") == [1]
    monkeypatch.setattr(_Window, "add", add)

    resumed = make_trainer(config)
    resumed.fit(images)
    assert resumed.step == 8
    for a, b in zip(weights(straight), weights(resumed), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


@pytest.mark.parametrize("where", ["valid_step", "create_image_samples"])
def test_a_signal_while_evaluating_or_sampling_saves_too(where, tmp_path, images, monkeypatch):
    original = getattr(Trainer, where)

    def signal_first(self, *arguments):
        signal.raise_signal(signal.SIGINT)
        return original(self, *arguments)

    monkeypatch.setattr(Trainer, where, signal_first)
    config = small_config(tmp_path, checkpoint_every=100)
    with pytest.raises(Interrupted) as stop:
        make_trainer(config).fit(images)
    assert stop.value.step == 4
    assert saved_steps(tmp_path / "small" / "checkpoints") == [4]


KILLED_AT_20 = """
import os, signal, sys
from pixelcnn_tf import startup
startup.import_tensorflow()
from pixelcnn_tf.checkpoints import Checkpoints
save = Checkpoints.save
def save_and_die(self, step):
    save(self, step)
    if step == 20:
        os.kill(os.getpid(), signal.SIGKILL)
if sys.argv.pop(1) == "die":
    Checkpoints.save = save_and_die
import main
sys.exit(main.main(sys.argv[1:]))
"""


def train_in_a_process(name, tmp_path, die):
    settings = {
        "name": name,
        "runs_dir": tmp_path,
        "deterministic": "true",
        "data.source": "digits_grey",
        "data.image_size": "8",
        "model.n_layers": 1,
        "model.hidden_dim": 4,
        "model.out_dim": 4,
        "training.steps": 40,
        "training.batch_size": 4,
        "training.warmup_steps": 5,
        "training.checkpoint_every": 10,
        "training.eval_every": 1000,
        "sampling.n_images": 1,
    }
    flags = [flag for item in settings.items() for flag in ("--set", "{}={}".format(*item))]
    return subprocess.run(
        [
            sys.executable,
            "-c",
            KILLED_AT_20,
            "die" if die else "live",
            "--config",
            "config.yml",
            *flags,
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_killed_and_resumed_is_the_same_to_the_last_bit(tmp_path):
    assert train_in_a_process("straight", tmp_path, die=False).returncode == 0
    assert train_in_a_process("killed", tmp_path, die=True).returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "model.keras").exists()
    assert saved_steps(tmp_path / "killed" / "checkpoints") == [20, 10]
    resumed = train_in_a_process("killed", tmp_path, die=False)
    assert resumed.returncode == 0, resumed.stderr
    one, two = (load_model(tmp_path / name).get_weights() for name in ("straight", "killed"))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    results = [
        json.loads((tmp_path / n / "results.json").read_text()) for n in ("straight", "killed")
    ]
    assert results[0]["test"] == results[1]["test"]


def damage(folder, how):
    data = folder / "ckpt-8.data-00000-of-00001"
    contents = data.read_bytes()
    if how == "truncated":
        data.write_bytes(contents[: len(contents) // 2])
    elif how == "empty":
        data.write_bytes(b"")
    elif how == "missing":
        data.unlink()
    elif how == "flipped":
        # Every tensor: which part of the file matters is TensorFlow's affair.
        data.write_bytes(bytes(byte ^ 0xFF for byte in contents))
    elif how == "index truncated":
        index = folder / "ckpt-8.index"
        index.write_bytes(index.read_bytes()[:20])


@pytest.mark.parametrize("how", ["truncated", "empty", "missing", "flipped", "index truncated"])
def test_a_damaged_checkpoint_is_skipped_with_a_warning(how, tmp_path, images, capsys):
    config = small_config(tmp_path)
    make_trainer(config).fit(images)
    damage(tmp_path / "small" / "checkpoints", how)
    trainer = make_trainer(config)
    assert trainer.checkpoints.restore() == 6
    assert "ckpt-8 is damaged and was skipped" in capsys.readouterr().err
    trainer.fit(images)
    assert trainer.step == 8
    fresh = make_trainer(config)
    assert fresh.checkpoints.restore() == 8  # written again, whole


@pytest.mark.parametrize("how", ["missing", "empty", "truncated"])
def test_a_lost_list_of_checkpoints_does_not_start_over(how, tmp_path, images):
    config = small_config(tmp_path, steps=6)
    make_trainer(config).fit(images)
    state = tmp_path / "small" / "checkpoints" / "checkpoint"
    if how == "missing":
        state.unlink()
    else:
        state.write_text("" if how == "empty" else state.read_text()[:20])
    longer = small_config(tmp_path, steps=10)
    trainer = make_trainer(longer)
    assert trainer.checkpoints.restore() == 6
    trainer.fit(images)
    assert saved_steps(tmp_path / "small" / "checkpoints") == [10, 8, 6]  # three are kept


def test_no_readable_checkpoint_is_an_error_not_a_new_start(tmp_path, images):
    config = small_config(tmp_path)
    make_trainer(config).fit(images)
    for file in (tmp_path / "small" / "checkpoints").glob("ckpt-*.data*"):
        file.write_bytes(b"")
    with pytest.raises(UserError, match="none of its checkpoints can be read"):
        make_trainer(config).fit(images)
    for file in (tmp_path / "small" / "checkpoints").glob("ckpt-*.index"):
        file.unlink()
    with pytest.raises(UserError, match="none of its checkpoints can be read"):
        make_trainer(config).fit(images)


def test_divergence_stops_and_keeps_the_last_good_checkpoint(tmp_path, images):
    config = small_config(tmp_path, steps=4, optimizer="sgd", learning_rate=1e-3)
    first = make_trainer(config)
    first.run.create(config)
    first.fit(images)
    good = load_model(tmp_path / "small").get_weights()
    config = small_config(tmp_path, steps=50, optimizer="sgd", learning_rate=1e-3, log_every=20)
    trainer = make_trainer(config)
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


def test_samples_are_images_of_the_config(tmp_path):
    trainer = make_trainer(small_config(tmp_path))
    samples = trainer.create_image_samples()
    assert samples.shape == (4, 4, 4, 3)
    assert samples.dtype == np.uint8
    assert samples.max() < 4
    np.testing.assert_array_equal(samples, trainer.create_image_samples())
    assert (samples != trainer.create_image_samples(seed=1)).any()


def test_model_file_is_a_whole_zip(tmp_path, images):
    trainer = make_trainer(small_config(tmp_path))
    path = tmp_path / "m.keras"
    trainer.model.save(path)
    assert zipfile.ZipFile(path).testzip() is None
