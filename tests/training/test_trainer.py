"""Steps, evaluation, learning rates: what the Trainer computes."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import make_trainer, small_config, two_devices, weights

from pixelcnn_tf import UserError, load_model
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.data.pipeline import get_dataset
from pixelcnn_tf.testing import draw_weights
from pixelcnn_tf.training.optimizers import build_optimizer
from pixelcnn_tf.training.strategies import make_strategy

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


def test_dropout_acts_in_steps_and_not_in_evaluation(tmp_path, images):
    """What a step reports is the likelihood before it, under dropout."""
    config = small_config(tmp_path, optimizer="sgd", learning_rate=1e-12)
    model = config.model.model_copy(update={"dropout": 0.9, "hidden_dim": 8})
    trainer = make_trainer(config.model_copy(update={"model": model}))
    draw_weights(trainer.model)
    batch = tf.constant(images.train[:4])
    first, second = (float(trainer.train_step(batch)[0]) for _ in range(2))
    assert first != pytest.approx(second, rel=1e-3)
    dataset = get_dataset(images, "test", 7)
    scores = [trainer.evaluate(dataset)["bits_per_dim"] for _ in range(2)]
    expected = trainer.model.likelihood(images.test, trainer.model(images.test))
    assert scores == pytest.approx([float(expected)] * 2, rel=1e-5)


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


@pytest.mark.parametrize(
    ("clip_norm", "labelled"), [pytest.param(None, False, marks=pytest.mark.slow), (1e-2, True)]
)
def test_two_devices_train_as_one(clip_norm, labelled, tmp_path, images):
    results = []
    if labelled:
        images = images._replace(train_labels=np.arange(40) % 4, test_labels=np.arange(7) % 4)
    for number, strategy in enumerate([None, two_devices()]):
        config = small_config(
            tmp_path / str(number), steps=4, clip_norm=clip_norm, optimizer="sgd", learning_rate=1.0
        )
        config = conditional(config) if labelled else config
        trainer = make_trainer(config, strategy)
        draw_weights(trainer.model)
        trainer.fit(images)
        results.append((weights(trainer), trainer.evaluate(trainer._dataset(images, "test"))))
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
@pytest.mark.parametrize("batch_size", [3, pytest.param(7, marks=pytest.mark.slow), 64])
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
    before = trainer.evaluate(trainer._dataset(Images(images, images), "test"))
    trainer.fit(Images(images, images))
    after = trainer.evaluate(trainer._dataset(Images(images, images), "test"))
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


# Samples and files


def test_samples_are_images_of_the_config(tmp_path):
    trainer = make_trainer(small_config(tmp_path))
    samples = trainer.create_image_samples()
    assert samples.shape == (4, 4, 4, 3)
    assert samples.dtype == np.uint8
    assert samples.max() < 4
    np.testing.assert_array_equal(samples, trainer.create_image_samples())
    assert (samples != trainer.create_image_samples(seed=1)).any()


# Labels


def conditional(config, **model):
    values = config.model_dump()
    values["model"].update(n_classes=4, **model)
    return Config.model_validate(values)


def test_labels_reach_the_model_in_training_evaluation_and_samples(tmp_path):
    """Every image is filled with its label, so that only the label tells its first pixel."""
    labels = np.arange(64) % 4
    filled = (labels[:, None, None, None] * np.ones((1, 4, 4, 1))).astype(np.uint8)
    images = Images(filled, filled[:16], labels, labels[:16])
    config = small_config(tmp_path, steps=150, batch_size=16, eval_every=150, learning_rate=0.01)
    trainer = make_trainer(conditional(config, n_channels=1, hidden_dim=8, out_dim=16))
    unconditional = np.log(4) / (16 * np.log(2))  # bits a dimension
    assert trainer.fit(images)["bits_per_dim"] < 0.3 * unconditional
    wrong = images._replace(test_labels=(labels[:16] + 1) % 4)
    assert trainer.evaluate(trainer._dataset(wrong, "test"))["bits_per_dim"] > unconditional
    samples = trainer.create_image_samples(n_images=12)
    assert (samples[:, 0, 0, 0] == np.arange(12) // 3).mean() > 0.7
    with pytest.raises(UserError, match="needs a dataset of images and labels"):
        trainer.evaluate(get_dataset(images, "test", 4))


def test_resuming_with_labels_and_dropout_is_as_if_unbroken(tmp_path, images):
    images = images._replace(train_labels=np.arange(40) % 4, test_labels=np.arange(7) % 4)
    ends = []
    for name, stops in [("straight", [8]), ("broken", [4, 8])]:
        for steps in stops:
            config = conditional(small_config(tmp_path / name, steps=steps), dropout=0.5)
            trainer = make_trainer(config)
            trainer.fit(images)
        ends.append(weights(trainer))
    for straight, broken in zip(*ends, strict=True):
        np.testing.assert_allclose(straight, broken, atol=1e-6)


def test_all_trainers_of_a_process_share_one_strategy():
    """Two strategies would give the same numbers to different collectives."""
    assert make_strategy() is make_strategy()
