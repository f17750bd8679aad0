"""A batch that is divided gives what the whole batch gives."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import small_model

from pixelcnn_tf import score
from pixelcnn_tf.config.training import TrainingConfig
from pixelcnn_tf.models import parts
from pixelcnn_tf.training.steps import Steps


@pytest.fixture
def halves(monkeypatch):
    """Batches are divided in two, as with two cores; returns the sizes of those that were asked
    about."""
    asked = []

    def n_parts(batch_size):
        asked.append(batch_size)
        return 2

    monkeypatch.setattr(parts, "n_parts", n_parts)
    return asked


def trained(images, labels, condition):
    """A model after a step, with what the step and an evaluation return."""
    keras.utils.set_random_seed(0)
    options = {"n_classes": 3, "n_condition_channels": 1}
    model = small_model(1, pixel_layer="gated", **options)
    for layer in model.layers:
        if hasattr(layer, "kernel_regularizer"):
            layer.kernel_regularizer = keras.regularizers.L2(0.1)
    steps = Steps(
        TrainingConfig(batch_size=6), model, model.likelihood, keras.optimizers.SGD(0.01, 0.9)
    )
    given = {"labels": labels, "condition": condition}
    results = [float(part) for part in steps.train_step(images, **given)]
    dataset = tf.data.Dataset.from_tensors((images, labels, condition))
    results.append(steps.evaluate(dataset)["bits_per_dim"])
    results.append(score(model, images, labels, condition=condition, progress=False))
    return [w.numpy() for w in model.trainable_weights], results


def test_halves_train_evaluate_and_score_as_the_whole(halves, monkeypatch, rng):
    images = rng.integers(4, size=(6, 5, 4, 1)).astype(np.uint8)
    condition = rng.integers(256, size=(6, 5, 4, 1)).astype(np.uint8)
    labels = np.arange(6) % 3
    weights, results = trained(images, labels, condition)
    assert set(halves) == {6}
    monkeypatch.setattr(parts, "n_parts", lambda batch_size: 1)
    expected_weights, expected = trained(images, labels, condition)
    for ours, theirs in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    for ours, theirs in zip(results, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_dropout_differs_between_the_parts(halves):
    drop = keras.layers.Dropout(0.5, seed=1)

    @tf.function
    def both():
        return parts.in_parts(lambda x: drop(x, training=True), tf.ones([2, 100]))

    first, second = (part.numpy()[0] for part in both())
    assert (first != second).any()
