"""PixelCNN++ evaluated one pixel after another.

The vertical stream depends on whole rows above, to both sides, so it is evaluated a row at a time,
as soon as the row above is complete. The horizontal stream is evaluated pixel by pixel.

A pixel of the second level stands for 2x2 pixels of the first one and depends on none of them
(they are shifted before they are combined). It is evaluated when the first of the four is active;
the upsampled features wait for the other three, or for those of them that lie inside of the image.
The third level likewise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf

from pixelcnn_tf.layers.schedule import Nest, Schedule
from pixelcnn_tf.layers.wavefront import where

if TYPE_CHECKING:
    from pixelcnn_tf.models.pixelcnn_pp import PixelCNNPlusPlus


class NetworkWeights(NamedTuple):
    """The weights of the network, as its layers return them from ``incremental_weights``.

    Attributes:
        convolutions: of the three input convolutions and of the output convolution.
        vertical, horizontal: of the layers of each level.

    Example:
        >>> model = pixelcnn_tf.PixelCNNPlusPlus(n_resnet=1, n_filters=4, n_mix=1, n_channels=1)
        >>> model.build((None, None, None, 1))
        >>> weights = NetworkWeights.of(model)
        >>> len(weights.convolutions), len(weights.vertical), len(weights.horizontal)
        (4, 3, 3)
    """

    convolutions: list[Nest]
    vertical: list[list[Nest]]
    horizontal: list[list[Nest]]

    @classmethod
    def of(cls, model: PixelCNNPlusPlus) -> NetworkWeights:
        """Returns the weights of a built ``model``."""
        return cls(
            [conv.incremental_weights() for conv in [*model.input_convs(), model.output_conv]],
            *(
                [
                    [layer.incremental_weights() for layer in part.incremental_layers()]
                    for part in stream
                ]
                for stream in (model.above, model.left)
            ),
        )


class VerticalState(NamedTuple):
    """The state of the vertical stream at one level.

    Attributes:
        layers: the states of its layers.
        outputs: the outputs of its blocks for the active row, ``[width, batch, features]`` each.
        upsampled: features from the next level, for two rows, ``[2, width, batch, features]``;
            empty at the lowest resolution.

    Example:
        >>> VerticalState(layers=[], outputs=[tf.zeros([8, 1, 4])]).upsampled
        ()
    """

    layers: list
    outputs: list
    upsampled: tf.Tensor | tuple = ()


class HorizontalState(NamedTuple):
    """The state of the horizontal stream at one level.

    Attributes:
        layers: the states of its layers.
        upsampled: features from the next level, for two rows, as far as they have been computed,
            ``[width / 2, batch, 4 * features]``, the width rounded up; empty at the lowest
            resolution.

    Example:
        >>> HorizontalState(layers=[], upsampled=tf.zeros([4, 1, 16])).upsampled.shape
        TensorShape([4, 1, 16])
    """

    layers: list
    upsampled: tf.Tensor | tuple = ()


class NetworkState(NamedTuple):
    """The state of the network before a pixel.

    Attributes:
        image: the inputs two rows above, one row above, and in the active row,
            ``[3, width, batch, n_channels + 1]``.
        row_input: the part of the horizontal stream's input that depends on the row above,
            ``[width, batch, features]``.
        vertical, horizontal: the states of each level.

    Example:
        >>> model = pixelcnn_tf.PixelCNNPlusPlus(n_resnet=1, n_filters=4, n_mix=1, n_channels=1)
        >>> model.build((None, None, None, 1))
        >>> state = NetworkState.zeros(model, Schedule(model, batch=2, height=8, width=8))
        >>> [level.upsampled.shape.as_list() for level in state.horizontal[:2]]
        [[4, 2, 16], [2, 2, 16]]
    """

    image: tf.Tensor
    row_input: tf.Tensor
    vertical: tuple[VerticalState, ...]
    horizontal: tuple[HorizontalState, ...]

    @classmethod
    def zeros(cls, model: PixelCNNPlusPlus, schedule: Schedule) -> NetworkState:
        """The state of ``model`` before the first pixel."""
        width, batch, features = schedule.width, schedule.batch, model.n_filters

        def zeros(*shape):
            return tf.zeros(shape, model.compute_dtype)

        vertical, horizontal = [], []
        for level, streams in enumerate(zip(model.above, model.left, strict=True)):
            columns = -(-width >> level)
            v_stream, h_stream = streams
            v_layers, h_layers = (s.schedule(schedule, level).init_states() for s in streams)
            blocks = [*v_stream.there, *v_stream.back]
            outputs = [zeros(columns, batch, features) for _ in blocks]
            if h_stream.is_deepest:
                upsampled = (), ()
            else:
                upsampled = (
                    zeros(2, columns, batch, features),
                    zeros(-(-columns // 2), batch, 4 * features),
                )
            vertical.append(VerticalState(v_layers, outputs, upsampled[0]))
            horizontal.append(HorizontalState(h_layers, upsampled[1]))
        image = zeros(3, width, batch, model.n_channels + 1)
        return cls(image, zeros(width, batch, features), tuple(vertical), tuple(horizontal))

    def with_pixel(self, column, x) -> NetworkState:
        """The state with the inputs ``x`` ``[batch, n_channels + 1]`` of the active pixel."""
        at = tf.stack([2, column])[None]
        return self._replace(image=tf.tensor_scatter_nd_update(self.image, at, x[None]))


class IncrementalNetwork:
    """The network of a ``PixelCNNPlusPlus``, evaluated at one pixel.

    Args:
        model: a built ``PixelCNNPlusPlus``.
        schedule: that of the image, with one active pixel.
        weights: from ``model.incremental_weights``.

    Example:
        >>> model = pixelcnn_tf.PixelCNNPlusPlus(n_resnet=1, n_filters=4, n_mix=1, n_channels=1)
        >>> model.build((None, None, None, 1))
        >>> schedule = Schedule(model, batch=2, height=4, width=4)
        >>> network = IncrementalNetwork(model, schedule, NetworkWeights.of(model))
        >>> row = column = tf.constant(0)
        >>> params, state = network.step(NetworkState.zeros(model, schedule), row, column)
        >>> params.shape == (2, model.likelihood.n_params)
        True
    """

    def __init__(self, model: PixelCNNPlusPlus, schedule: Schedule, weights: NetworkWeights):
        self.model, self.schedule, self.weights = model, schedule, weights

    def step(self, state: NetworkState, row, column):
        """Evaluates the network at a pixel, and the vertical stream at its row if the row is new.

        Returns:
            the parameters of the mixture over the pixel, float32 ``[batch, n_params]``, and the
            state.
        """
        model = self.model
        v_conv, row_conv, (kernel, bias), (out_kernel, out_bias) = self.weights.convolutions

        def new_row(image, _, vertical):
            image = tf.concat([image[1:], tf.zeros_like(image[:1])], axis=0)
            x = model.input_above.row_from([image[0], image[1]], v_conv)
            _, vertical = self._row(0, row, x, vertical)
            return image, model.input_left_above.row_from([image[1]], row_conv), vertical

        image, row_input, vertical = where(
            column == 0, new_row, state.image, state.row_input, state.vertical
        )
        left = tf.gather(image[1:], tf.maximum(column - 1, 0), axis=1)
        left = tf.where(column > 0, left, tf.zeros_like(left))
        x = row_input[column] + tf.concat(tf.unstack(left), axis=-1) @ kernel + bias
        outputs = [level.outputs for level in vertical]
        x, horizontal = self._pixel(0, row, column, x, outputs, state.horizontal)
        params = tf.cast(tf.nn.elu(x), tf.float32) @ out_kernel + out_bias
        return params, NetworkState(image, row_input, vertical, horizontal)

    def _row(self, level: int, row, x, states):
        """Evaluates the vertical stream at a new row of a level, and at the levels below where
        they have a new row, too.

        Args:
            row: the row of this level.
            x: the input of the level, ``[width, batch, n_filters]``.
            states: those of this level and of the ones below.

        Returns:
            the output, of the shape of ``x``, and the states.
        """
        stream, (state, *lower) = self.model.above[level], states
        schedule = stream.schedule(self.schedule, level)
        pixels = schedule.pixels(row * schedule.width, self.weights.vertical[level], state.layers)
        skips = [x]
        for block in stream.there:
            skips.append(block.row(skips[-1], None, pixels))
        outputs, upsampled = skips[1:], state.upsampled
        if stream.is_deepest:
            x = skips.pop()
        else:
            upsampled, lower = self._rows_below(level, row, skips[-1], pixels, upsampled, lower)
            x = upsampled[row % 2]
        for block in stream.back:
            x = block.row(x, skips.pop(), pixels)
            outputs.append(x)
        return x, (VerticalState(pixels.end(), outputs, upsampled), *lower)

    def _rows_below(self, level: int, row, x, pixels, upsampled, states):
        """Returns the two rows that the lower levels contribute to a level, and their states:
        evaluated at the first of the two, ``upsampled`` and ``states`` again at the second."""
        stream = self.model.above[level]

        def evaluate(upsampled, states):
            y = stream.shrink.row(x, pixels)
            y, states = self._row(level + 1, row // 2, y, states)
            y = stream.grow.row(y, pixels)
            y = tf.reshape(y, [*y.shape[:2], 2, 2, self.model.n_filters])
            y = tf.transpose(y, [2, 0, 3, 1, 4])
            y = tf.reshape(y, [2, -1, *upsampled.shape[2:]])
            return y[:, : upsampled.shape[1]], states

        below = where(row % 2 == 0, evaluate, upsampled, tuple(states))
        stream.shrink.observe_row(x, pixels)
        return below

    def _pixel(self, level: int, row, column, x, v_outputs: list, states):
        """Evaluates the horizontal stream at a pixel of a level, and at the levels below where it
        is the first of the 2x2 pixels.

        Args:
            row, column: the pixel of this level.
            x: the input of the level, ``[batch, n_filters]``.
            v_outputs: of each level, the outputs of the blocks of the vertical stream in the row.
            states: those of this level and of the ones below.

        Returns:
            the output, of the shape of ``x``, and the states.
        """
        stream, (state, *lower) = self.model.left[level], states
        schedule, weights = stream.schedule(self.schedule, level), self.weights.horizontal[level]
        pixels = schedule.pixels(row * schedule.width + column, weights, state.layers)
        vertical = iter([outputs[column] for outputs in v_outputs[level]])
        skips, upsampled = [x], state.upsampled
        for block in stream.there:
            skips.append(block.step(skips[-1], next(vertical), pixels))
        if stream.is_deepest:
            x = skips.pop()
        else:
            upsampled, lower = self._pixels_below(
                level, row, column, skips[-1], v_outputs, pixels, upsampled, lower
            )
            four = tf.reshape(upsampled[column // 2], [-1, 4, self.model.n_filters])
            x = four[:, 2 * (row % 2) + column % 2]
        for block in stream.back:
            x = block.step(x, tf.concat([next(vertical), skips.pop()], axis=-1), pixels)
        return x, (HorizontalState(pixels.end(), upsampled), *lower)

    def _pixels_below(self, level: int, row, column, x, v_outputs, pixels, upsampled, states):
        """Returns the 2x2 pixels that the lower levels contribute to a level, in the row of
        ``upsampled``, and their states: evaluated at the first of the four only."""
        stream = self.model.left[level]
        stream.shrink.observe(x, pixels)

        def evaluate(upsampled, states):
            y = stream.shrink.outputs(pixels)
            y, states = self._pixel(level + 1, row // 2, column // 2, y, v_outputs, states)
            y = stream.grow.step(y, pixels)
            return tf.tensor_scatter_nd_update(upsampled, [[column // 2]], y[None]), states

        is_first = (row % 2 == 0) & (column % 2 == 0)
        return where(is_first, evaluate, upsampled, tuple(states))
