"""Embeddings of values as the input of ``PixelRNN``."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import small_model

from pixelcnn_tf import Config, PixelRNN, UserError, build_model, generate_images, receptive_field
from pixelcnn_tf.layers.embedding import ValueEmbedding
from pixelcnn_tf.models import pixel_rnn
from pixelcnn_tf.testing import check_causal, check_incremental

#: The LSTMs take the features as the residual block does.
BLOCKS = ["resblock", "gated", "snail"]
BLOCKS += [pytest.param(name, marks=pytest.mark.slow) for name in ("row_lstm", "diagonal_bilstm")]


def embedding_model(n_channels=3, likelihood="softmax-300", **options):
    return small_model(n_channels, likelihood, input="embedding", **options)


def test_features_are_rows_of_the_table(rng):
    layer = ValueEmbedding(n_values=1000, size=4, n_channels=2)
    values = rng.integers(1000, size=(2, 3, 5, 2))
    found = layer(tf.constant(values, tf.uint16)).numpy()
    table = layer.table.numpy()
    expected = np.concatenate([table[c][values[..., c]] for c in range(2)], axis=-1)
    np.testing.assert_array_equal(found, expected)
    with_nan = values.astype("float32")
    with_nan[0, 0, 0, 1] = np.nan
    found = layer(tf.constant(with_nan)).numpy()
    assert np.isnan(found[0, 0, 0]).tolist() == [False] * 4 + [True] * 4
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("block", BLOCKS)
def test_nothing_leaks_and_incremental_evaluation_agrees(block):
    model = embedding_model(2, pixel_layer=block, n_layers=1, skip_connections=block == "gated")
    check_causal(model, (3, 4), draws=1)
    check_incremental(model, (3, 4))


def test_samplers_agree_and_files_are_whole(tmp_path):
    model = embedding_model(2, n_classes=3)
    options = {"labels": 1, "jit_compile": False}
    images = generate_images(model, (4, 5), 3, seed=1, **options)
    assert images.dtype == np.uint16 and images.max() > 255
    naive = generate_images(model, (4, 5), 3, seed=1, labels=1, method="naive")
    np.testing.assert_array_equal(images, naive)
    model.save(tmp_path / "a.keras")
    loaded = keras.models.load_model(tmp_path / "a.keras")
    labels = np.ones(3, int)
    np.testing.assert_array_equal(loaded(images, labels), model(images, labels))


def test_values_stay_whole_in_bfloat16(rng):
    model = PixelRNN(2, 2, 1, n_channels=1, likelihood="softmax-600", input="embedding",
                     dtype="mixed_bfloat16")  # fmt: skip
    images = np.full([1, 4, 4, 1], 511.0, "float32")
    assert (model(images).numpy() != model(images + 1).numpy()).any()  # 512 in bfloat16


@pytest.mark.parametrize(("n_channels", "likelihood"), [(1, "softmax-1000"), (2, "softmax-400")])
def test_log_likelihoods_in_pieces_are_those_of_the_logits(
    n_channels, likelihood, rng, monkeypatch
):
    model = embedding_model(n_channels, likelihood, n_classes=2)
    pieces = pixel_rnn.log_probs_in_pieces
    monkeypatch.setattr(pixel_rnn, "log_probs_in_pieces", lambda *args: pieces(*args, 9000))
    images = rng.integers(model.likelihood.n_values, size=(3, 5, 4, n_channels))
    labels = np.array([0, 1, 1])
    expected = model.likelihood.nll(images, model(images, labels))
    np.testing.assert_allclose(model.nll(images, labels), expected, rtol=1e-5)
    each = model.nll(images, labels, per_subpixel=True)
    assert each.shape == images.shape
    np.testing.assert_allclose(tf.reduce_sum(each, [1, 2, 3]), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("data", "model", "expected"),
    [
        ({}, {}, "value"),
        ({"values": "codes"}, {}, "embedding"),
        ({"values": "codes"}, {"input": "value"}, "value"),
        ({}, {"input": "embedding"}, "embedding"),
    ],
)
def test_codes_are_embedded_by_default(data, model, expected):
    sizes = {"n_layers": 1, "hidden_dim": 2, "out_dim": 2, "n_channels": 1}
    config = Config(data=data, model={**sizes, **model}).resolved(4, 4, 1)
    assert config.model.input == expected
    assert Config.model_validate(config.model_dump()).model.input == expected
    made = build_model(config)
    assert (made.embedding is not None) == (expected == "embedding")


def test_wrong_inputs_are_one_line():
    with pytest.raises(ValueError, match="must be 'value' or 'embedding'"):
        PixelRNN(2, 2, 1, input="one_hot")
    with pytest.raises(ValueError, match="the likelihood has 16"):
        PixelRNN(2, 2, 1, likelihood=small_model(1, "softmax-16").likelihood, n_values=4)
    with pytest.raises(UserError, match="has no gradient"):
        receptive_field(embedding_model(1), (5, 5))
