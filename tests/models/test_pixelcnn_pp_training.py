"""PixelCNN++ in training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import make_trainer, random_images, small_pixelcnn_pp, two_devices, weights

from pixelcnn_tf import PixelCNNPlusPlus, get_dataset
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.models.pixelcnn_pp_blocks import GatedResnet
from pixelcnn_tf.sampling.generate import teacher_forced_logits


def tiny_config(tmp_path, model=None, **training):
    section = {"architecture": "pixelcnn_pp", "n_resnet": 1, "n_filters": 4, "n_mix": 2}
    return Config.model_validate(
        {
            "runs_dir": str(tmp_path),
            "data": {"source": "digits_grey", "image_size": 4},
            "model": {**section, **(model or {})},
            "training": {"batch_size": 8, "eval_every": 100, **training},
        }
    )


@pytest.fixture
def images(rng):
    """Columns of one value each, in two classes."""
    columns = rng.integers(256, size=(32, 1, 4, 1)).astype(np.uint8)
    images = np.repeat(columns, 4, axis=1)
    labels = (images[:, 0, 0, 0] >= 128).astype(np.int32)
    return Images(images, images, labels, labels)


@pytest.mark.usefixtures("two_levels")
def test_the_trainer_takes_it_by_class_and_with_dropout(images, tmp_path, monkeypatch):
    by_class = {"n_classes": 2, "dropout": 0.2}
    trainer = make_trainer(tiny_config(tmp_path, by_class, learning_rate=0.02, steps=20))
    model = trainer.model
    trainer.initialize(images)
    assert (model.output_conv.gain.numpy() != 1).all()
    # Whoever makes a model initializes it; a trained one is trained on as it is.
    monkeypatch.setattr(model, "initialize_from", None)
    before = trainer.evaluate(get_dataset(images, "test", 8, labels=True))["bits_per_dim"]
    assert trainer.fit(images)["bits_per_dim"] < before - 0.3


def trainers_of_one_and_two_devices(images, folder):
    """Initialized from the images."""
    trainers = []
    for number, strategy in enumerate([None, two_devices()]):
        training = {"optimizer": "sgd", "learning_rate": 1e-3, "steps": 3}
        config = tiny_config(folder / str(number), {"dropout": 0.0}, **training)
        trainers.append(make_trainer(config, strategy))
        trainers[-1].initialize(images)
    return trainers


def assert_same_weights(trainers):
    for one, two in zip(*map(weights, trainers), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)


@pytest.mark.usefixtures("two_levels")
def test_two_devices_initialize_as_one(images, tmp_path):
    images = images._replace(train_labels=None, test_labels=None)
    trainers = trainers_of_one_and_two_devices(images, tmp_path)
    assert_same_weights(trainers)
    assert all((trainer.model.output_conv.gain.numpy() != 1).all() for trainer in trainers)


@pytest.mark.slow  # the Trainer does so with other models, too (test_trainer.py)
@pytest.mark.usefixtures("two_levels")
def test_two_devices_train_as_one(images, tmp_path):
    images = images._replace(train_labels=None, test_labels=None)
    trainers = trainers_of_one_and_two_devices(images, tmp_path)
    first = weights(trainers[0])
    for trainer in trainers:
        trainer.fit(images)
    assert_same_weights(trainers)
    changes = zip(first, weights(trainers[0]), strict=True)
    assert max(np.abs(a - b).max() for a, b in changes) > 1e-2


def test_every_weight_learns(rng):
    model = small_pixelcnn_pp(3, 3)
    images, labels = random_images(rng, 6, 7, 5, 3, 256), np.arange(6) % 3
    with tf.GradientTape() as tape:
        loss = model.likelihood(images, model(images, labels))
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    idle = [
        weight.path
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True)
        if gradient is None or np.abs(gradient).max() == 0
    ]
    assert not idle


def test_dropout_acts_in_training_only_and_in_every_block(rng, monkeypatch):
    plain, model = small_pixelcnn_pp(1), small_pixelcnn_pp(1, dropout=0.5)
    images = random_images(rng, 2, 7, 5, 1, 256)
    np.testing.assert_array_equal(model(images), plain(images))
    first, second = (model(images, training=True) for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    streams = [*model.above, *model.left]
    blocks = [block for s in streams for block in [*s.there, *s.back]]
    assert len(blocks) == 2 * (3 + 5)
    honest, told = GatedResnet.call, []

    def call(self, *inputs, training=False, **given):
        told.append(training)
        return honest(self, *inputs, training=training, **given)

    monkeypatch.setattr(GatedResnet, "call", call)
    model(images, training=True)
    assert told == [True] * len(blocks)
    monkeypatch.undo()
    for block in blocks:
        joined = 0 if block.join is None else block.join.kernel.shape[2] // 2
        x = rng.normal(size=(1, 4, 4, 4)).astype("float32")
        aux = np.ones((1, 4, 4, joined), "float32") if joined else None
        calm, shaken = block(x, aux), block(x, aux, training=True)
        assert np.abs(calm - shaken).max() > 1e-3, block.path


@pytest.mark.slow  # the trainer takes the same way, and fit is tested with the other models
@pytest.mark.usefixtures("two_levels")
def test_fit_takes_it_by_class_and_with_dropout(images):
    model, labels = PixelCNNPlusPlus(1, 4, 2, 1, n_classes=2, dropout=0.1), images.train_labels
    model.initialize_from(images.train, labels)
    model.compile(keras.optimizers.Adam(0.02), loss=model.likelihood, run_eagerly=True)
    before = model.evaluate((images.train, labels), images.train, verbose=0)
    model.fit((images.train, labels), images.train, epochs=4, batch_size=8, verbose=0)
    assert model.evaluate((images.train, labels), images.train, verbose=0) < before - 0.3


@pytest.mark.slow
def test_incremental_evaluation_in_mixed_precision(rng):
    model, images = small_pixelcnn_pp(3, dtype="mixed_bfloat16"), random_images(rng, 2, 8, 4, 3)
    logits = teacher_forced_logits(model, images, jit_compile=False)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, model(images), atol=0.3)


def test_mixed_precision(rng):
    """Like float32 but for rounding; and a step of training."""
    model, exact = small_pixelcnn_pp(3, dtype="mixed_bfloat16"), small_pixelcnn_pp(3)
    images = random_images(rng, 2, 8, 4, 3, 256)
    logits = model(images)
    assert logits.dtype == tf.float32
    np.testing.assert_allclose(logits, exact(images), atol=0.3)
    model.compile("adam", loss=model.likelihood, run_eagerly=True)
    assert np.isfinite(model.train_on_batch(images, images))
