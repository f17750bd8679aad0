"""Every architecture in all that Keras does with a model: eagerly, as a graph, compiled by XLA."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import two_devices

from pixelcnn_tf import PixelCNNPlusPlus, PixelRNN
from pixelcnn_tf.models import pixelcnn_pp

#: The one that takes longest comes first, so that two workers end at about the same time.
ARCHITECTURES = ["pixelcnn_pp", "diagonal_bilstm", "row_lstm", "gated", "resblock"]


def cases(*default):
    """Every architecture without and with classes; those that are no default are slow tests."""
    both = [(architecture, n_classes) for n_classes in (None, 3) for architecture in ARCHITECTURES]
    slow = pytest.mark.slow
    return pytest.mark.parametrize(
        ("architecture", "n_classes"),
        [case if case in default else pytest.param(*case, marks=slow) for case in both],
    )


IMAGES = np.random.default_rng(0).integers(256, size=(7, 4, 4, 1)).astype(np.uint8)
LABELS = (np.arange(7) % 3).astype(np.int32)


@pytest.fixture(autouse=True)
def few_levels(monkeypatch, n_classes):
    """Most of the time goes into tracing and compiling PixelCNN++: the one without classes has
    two resolutions, the other one."""
    monkeypatch.setattr(pixelcnn_pp, "N_LEVELS", 2 if n_classes is None else 1)


def make(architecture, n_classes):
    keras.utils.set_random_seed(0)
    if architecture == "pixelcnn_pp":
        return PixelCNNPlusPlus(1, 3, 2, 1, n_classes, dropout=0.0)
    sizes = {"hidden_dim": 2, "out_dim": 2, "n_layers": 1, "n_channels": 1}
    return PixelRNN(**sizes, pixel_layer=architecture, n_classes=n_classes)


def trained(architecture, n_classes, inputs, jit_compile):
    """A model, its loss, score and predictions; in most cases the last batch is smaller."""
    model = make(architecture, n_classes)
    if jit_compile:
        model(inputs)  # a model that fit has to build is traced twice
    model.compile(
        keras.optimizers.SGD(0.01),
        model.likelihood,
        jit_compile=jit_compile,
        run_eagerly=not jit_compile,  # test_two_devices has graphs that XLA does not compile
    )
    # XLA compiles for every size of a batch, which takes nearly all of the time.
    uneven = n_classes is None or architecture in ("gated", "pixelcnn_pp")
    size = 4 if uneven and architecture != "diagonal_bilstm" else 7
    loss = model.fit(inputs, IMAGES, batch_size=size, shuffle=False, verbose=0).history["loss"][0]
    score = model.evaluate(inputs, IMAGES, batch_size=7, verbose=0)
    size = 7 if architecture == "pixelcnn_pp" else size
    return model, loss, score, model.predict(inputs, batch_size=size, verbose=0)


@cases(("diagonal_bilstm", None), ("gated", 3))
def test_everything(architecture, n_classes, tmp_path):
    inputs = IMAGES if n_classes is None else (IMAGES, LABELS)
    plain, *eagerly = trained(architecture, n_classes, inputs, jit_compile=False)
    model, *compiled = trained(architecture, n_classes, inputs, jit_compile=True)
    expected = plain(inputs).numpy()
    np.testing.assert_allclose(eagerly[-1], expected, atol=1e-4)
    for one, two in zip(eagerly, compiled, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-4)

    def same(outputs):
        np.testing.assert_allclose(outputs, expected, atol=1e-4)

    named = {"images": IMAGES} if n_classes is None else {"images": IMAGES, "labels": LABELS}
    plain.run_eagerly = False
    plain.make_predict_function(force=True)  # a graph that XLA does not compile
    same(plain.predict(named, verbose=0))
    same(model(named))
    model.summary(print_fn=lambda *_, **__: None)

    model.save(tmp_path / "m.keras")
    same(keras.models.load_model(tmp_path / "m.keras")(inputs))

    model.export(tmp_path / "exported", verbose=False)
    floats = tf.nest.map_structure(lambda x: x.astype("float32"), inputs)
    exported = tf.saved_model.load(tmp_path / "exported")
    same(exported.serve(floats))

    twin = keras.models.clone_model(model)
    twin(inputs)
    twin.set_weights(model.get_weights())
    same(twin(inputs))

    given = [keras.Input((4, 4, 1), dtype="uint8"), keras.Input((), dtype="int32")]
    given = given[:1] if n_classes is None else given
    functional = keras.Model(given, model(*given))
    same(functional(list(inputs) if n_classes else [inputs]))


@cases(("gated", 3))
def test_two_devices(architecture, n_classes):
    images, labels = IMAGES[:6], LABELS[:6]
    inputs = images if n_classes is None else (images, labels)
    with two_devices().scope():
        model = make(architecture, n_classes)
        model.compile(keras.optimizers.SGD(0.01), model.likelihood)
        model(inputs)
    alone = make(architecture, n_classes)
    alone(inputs)
    alone.set_weights(model.get_weights())
    alone.compile(keras.optimizers.SGD(0.01), alone.likelihood, run_eagerly=True)
    losses, expected = (
        each.fit(inputs, images, batch_size=6, shuffle=False, verbose=0).history["loss"]
        for each in (model, alone)
    )
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    for one, two in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-4)
