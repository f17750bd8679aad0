"""Causal multi-head attention: every pixel attends to all pixels before it in raster order."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.layers.attend import NEVER, attend, check_memory
from pixelcnn_tf.layers.incremental import IncrementalLayer
from pixelcnn_tf.layers.schedule import ActivePixels, LayerState, Schedule
from pixelcnn_tf.layers.wavefront import where
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import check_heads, count


class AttentionWeights(NamedTuple):
    """The weights of a ``CausalAttention``.

    Attributes:
        query: ``[features of a channel group + 2, key_features]``.
        key: ``[image features + features + 2, key_features]``.
        value: ``[image features + features + 2, value_features]``.
        output: ``[value_features, filters]``.
        query_bias, value_bias, output_bias: vectors.

    Example:
        >>> layer = CausalAttention(6, key_features=4, value_features=8, n_channels=3)
        >>> layer.build([(None, None, None, 3), (None, None, None, 12)])
        >>> layer.incremental_weights().query.shape
        TensorShape([6, 4])
    """

    query: tf.Tensor
    key: tf.Tensor
    value: tf.Tensor
    output: tf.Tensor
    query_bias: tf.Tensor
    value_bias: tf.Tensor
    output_bias: tf.Tensor


class KeyValueCache(NamedTuple):
    """Some of the keys and values of earlier pixels, as many as fit; one row more, for the others.

    Attributes:
        keys: ``[batch * n_heads, pixels + 1, key_features / n_heads]``.
        values: ``[batch * n_heads, pixels + 1, value_features / n_heads]``.

    Example:
        >>> cache = KeyValueCache(tf.zeros([2, 17, 4]), tf.zeros([2, 17, 8]))
        >>> cache.values.shape
        TensorShape([2, 17, 8])
    """

    keys: tf.Tensor
    values: tf.Tensor


class EarlierPixels(NamedTuple):
    """What a ``CausalAttention`` keeps of earlier pixels.

    As in ``Recent``, the caches are written before they are read; else XLA would copy them.

    Attributes:
        caches: of all pixels but the last one, in raster order.
        newest: keys and values ``[batch * n_heads, 1, features of a head]`` of the last one, which
            the next step writes into the caches.

    Example:
        >>> layer = CausalAttention(6, key_features=4, value_features=8, n_channels=3)
        >>> layer.build([(None, None, None, 3), (None, None, None, 12)])
        >>> earlier = layer.init_state(Schedule(layer, batch=2, height=10, width=10))
        >>> len(earlier.caches), earlier.newest.keys.shape
        (2, TensorShape([2, 1, 4]))
    """

    caches: list[KeyValueCache]
    newest: KeyValueCache


@keras.saving.register_keras_serializable(package=PACKAGE)
class CausalAttention(IncrementalLayer, keras.layers.Layer):
    """Causal multi-head attention over all pixels that come before a pixel in raster order.

    With the features ``f``, the image ``x`` and the position ``p`` (row and column, scaled to
    [-0.5, 0.5)), the queries of each head are linear in ``[f, p]``, the keys and values in ``[x, f,
    p]``, and the output is linear in ``elu(softmax(q k' / sqrt(d)) v)``, where ``d`` is the number
    of features of a key. The first pixel has none to attend to: its sum is zero.
    The query is computed from the first channel group only, which depends on earlier pixels only;
    so each pixel attends once, and the result serves all channels. Scores and softmax are float32
    whatever the precision policy is.

    Args:
        filters: number of output feature maps, a multiple of ``n_channels``.
        n_heads: number of attention heads.
        key_features: features of the queries and keys of all heads, a multiple of ``n_heads``.
        value_features: features of the values of all heads, a multiple of ``n_heads``.
        n_channels: number of channels per pixel; 1 for greyscale images.

    Input: a pair of the image ``[batch, height, width, image features]`` and features ``[batch,
    height, width, features]``, both in ``n_channels`` equal channel groups.
    Output: ``[batch, height, width, filters]``.

    Raises:
        ValueError: a number that is not positive, or heads that do not divide the features.
        UserError: images so large that the scores of a single one would take more than a quarter
            of the memory: about ``n_heads * (height * width)**2 / 8`` bytes.

    Source: Chen et al. 2017, arXiv 1712.09763, section 2 and figure 5, with one head; heads as in
    Vaswani et al. 2017, arXiv 1706.03762, section 3.2.

    Example:
        >>> from pixelcnn_tf.layers.attention import CausalAttention
        >>> layer = CausalAttention(6, n_heads=2, key_features=4, value_features=8)
        >>> layer([tf.zeros([1, 8, 8, 3]), tf.zeros([1, 8, 8, 12])]).shape
        TensorShape([1, 8, 8, 6])
    """

    def __init__(
        self,
        filters: int,
        n_heads: int = 1,
        key_features: int = 16,
        value_features: int = 32,
        n_channels: int = 3,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = count("filters", filters)
        self.n_heads = count("n_heads", n_heads)
        self.key_features = count("key_features", key_features)
        self.value_features = count("value_features", value_features)
        self.n_channels = n_channels
        for name in ("key_features", "value_features"):
            check_heads(n_heads, name, getattr(self, name))

    def build(self, inputs_shape):
        (*_, in_image), (*_, features) = inputs_shape
        group, read = features // self.n_channels + 2, in_image + features + 2

        def kernel(name, n_in, n_out):
            return self.add_weight(name=name, shape=(n_in, n_out), initializer="glorot_uniform")

        def bias(name, n):
            return self.add_weight(name=name, shape=(n,), initializer="zeros")

        self.query_kernel = kernel("query_kernel", group, self.key_features)
        self.key_kernel = kernel("key_kernel", read, self.key_features)
        self.value_kernel = kernel("value_kernel", read, self.value_features)
        self.output_kernel = kernel("output_kernel", self.value_features, self.filters)
        # The bias of a key would add the same to all scores of a query, which softmax ignores.
        self.query_bias = bias("query_bias", self.key_features)
        self.value_bias = bias("value_bias", self.value_features)
        self.output_bias = bias("output_bias", self.filters)
        self.built = True

    def call(self, inputs):
        image, features = inputs
        shape = tf.shape(features)
        height, width = (known or shape[i + 1] for i, known in enumerate(features.shape[1:3]))
        check_memory(self.n_heads, height, width)
        weights = self.incremental_weights()
        group = features[..., : features.shape[-1] // self.n_channels]
        position = _positions(height, width, features.dtype)
        query = self._heads(_linear([group], position, weights.query) + weights.query_bias)
        key = self._heads(_linear([image, features], position, weights.key))
        value = _linear([image, features], position, weights.value) + weights.value_bias
        attended = attend(query, key, self._heads(value))  # [batch, heads, pixels, features]
        attended = tf.reshape(tf.transpose(attended, [0, 2, 1, 3]), [-1, self.value_features])
        outputs = self._project(attended, weights)
        return tf.reshape(outputs, [-1, height, width, self.filters])

    def _heads(self, x):
        """Features of all heads as float32 ``[batch, heads, pixels, features of a head]``."""
        x = tf.cast(x, tf.float32)
        size = x.shape[-1] // self.n_heads
        x = tf.reshape(x, [tf.shape(x)[0], -1, self.n_heads, size])
        return tf.transpose(x, [0, 2, 1, 3])

    def _project(self, attended, weights: AttentionWeights):
        attended = tf.cast(attended, weights.output.dtype)
        return tf.nn.elu(attended) @ weights.output + weights.output_bias

    # Incremental evaluation: pixel by pixel, since all earlier ones must be known; keys and values
    # are computed once, when all channels of a pixel are known, and cached.

    def reach(self, width: int) -> int:
        return width - 1

    def incremental_weights(self) -> AttentionWeights:
        weights = (
            *(self.query_kernel, self.key_kernel, self.value_kernel, self.output_kernel),
            *(self.query_bias, self.value_bias, self.output_bias),
        )
        return AttentionWeights(*(tf.cast(weight, self.compute_dtype) for weight in weights))

    def init_state(self, schedule: Schedule) -> EarlierPixels:
        """The caches of the pixels are each for a quarter of the image, 64 to 512 pixels, so that a
        step leaves out those that are empty."""
        check_memory(self.n_heads, schedule.height, schedule.width)
        n = schedule.height * schedule.width
        size = min(n, max(64, min(512, -(-n // 4))))
        rows = schedule.batch * self.n_heads

        def cache(length):
            sizes = self.key_features // self.n_heads, self.value_features // self.n_heads
            return KeyValueCache(*(tf.zeros([rows, length, features]) for features in sizes))

        return EarlierPixels([cache(size + 1) for _ in range(-(-n // size))], cache(1))

    def step(self, x, pixels: ActivePixels):
        """Returns the next channel group of the output. The active pixel attends for the first
        channel; ``observe`` takes in the image, channel by channel, after ``step``."""
        layer_state = pixels[self]
        layer_state.groups.append(x)
        if pixels.channel == 0:
            layer_state.sums = self._attended(x, layer_state, pixels)
        return tf.split(layer_state.sums, self.n_channels, axis=-1)[pixels.channel]

    def observe(self, x, pixels: ActivePixels) -> None:
        """Takes in the next channel group of the image, ``[lanes, image features / n_channels]``,
        for the keys and values of the active pixel."""
        pixels[self].groups.append(tf.cast(x, self.compute_dtype))

    def _attended(self, x, layer_state: LayerState, pixels: ActivePixels):
        weights = layer_state.weights
        query = tf.concat([x, _position(pixels, x.dtype)], axis=-1) @ weights.query
        query = tf.cast(query + weights.query_bias, tf.float32)
        size = self.key_features // self.n_heads
        query = tf.reshape(query, [-1, 1, size]) * size**-0.5
        n_before = pixels.index[0]
        rows = query.shape[0]
        first = 0
        sums = (
            tf.fill([rows, 1, 1], NEVER),
            tf.zeros([rows, 1, 1]),
            tf.zeros([rows, 1, self.value_features // self.n_heads]),
        )
        layer_state.state = _written(layer_state.state, pixels)
        for cache in layer_state.state.caches:
            length = cache.keys.shape[1] - 1

            def add(top, total, weighted, cache=cache, first=first, length=length):
                # The softmax over several parts: Milakov and Gimelshein 2018, arXiv 1805.02867.
                scores = tf.matmul(query, cache.keys, transpose_b=True)
                seen = np.arange(length + 1) < tf.minimum(n_before - first, length)
                scores = tf.where(seen, scores, NEVER)
                new_top = tf.maximum(top, tf.reduce_max(scores, axis=-1, keepdims=True))
                shares = tf.exp(scores - new_top)
                faded = tf.exp(top - new_top)
                total = total * faded + tf.reduce_sum(shares, axis=-1, keepdims=True)
                return new_top, total, weighted * faded + tf.matmul(shares, cache.values)

            # The first pixel sees none, but the caches are then zeros, and so is its sum.
            sums = where(n_before > first, add, *sums) if first else add(*sums)
            first += length
        _, total, weighted = sums
        attended = tf.reshape(weighted / tf.maximum(total, 1e-30), [-1, self.value_features])
        return self._project(attended, weights)

    def end_pixel(self, layer_state: LayerState, pixels: ActivePixels) -> EarlierPixels:
        # ``step`` and ``observe`` took turns.
        features, image = layer_state.groups[0::2], layer_state.groups[1::2]
        read = tf.concat([*image, *features, _position(pixels, features[0].dtype)], axis=-1)
        weights = layer_state.weights
        new = read @ weights.key, read @ weights.value + weights.value_bias
        shaped = zip(new, layer_state.state.newest, strict=True)
        newest = (tf.reshape(tf.cast(part, tf.float32), last.shape) for part, last in shaped)
        return layer_state.state._replace(newest=KeyValueCache(*newest))

    def compute_output_shape(self, inputs_shape):
        return (*inputs_shape[1][:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "n_heads": self.n_heads,
            "key_features": self.key_features,
            "value_features": self.value_features,
            "n_channels": self.n_channels,
        }


def _written(earlier: EarlierPixels, pixels: ActivePixels) -> EarlierPixels:
    """The caches with the keys and values of the last pixel in them."""
    caches, place = [], pixels.ahead(-1).index[0]
    for cache in earlier.caches:
        rows, length = cache.keys.shape[0], cache.keys.shape[1] - 1
        # The last row takes what belongs to another part.
        inside = tf.where((place >= 0) & (place < length), place, length)
        at = tf.stack([tf.range(rows), tf.fill([rows], inside)], axis=1)
        new = (part[:, 0] for part in earlier.newest)
        caches.append(KeyValueCache(*map(tf.tensor_scatter_nd_update, cache, (at, at), new)))
        place -= length
    return earlier._replace(caches=caches)


def _linear(parts: list, position, kernel):
    """The linear map of the concatenation of ``parts`` and ``position``, without making it."""
    parts = [*parts, position]
    outputs = []
    for part, weights in zip(parts, tf.split(kernel, [p.shape[-1] for p in parts]), strict=True):
        flat = tf.reshape(part, [-1, part.shape[-1]]) @ weights
        outputs.append(tf.reshape(flat, tf.concat([tf.shape(part)[:-1], [kernel.shape[-1]]], 0)))
    return tf.add_n(outputs[:-1]) + outputs[-1]


def _positions(height, width, dtype):
    """``[1, height, width, 2]``: the positions of all pixels, see ``_position``."""
    rows, columns = (
        tf.cast(tf.range(n), tf.float32) / tf.cast(n, tf.float32) - 0.5 for n in (height, width)
    )
    return tf.cast(tf.stack(tf.meshgrid(rows, columns, indexing="ij"), axis=-1)[None], dtype)


def _position(pixels: ActivePixels, dtype):
    """``[lanes, 2]``: row and column of the active pixel, scaled to [-0.5, 0.5)."""
    schedule = pixels.schedule
    places = tf.stack([pixels.row[0], pixels.column[0]])
    sides = tf.constant([schedule.height, schedule.width], tf.float32)
    scaled = tf.cast(tf.cast(places, tf.float32) / sides - 0.5, dtype)
    return tf.broadcast_to(scaled, [schedule.lanes, 2])
