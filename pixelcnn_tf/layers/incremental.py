"""The protocol of incremental evaluation: a model run for one channel of a few pixels at a time.

A model is trained and scored with all pixels at once (``call``), and sampled one sub-pixel after
another (``step``). Both agree: a step gives what ``call`` gives at the same place. docs/sampling.md
explains the idea, with figures. In short:

- Sub-pixels are drawn in raster order, but a pixel does not need all that comes before it: in the
  rows above, a layer looks at most ``reach`` columns to the right. So a row can start as soon as
  the row above is ``lag = reach + 1`` columns ahead. The pixels of one step, one per active row,
  are the *active pixels*; they lie on a *wavefront*. With a lag of 4, those of step 8 are::

      . . . . . . . . 2 -
      . . . . 1 - - - - -        . done   - to come
      0 - - - - - - - - -

  An image takes ``width + (height - 1) * lag`` steps instead of ``height * width``, and every step
  is a few matrix products with one row (a *lane*) for each active pixel of each image.
- Layers whose features depend on the rows above only (vertical stacks) are evaluated on a wavefront
  of their own, ``lookahead`` steps ahead: each looks further to the right than the one before it.

What to fill in:

- ``IncrementalLayer``: a layer with weights. It keeps what later pixels will read (its *state*, of
  fixed shape), and ``step`` gives its output at the active pixels.
- ``LookaheadLayer``: a layer that is evaluated ahead; ``advance`` in place of ``step``.
- ``RowLayer``: a layer that computes a whole row as soon as the row above it is complete.
- ``IncrementalBlock``: layers in sequence. Its ``step`` composes the ``step`` of its layers as its
  ``call`` composes their ``call``.
- ``IncrementalModel``: what the sampling loop runs.

The pixels and their order are in schedule.py.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from pixelcnn_tf.layers.schedule import ActivePixels, LayerState, Nest, Schedule, Window


class Incremental(abc.ABC):
    """Anything that consists of ``IncrementalLayer`` layers: a layer, a block or a model.

    All weights that take part in incremental evaluation are in these layers.

    Example:
        >>> block = pixelcnn_tf.PixelCNNResBlock(kernel_size=3, n_channels=1)
        >>> block.build((None, None, None, 4))
        >>> [layer.name for layer in block.incremental_layers()]
        ['down', 'middle', 'up']
    """

    @abc.abstractmethod
    def incremental_layers(self) -> list[IncrementalLayer]:
        """Returns the layers, each once, in any order."""

    def lookahead_layers(self) -> list[IncrementalLayer]:
        """Returns those of the layers that are evaluated ahead, from the first to the last."""
        return []


class IncrementalLayer(Incremental):
    """A layer that can be evaluated incrementally.

    ``step`` takes and returns one channel group at the active pixels, ``[lanes, features /
    n_channels]``, channel after channel; a layer with ``n_channels`` 1 has all of its features in
    one. The other methods have defaults for a layer that looks at the active pixels only.

    Attributes:
        n_channels: number of channel groups of its inputs and outputs.
        mask_type: ``'A'`` for a layer whose outputs do not depend on their own channel group.

    Example:
        >>> from pixelcnn_tf.layers.incremental import IncrementalLayer
        >>> class Scale(IncrementalLayer, keras.layers.Layer):
        ...     '''Features times one learned number.'''
        ...
        ...     def build(self, input_shape):
        ...         self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        ...
        ...     def call(self, inputs):
        ...         return inputs * self.scale
        ...
        ...     def incremental_weights(self):
        ...         return tf.convert_to_tensor(self.scale)
        ...
        ...     def step(self, x, pixels):
        ...         return x * pixels[self].weights
        >>> from pixelcnn_tf.testing import check_incremental
        >>> check_incremental(Scale(), (4, 5), features=3)
    """

    n_channels: int = 1
    mask_type: str = "B"

    def incremental_layers(self) -> list[IncrementalLayer]:
        return [self]

    def reach(self, width: int) -> int:
        """Returns how many columns to the right the layer looks in the rows above, in images of
        ``width`` columns."""
        return 0

    def incremental_weights(self) -> Nest:
        """Returns the weights as ``step`` needs them, computed once before the first step."""
        return ()

    def window(self) -> Window | None:
        """Returns the earlier pixels whose inputs a product with weights reads, for a layer that
        leaves this product to ``ActivePixels.product``."""
        return None

    def window_weights(self) -> tf.Tensor:
        """Returns the weights of that product, ``[pixels * features, filters]``."""
        raise NotImplementedError(f"{self!r}: has no window")

    def init_state(self, schedule: Schedule) -> Nest:
        """Returns the state before the first pixel: tensors of fixed shape."""
        return ()

    def start_pixel(self, weights: Nest, state: Nest, pixels: ActivePixels) -> Nest:
        """Returns what the earlier pixels contribute to all channel groups of the output; None if
        they contribute nothing."""
        return None

    @abc.abstractmethod
    def step(self, x, pixels: ActivePixels):
        """Returns the next channel group of the output, ``[lanes, filters / n_channels]``.

        Args:
            x: the same channel group of the input, ``[lanes, features / n_channels]``; None for a
                layer that does not see it.
            pixels: the active pixels; ``pixels[self]`` is the ``LayerState`` of this layer.
        """

    def observe(self, x, pixels: ActivePixels) -> None:
        """Takes in the next channel group of the input, once it is known; for a layer of type A,
        whose ``step`` did not have it.

        Args:
            x: ``[lanes, features / n_channels]``.
            pixels: the active pixels.
        """
        return None

    def end_pixel(self, layer_state: LayerState, pixels: ActivePixels) -> Nest:
        """Returns the state after the active pixels, all of whose channels are known."""
        return layer_state.state


class LookaheadLayer(IncrementalLayer):
    """A layer that is evaluated ahead of the active pixels, as those of a vertical stack are.

    Example:
        >>> layer = pixelcnn_tf.ShiftedConv2D(6, (2, 3), direction="down")
        >>> isinstance(layer, LookaheadLayer), layer.lookahead_layers() == [layer]
        (True, True)
    """

    @abc.abstractmethod
    def advance(self, x, pixels: ActivePixels):
        """Returns all outputs ``[lanes, filters]`` at the pixels that will be active in
        ``lookahead`` steps.

        Args:
            x: ``[lanes, features]``, what the layer before this one has just returned; None for a
                layer that reads what it has observed of the image.
            pixels: the active pixels.
        """

    def step(self, x, pixels: ActivePixels):
        """Not used, unless a subclass has another way of being evaluated as well."""
        raise RuntimeError(f"{self!r}: is evaluated ahead of the active pixels, by advance")


class RowLayer(IncrementalLayer):
    """A layer that computes a whole row at once, when the row above is complete.

    Example:
        >>> from pixelcnn_tf.layers.lstm import RightDiagonalLSTMState
        >>> layer = RightDiagonalLSTMState(n_channels=1)
        >>> layer.build((None, 5, 6, 8))
        >>> gates, states_above = tf.zeros([7, 1, 8]), tf.zeros([6, 1, 2])
        >>> layer.row_from([gates, states_above], layer.incremental_weights()).shape
        TensorShape([6, 1, 2])
    """

    @abc.abstractmethod
    def row_from(self, rows: Sequence[tf.Tensor], weights: Nest) -> tf.Tensor:
        """Returns the outputs of one row, ``[columns, batch, filters]``, where ``columns`` is the
        width of the image, divided by the stride if the layer has one.

        Args:
            rows: the rows that it depends on, ``[columns, batch, features]`` each, as the subclass
                states.
            weights: from ``incremental_weights``.
        """


class IncrementalBlock(Incremental):
    """A block of a model: layers in sequence.

    Example:
        >>> block = pixelcnn_tf.GatedBlock(kernel_size=3, n_channels=1)
        >>> block.build((None, None, None, 4))
        >>> [layer.name for layer in block.lookahead_layers()]
        ['vertical', 'join']
    """

    @abc.abstractmethod
    def step(self, x, pixels: ActivePixels):
        """Returns one channel group of the output at the active pixels, ``[lanes, features /
        n_channels]``, from that of the input. It reads as ``call`` does."""

    def advance(self, x, pixels: ActivePixels):
        """Evaluates the block's ``lookahead_layers``, once before the first channel; for a block
        that has some."""
        return x

    def observe(self, x, pixels: ActivePixels) -> None:
        """Takes in the next channel of the image, ``[lanes, features / n_channels]`` as the first
        layer of the model is given it, once it is known; for a block that reads the image."""
        return None


class IncrementalModel(Incremental):
    """A model that the sampling loop can run.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> isinstance(model, IncrementalModel), model.naive_parts()
        (True, [])
    """

    def naive_parts(self) -> list:
        """Returns the parts that have no ``step``; with any, only naive sampling is possible."""
        return []

    def advance(self, pixels: ActivePixels) -> None:
        """Evaluates the ``lookahead_layers``, once before the first channel of the pixels."""
        return None

    @abc.abstractmethod
    def step(self, pixels: ActivePixels):
        """Returns the logits ``[lanes, n_params]`` of the channel ``pixels.channel``."""

    @abc.abstractmethod
    def observe(self, values, pixels: ActivePixels) -> None:
        """Takes in the values, float32 ``[lanes]``, that were chosen for that channel."""


def layers_of(parts: Iterable) -> list[IncrementalLayer]:
    """Returns the incremental layers of several parts; other parts, such as activations without
    weights, have none.

    Example:
        >>> conv = pixelcnn_tf.MaskedConv2D(3, kernel_size=1)
        >>> layers_of([conv, tf.nn.relu]) == [conv]
        True
    """
    return [
        layer
        for part in parts
        if isinstance(part, Incremental)
        for layer in part.incremental_layers()
    ]
