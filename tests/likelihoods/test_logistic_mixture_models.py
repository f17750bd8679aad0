"""Discretized logistic mixtures as the likelihood of models."""

import keras
import numpy as np
import pytest
from helpers import assert_same_but_for_ties, family_model, random_images, small_model

from pixelcnn_tf import LogisticMixture, PixelRNN, generate_images
from pixelcnn_tf.sampling.generate import teacher_forced_logits
from pixelcnn_tf.testing import leaks


def test_survives_being_written_down(tmp_path, rng):
    likelihood = LogisticMixture(7)
    config = keras.saving.serialize_keras_object(likelihood)
    twin = keras.saving.deserialize_keras_object(config)
    assert isinstance(twin, LogisticMixture) and (twin.n_mixtures, twin.n_params) == (7, 21)
    model = small_model(3, "logistic-3")
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    images = random_images(rng, 2, 4, 5, 3, 256)
    np.testing.assert_array_equal(loaded(images), model(images))
    assert loaded.likelihood.n_mixtures == 3


@pytest.mark.parametrize("pixel_layer", ["resblock", "gated", "row_lstm", "diagonal_bilstm"])
def test_the_first_loss_is_sensible(pixel_layer, rng):
    model = PixelRNN(16, 16, 2, pixel_layer, likelihood="logistic-10")
    for top in (1, 256):  # black, and noise
        images = random_images(rng, 4, 8, 8, 3, top)
        assert float(model.likelihood(images, model(images))) < 12


def test_training_with_large_steps_stays_finite_and_learns(rng):
    model = PixelRNN(4, 4, 1, n_channels=1, likelihood="logistic-2")
    model.compile(keras.optimizers.Adam(0.3), loss=model.likelihood, jit_compile=False)
    images = np.concatenate([random_images(rng, 8, 4, 4, 1, 256), np.zeros((8, 4, 4, 1), np.uint8)])
    before = float(model.likelihood(images, model(images)))
    images = np.tile(images, (10, 1, 1, 1))
    history = model.fit(images, images, batch_size=4, epochs=5, verbose=0)  # 200 steps
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert min(history.history["loss"]) < before


#: Every block with one colour and with three, with labels and without. All but the last two, which
#: differ in how they are evaluated, are slow.
HEADED = [
    ("resblock", 1, 3),
    ("resblock", 3, None),
    ("gated_3", 1, None),
    ("row_lstm_3", 1, 3),
    ("row_lstm_3", 3, None),
    ("diagonal_bilstm", 3, None),
    ("diagonal_bilstm", 1, 3),
    ("gated_3", 3, 3),
]


@pytest.mark.parametrize(
    ("member", "n_channels", "n_classes"),
    [
        *(pytest.param(*case, marks=pytest.mark.slow) for case in HEADED[:-1]),
        HEADED[-1],
    ],
)
def test_as_a_head_of_every_model(member, n_channels, n_classes, rng):
    """No leak, incremental evaluation gives what ``call`` gives, both samplers draw the same."""
    model, labels = family_model(member, n_channels, n_classes, likelihood="logistic-2", n_layers=1)
    image = random_images(rng, 1, 3, 4, n_channels, 256).astype(int)
    given = {name: np.ones(image.size + 1, "int32") for name in labels(1)}
    found, moved = leaks(lambda changed: model(changed, **given), image, 256)
    assert not found
    assert moved > image.size
    images = random_images(rng, 2, 5, 4, n_channels, 256)
    logits = teacher_forced_logits(model, images, jit_compile=False, **labels(2))
    np.testing.assert_allclose(logits, model(images, **labels(2)), rtol=1e-4, atol=1e-4)
    incremental, naive = (
        generate_images(model, (5, 4), 2, 0, method=method, **labels(2))
        for method in ("incremental", "naive")
    )
    assert_same_but_for_ties(model, naive, incremental, 0, **labels(2))


@pytest.mark.slow  # the samplers below take the same way
def test_incremental_evaluation_with_xla(rng):
    model = small_model(3, "logistic-3", skip_connections=True)
    images = random_images(rng, 3, 5, 6, 3, 256)
    logits = teacher_forced_logits(model, images, jit_compile=True)
    np.testing.assert_allclose(logits, model(images), atol=1e-4)


@pytest.mark.parametrize(
    ("options", "jit_compile"),
    [
        pytest.param({}, True, marks=pytest.mark.slow),
        ({"temperature": 0.8, "top_p": 0.9}, True),
    ],
)
def test_both_samplers_draw_the_same_images_but_for_ties(options, jit_compile):
    model = small_model(3, "logistic-3", seed=4)
    kernel, bias = model.output_conv.trainable_weights
    kernel.assign(0.3 * kernel)  # narrow logistics around the middle, to see many values
    bias.assign(np.tile([0, 0, 0, -0.3, 0.1, 0.4, -3, -3, -2], 3))
    incremental = generate_images(model, (5, 6), 8, 3, jit_compile=jit_compile, **options)
    naive = generate_images(model, (5, 6), 8, 3, method="naive", **options)
    assert_same_but_for_ties(model, naive, incremental, 3, **options)
    assert len(np.unique(incremental)) > 100
