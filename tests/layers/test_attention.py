"""Causal attention: the softmax in parts and its gradient, the caches, and what is refused."""

import numpy as np
import pytest
import tensorflow as tf

from pixelcnn_tf import PixelRNN, SnailBlock, UserError
from pixelcnn_tf.layers import attend as attend_module
from pixelcnn_tf.layers.attend import attend
from pixelcnn_tf.layers.schedule import Schedule
from pixelcnn_tf.sampling.generate import teacher_forced_logits
from pixelcnn_tf.testing import draw_weights


def whole(query, key, value):
    """The definition, with the scores of all pairs in one matrix."""
    n = query.shape[2]
    scores = tf.matmul(query, key, transpose_b=True) * query.shape[-1] ** -0.5
    earlier = np.tril(np.ones((n, n)), -1)
    shares = tf.exp(scores - tf.reduce_max(scores, -1, keepdims=True)) * earlier
    total = tf.reduce_sum(shares, -1, keepdims=True)
    return tf.math.divide_no_nan(shares, total) @ value


def drawn(rng, n):
    return [
        tf.constant(rng.normal(size=(2, 2, n, features)), tf.float64).numpy().astype("float32")
        for features in (3, 3, 5, 5)
    ]


@pytest.mark.parametrize(("n", "most_parts"), [(1, 32), (2, 32), (230, 32), (230, 1), (450, 3)])
def test_the_parts_and_their_gradient_are_those_of_the_whole(n, most_parts, rng, monkeypatch):
    monkeypatch.setattr(attend_module, "_MOST_PARTS", most_parts)
    *inputs, weights = (tf.constant(x) for x in drawn(rng, n))
    results = []
    for function, dtype in ((attend, tf.float32), (whole, tf.float64)):
        variables = [tf.cast(x, dtype) for x in inputs]
        with tf.GradientTape() as tape:
            tape.watch(variables)
            outputs = function(*variables)
            loss = tf.reduce_sum(outputs * tf.cast(weights, dtype))
        results.append([outputs, *tape.gradient(loss, variables, unconnected_gradients="zero")])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, atol=2e-4)


def test_images_of_a_size_that_is_not_known_when_the_graph_is_made(rng):
    *inputs, _ = drawn(rng, 30)
    signature = [tf.TensorSpec([None, 2, None, x.shape[-1]]) for x in inputs]
    graph = tf.function(attend, input_signature=signature)
    for n in (1, 30):
        parts = [x[:, :, :n] for x in inputs]
        np.testing.assert_allclose(graph(*parts), attend(*parts), atol=1e-5)


def snail(n_layers=1, **options):
    block = SnailBlock(n_channels=1, n_residual=1, key_features=4, value_features=4, **options)
    model = PixelRNN(4, 4, n_layers, block, 1, "softmax-4")
    model.build((None, None, None, 1))
    draw_weights(model)
    return model


def test_several_caches(rng):
    """An image of more pixels than one cache holds."""
    model = snail()
    caches = model.blocks[0].attention.init_state(Schedule(model, 2, 9, 11)).caches
    assert [cache.keys.shape[1] - 1 for cache in caches] == [64, 64]
    images = rng.integers(4, size=(2, 9, 11, 1)).astype("uint8")
    logits = teacher_forced_logits(model, images, jit_compile=False)
    np.testing.assert_allclose(logits, model(images), atol=1e-4)


def test_every_second_block_attends():
    model = snail(n_layers=4, attention_every=2)
    assert [block.attends for block in model.blocks] == [False, True, False, True]
    twin = PixelRNN.from_config(model.get_config())
    twin.build((None, None, None, 1))
    assert [w.path for w in twin.weights] == [w.path for w in model.weights]
    with pytest.raises(ValueError, match="attention_every=5: of 4 blocks, none would attend"):
        snail(n_layers=4, attention_every=5)


def test_the_first_pixels_matter_to_the_last(rng):
    """A receptive field of all earlier pixels, also those no convolution reaches."""
    model = snail()
    images = np.repeat(rng.integers(4, size=(1, 14, 14, 1)), 2, axis=0).astype("uint8")
    images[1, 0, 13] = (images[1, 0, 13] + 2) % 4
    first, second = model(images).numpy()
    assert np.abs(first[13, 0] - second[13, 0]).max() > 1e-4


@pytest.mark.parametrize("name", ["key_features", "value_features"])
def test_heads_that_do_not_divide_the_features(name):
    with pytest.raises(ValueError, match=f"n_heads=3: must divide {name}=8; 1, 2, 4 or 8 do"):
        SnailBlock(**{"n_heads": 3, "key_features": 9, "value_features": 9, name: 8})


def test_images_that_are_too_large_for_attention(monkeypatch):
    monkeypatch.setattr(attend_module, "memory", lambda: 10**6)
    model = snail()
    model(np.zeros((1, 20, 30, 1), "uint8"))  # 45,000 bytes
    for run in (
        lambda: model(np.zeros((1, 50, 60, 1), "uint8")),
        lambda: model.blocks[0].attention.init_state(Schedule(model, 1, 50, 60)),
    ):
        with pytest.raises(UserError, match="images of 50x60: attention with n_heads=1 needs"):
            run()
