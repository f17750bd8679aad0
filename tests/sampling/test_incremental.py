"""Incremental evaluation gives what ``call`` gives: every layer, block and model."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import random_images, small_model

from pixelcnn_tf import MaskedConv2D, PixelCNNResBlock, PixelRNN, UserError, generate_images
from pixelcnn_tf.layers.pointwise import PReLU
from pixelcnn_tf.layers.schedule import Schedule
from pixelcnn_tf.layers.wavefront import Wavefront
from pixelcnn_tf.sampling.generate import teacher_forced_logits
from pixelcnn_tf.sampling.scheduler import plan_batches
from pixelcnn_tf.sampling.settings import SamplingSettings
from pixelcnn_tf.testing import check_incremental, draw_weights, incremental_outputs

SIZES = [(1, 1), (1, 7), (5, 4), (8, 8), (13, 9)]
SMALL = [(1, 7), (5, 4)]  # for layers and blocks: the models have them all


def layer_cases():
    """All kernels with 1 and 3 channels; with 4 channels that of 3. The others are slow tests."""
    kernels = [1, 3, 5, 7, (3, 5), (1, 5), (5, 1)]
    for kernel_size, n_channels, mask_type in itertools.product(kernels, [1, 3, 4], "AB"):
        marks = () if n_channels < 4 or kernel_size == 3 else pytest.mark.slow
        yield pytest.param(kernel_size, n_channels, mask_type, marks=marks)


@pytest.mark.parametrize(("kernel_size", "n_channels", "mask_type"), list(layer_cases()))
def test_layers(kernel_size, n_channels, mask_type, rng):
    layer = MaskedConv2D(2 * n_channels, kernel_size, mask_type, n_channels, activation="tanh")
    layer.build((None, None, None, 3 * n_channels))
    draw_weights(layer)
    for size in SMALL:
        x = rng.normal(size=(2, *size, 3 * n_channels)).astype("float32")
        np.testing.assert_allclose(incremental_outputs(layer, x, n_channels), layer(x), atol=1e-4)


@pytest.mark.parametrize("n_channels", [1, 3])
def test_prelu(n_channels, rng):
    layer = PReLU(n_channels)
    x = rng.normal(size=(2, 3, 4, 2 * n_channels)).astype("float32")
    layer.build(x.shape)
    draw_weights(layer)
    expected = np.where(x > 0, x, layer.alpha.numpy() * x)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)
    np.testing.assert_allclose(incremental_outputs(layer, x, n_channels), expected, atol=1e-6)


@pytest.mark.parametrize("variant", ["relu", "preactivation"])
@pytest.mark.parametrize("n_channels", [1, 3, 4])
def test_blocks(n_channels, variant, rng):
    block = PixelCNNResBlock(3, n_channels, variant)
    block.build((None, None, None, 4 * n_channels))
    draw_weights(block)
    for size in SMALL:
        x = rng.normal(size=(2, *size, 4 * n_channels)).astype("float32")
        np.testing.assert_allclose(incremental_outputs(block, x, n_channels), block(x), atol=1e-4)


def size_cases():
    """One size each, and skip connections or none, in turn.

    Each kernel meets each number of channels, and every size is there. All others are slow tests.
    """
    for kernel_size, n_channels, skips in itertools.product([3, 5, 7], [1, 3, 4], [False, True]):
        turn = 2 * (kernel_size // 2 + [1, 3, 4].index(n_channels)) + skips
        for i, size in enumerate(SIZES):
            default = i == turn % 5 and skips == (kernel_size // 2 + n_channels) % 2
            marks = () if default else pytest.mark.slow
            yield pytest.param(kernel_size, n_channels, skips, size, marks=marks)


@pytest.mark.parametrize(
    ("kernel_size", "n_channels", "skip_connections", "size"), list(size_cases())
)
def test_models(kernel_size, n_channels, skip_connections, size):
    variant = "preactivation" if kernel_size == 5 else "relu"
    block = functools.partial(PixelCNNResBlock, kernel_size, variant=variant)
    model = small_model(
        n_channels, pixel_layer=block, skip_connections=skip_connections, hidden_dim=2, n_layers=1
    )
    check_incremental(model, size)


@pytest.mark.parametrize(
    ("likelihood", "jit_compile"),
    [
        ("softmax-4", True),
        ("bernoulli", False),
        pytest.param("softmax-4", False, marks=pytest.mark.slow),
        pytest.param("bernoulli", True, marks=pytest.mark.slow),
    ],
)
def test_graphs_with_and_without_xla(likelihood, jit_compile, rng):
    model = small_model(3, likelihood, skip_connections=True)
    images = random_images(rng, 3, 5, 9, 3, model.likelihood.n_values)
    logits = teacher_forced_logits(model, images, jit_compile)
    np.testing.assert_allclose(logits, model(images), atol=1e-4)


def test_the_test_has_teeth(rng):
    """One weight of incremental evaluation changed by a tenth is noticed."""
    layer = MaskedConv2D(6, 3)
    layer.build((None, None, None, 6))
    draw_weights(layer)
    x = rng.normal(size=(1, 5, 4, 6)).astype("float32")
    weights = layer.window_weights()
    change = tf.scatter_nd([[7, 3]], [0.1], weights.shape)
    layer.window_weights = lambda: weights + change
    assert np.abs(incremental_outputs(layer, x, 3) - layer(x)).max() > 1e-3


def test_the_front_visits_every_pixel_once_and_memory_grows_with_the_width():
    model = small_model(1)
    for height, width in [*SIZES, (2, 40), (40, 2)]:
        schedule = Schedule(model, 1, height, width)
        seen = np.concatenate([Wavefront(schedule, time).index for time in range(schedule.n_steps)])
        assert sorted(seen[seen < height * width]) == list(range(height * width))

    def size(height, width):
        states = Schedule(model, 1, height, width).init_states()
        return sum(int(tf.size(state)) for state in tf.nest.flatten(states))

    assert size(64, 16) == size(16, 16)
    assert size(16, 64) < 4 * size(16, 16)


def test_mixed_precision_runs(rng):
    model = small_model(3, dtype="mixed_bfloat16")
    images = generate_images(model, 4, 2, 0, jit_compile=False)
    assert images.shape == (2, 4, 4, 3)
    logits = teacher_forced_logits(model, images, jit_compile=False)
    np.testing.assert_allclose(logits, model(images), atol=0.3)


class Plain(keras.layers.Layer):
    """A block without a step."""

    def __init__(self, n_channels, **kwargs):
        super().__init__(**kwargs)
        self.scale = self.add_weight(shape=(), initializer="ones")

    def get_config(self):
        return {"name": self.name}

    def call(self, x):
        return x * self.scale


def test_models_without_incremental_evaluation_are_told_so():
    model = PixelRNN(2, 2, 1, pixel_layer=Plain, n_channels=1, likelihood="softmax-4")
    with pytest.raises(UserError, match=r"method='naive'"):
        generate_images(model, 3, 1, 0)
    assert generate_images(model, 3, 1, 0, method="naive").shape == (1, 3, 3, 1)


def test_what_xla_refuses_runs_without_it(monkeypatch):
    monkeypatch.setenv("PIXELCNN_TF_XLA", "1")

    class Printing(PixelCNNResBlock):
        def step(self, inputs, pixels):
            [same] = tf.numpy_function(lambda x: [x], [inputs], [tf.float32])
            return super().step(tf.ensure_shape(same, inputs.shape), pixels)

    model = small_model(1, pixel_layer=Printing, n_layers=1)
    with pytest.warns(UserWarning, match="without XLA"):
        images = generate_images(model, 3, 2, 0)
    np.testing.assert_array_equal(images, generate_images(model, 3, 2, 0, method="naive"))


def test_batches_fit_memory_andcores(monkeypatch):
    model = small_model(3)
    monkeypatch.setattr("pixelcnn_tf.sampling.scheduler.cores", lambda: 2)
    assert plan_batches(model, (1, 32, 32, 3), SamplingSettings()) == (1, 1)
    assert plan_batches(model, (16, 32, 32, 3), SamplingSettings()) == (8, 2)
    assert plan_batches(model, (64, 32, 32, 3), SamplingSettings()) == (32, 2)
    assert plan_batches(model, (130, 32, 32, 3), SamplingSettings()) == (33, 2)
    assert plan_batches(model, (130, 32, 32, 3), SamplingSettings(batch_size=100)) == (100, 2)
    monkeypatch.setattr("pixelcnn_tf.sampling.scheduler.memory", lambda: 2**23)
    batch, workers = plan_batches(model, (64, 32, 32, 3), SamplingSettings())
    assert batch * workers < 64
    with pytest.raises(UserError, match="64 at once: need about"):
        plan_batches(model, (64, 32, 32, 3), SamplingSettings(batch_size=64))
