"""Entropy coding of sub-pixels with the probabilities of a model (ANS).

An asymmetric numeral system (ANS) is a stack: what is pushed last is popped first. A value that has
the interval ``[left, left + width)`` of the quantiles 0 to ``2**PRECISION - 1`` is pushed in
``PRECISION - log2(width)`` bits. The decoder pops the values in the loop that evaluates the model,
as tensors (``code_values``); the encoder runs the same loop for the intervals of the given values,
and then pushes them from the last to the first (``push``).

**The decoder must find the intervals of the encoder to the bit.** Probabilities are floats, whose
last bits depend on how the operations are compiled. Hence there is one graph: whether it encodes or
decodes is an input, not a constant. The bounds of the intervals are integers, and every value has
an interval of at least 1 whatever the floats are.

A batch has one ANS or several, the *streams*, which the active pixels are divided among. They share
one stack of words.

Sources: Duda 2013, arXiv 1311.2540, section 3 (range ANS). States of 64 bits, words of 32 and a
precision of 24 bits are also those of ``AnsCoder`` in the library constriction (Bamler 2022, arXiv
2201.01741), whose words are the same for one stream that starts at ``LOWEST``; tests compare them.
"""

import array
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pixelcnn_tf.layers.schedule import ActivePixels, Schedule
from pixelcnn_tf.likelihoods.base import Likelihood
from pixelcnn_tf.models.base import PixelModel

#: Bits of a quantile, and of a word.
PRECISION, WORD = 24, 32

#: The smallest state of a stream, and the state before the first value is pushed.
LOWEST = 1 << WORD


class CodedTables(NamedTuple):
    """The inputs of the loop, in place of ``sampling.loops.Tables``.

    Attributes:
        images: float32 table of the values to encode; zeros to decode.
        sizes: int32 ``[batch, 2]``, the height and width of every image; the pixels below and to
            the right are not coded. Zeros where there is no image.
        decoding: boolean scalar.
        words: uint32 ``[capacity]``, the stack; used to decode.
        labels: int32 ``[batch]``, for a class-conditional model.
        condition: None; images are coded by models without one.

    Example:
        >>> sizes, words = [[4, 4], [3, 4]], tf.zeros([9], tf.uint32)
        >>> tables = CodedTables(tf.zeros([17, 1, 2]), sizes, False, words)
        >>> tables.labels is None
        True
    """

    images: tf.Tensor
    sizes: tf.Tensor
    decoding: tf.Tensor
    words: tf.Tensor
    labels: tf.Tensor | None = None
    condition: None = None


