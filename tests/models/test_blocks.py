import keras
import numpy as np
import pytest
import references

from pixelcnn_tf import PixelCNNResBlock
from pixelcnn_tf.layers.skewing import skew, unskew
from pixelcnn_tf.models.blocks import GatedBlock
from pixelcnn_tf.models.lstm_blocks import DiagonalBiLSTMBlock, RowLSTMBlock
from pixelcnn_tf.models.snail_blocks import SnailBlock
from pixelcnn_tf.testing import draw_weights

LABELS = np.array([2, 0])


def check(block, reference, x, labels=None):
    """The block gives what its description in NumPy gives; labels matter if there are any."""
    stacks = (x, np.flip(x, axis=1)) if isinstance(block, GatedBlock) else x
    if isinstance(block, SnailBlock):
        stacks = (np.random.default_rng(0).normal(size=(*x.shape[:3], 3)).astype("float32"), x)
    block.build(x.shape if stacks is x else [part.shape for part in stacks])
    draw_weights(block)
    given = {} if labels is None else {"labels": labels}
    outputs, expected = block(stacks, **given), reference(block, stacks, labels)
    for output, wanted in zip(
        keras.tree.flatten(outputs), keras.tree.flatten(expected), strict=True
    ):
        np.testing.assert_allclose(output, wanted, atol=1e-4)
    if labels is not None:
        others = keras.tree.flatten(block(stacks, labels=labels[::-1].copy()))
        assert all(
            np.abs(a - b).max() > 1e-3
            for a, b in zip(
                others, expected if isinstance(expected, tuple) else [expected], strict=True
            )
            if a is not others[0] or not isinstance(block, SnailBlock)  # the image stays the same
        )


@pytest.mark.parametrize("variant", ["relu", "preactivation"])
@pytest.mark.parametrize(("n_channels", "kernel_size"), [(1, 3), (3, 3), (3, 5)])
@pytest.mark.parametrize("n_classes", [None, 3])
def test_residual_block_equals_the_paper_in_numpy(variant, n_channels, kernel_size, n_classes, rng):
    block = PixelCNNResBlock(kernel_size, n_channels, variant, n_classes=n_classes)
    x = rng.normal(size=(2, 5, 4, 8 * n_channels)).astype("float32")
    check(block, references.residual_block, x, LABELS if n_classes else None)


@pytest.mark.parametrize("n_classes", [None, 3])
@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_gated_block_equals_the_paper_in_numpy(kernel_size, n_channels, n_classes, rng):
    block = GatedBlock(kernel_size, n_channels, n_classes=n_classes)
    x = rng.normal(size=(2, 5, 4, 2 * n_channels)).astype("float32")
    check(block, references.gated_block, x, LABELS if n_classes else None)


@pytest.mark.parametrize("n_classes", [None, 3])
@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("width", [1, 3, 5])
def test_row_lstm_equals_the_paper_in_numpy(width, n_channels, n_classes, rng):
    block = RowLSTMBlock((1, width), n_channels, n_classes=n_classes)
    x = rng.normal(size=(2, 5, 4, 4 * n_channels)).astype("float32")
    check(block, references.row_lstm_block, x, LABELS if n_classes else None)


@pytest.mark.parametrize("n_classes", [None, 3])
@pytest.mark.parametrize("n_channels", [1, 3])
@pytest.mark.parametrize("size", [(5, 4), (3, 6), (1, 5), (4, 1)])
def test_diagonal_bilstm_equals_the_paper_in_numpy(size, n_channels, n_classes, rng):
    block = DiagonalBiLSTMBlock(n_channels, n_classes=n_classes)
    x = rng.normal(size=(2, *size, 4 * n_channels)).astype("float32")
    check(block, references.diagonal_bilstm_block, x, LABELS if n_classes else None)


def test_skew_moves_each_row_one_further_and_unskew_undoes_it(rng):
    x = rng.normal(size=(2, 4, 3, 5)).astype("float32")
    skewed = skew(x).numpy()
    assert skewed.shape == (2, 4, 6, 5)
    for row in range(4):
        np.testing.assert_array_equal(skewed[:, row, row : row + 3], x[:, row])
        assert not skewed[:, row, :row].any() and not skewed[:, row, row + 3 :].any()
    np.testing.assert_array_equal(unskew(skewed, 3), x)


def test_prelu_slopes_start_at_a_quarter_one_a_feature():
    block = PixelCNNResBlock(variant="preactivation")
    block.build((None, 8, 8, 12))
    slopes = [w for w in block.weights if w.name == "alpha"]
    assert [s.shape for s in slopes] == [(1, 1, 12), (1, 1, 6), (1, 1, 6)]
    assert all((s.numpy() == 0.25).all() for s in slopes)


@pytest.mark.parametrize(
    "block",
    [
        PixelCNNResBlock((3, 5), 1, "relu", name="b"),
        PixelCNNResBlock((3, 5), 1, "preactivation", name="b", n_classes=3, dropout=0.2),
        GatedBlock(5, 1, name="b", n_classes=4),
        RowLSTMBlock((1, 5), 1, name="b", dropout=0.1),
        DiagonalBiLSTMBlock(1, name="b", n_classes=2),
    ],
    ids=lambda block: type(block).__name__,
)
def test_config_round_trip(block):
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
        (lambda: PixelCNNResBlock(dropout=1.0), "dropout=1.0: must be a number from 0 to below 1"),
        (lambda: PixelCNNResBlock(n_classes=0).build((None, 4, 4, 6)), "n_classes=0"),
        (lambda: GatedBlock(2).build((None, 4, 4, 6)), "odd"),
        (lambda: GatedBlock().build((None, 4, 4, 4)), "multiple of n_channels = 3"),
        (lambda: RowLSTMBlock((3, 3)), "one row"),
        (lambda: RowLSTMBlock((1, 4)), "odd"),
        (lambda: RowLSTMBlock().build((None, 4, 4, 9)), "multiple of 2 \\* n_channels = 6"),
        (lambda: DiagonalBiLSTMBlock().build((None, 4, 4, 9)), "multiple of 2"),
    ],
)
def test_wrong_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("n_classes", [None, 3])
@pytest.mark.parametrize(
    ("n_channels", "n_heads", "kernel"), [(1, 1, 2), (3, 2, (2, 4)), (4, 3, 3)]
)
def test_snail_block_equals_the_paper_in_numpy(n_channels, n_heads, kernel, n_classes, rng):
    block = SnailBlock(
        kernel,
        n_channels,
        n_residual=n_channels,
        n_heads=n_heads,
        key_features=2 * n_heads,
        value_features=4 * n_heads,
        n_classes=n_classes,
    )
    x = rng.normal(size=(2, 5, 4, 2 * n_channels)).astype("float32")
    check(block, references.snail_block, x, LABELS if n_classes else None)
