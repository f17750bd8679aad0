import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import check_config_round_trip, conv2d_reference

from pixelcnn_tf import MaskedConv2D, get_mask
from pixelcnn_tf.testing import draw_weights

CASES = [
    (kernel, channels, mask_type)
    for kernel in (1, 2, 3, 5, 7, (3, 5), (5, 1), (1, 7), (3, 4))
    for channels in (1, 3, 4)
    for mask_type in "AB"
]


def full_kernel(layer):
    """The layer's kernel with the rows below the centre that it does not store."""
    height, width = layer.kernel_size
    stored = layer.kernel.numpy()
    kernel = np.zeros((height, width, *stored.shape[2:]))
    kernel[: stored.shape[0], : stored.shape[1]] = stored
    return kernel


@pytest.mark.parametrize(("kernel_size", "n_channels", "mask_type"), CASES)
def test_equals_a_masked_convolution_in_numpy(kernel_size, n_channels, mask_type, rng):
    layer = MaskedConv2D(2 * n_channels, kernel_size, mask_type, n_channels)
    x = rng.normal(size=(2, 5, 6, 3 * n_channels)).astype("float32")
    layer.build(x.shape)
    draw_weights(layer)
    mask = get_mask(kernel_size, 3 * n_channels, 2 * n_channels, mask_type, n_channels)
    expected = conv2d_reference(x, full_kernel(layer) * mask, layer.bias.numpy())
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)


def test_stores_only_the_rows_that_the_mask_keeps():
    layer = MaskedConv2D(6, (7, 5))
    layer.build((None, None, None, 3))
    assert layer.kernel.shape == (4, 5, 3, 6)


def test_masked_entries_start_at_zero_and_stay_there(rng):
    layer = MaskedConv2D(6, 5)
    x = rng.normal(size=(2, 6, 6, 6)).astype("float32")
    optimizer = keras.optimizers.Adam(0.1)
    layer.build(x.shape)
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x) ** 2)
        weights = layer.trainable_weights
        optimizer.apply(tape.gradient(loss, [w.value for w in weights]), weights)
    kernel = layer.kernel.numpy()
    assert (kernel[~layer.mask] == 0).all()
    assert (kernel[layer.mask] != 0).all()


@pytest.mark.parametrize("n_channels", [1, 3])
def test_initializer_sees_the_inputs_that_the_mask_leaves(n_channels):
    """He: variance 2 / fan-in, with fan-in counted by hand for each channel group."""
    per_group_in, per_group_out = 64, 64
    layer = MaskedConv2D(
        per_group_out * n_channels, 3, "B", n_channels, kernel_initializer="he_normal"
    )
    layer.build((None, None, None, per_group_in * n_channels))
    kernel = layer.kernel.numpy().reshape(-1, n_channels, per_group_out)
    mask = layer.mask.reshape(-1, n_channels, per_group_out)
    for group in range(n_channels):
        fan_in = per_group_in * (4 * n_channels + group + 1)  # 4 earlier pixels, own groups
        values = kernel[:, group][mask[:, group]]
        assert values.size == fan_in * per_group_out
        assert np.var(values) == pytest.approx(2 / fan_in, rel=0.05)


@pytest.mark.parametrize("make_seed", [lambda: 7, lambda: keras.random.SeedGenerator(7)])
def test_channel_groups_get_different_numbers_from_a_fixed_seed(make_seed):
    initializer = keras.initializers.RandomNormal(seed=make_seed())
    layer = MaskedConv2D(9, 3, "B", kernel_initializer=initializer)
    layer.build((None, None, None, 3))
    values = layer.kernel.numpy()[layer.mask]
    assert len(np.unique(values)) == values.size


def test_config_round_trip_keeps_everything(rng):
    layer = MaskedConv2D(
        4,
        (3, 5),
        "A",
        2,
        activation="relu",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(0.1),
        name="conv",
    )
    check_config_round_trip(layer, rng)
    assert len(layer.losses) == 1 and len(layer.weights) == 1


def test_the_mask_is_no_weight():
    layer = MaskedConv2D(3, 3)
    layer.build((None, 8, 8, 3))
    assert [w.name for w in layer.weights] == ["kernel", "bias"]
    assert layer.weights == layer.trainable_weights


def test_mixed_bfloat16_computes_in_bfloat16_and_stores_float32(rng):
    layer = MaskedConv2D(6, 3, dtype="mixed_bfloat16")
    x = rng.normal(size=(2, 5, 5, 3)).astype("float32")
    y = layer(x)
    assert y.dtype == tf.bfloat16 and layer.kernel.dtype == "float32"
    reference = MaskedConv2D(6, 3)
    reference.build(x.shape)
    reference.set_weights(layer.get_weights())
    np.testing.assert_allclose(tf.cast(y, tf.float32), reference(x), atol=0.05)


def test_is_a_proper_keras_layer_in_a_functional_model(rng, tmp_path):
    inputs = keras.Input((None, None, 1))
    x = MaskedConv2D(4, 5, "A", n_channels=1, activation="relu")(inputs)
    model = keras.Model(inputs, MaskedConv2D(1, 1, n_channels=1)(x))
    assert model.output_shape == (None, None, None, 1)
    x = rng.normal(size=(1, 7, 4, 1)).astype("float32")
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "m.keras")(x), model(x))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MaskedConv2D(6, 0), "from 1 up"),
        (lambda: MaskedConv2D(7, 3), "multiple of n_channels=3"),
        (lambda: MaskedConv2D(6, 3, "C"), "'A' or 'B'"),
        (lambda: MaskedConv2D(6, 3, n_channels=0), "n_channels=0"),
        (lambda: MaskedConv2D(6, 3).build((None, 8, 8, 4)), "features_in=4"),
        (lambda: MaskedConv2D(6, 3).build((None, 8, 8, None)), "must be known"),
        (lambda: MaskedConv2D(6, 3)(np.zeros((8, 8, 3), "float32")), "ndim"),
    ],
)
def test_wrong_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
