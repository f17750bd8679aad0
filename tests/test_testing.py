"""``check_causal`` and ``check_incremental`` pass what is right, and name what is wrong."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import small_pixelcnn_pp

import pixelcnn_tf
from pixelcnn_tf.layers.gated import VerticalToHorizontal
from pixelcnn_tf.layers.lstm import RowLSTMState
from pixelcnn_tf.layers.pointwise import PReLU
from pixelcnn_tf.testing import check_causal, check_incremental

BLOCKS = [
    lambda: pixelcnn_tf.PixelCNNResBlock(3, n_channels=3),
    lambda: pixelcnn_tf.GatedBlock(3, n_channels=1, n_classes=4),
    pytest.param(lambda: pixelcnn_tf.RowLSTMBlock(n_channels=3), marks=pytest.mark.slow),
    lambda: pixelcnn_tf.DiagonalBiLSTMBlock(n_channels=1),
]
LAYERS = [
    lambda: pixelcnn_tf.MaskedConv2D(6, 5, "A"),
    lambda: pixelcnn_tf.MaskedConv2D(6, 3, "B"),
    lambda: pixelcnn_tf.ShiftedConv2D(4, (2, 3), "down_right"),
    lambda: PReLU(3),
    lambda: RowLSTMState(3, 3),
]


@pytest.mark.parametrize("make", BLOCKS)
def test_blocks_pass(make):
    check_causal(make(), (4, 5))
    check_incremental(make(), (4, 5))


@pytest.mark.parametrize("make", LAYERS)
def test_layers_pass(make):
    check_causal(make(), (4, 5), features=12)
    check_incremental(make(), (4, 5), features=12)


@pytest.mark.parametrize("name", ["PixelRNN", pytest.param("pixelcnn_pp", marks=pytest.mark.slow)])
def test_models_pass_and_keep_their_weights(name):
    if name == "PixelRNN":
        model = pixelcnn_tf.PixelRNN(2, 4, 1, n_classes=3, likelihood="softmax-256")
        model.build((None, None, None, model.n_channels))
    else:
        model = small_pixelcnn_pp(1, n_classes=2)
    before = model.get_weights()
    check_causal(model, (4, 8))
    check_incremental(model, (4, 8))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


class Leaky(pixelcnn_tf.PixelCNNResBlock):
    """Sees the pixel to the right."""

    def call(self, inputs, labels=None, training=False):
        ahead = tf.pad(inputs[:, :, 1:], [[0, 0], [0, 0], [0, 1], [0, 0]])
        return super().call(inputs, labels, training) + 0.1 * ahead


class Differs(pixelcnn_tf.PixelCNNResBlock):
    """A step that forgets the residual connection."""

    def step(self, inputs, pixels):
        return super().step(inputs, pixels) - inputs


class OffByAConstant(pixelcnn_tf.PixelCNNResBlock):
    def step(self, inputs, pixels):
        return super().step(inputs, pixels) + 0.5


def test_a_leak_is_named():
    with pytest.raises(AssertionError) as caught:
        check_causal(Leaky(n_channels=1), (4, 5))
    assert str(caught.value) == (
        "Leaky 'leaky': the output at row 0, column 0, channel 0 depends on the input at row 0, "
        "column 0, channel 0, which is its own sub-pixel"
    )


def test_a_later_sub_pixel_is_named():
    class Reversed(pixelcnn_tf.MaskedConv2D):
        def call(self, inputs):
            return super().call(tf.reverse(inputs, [2]))

    with pytest.raises(AssertionError, match=r"input at row 0, .* which is a later sub-pixel$"):
        check_causal(Reversed(6, 3), (3, 3), features=6)


def test_a_wrong_step_is_named_with_the_input_that_it_mishandles():
    with pytest.raises(AssertionError) as caught:
        check_incremental(Differs(n_channels=1), (4, 5))
    message = str(caught.value)
    assert message.startswith("Differs 'differs': step and call differ by ")
    assert "in the output at row 0, column 0, channel 0; " in message

    with pytest.raises(AssertionError, match=r"if the input at row .* that of step by 0.*"):
        check_incremental(Forgetful(6, 3), (4, 5), features=6)


class Forgetful(pixelcnn_tf.MaskedConv2D):
    """Forgets the rows above."""

    def start_pixel(self, weights, state, pixels):
        return tf.zeros_like(super().start_pixel(weights, state, pixels)) + weights.bias


def test_a_constant_is_named():
    with pytest.raises(AssertionError, match="does not depend on the input: a bias"):
        check_incremental(OffByAConstantConv(6, 3), (4, 5), features=6)


class OffByAConstantConv(pixelcnn_tf.MaskedConv2D):
    def step(self, x, pixels):
        return super().step(x, pixels) + 0.5


def test_layers_that_a_block_does_not_list_are_named():
    class Forgot(pixelcnn_tf.Block):
        def build(self, inputs_shape, labels_shape=None):
            n = inputs_shape[-1]
            self.conv = pixelcnn_tf.MaskedConv2D(n, 3, n_channels=self.n_channels)
            self.conv.build((None, None, None, n))

        def call(self, inputs, labels=None, training=False):
            return self.conv(inputs)

        def step(self, inputs, pixels):
            return self.conv.step(inputs, pixels)

    with pytest.raises(ValueError, match=r"MaskedConv2D.* not among the incremental_layers\(\)"):
        check_incremental(Forgot(), (3, 3))


def test_what_has_no_step_is_named():
    class Plain(keras.layers.Layer):
        n_channels = 1

        def call(self, x):
            return x

    with pytest.raises(AssertionError, match="has no step"):
        check_incremental(Plain(), (3, 3))
    with pytest.raises(TypeError, match="abstract"):
        type("NoStep", (pixelcnn_tf.Block,), {})()


def test_lookahead_layers_are_tested_in_their_block():
    with pytest.raises(ValueError, match=r"evaluated ahead"):
        check_incremental(VerticalToHorizontal(6), (3, 3), features=6)
