"""Exported models: what Python gives, in a process that has TensorFlow and not this package."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from helpers import assert_same_but_for_ties, random_images, small_model, small_pixelcnn_pp

from pixelcnn_tf import UserError, complete_images, export_model, generate_images, score
from pixelcnn_tf.models import pixelcnn_pp
from pixelcnn_tf.serving.signatures import SIGNATURES

#: Architecture, channels, likelihood, classes.
DEFAULT = [
    ("resblock", 3, "softmax-4", None),
    ("gated", 1, "bernoulli", 3),
    ("diagonal_bilstm", 1, "logistic-2", None),
]
SLOW = [
    ("row_lstm", 2, "softmax-256", None),
    ("row_lstm", 1, "softmax-4", 3),
    ("resblock", 3, "logistic-2", 3),
    ("gated", 3, "softmax-4", None),
    ("diagonal_bilstm", 3, "softmax-4", 3),
    ("pixelcnn_pp", 3, "logistic-2", 3),
]
PP = ("pixelcnn_pp", 1, "logistic-2", None)
SETTINGS = {"temperature": 0.8, "top_p": 0.9}
SIZE = (4, 8)


def make(architecture, n_channels, likelihood, n_classes):
    if architecture == "pixelcnn_pp":
        return small_pixelcnn_pp(n_channels, n_classes)
    sizes = {"n_layers": 1, "hidden_dim": 2, "out_dim": 2}
    return small_model(
        n_channels, likelihood, pixel_layer=architecture, n_classes=n_classes, **sizes
    )


def tensors(**inputs):
    kinds = {float: tf.float32, int: tf.int32}
    return {
        name: tf.constant(value, kinds.get(type(value)))
        for name, value in inputs.items()
        if value is not None
    }


@pytest.mark.parametrize(
    "case",
    [*DEFAULT, PP, *(pytest.param(*[case], marks=pytest.mark.slow) for case in SLOW)],
    ids=str,
)
def test_exported_functions_give_what_python_gives(case, rng, tmp_path, monkeypatch):
    monkeypatch.setattr(pixelcnn_pp, "N_LEVELS", 2)
    model, n_classes = make(*case), case[3]
    n_values = model.likelihood.n_values
    about = export_model(model, tmp_path / "m", SIZE, batch_sizes=[1, 3], jit_compile=False)
    assert about == json.loads((tmp_path / "m/assets.extra/pixelcnn_tf.json").read_text())
    call = tf.saved_model.load(tmp_path / "m").signatures
    assert set(call) == set(SIGNATURES)

    labels = None if n_classes is None else np.arange(5, dtype=np.int32) % n_classes
    given = {} if labels is None else {"labels": labels}
    same = {"model": model, "labels": labels}
    for height, width in (SIZE, (8, 4)):
        images = random_images(rng, 5, height, width, case[1], n_values)
        log_prob = call["log_prob"](**tensors(images=images, **given))["log_prob"]
        np.testing.assert_allclose(log_prob, -score(model, images, **given), rtol=1e-5)

    def sample(n, **settings):
        some = {name: value[:n] for name, value in given.items()}
        inputs = tensors(n=n, seed=-7, **some, **settings)
        return call["sample"](**inputs)["images"].numpy()

    plain = {"temperature": 1.0, "top_p": 1.0}
    drawn = sample(5, **plain)
    expected = generate_images(model, SIZE, 5, -7, **given)
    assert_same_but_for_ties(**same, some=drawn, others=expected, seed=-7)
    np.testing.assert_array_equal(sample(2, **plain), drawn[:2])
    adjusted = sample(5, **SETTINGS)
    expected = generate_images(model, SIZE, 5, -7, **given, **SETTINGS)
    assert_same_but_for_ties(**same, some=adjusted, others=expected, seed=-7, **SETTINGS)

    images = random_images(rng, 5, *SIZE, case[1], n_values)
    hidden = rng.random(images.shape) < 0.5
    inputs = tensors(images=images, known=~hidden, seed=3, **given)
    completed = call["complete"](**inputs)["images"].numpy()
    expected = complete_images(model, images, hidden, 1, 3, **given)[:, 0]
    assert_same_but_for_ties(**same, some=completed, others=expected, seed=3)
    np.testing.assert_array_equal(completed[~hidden], images[~hidden])
