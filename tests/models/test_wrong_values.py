"""Wrong values and labels are refused or make the loss NaN, compiled by XLA or not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from pixelcnn_tf import PixelRNN, UserError, score

IMAGES = np.random.default_rng(0).integers(256, size=(6, 4, 4, 1)).astype(np.uint8)
LABELS = (np.arange(6) % 3).astype(np.int32)
WRONG = ["fractions", "too large", "negative", "label", "target"]
slow = pytest.mark.slow
#: Those of which one is a default test.
SLOW_BUT_LABEL = [kind if kind == "label" else pytest.param(kind, marks=slow) for kind in WRONG]


def make(jit_compile=False):
    keras.utils.set_random_seed(0)
    sizes = {"hidden_dim": 2, "out_dim": 2, "n_layers": 1, "n_channels": 1}
    model = PixelRNN(**sizes, pixel_layer="gated", likelihood="softmax-256", n_classes=3)
    model.compile("sgd", model.likelihood, jit_compile=jit_compile)
    return model


def wrong_data(kind):
    """Images, labels and targets of which one value is wrong."""
    images, labels, targets = IMAGES.astype("float32"), LABELS.copy(), IMAGES.astype("float32")
    if kind == "label":
        labels[-1] = 3
    elif kind == "target":
        targets[-1, 0, 0, 0] = 0.5
    else:
        images[-1, 0, 0, 0] = {"fractions": 0.5, "too large": 256, "negative": -1}[kind]
    return images, labels, targets


@pytest.fixture(scope="module")
def model():
    """A model for the tests that do not train it."""
    return make(jit_compile=True)


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_arrays_are_refused_before_anything_is_compiled(method, kind, model):
    images, labels, targets = wrong_data(kind)
    with pytest.raises(UserError, match=r"labels: must be|images: must hold integers"):
        getattr(model, method)((images, labels), targets)


@pytest.mark.parametrize("kind", WRONG[:-1])
def test_predict_refuses_arrays(kind, model):
    images, labels, _ = wrong_data(kind)
    for method in ("predict", "predict_on_batch"):
        with pytest.raises(UserError, match=r"labels: must be|images: must hold"):
            getattr(model, method)((images, labels))


def test_validation_data_are_checked():
    images, labels, targets = wrong_data("target")
    model = make(jit_compile=True)
    data = tf.data.Dataset.from_tensor_slices(((images, labels), targets)).batch(3)
    for error, given in [
        (UserError, ((images, labels), targets)),
        (tf.errors.InvalidArgumentError, data),
    ]:
        with pytest.raises(error, match="must hold integers"):
            model.fit((IMAGES, LABELS), IMAGES, validation_data=given, verbose=0)


@pytest.mark.parametrize("kind", SLOW_BUT_LABEL)
def test_datasets_are_checked_outside_of_what_is_compiled(kind):
    images, labels, targets = wrong_data(kind)
    data = tf.data.Dataset.from_tensor_slices(((images, labels), targets)).batch(3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"labels: must be|must hold integers"):
        make(jit_compile=True).evaluate(data, verbose=0)


def test_predict_takes_pairs_of_images_and_labels(model):
    data = tf.data.Dataset.from_tensor_slices(((IMAGES, LABELS),)).batch(6)
    expected = model(IMAGES, LABELS)
    np.testing.assert_allclose(model.predict(data, verbose=0), expected, atol=1e-4)


def test_right_datasets_pass():
    images = tf.data.Dataset.from_tensor_slices(IMAGES).batch(4)
    model = PixelRNN(2, 2, 1, n_channels=1)
    np.testing.assert_allclose(model.predict(images, verbose=0), model(IMAGES), atol=1e-5)


@pytest.mark.filterwarnings("ignore:.shuffle=True. was passed")
@pytest.mark.parametrize("kind", SLOW_BUT_LABEL)
def test_the_loss_of_a_generator_is_nan_and_is_explained(kind):
    images, labels, targets = wrong_data(kind)
    batches = (((images, labels), targets) for _ in range(2))
    with pytest.warns(RuntimeWarning, match="the loss is NaN: .* jit_compile=False"):
        history = make(jit_compile=True).fit(batches, steps_per_epoch=1, verbose=0)
    assert np.isnan(history.history["loss"]).all()


def test_compiled_calls_give_nan_for_the_wrong_image_alone(model):
    @tf.function(jit_compile=True)
    def compiled(images, labels, targets):
        return model.likelihood.nll(targets, model(images, labels))

    for kind in WRONG:
        nats = compiled(*wrong_data(kind)).numpy()
        assert np.isfinite(nats[:-1]).all(), kind
        assert np.isnan(nats[-1]), kind


def test_a_bernoulli_likelihood_refuses_more_than_two_values():
    with pytest.raises(tf.errors.InvalidArgumentError, match="must hold integers from 0 to 1"):
        PixelRNN(2, 2, 1, n_channels=1, likelihood="bernoulli")(IMAGES)


@pytest.mark.parametrize("kind", WRONG)
def test_eager_calls_and_scores_are_refused(kind, model):
    images, labels, targets = wrong_data(kind)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"labels: must be|must hold integers"):
        model.likelihood.nll(targets, model(images, labels))
    with pytest.raises(UserError, match=r"labels: 3 is none|images: must hold"):
        score(model, targets if kind == "target" else images, labels)


def test_wrong_values_in_validation_data_are_explained():
    model = PixelRNN(2, 2, 1, n_channels=1)
    model.compile("sgd", model.likelihood, jit_compile=True)
    right, wrong = (np.full([2, 4, 4, 1], value, "float32") for value in (1, 0.5))
    with pytest.raises(UserError, match="must hold integers"):
        model.fit(right, right, 2, 1, 0, None, 0.0, (right, wrong))

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return wrong, wrong

    with pytest.warns(RuntimeWarning, match="the loss is NaN"):
        model.fit(right, right, verbose=0, validation_data=Batches())


def test_more_images_than_the_memory_takes_are_refused(monkeypatch):
    model = PixelRNN(2, 2, 1, n_channels=3)
    monkeypatch.setattr("pixelcnn_tf.models.base.memory", lambda: 16e9)
    images = np.broadcast_to(np.uint8(0), [5000, 32, 32, 3])
    with pytest.raises(UserError, match=r"5,000 images of 32x32x3 at once: .* 31.5 GB .*score"):
        model(images)


def test_one_label_is_not_that_of_all_images(model):
    compiled = tf.function(lambda *given: model(*given), jit_compile=True)
    for call in (model, compiled):
        with pytest.raises(tf.errors.InvalidArgumentError, match="one per image"):
            call(IMAGES, LABELS[:1])


def test_images_are_not_rounded_before_they_are_checked():
    """As bfloat16, 254.7 would be 255."""
    sizes = {"hidden_dim": 2, "out_dim": 2, "n_layers": 1, "n_channels": 1}
    model = PixelRNN(**sizes, dtype="mixed_bfloat16")
    assert model(np.full([1, 4, 4, 1], 254.0)).shape == (1, 4, 4, 1, 256)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must hold integers"):
        model(np.full([1, 4, 4, 1], 254.7))


def test_images_of_any_dtype_are_taken():
    model = PixelRNN(2, 2, 1, n_channels=1, likelihood="bernoulli")
    images = IMAGES > 127
    expected = model.likelihood.nll(images, model(images))
    for dtype in ("uint8", "int8", "uint16", "int32", "uint32", "int64", "float16", "float64"):
        given = images.astype(dtype)
        np.testing.assert_array_equal(model.likelihood.nll(given, model(given)), expected)
