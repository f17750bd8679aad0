"""PixelCNN++."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import assert_same_but_for_ties, random_images, small_pixelcnn_pp
from pydantic import ValidationError
from references import pixelcnn_pp_parameters

from pixelcnn_tf import PixelCNNPlusPlus, generate_images
from pixelcnn_tf.config.schema import Config, first_problem
from pixelcnn_tf.layers.normalized_conv import NormalizedConv2D
from pixelcnn_tf.layers.pointwise import concat_elu
from pixelcnn_tf.likelihoods.logistic_mixture import PixelMixture
from pixelcnn_tf.models.pixelcnn_pp_blocks import GatedResnet
from pixelcnn_tf.sampling.generate import teacher_forced_logits
from pixelcnn_tf.testing import draw_weights, leaks
from pixelcnn_tf.visualization.receptive_field import receptive_field

# Layers.


@pytest.mark.parametrize(("direction", "kernel_size"), [("down", (2, 3)), ("down_right", (2, 2))])
@pytest.mark.parametrize("strides", [1, 2])
def test_normalized_convolution(direction, kernel_size, strides, rng):
    """The kernel of each output has the length of its gain; strides leave outputs out."""
    layer = NormalizedConv2D(5, kernel_size, direction, strides=strides)
    layer.build((None, None, None, 3))
    draw_weights(layer)
    gain = 0.5 + rng.random(5)
    layer.gain.assign(gain)
    x = rng.normal(size=(2, 6, 8, 3)).astype("float32")
    kernel = layer.kernel.numpy()
    kernel = gain * kernel / np.sqrt((kernel**2).sum((0, 1, 2)))
    left, right = (1, 1) if direction == "down" else (1, 0)
    padded = np.pad(x, [(0, 0), (1, 0), (left, right), (0, 0)])
    expected = np.zeros((2, 6, 8, 5)) + layer.bias.numpy()
    for row in range(6):
        for column in range(8):
            patch = padded[:, row : row + 2, column : column + kernel_size[1]]
            expected[:, row, column] += np.einsum("nhwi,hwio->no", patch, kernel)
    np.testing.assert_allclose(layer(x), expected[:, ::strides, ::strides], atol=1e-5)
    assert layer.compute_output_shape((2, 6, 8, 3)) == layer(x).shape


@pytest.mark.parametrize("direction", ["down", "down_right"])
def test_gated_resnet_equals_its_formula(direction, rng):
    block = GatedResnet(direction, n_classes=3, dropout=0.5)
    block._drop = lambda x, training: 3 * x  # in place of leaving features out
    x = rng.normal(size=(2, 4, 6, 4)).astype("float32")
    aux = rng.normal(size=(2, 4, 6, 8)).astype("float32")
    block.build(x.shape, aux.shape)
    draw_weights(block)
    labels = np.array([2, 0])
    got = block(x, aux, labels)

    def elu(x):
        return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))

    def concat(x):
        return np.concatenate([elu(x), elu(-x)], axis=-1)

    np.testing.assert_allclose(concat_elu(x), concat(x), atol=1e-6)
    inner = block.first(concat(x)) + block.join(concat(aux))
    a, b = np.split(block.second(3 * concat(inner.numpy())).numpy(), 2, axis=-1)
    bias_a, bias_b = np.split(block.bias.biases.numpy()[labels][:, None, None], 2, axis=-1)
    expected = x + (a + bias_a) / (1 + np.exp(-(b + bias_b)))
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_what_a_normalized_convolution_cannot_have():
    with pytest.raises(ValueError, match="must be 1 or 2"):
        NormalizedConv2D(2, 2, "down", strides=3)
    for options in ({"use_bias": False}, {"activation": "relu"}):
        with pytest.raises(ValueError, match="must be True and None"):
            NormalizedConv2D(2, 2, "down", **options)


def test_half_precision_keeps_the_length_of_kernels():
    layer = NormalizedConv2D(3, 2, "down", dtype="mixed_bfloat16")
    layer.build((None, None, None, 64))
    used, kernels = layer.used_kernel, []
    layer.used_kernel = lambda: kernels.append(used()) or kernels[-1]
    layer(np.ones((1, 4, 4, 64), "float32"))  # within a call Keras casts what it reads
    lengths = tf.norm(tf.cast(kernels[0], tf.float32), axis=[0, 1])
    np.testing.assert_allclose(tf.norm(lengths, axis=0), 1, atol=1e-3)


# The model: its network, and the two properties.


@pytest.mark.parametrize(
    ("n_channels", "n_classes", "n_resnet", "size"), [(1, 3, 1, (7, 9)), (3, None, 2, (8, 12))]
)
def test_the_network_is_that_of_the_paper(n_channels, n_classes, n_resnet, size, rng):
    model = small_pixelcnn_pp(n_channels, n_classes, n_resnet=n_resnet)
    images = random_images(rng, 2, *size, n_channels, 256)
    labels = None if n_classes is None else np.array([2, 0], "int32")
    params = pixelcnn_pp_parameters(model, images, labels)
    values = list(np.moveaxis(images.astype("float32"), -1, 0))
    expected = np.stack(PixelMixture(model.likelihood, n_channels).per_channel(params, values), -2)
    np.testing.assert_allclose(model(images, labels), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(12, 12), (11, 13)])
def test_every_earlier_pixel_is_seen(size):
    """Two levels of strides, and the halves that a stream does not see, come together whole."""
    model, (height, width) = small_pixelcnn_pp(1), size
    seen = receptive_field(model, size, n_draws=2)[..., 0] > 0
    centre = height // 2 * width + width // 2
    assert (seen.ravel() == (np.arange(height * width) < centre)).all()


#: Channels, classes, size, blocks. The third level of images of 8x12 has two rows of three pixels;
#: images of 9x9 and 5x7 are odd at every level.
CASES = [
    (1, None, (8, 12), 1),
    (1, 3, (7, 7), 2),
    (3, None, (3, 1), 1),
    (1, 3, (1, 1), 1),
    (1, None, (5, 7), 1),
    (3, 3, (9, 9), 1),
]


@pytest.mark.parametrize(
    ("n_channels", "n_classes", "size", "n_resnet"),
    [case if case[1] else pytest.param(*case, marks=pytest.mark.slow) for case in CASES],
)
def test_no_leak(n_channels, n_classes, size, n_resnet, rng):
    moved, count = 0, int(np.prod(size)) * n_channels + 1
    labels = None if n_classes is None else np.ones(count, "int32")
    for seed in range(2):
        model = small_pixelcnn_pp(n_channels, n_classes, seed, n_resnet, n_filters=3)
        images = random_images(rng, 1, *size, n_channels, 256).astype(int)
        found, moved_now = leaks(lambda changed, m=model: m(changed, labels), images, 256)
        assert not found
        moved += moved_now
    assert moved > 2 * count or size == (1, 1)


@pytest.mark.parametrize(("name", "axis"), [("input_left", 2), ("shrink", 1), ("grow", 1)])
def test_a_leak_is_noticed(name, axis, rng, monkeypatch):
    """One kind of layers moved a pixel, to the left or up."""
    honest = NormalizedConv2D.call

    def unshifted(self, inputs):
        outputs = honest(self, inputs)
        return tf.roll(outputs, -1, axis) if self.name == name else outputs

    monkeypatch.setattr(NormalizedConv2D, "call", unshifted)
    assert leaks(small_pixelcnn_pp(1), random_images(rng, 1, 8, 4, 1, 256).astype(int), 256)[0]


@pytest.mark.parametrize(
    ("n_channels", "n_classes", "size", "n_resnet"),
    # In grey there is test_both_samplers_draw_the_same_grey_images.
    [*(pytest.param(*case, marks=pytest.mark.slow) for case in CASES[:-1]), CASES[-1]],
)
def test_incremental_evaluation_equals_call(n_channels, n_classes, size, n_resnet, rng):
    model = small_pixelcnn_pp(n_channels, n_classes, n_resnet=n_resnet)
    images = random_images(rng, 2, *size, n_channels, 256)
    labels = None if n_classes is None else np.array([2, 0], "int32")
    logits = teacher_forced_logits(model, images, jit_compile=False, labels=labels)
    np.testing.assert_allclose(logits, model(images, labels), rtol=1e-4, atol=1e-4)


def test_both_samplers_draw_the_same_grey_images():
    model = small_pixelcnn_pp(1)
    incremental = generate_images(model, (5, 7), 4, 2, jit_compile=False)
    naive = generate_images(model, (5, 7), 4, 2, method="naive", jit_compile=False)
    assert_same_but_for_ties(model, naive, incremental, 2)
    assert len(np.unique(naive)) > 20


@pytest.mark.usefixtures("two_levels")
def test_samplers_draw_the_same_with_and_without_xla(rng):
    """Drawn around what is known; all three ways."""
    model, labels = small_pixelcnn_pp(3, 2), [0, 1, 1]
    known = rng.random((4, 8)) < 0.2
    given = random_images(rng, 3, 4, 8, 3, 256)
    same = {"known": known, "labels": labels}
    naive, graph, xla = (
        generate_images(model, (4, 8), 3, 5, given, **same, method=method, jit_compile=compiled)
        for method, compiled in (("naive", False), ("incremental", False), ("incremental", True))
    )
    assert (naive[:, known] == given[:, known]).all()
    assert len(np.unique(naive[:, ~known])) > 20
    for images in (graph, xla):
        assert_same_but_for_ties(model, naive, images, 5, labels)


# Around it.


def test_initialization_from_data(rng):
    """Every convolution gives mean 0 and its standard deviation in every feature."""
    model = PixelCNNPlusPlus(1, 6, 2, dropout=0.0)
    model.build((None, None, None, 3))
    images = random_images(rng, 20, 7, 9, 3, 256)
    model.initialize_from(images)
    seen = {}
    honest = NormalizedConv2D.call

    def watched(self, inputs):
        outputs = honest(self, inputs)
        scale = 0.1 if self.name == "second" else 1.0
        seen[id(self)] = outputs.numpy().reshape(-1, self.filters), scale
        return outputs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NormalizedConv2D, "call", watched)
        first = model.likelihood.nll(images, model(images)).numpy()
    assert len(seen) > 40
    for outputs, scale in seen.values():
        np.testing.assert_allclose(outputs.mean(0), 0, atol=1e-3)
        np.testing.assert_allclose(outputs.std(0), scale, rtol=2e-2)
    assert np.isfinite(first).all()


def test_initialization_leaves_dropout_out(rng):
    without, model = small_pixelcnn_pp(1), small_pixelcnn_pp(1, dropout=0.5)
    for twin in (without, model):
        twin.initialize_from(random_images(np.random.default_rng(0), 20, 8, 8, 1, 256))
    for one, two in zip(without.weights, model.weights, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("size", "flat"), [((4, 4), True), ((3, 7), False)])
def test_initialization_from_little(size, flat, rng):
    """Where features hardly vary, in a level of one pixel or of flat images."""
    model = PixelCNNPlusPlus(1, 3, 2)
    images = random_images(rng, 30, *size, 3, 256)
    model.initialize_from(np.full_like(images, 255) if flat else images)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model.likelihood(images, model(images)))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    assert np.isfinite(loss)
    assert np.isfinite(tf.linalg.global_norm(gradients))
    assert flat or float(loss) < 30


def test_a_failed_initialization_leaves_nothing_behind(rng):
    model = PixelCNNPlusPlus(1, 3, 2, n_classes=3)
    for n, channels, words in [(2, 3, "labels: not given"), (0, 3, "must be some"), (2, 1, "of 1")]:
        with pytest.raises(ValueError, match=words):
            model.initialize_from(random_images(rng, n, 4, 4, channels, 256))
    assert len(model.convolutions()) > 40
    assert not any(conv.initializing for conv in model.convolutions())


@pytest.mark.parametrize("initialized", [False, True])
def test_images_of_any_value_are_finite_at_first(initialized, rng):
    """Flat ones of every value, a chequerboard of the ends, noise."""
    model = PixelCNNPlusPlus(1, 4, 3)
    flat = np.arange(256, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    squares = 255 * (np.indices((1, 4, 4, 3)).sum(0) % 2).astype(np.uint8)
    images = np.concatenate([flat, squares, random_images(rng, 4, 4, 4, 3, 256)])
    if initialized:
        model.initialize_from(random_images(rng, 20, 4, 4, 3, 256))
    assert np.isfinite(model.likelihood.nll(images, model(images))).all()


def test_saved_and_loaded_it_is_the_same(tmp_path, rng):
    model = small_pixelcnn_pp(3, 4, dropout=0.2)
    images, labels = random_images(rng, 2, 8, 4, 3, 256), np.array([3, 1])
    model.save(tmp_path / "m.keras")
    twin = keras.models.load_model(tmp_path / "m.keras", compile=False)
    assert twin.get_config() == model.get_config() and twin.dropout == 0.2
    np.testing.assert_array_equal(twin(images, labels), model(images, labels))


@pytest.mark.slow  # of a PixelRNN there is test_tensorflow_sees_every_weight_for_export
@pytest.mark.usefixtures("two_levels")
def test_exported_it_is_the_same(tmp_path, rng):
    model = small_pixelcnn_pp(1)
    images = random_images(rng, 2, 8, 4, 1, 256).astype("float32")
    expected = model(images)
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(loaded.serve(images), expected, rtol=1e-5, atol=1e-5)


def test_paper_size():
    """The paper's model has some 53 million weights in its authors' code."""
    model = PixelCNNPlusPlus()
    model.build((None, None, None, 3))
    assert 53e6 < model.count_params() < 54e6
    assert model.dropout == 0.5


# Wrong input.


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_resnet": 0}, "n_resnet=0: must be an integer from 1 up"),
        ({"n_mix": 0}, "n_mix=0: must be an integer from 1 to 100"),
        ({"n_mix": 101}, "n_mix=101: must be an integer from 1 to 100"),
        ({"n_filters": 2.5}, "n_filters=2.5"),
        ({"dropout": 1.0}, r"dropout=1.0: must be a number from 0 to below 1"),
    ],
)
def test_numbers_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        PixelCNNPlusPlus(**options)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"n_mix": 0}, "model.n_mix"),
        ({"hidden_dim": 16, "n_layers": 2}, "has no hidden_dim, n_layers; leave out, or set"),
        ({"likelihood": "softmax-256"}, "has 'logistic-10'; leave it out"),
        ({"likelihood": "logistic-4", "n_mix": 5}, "has 'logistic-5'"),
    ],
)
def test_configs_that_do_not_fit(section, words):
    with pytest.raises(ValidationError) as caught:
        Config.model_validate({"model": {"architecture": "pixelcnn_pp", **section}})
    assert words in first_problem(caught.value)


def test_config_fills_in_what_belongs_together():
    def resolved(**section):
        return Config.model_validate({"model": section}).model

    assert resolved(architecture="pixelcnn_pp", n_mix=4).likelihood == "logistic-4"
    assert resolved(architecture="pixelcnn_pp", likelihood="logistic-3").n_mix == 3
    assert resolved(architecture="pixelcnn_pp").dropout == 0.5
    assert resolved().dropout == 0.0
    assert resolved().n_resnet is None
    again = Config.model_validate(
        Config.model_validate({"model": {"architecture": "pixelcnn_pp"}}).model_dump()
    )
    assert again.model.n_filters == 160
