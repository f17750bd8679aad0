import keras
import numpy as np
import pytest
from helpers import conv2d_reference, draw_weights

from pixelcnn_tf import PixelCNNResBlock, get_mask


def reference(block, x):
    """The block straight from its description, in float64 NumPy."""
    weights = {w.path.split("/", 1)[1]: w.numpy() for w in block.weights}

    def conv(x, name, kernel_size):
        stored = weights[f"{name}/kernel"]
        mask = get_mask(kernel_size, *stored.shape[2:], "B", block.n_channels)
        kernel = np.zeros(mask.shape)
        kernel[: len(stored)] = stored
        return conv2d_reference(x, kernel * mask, weights[f"{name}/bias"])

    def relu(x):
        return np.maximum(x, 0)

    def prelu(x, name):
        return np.where(x > 0, x, weights[f"prelu_{name}/alpha"] * x)

    h = x
    for name, size in [("down", 1), ("middle", block.kernel_size), ("up", 1)]:
        h = (
            relu(conv(h, name, size))
            if block.variant == "relu"
            else conv(prelu(h, name), name, size)
        )
    return x + h


@pytest.mark.parametrize("variant", ["relu", "preactivation"])
@pytest.mark.parametrize(("n_channels", "kernel_size"), [(1, 3), (3, 3), (3, 5)])
def test_equals_the_paper_in_numpy(variant, n_channels, kernel_size, rng):
    block = PixelCNNResBlock(kernel_size, n_channels, variant)
    x = rng.normal(size=(2, 5, 4, 8 * n_channels)).astype("float32")
    block.build(x.shape)
    draw_weights(block)
    np.testing.assert_allclose(block(x), reference(block, x), atol=1e-4)


def test_prelu_slopes_start_at_a_quarter_one_a_feature():
    block = PixelCNNResBlock(variant="preactivation")
    block.build((None, 8, 8, 12))
    slopes = [w for w in block.weights if w.name == "alpha"]
    assert [s.shape for s in slopes] == [(1, 1, 12), (1, 1, 6), (1, 1, 6)]
    assert all((s.numpy() == 0.25).all() for s in slopes)


@pytest.mark.parametrize("variant", ["relu", "preactivation"])
def test_config_round_trip(variant):
    block = PixelCNNResBlock((3, 5), 1, variant, name="b")
    config = keras.saving.serialize_keras_object(block)
    twin = keras.saving.deserialize_keras_object(config)
    assert keras.saving.serialize_keras_object(twin) == config


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PixelCNNResBlock(variant="prelu"), "'relu' or 'preactivation'"),
        (lambda: PixelCNNResBlock(variant="preactivate"), "did you mean 'preactivation'"),
        (lambda: PixelCNNResBlock().build((None, 4, 4, 9)), "multiple of 2 \\* n_channels = 6"),
        (lambda: PixelCNNResBlock(4).build((None, 4, 4, 6)), "odd"),
    ],
)
def test_wrong_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
