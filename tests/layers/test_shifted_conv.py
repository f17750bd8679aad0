"""ShiftedConv2D, and the masked convolutions that pairs of it make up."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import check_config_round_trip, random_images
from test_incremental import SMALL

from pixelcnn_tf import MaskedConv2D, ShiftedConv2D, masked_to_shifted, shifted_to_masked
from pixelcnn_tf.layers.gated import VerticalToHorizontal
from pixelcnn_tf.layers.incremental import IncrementalLayer
from pixelcnn_tf.testing import draw_weights, incremental_outputs, leaks

KERNELS = [(2, 3), (2, 2), (1, 3), (3, 3), (2, 1), (1, 1), (3, 4)]
KINDS = [(direction, mask_type) for direction in ("down", "down_right") for mask_type in "AB"]


def shifted(filters, kernel_size, direction, mask_type, features, **options):
    """A layer all of whose weights are drawn."""
    layer = ShiftedConv2D(filters, kernel_size, direction, mask_type, **options)
    layer.build((None, None, None, features))
    draw_weights(layer)
    return layer


def reference(layer, x):
    """Straight from the definition, one output pixel and one weight at a time, in float64."""
    kernel, bias = (w.numpy().astype(np.float64) for w in layer.weights)
    rows, columns = layer.kernel_size
    n, height, width, _ = x.shape
    out = np.zeros((n, height, width, layer.filters)) + bias
    for r in range(height):
        for c in range(width):
            if layer.direction == "down":
                last_row = r if layer.mask_type == "B" else r - 1
                last_column = c + (columns - 1) // 2  # of an even number one more to the left
            else:
                last_row = r
                last_column = c if layer.mask_type == "B" else c - 1
            for i in range(rows):
                for j in range(columns):
                    y, z = last_row - (rows - 1) + i, last_column - (columns - 1) + j
                    if 0 <= y < height and 0 <= z < width:
                        out[:, r, c] += x[:, y, z] @ kernel[i, j]
    return out


@pytest.mark.parametrize("kernel_size", KERNELS)
@pytest.mark.parametrize(("direction", "mask_type"), KINDS)
def test_equals_its_definition_in_numpy(direction, mask_type, kernel_size, rng):
    layer = shifted(4, kernel_size, direction, mask_type, 3)
    for size in [(1, 1), (1, 7), (5, 4)]:
        x = rng.normal(size=(2, *size, 3)).astype("float32")
        np.testing.assert_allclose(layer(x), reference(layer, x), atol=1e-5)


def test_activation_and_bias(rng):
    layer = shifted(4, 2, "down_right", "B", 3, activation="tanh", use_bias=False)
    x = rng.normal(size=(1, 4, 5, 3)).astype("float32")
    assert [w.name for w in layer.weights] == ["kernel"] and layer.kernel.shape == (2, 2, 3, 4)
    twin = shifted(4, 2, "down_right", "B", 3)
    twin.set_weights([layer.kernel.numpy(), np.zeros(4)])
    np.testing.assert_allclose(layer(x), np.tanh(reference(twin, x)), atol=1e-5)


class TwoStacks(IncrementalLayer, keras.layers.Layer):
    """The layers of a small PixelCNN++: features of the rows above, and features of all that
    comes before, which see the former at their own place.

    Three shifted layers of type A take in the image, and each later layer is of type B.
    """

    mask_type = "A"

    def __init__(self, kernel_size, features, activation="tanh", **kwargs):
        super().__init__(**kwargs)
        rows, columns = kernel_size
        options = {"activation": activation}
        self.above = shifted(3, kernel_size, "down", "A", features, **options)
        self.above_2 = shifted(4, kernel_size, "down", "B", 3, **options)
        self.join = VerticalToHorizontal(5, 1)
        self.join.build((None, None, None, 4))
        draw_weights(self.join)
        self.left_above = shifted(3, (1, columns), "down", "A", features, **options)
        self.left = shifted(3, (rows, 1), "down_right", "A", features, **options)
        self.left_2 = shifted(5, kernel_size, "down_right", "B", 3, **options)
        self.built = True

    def call(self, x):
        left = self.left_above(x) + self.left(x)
        return self.left_2(left) + self.join(self.above_2(self.above(x)))

    def incremental_layers(self):
        return [*self.lookahead_layers(), self.left, self.left_2]

    def lookahead_layers(self):
        return [self.above, self.above_2, self.join, self.left_above]

    def step(self, x, pixels):
        if pixels.channel == 0:
            above = self.above_2.advance(self.above.advance(None, pixels), pixels)
            self.join.advance(above, pixels)
            self.beside = self.left_above.advance(None, pixels)
        left = self.beside + self.left.step(None, pixels)
        # One join serves all colours here: it has one channel group, whose turn it always is.
        made, pixels.channel = pixels.channel, 0
        joined = self.join.step(None, pixels)
        pixels.channel = made
        return self.left_2.step(left, pixels) + joined

    def observe(self, x, pixels):
        for layer in (self.above, self.left_above, self.left):
            layer.observe(x, pixels)


class Down(IncrementalLayer, keras.layers.Layer):
    """A layer of 'down' of type A, and one of type B after it if there is one."""

    mask_type = "A"

    def __init__(self, *layers):
        super().__init__()
        self.first, *self.rest = layers
        self.built = True

    def call(self, x):
        x = self.first(x)
        for layer in self.rest:
            x = layer(x)
        return x

    def incremental_layers(self):
        return self.lookahead_layers()

    def lookahead_layers(self):
        return [self.first, *self.rest]

    def step(self, x, pixels):
        x = self.first.advance(None, pixels)
        for layer in self.rest:
            x = layer.advance(x, pixels)
        return x

    def observe(self, x, pixels):
        self.first.observe(x, pixels)


@pytest.mark.parametrize(
    "kernel_size",
    [
        *[(2, 3), (2, 2), (1, 1), (3, 4), (2, 6)],
        *(pytest.param(size, marks=pytest.mark.slow) for size in [(1, 3), (3, 3), (2, 1)]),
    ],
)
@pytest.mark.parametrize(("direction", "mask_type"), KINDS)
def test_incremental_evaluation_gives_what_call_gives(direction, mask_type, kernel_size, rng):
    layer = shifted(4, kernel_size, direction, mask_type, 3, activation="tanh")
    if direction == "down":  # type B takes what type A makes: it is ahead of the active pixels
        first = shifted(3, (2, 3), "down", "A", 3)
        layer = Down(layer) if mask_type == "A" else Down(first, layer)
    for size in SMALL:
        x = rng.normal(size=(2, *size, 3)).astype("float32")
        np.testing.assert_allclose(incremental_outputs(layer, x, 1), layer(x), atol=1e-4)


@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("kernel_size", [(2, 3), (3, 2)])
def test_incremental_evaluation_of_two_stacks(kernel_size, n_channels, rng):
    """Colours of the image come one after another; features wait for none of their own pixel."""
    layer = TwoStacks(kernel_size, n_channels)
    for size in SMALL:
        x = rng.normal(size=(2, *size, n_channels)).astype("float32")
        for outputs in np.split(incremental_outputs(layer, x, n_channels), n_channels, axis=-1):
            np.testing.assert_allclose(outputs, layer(x), atol=1e-4)


def single_stack(kernel_size, features):
    first = shifted(4, kernel_size, "down_right", "A", features, activation="tanh")
    second = shifted(4, kernel_size, "down_right", "B", 4, activation="tanh")
    return lambda x: second(second(first(x)))


@pytest.mark.parametrize("kernel_size", [(2, 3), (2, 2), (1, 3), (3, 3)])
@pytest.mark.parametrize("make", [single_stack, TwoStacks])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_no_leak(n_channels, make, kernel_size, rng):
    """All features of a pixel go together: changed together, they move nothing up to their own."""
    stack = make(kernel_size, n_channels)

    def outputs(images):
        return stack(images.astype("float32").repeat(n_channels, axis=-1) / 2 - 1)

    for size in [(4, 5), (5, 3)]:
        found, moved = leaks(outputs, random_images(rng, 1, *size, 1), 4)
        assert not found
        assert moved >= 15  # those to the right in the same row


@pytest.mark.parametrize("mask_type", ["A", "B"])
def test_a_convolution_that_is_not_shifted_enough_is_noticed(mask_type, rng):
    images = random_images(rng, 1, 4, 5, 1)
    stack = shifted(4, 2, "down_right", mask_type, 1)
    assert bool(leaks(lambda x: stack(x.astype("float32")), images, 4)[0]) == (mask_type == "B")


def test_config_round_trip_keeps_everything(rng):
    layer = ShiftedConv2D(
        4,
        (2, 5),
        "down",
        "A",
        activation="relu",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(0.1),
        name="conv",
    )
    check_config_round_trip(layer, rng)
    assert len(layer.losses) == 1 and len(layer.weights) == 1


def test_is_a_proper_keras_layer_in_a_functional_model(rng, tmp_path):
    inputs = keras.Input((None, None, 1))
    x = ShiftedConv2D(4, (2, 3), "down_right", "A", activation="relu")(inputs)
    model = keras.Model(inputs, ShiftedConv2D(2, 2, "down_right")(x))
    assert model.output_shape == (None, None, None, 2)
    x = rng.normal(size=(1, 7, 4, 1)).astype("float32")
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "m.keras")(x), model(x))


def test_mixed_bfloat16_computes_in_bfloat16_and_stores_float32(rng):
    layer = ShiftedConv2D(6, (2, 3), "down", dtype="mixed_bfloat16")
    x = rng.normal(size=(2, 5, 5, 3)).astype("float32")
    y = layer(x)
    assert y.dtype == tf.bfloat16 and layer.kernel.dtype == "float32"
    np.testing.assert_allclose(tf.cast(y, tf.float32), reference(layer, x), atol=0.05)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ShiftedConv2D(4, 2, "dwon"), "direction='dwon'.*; did you mean 'down'"),
        (lambda: ShiftedConv2D(4, 2, None), "direction=None: must be 'down' or 'down_right'"),
        (lambda: ShiftedConv2D(4, 2, "down", "C"), "mask_type='C': must be 'A' or 'B'"),
        (lambda: ShiftedConv2D(4, 0, "down"), "kernel_size=0: both sides must be from 1 up"),
        (lambda: ShiftedConv2D(4, (2, -1), "down"), r"kernel_size=\(2, -1\): both"),
        (lambda: ShiftedConv2D(4, (2, 1.5), "down"), r"kernel_size=\(2, 1.5\): must be an integer"),
        (lambda: ShiftedConv2D(0, 2, "down"), "filters=0: must be an integer from 1 up"),
        (lambda: ShiftedConv2D(4, 2, "down").build((None, 8, 8, None)), "must be known"),
        (lambda: ShiftedConv2D(4, 2, "down")(np.zeros((8, 8, 3), "float32")), "ndim"),
    ],
)
def test_wrong_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


MASKED = [
    (kernel_size, mask_type)
    for kernel_size in (1, 3, 5, 7, (3, 5), (1, 5), (5, 1))
    for mask_type in "AB"
    if (kernel_size, mask_type) != (1, "A")  # sees nothing
]


def masked(kernel_size, mask_type, features=3, **options):
    layer = MaskedConv2D(4, kernel_size, mask_type, n_channels=1, **options)
    layer.build((None, None, None, features))
    draw_weights(layer)  # what the mask closes, too
    return layer


def outputs_of(parts, x):
    return sum(part(x) for part in parts if part is not None)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(("kernel_size", "mask_type"), MASKED)
def test_a_masked_convolution_is_the_sum_of_two_shifted_ones(kernel_size, mask_type, use_bias, rng):
    layer = masked(kernel_size, mask_type, use_bias=use_bias)
    parts = masked_to_shifted(layer)
    again = shifted_to_masked(*parts)
    assert (parts[0] is None) == (layer.kernel_size[0] == 1)
    for name in ("filters", "kernel_size", "mask_type", "n_channels", "use_bias"):
        assert getattr(again, name) == getattr(layer, name)
    np.testing.assert_array_equal(again.kernel, layer.kernel.numpy() * layer.mask)
    for size in [(5, 4), (8, 8), (2, 2), (1, 1), (1, 7)]:  # some smaller than the kernel
        x = rng.normal(size=(2, *size, 3)).astype("float32")
        np.testing.assert_allclose(outputs_of(parts, x), layer(x), atol=1e-5)
        np.testing.assert_array_equal(again(x), layer(x))


@pytest.mark.parametrize(("kernel_size", "mask_type"), MASKED)
def test_two_shifted_convolutions_are_a_masked_one(kernel_size, mask_type, rng):
    height, width = masked(kernel_size, mask_type).kernel_size
    left = width // 2 + (mask_type == "B")
    parts = (
        shifted(4, (height // 2, width), "down", "A", 3) if height > 1 else None,
        shifted(4, (1, left), "down_right", mask_type, 3) if left else None,
    )
    layer = shifted_to_masked(*parts)
    assert (layer.kernel_size, layer.mask_type) == ((height, width), mask_type)
    for size in [(5, 4), (8, 8), (2, 2)]:
        x = rng.normal(size=(2, *size, 3)).astype("float32")
        np.testing.assert_allclose(layer(x), outputs_of(parts, x), atol=1e-5)
    for part, again in zip(parts, masked_to_shifted(layer), strict=True):
        if part is not None:  # the biases come back as one
            np.testing.assert_array_equal(again.kernel, part.kernel)


@pytest.mark.parametrize(
    ("convert", "words"),
    [
        (lambda: masked_to_shifted(MaskedConv2D(6, 3)), "n_channels=3: must be 1; channel groups"),
        (lambda: masked_to_shifted(MaskedConv2D(4, 3, "B", 1)), "not built"),
        (lambda: masked_to_shifted(masked(3, "B", activation="relu")), "activation='relu'; must"),
        (lambda: masked_to_shifted(masked(1, "A")), "sees nothing"),
        (lambda: shifted_to_masked(None, None), "vertical=None, horizontal=None: not the parts"),
        (lambda: shifted_to_masked(None, ShiftedConv2D(4, 1, "down_right")), "not built"),
        (lambda: shifted_to_masked(masked(3, "B"), None), "must be a ShiftedConv2D"),
        (
            lambda: shifted_to_masked(None, shifted(4, 1, "down_right", "B", 3, activation="elu")),
            "activation='elu'; must be None",
        ),
        *[
            (lambda v=v, h=h: shifted_to_masked(v and shifted(*v), h and shifted(*h)), "not the")
            for v, h in [
                (None, (4, (2, 2), "down_right", "B", 3)),  # two rows
                (None, (4, (1, 2), "down", "A", 3)),  # below
                ((4, (1, 3), "down", "B", 3), (4, (1, 2), "down_right", "B", 3)),  # its own row
                ((4, (1, 4), "down", "A", 3), (4, (1, 2), "down_right", "A", 3)),  # no centre
                ((4, (1, 3), "down", "A", 3), (4, (1, 3), "down_right", "B", 3)),  # too wide
                ((4, (1, 3), "down", "A", 3), (5, (1, 2), "down_right", "B", 3)),  # other filters
                ((4, (1, 3), "down", "A", 3), (4, (1, 2), "down_right", "B", 2)),  # other features
                ((4, (1, 3), "down", "A", 3), None),  # left of the centre is missing
            ]
        ],
    ],
)
def test_what_has_no_twin_is_told_so_in_one_line(convert, words):
    with pytest.raises(ValueError, match=words) as told:
        convert()
    assert "\n" not in str(told.value)