class CodedState(NamedTuple):
    """What the coder keeps between sub-pixels, and what it returns.

    Attributes:
        streams: uint64 ``[n_streams]``, the states of the streams.
        n_words: int32 scalar, number of words on the stack.
        intervals: int32 ``[steps, channels, rounds, n_streams, 2]``, the left bound and the width
            of the interval of every value, in the order of decoding; width ``2**PRECISION`` where
            there is none. In a *round*, every stream codes one value.

    Example:
        >>> layer = pixelcnn_tf.MaskedConv2D(3, kernel_size=7)
        >>> layer.build((None, None, None, 3))
        >>> schedule = Schedule(layer, batch=16, height=32, width=32)  # 128 lanes, 156 steps
        >>> CodedState.start(schedule, n_channels=3, streams=np.full(50, LOWEST)).intervals.shape
        TensorShape([156, 3, 3, 50, 2])
    """

    streams: tf.Tensor
    n_words: tf.Tensor
    intervals: tf.Tensor

    @classmethod
    def start(
        cls, schedule: Schedule, n_channels: int, streams: np.ndarray, n_words: int = 0
    ) -> "CodedState":
        """Returns the state before the first pixel: ``streams`` and ``n_words`` as read from a
        file, and no intervals."""
        n = len(streams)
        shape = [schedule.n_steps, n_channels, -(-schedule.lanes // n), n, 2]
        return cls(tf.constant(streams, tf.uint64), tf.constant(n_words), tf.zeros(shape, tf.int32))


def code_values(tables: CodedTables, model: PixelModel) -> Callable:
    """Returns the function that encodes or decodes values, for ``incremental_loop``.

    Its arguments and results are those of ``sampling.loops.choose_values``; the state is a
    ``CodedState``.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> sizes, words = [[4, 4], [3, 4]], tf.zeros([9], tf.uint32)
        >>> tables = CodedTables(tf.zeros([17, 1, 2]), sizes, False, words)
        >>> callable(code_values(tables, model))
        True
    """

    def choose(logits, pixels: ActivePixels, pick, state: CodedState):
        _, _, n_rounds, n_streams, _ = state.intervals.shape
        given, coded = tf.cast(pick(tables.images), tf.int32), _coded(pixels, tables.sizes)

        def in_rounds(x):
            missing = n_rounds * n_streams - x.shape[0]
            x = tf.pad(x, [[0, missing]] + [[0, 0]] * (x.shape.rank - 1))
            return tf.reshape(x, [n_rounds, n_streams, *x.shape[1:]])

        logits, given_values, is_coded = map(in_rounds, (logits, given, coded))

        def code(i, streams, n_words, values, intervals):
            quantiles = tf.cast(streams % (1 << PRECISION), tf.int32)
            value, left, width = _interval(
                model.likelihood, logits[i], given_values[i], quantiles, tables.decoding
            )
            left = tf.where(is_coded[i], left, 0)
            width = tf.where(is_coded[i], width, 1 << PRECISION)
            popped = _pop(streams, n_words, tables.words, quantiles - left, width)
            values = tf.tensor_scatter_nd_update(values, [[i]], value[None])
            both = tf.stack([left, width], axis=-1)
            return i + 1, *popped, values, tf.tensor_scatter_nd_update(intervals, [[i]], both[None])

        start = (
            tf.constant(0),
            state.streams,
            state.n_words,
            given_values,
            tf.zeros([n_rounds, n_streams, 2], tf.int32),
        )
        _, streams, n_words, values, intervals = tf.while_loop(
            lambda i, *_: i < n_rounds, code, start, parallel_iterations=1
        )
        at = tf.stack([pixels.time + pixels.schedule.head_start, pixels.channel])[None]
        intervals = tf.tensor_scatter_nd_update(state.intervals, at, intervals[None])
        values = tf.reshape(values, [-1])[: given.shape[0]]
        values = tf.cast(tf.where(coded, values, given), tf.float32)
        return values, CodedState(streams, n_words, intervals)

    return choose


def _coded(pixels: ActivePixels, sizes):
    """Returns whether each of the lanes lies in its image, boolean ``[lanes]``."""
    heights, widths = tf.unstack(tf.convert_to_tensor(sizes), axis=1)
    row, column = pixels.row[:, None], pixels.column[:, None]
    return tf.reshape((row >= 0) & (row < heights) & (column < widths), [-1])


def _interval(likelihood: Likelihood, logits, given, quantiles, decoding):
    """Finds a value by bisection, and its interval.

    Args:
        logits: ``[n, n_params]``.
        given: int32 ``[n]``, the values to encode.
        quantiles: int32 ``[n]``, in which the values to decode are found.
        decoding: boolean scalar.

    Returns:
        the values, the left bounds and the widths of their intervals, int32 ``[n]`` each. Every
        bound is rounded, and then moved as far as each of the values on either side needs for a
        width of 1.
    """
    at_most, n_values = likelihood.cumulative(logits), likelihood.n_values
    value, left = tf.zeros_like(given), tf.zeros_like(given)
    right = left + (1 << PRECISION)
    half = 1 << (n_values - 1).bit_length() - 1
    while half:
        last = value + (half - 1)  # the largest value of the lower half
        n_upper = tf.clip_by_value(n_values - 1 - last, 0, half)
        probability = at_most(tf.cast(tf.minimum(last, n_values - 2), tf.float32))
        bound = tf.cast(tf.round(probability * 2.0**PRECISION), tf.int32)
        bound = tf.where(n_upper > 0, tf.clip_by_value(bound, left + half, right - n_upper), right)
        upper = tf.where(decoding, quantiles >= bound, given > last)
        value = tf.where(upper, last + 1, value)
        left, right = tf.where(upper, bound, left), tf.where(upper, right, bound)
        half //= 2
    return value, left, right - left


def _pop(streams, n_words, words, offset, width):
    """Pops one value of each stream: int32 ``[n_streams]``, the quantile within the interval, and
    the width of the interval. Returns the new states and the number of words left."""
    rest = tf.bitwise.right_shift(streams, tf.constant(PRECISION, tf.uint64))
    streams = tf.cast(width, tf.uint64) * rest + tf.cast(offset, tf.uint64)
    low = tf.cast(streams < LOWEST, tf.int32)
    place = tf.maximum(n_words - tf.cumsum(low), 0)  # below 0 in damaged files only
    refilled = streams * LOWEST + tf.cast(tf.gather(words, place), tf.uint64)
    return tf.where(low > 0, refilled, streams), n_words - tf.reduce_sum(low)


def push(intervals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Encodes values, given their intervals.

    Args:
        intervals: as in ``CodedState``, ``[..., n_streams, 2]``.

    Returns:
        the streams, uint64 ``[n_streams]``, and the words, uint32 ``[n_words]``; the top of the
        stack is the last word.

    Example: a hundred values of probability 1/4 take 200 bits, of which the state has 32.

    >>> intervals = np.array([[[5 << 20, 1 << 22]]] * 100)
    >>> streams, words = push(intervals)
    >>> len(streams), len(words)
    (1, 6)
    """
    n_streams = intervals.shape[-2]
    rounds = intervals.reshape(-1, n_streams, 2)
    streams, words = [LOWEST] * n_streams, array.array("I")
    some = 1 + (1 << 16) // n_streams  # at a time: as integers of Python they take much memory
    for first in reversed(range(0, len(rounds), some)):
        part = rounds[first : first + some].reshape(-1, 2)
        coded = np.flatnonzero(part[:, 1] != 1 << PRECISION)[::-1]
        left, width = part[coded].T.tolist()
        for stream, start, size in zip((coded % n_streams).tolist(), left, width, strict=True):
            state = streams[stream]
            if state >= size << 2 * WORD - PRECISION:
                words.append(state & (1 << WORD) - 1)
                state >>= WORD
            streams[stream] = (state // size << PRECISION) + state % size + start
    return np.array(streams, np.uint64), np.array(words, np.uint32)


def bits_of(intervals: np.ndarray) -> float:
    """Returns the number of bits that values with these intervals take, without any overhead.

    Example:
        >>> bits_of(np.array([[[5 << 20, 1 << 22]]] * 100))
        200.0
    """
    return float(np.sum(PRECISION - np.log2(intervals[..., 1])))
