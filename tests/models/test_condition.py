"""Conditional models: no leak, agreement, and a condition that reaches every pixel."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import (
    FAMILY,
    assert_same_but_for_ties,
    conv2d_reference,
    random_images,
    small_model,
    small_pixelcnn_pp,
)

import pixelcnn_tf
from pixelcnn_tf import UserError, generate_images, score
from pixelcnn_tf.layers.condition import ConditionEncoder
from pixelcnn_tf.models.inputs import condition_for
from pixelcnn_tf.sampling.generate import teacher_forced_logits
from pixelcnn_tf.testing import check_causal, check_incremental, draw_weights

CODES = {"n_condition_channels": 2, "condition_factor": 2, "n_condition_codes": 5}
MEMBERS = ["resblock", "gated_3", pytest.param("row_lstm_3", marks=pytest.mark.slow)]
MEMBERS += ["diagonal_bilstm", "snail", "pixelcnn_pp"]


def model_of(member, n_channels=1, **options):
    """A tiny conditional model, all of whose weights are drawn."""
    options = {"n_condition_channels": 1, **options}
    if member == "pixelcnn_pp":
        model = small_pixelcnn_pp(n_channels, **options)
    else:
        options = {"hidden_dim": 2, "out_dim": 2, **options}
        model = small_model(n_channels, pixel_layer=FAMILY[member], **options)
    for weight in model.weights:
        if weight.path.endswith("projection"):
            weight.assign(5 * weight)  # so that the condition shows in what is drawn
    return model


def condition_of(model, rng, n, height, width):
    spec = model.condition_spec
    return rng.integers(spec.n_values, size=(n, *spec.shape_for(height, width)))


@pytest.mark.parametrize("member", MEMBERS)
def test_no_leak_and_agreement(member):
    """With labels and codes of half the size, in more rows than are active at once. Without labels
    there are the tests of samplers and of XLA below."""
    size = (8, 4) if member == "pixelcnn_pp" else (6, 6)
    model = model_of(member, 3, n_classes=3, **CODES)
    check_causal(model, size, draws=1)
    check_incremental(model, size)


@pytest.mark.parametrize("member", ["resblock", "pixelcnn_pp"])
def test_the_condition_reaches_every_pixel_also_from_later_ones(member, rng):
    """Unlike the image, it is not masked. PixelCNN++ sees means at its lower resolutions."""
    model = model_of(member, condition_factor=2)
    images = random_images(rng, 1, 4, 4, 1)
    condition = condition_of(model, rng, 1, 4, 4).repeat(5, axis=0)
    for i in range(4):
        condition[i, i // 2, i % 2] = (condition[i, i // 2, i % 2] + 128) % 256
    outputs = model(images.repeat(5, axis=0), condition=condition).numpy()
    moved = np.abs(outputs[:-1] - outputs[-1:]).max(axis=(-2, -1)) > 1e-5
    assert moved.all()  # each value moves each pixel: the first ones, too


def test_it_is_only_added_inside_the_gates_of_a_block(rng):
    """A gated block of one row, one column and one feature map, in NumPy."""
    block = pixelcnn_tf.GatedBlock(1, n_channels=1, condition_features=2)
    block.build((None, None, None, 1))
    draw_weights(block)
    above, left = rng.normal(size=(2, 1, 1, 1, 1))
    s = rng.normal(size=(1, 1, 1, 2))
    weights = {w.path.split("/", 1)[1]: w.numpy().astype(np.float64) for w in block.weights}

    def gate(x):
        return np.tanh(x[0]) / (1 + np.exp(-x[1]))

    def of(name):
        return weights[f"{name}/projection"][0, 0]

    v = above.ravel() @ weights["vertical/kernel"][-1, 0] + weights["vertical/bias"]
    v = v + s.ravel() @ of("vertical_condition")
    h = left.ravel() @ weights["horizontal/kernel"][0, 0] + weights["horizontal/bias"]
    h = h + v @ weights["join/kernel"][0, 0] + weights["join/bias"]
    h = h + s.ravel() @ of("horizontal_condition")
    expected = left.ravel() + gate(h) * weights["output/kernel"].ravel() + weights["output/bias"]
    stacks = [above.astype("float32"), left.astype("float32")]
    outputs = block(stacks, condition=s.astype("float32"))
    np.testing.assert_allclose(outputs[1].numpy().ravel(), expected, rtol=1e-5)
    np.testing.assert_allclose(outputs[0].numpy().ravel(), gate(v), rtol=1e-5)


@pytest.mark.parametrize("n_codes", [None, 5])
def test_the_encoder_is_what_numpy_computes(n_codes, rng):
    encoder = ConditionEncoder(4, 2, factor=2, n_codes=n_codes)
    condition = rng.integers(n_codes or 256, size=(2, 5, 6, 2))
    encoder.build(condition.shape)
    draw_weights(encoder)
    outputs = encoder(condition).numpy()
    if n_codes is None:
        x = condition / 127.5 - 1
    else:
        tables = np.split(encoder.codes.numpy().astype(np.float64), 2)
        x = np.concatenate([t[condition[..., i]] for i, t in enumerate(tables)], axis=-1)
    for i, dilation in enumerate((1, 2, 4)):
        kernel, bias = (w.numpy().astype(np.float64) for w in encoder.convs[i].weights)
        spread = np.zeros([2 * dilation + 1, 2 * dilation + 1, *kernel.shape[2:]])
        spread[::dilation, ::dilation] = kernel
        y = np.maximum(conv2d_reference(x, spread, bias), 0)
        x = x + y if i else y
    kernel, bias = (w.numpy().astype(np.float64) for w in encoder.grow.weights)
    y = np.maximum(x @ kernel[0, 0] + bias, 0).reshape(2, 5, 6, 2, 2, 4)
    expected = y.transpose(0, 1, 3, 2, 4, 5).reshape(2, 10, 12, 4)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("two_levels")
@pytest.mark.parametrize("member", ["gated_3", "pixelcnn_pp"])
def test_samplers_completions_and_scores_agree(member, rng):
    model = model_of(member, **CODES)
    condition = condition_of(model, rng, 3, 4, 4)
    options = {"seed": 0, "batch_size": 2}  # batches of one size, so that graphs are made once
    images = generate_images(model, (4, 4), 3, condition=condition, **options)
    naive = generate_images(model, (4, 4), 3, method="naive", condition=condition, **options)
    assert_same_but_for_ties(model, images, naive, 0, condition=condition)
    one = generate_images(model, (4, 4), 3, condition=condition[1], **options)
    np.testing.assert_array_equal(one[1], images[1])
    completed = pixelcnn_tf.complete_images(model, images, "lower", 2, 1, condition=condition)
    known, drawn = images[:, None, :2], completed[:, :, 2:]
    np.testing.assert_array_equal(completed[:, :, :2], known.repeat(2, axis=1))
    assert (drawn[:, 0] != drawn[:, 1]).any()
    nats = score(model, images, condition=condition, batch_size=2, progress=False)
    expected = model.likelihood.nll(images, model(images, condition=condition))
    np.testing.assert_allclose(nats, expected, rtol=1e-5)


def test_with_xla(rng):
    model = model_of("gated_3", n_channels=3)
    images = random_images(rng, 2, 4, 6, 3)
    condition = condition_of(model, rng, 2, 4, 6)
    logits = teacher_forced_logits(model, images, jit_compile=True, condition=condition)
    np.testing.assert_allclose(logits, model(images, condition=condition), atol=1e-4)


def test_files_and_keras(tmp_path, rng):
    """fit, compiled and not, evaluate and predict, and the saved file."""
    model = model_of("resblock", n_classes=3, n_layers=1, **CODES)
    images, labels = random_images(rng, 4, 4, 4, 1), np.arange(4) % 3
    inputs = {"images": images, "labels": labels, "condition": condition_of(model, rng, 4, 4, 4)}
    model.save(tmp_path / "a.keras")
    same = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(same(inputs), model(*inputs.values()))
    for compiled in (False, True):
        same.compile("adam", same.likelihood, jit_compile=compiled)
        data = tf.data.Dataset.from_tensor_slices((inputs, images)).batch(2)
        assert np.isfinite(same.fit(data, verbose=0).history["loss"]).all()
        with pytest.raises(UserError, match=r"^condition: must be integers from 0 to 4"):
            same.fit({**inputs, "condition": inputs["condition"] + 4}, images, verbose=0)
    after = same.evaluate(inputs, images, verbose=0)
    nats = score(same, images, labels, condition=inputs["condition"], progress=False)
    assert after == pytest.approx(nats.mean() / 16 / np.log(2), rel=1e-4)
    assert same.predict(inputs, verbose=0).shape == (4, 4, 4, 1, 4)
    with pytest.warns(RuntimeWarning, match=r"a label or a condition is out of range"):
        wrong = {**inputs, "condition": inputs["condition"] + 4}
        same.fit(((x, images) for x in [wrong]), verbose=0)


WRONG = {
    "missing": (None, "not given, and the model is conditional; must be integers from 0 to 255"),
    "size": (np.zeros([2, 4, 4, 1]), r"\(2, 4, 4, 1\): must be .* \(2, 2, 2, 1\), or \(2, 2, 1\)"),
    "channels": (np.zeros([2, 2, 2, 3]), r"\(2, 2, 2, 3\): must be integers"),
    "number": (np.zeros([3, 2, 2, 1]), r"\(3, 2, 2, 1\): must be integers"),
    "values": (np.full([2, 2, 2, 1], 256), "holds int64 from 256 to 256; must hold integers"),
    "fractions": (np.full([2, 2, 2, 1], 0.5), "holds float64 from 0.5 to 0.5; must hold"),
    "text": (np.full([2, 2, 2, 1], "a"), "holds <U1; must hold"),
}


@pytest.fixture(scope="module")
def half_size():
    """A model whose condition has half the size of its images."""
    return small_model(1, hidden_dim=2, n_layers=1, n_condition_channels=1, condition_factor=2)


@pytest.mark.parametrize("case", WRONG)
def test_wrong_conditions_are_one_line(case, half_size):
    condition, words = WRONG[case]
    model = half_size
    images = np.zeros([2, 4, 4, 1], np.uint8)
    for call in (
        lambda: generate_images(model, 4, 2, 0, condition=condition),
        lambda: score(model, images, condition=condition),
        lambda: pixelcnn_tf.complete_images(model, images, "lower", 1, 0, condition=condition),
    ):
        with pytest.raises(UserError, match=f"^condition:? ?{words}") as error:
            call()
        assert "\n" not in str(error.value)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError), match=r"condition"):
        model(images, condition=condition)


def test_wrong_use_is_one_line(half_size):
    images, plain = np.zeros([2, 4, 4, 1], np.uint8), small_model(1, n_layers=1)
    with pytest.raises(UserError, match=r"^condition: the model is not conditional; leave it out$"):
        score(plain, images, condition=images)
    with pytest.raises(ValueError, match=r"condition: the model takes none; leave it out"):
        plain({"images": images, "condition": images})
    model = half_size
    with pytest.raises(UserError, match=r"^images of 5x4: .* must be multiples of 2$"):
        condition_for(model, images, 2, (5, 4))
    with pytest.raises(UserError, match=r"conditional .* compression does not support$"):
        pixelcnn_tf.encode(model, images)
    with pytest.raises(UserError, match=r"conditional .* export does not support$"):
        pixelcnn_tf.export_model(model, "none", 4)
    with pytest.raises(ValueError, match=r"not conditional; set n_condition_channels$"):
        pixelcnn_tf.PixelRNN(2, 2, 1, condition_factor=2)
    with pytest.raises(ValueError, match=r"^condition_factor=0: must be an integer from 1 up$"):
        pixelcnn_tf.PixelRNN(2, 2, 1, n_condition_channels=1, condition_factor=0)

    class Plain(pixelcnn_tf.Block):
        def call(self, inputs, labels=None):
            return inputs

        def step(self, inputs, pixels):
            return inputs

    with pytest.raises(ValueError, match=r"call of Plain takes no condition; give it an argument"):
        pixelcnn_tf.PixelRNN(2, 2, 1, pixel_layer=Plain, n_condition_channels=1)
