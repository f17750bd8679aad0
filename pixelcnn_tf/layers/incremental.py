"""Incremental evaluation: a model run one colour of one pixel at a time, several rows at once.

Sub-pixels are drawn in raster order, but a pixel does not need all that comes before it: in
the rows above it looks at most ``reach`` columns to its right. So a row may begin as soon as
the row above it is ``lag = reach + 1`` columns ahead. The pixels at hand at one step form a
wavefront; here, with lag 4, those of step 8 are marked by their place in the wavefront::

    . . . . . . . . 2 -
    . . . . 1 - - - - -        . done   - to come
    0 - - - - - - - - -

An image takes ``width + (height - 1) * lag`` steps rather than ``height * width``. Every step
is a few products with one row for each pixel at hand of each image, called a *lane*. The
image that is drawn is that of the plain order: only the order of independent work changes.

A layer remembers what later pixels will look at (its *state*, of fixed shape), and, for the
pixels at hand, what their outputs sum up to so far (its ``LayerState``). A block's ``step(x,
pixels)`` composes the ``step`` of its layers as its ``call`` composes their ``call``.

Features that depend on whole rows above only (the vertical stack of a Gated PixelCNN) need no
pixel of their own row, but more and more columns to their right, layer after layer. They are
computed on a wavefront of their own, ``lookahead`` steps ahead of the pixels at hand: as soon as
the row above allows. Each such layer takes ``reach`` off the lookahead of the one before it. They
are named in this order by ``lookahead_layers()``, and have ``advance`` in place of ``step``.
"""

import dataclasses
from typing import Any

import tensorflow as tf


class IncrementalLayer:
    """What a layer with weights fills in to be run incremental evaluation, besides ``step``.

    ``step(x, pixels)`` takes one channel group of the layer's input at the pixels at hand,
    ``[lanes, features / n_channels]``, colour after colour, and returns that of its output.
    """

    def reach(self, width: int) -> int:
        """How many columns to the right the layer looks, in images of ``width`` columns."""
        return 0

    def incremental_weights(self):
        """The weights as ``step`` needs them, a nest of tensors made once before the walk."""
        return ()

    def init_state(self, schedule: "Schedule"):
        """The state before the first pixel, a nest of tensors."""
        return ()

    def start_pixel(self, weights, state, pixels: "ActivePixels"):
        """What the pixels before the ones at hand contribute to all channel groups."""
        return None

    def end_pixel(self, slot: "LayerState", pixels: "ActivePixels"):
        """The state with the pixels at hand, whose ``slot.groups`` are complete, in it."""
        return slot.state


def incremental_layers(layer) -> list[IncrementalLayer]:
    """The ``IncrementalLayer`` layers of a layer. What is in one of them is its own affair."""
    if isinstance(layer, IncrementalLayer):
        return [layer]
    inside = layer._flatten_layers(include_self=False, recursive=False)
    return [causal for part in inside for causal in incremental_layers(part)]


@dataclasses.dataclass
class LayerState:
    """What one layer knows of the pixels at hand.

    Attributes:
        weights, state: from ``incremental_weights`` and the last ``end_pixel``.
        lookahead: steps that the layer is ahead of the pixels at hand.
        sums: from ``start_pixel``; ``step`` adds to it.
        groups: the channel groups of the layer's input so far.
    """

    weights: Any
    state: Any
    lookahead: int = 0
    sums: Any = None
    groups: list = dataclasses.field(default_factory=list)


class Schedule:
    """A walk over the pixels of a batch of images.

    Args:
        layer: a layer, block or model all of whose weights are in ``IncrementalLayer`` layers.
        batch: images at once.
        height, width: of the images, in pixels.
        labels: int32 ``[batch]``, for ``init_states`` of a class-conditional model.
        lag: if given, in place of what the layers need at least.

    Attributes:
        lag: columns between a row at hand and the row below it.
        rows: how many rows are at hand at most.
        lanes: ``rows * batch``, row by row.
        lookaheads: how many steps each layer is ahead.
        head_start: steps before the first pixel, in which the layers ahead make their first
            row.
        n_steps: in all.
    """

    def __init__(self, layer, batch: int, height: int, width: int, labels=None, lag=None):
        self.layers = incremental_layers(layer)
        self.batch, self.height, self.width, self.labels = batch, height, width, labels
        ahead = layer.lookahead_layers() if hasattr(layer, "lookahead_layers") else []
        reaches = [part.reach(width) for part in self.layers if part not in ahead]
        self.lag = lag or 1 + max([0, sum(part.reach(width) for part in ahead), *reaches])
        self.rows = -(-width // self.lag)
        self.lanes = self.rows * batch
        self.lookaheads, lookahead = dict.fromkeys(self.layers, 0), self.lag - 1
        for part in ahead:
            lookahead -= part.reach(width)
            self.lookaheads[part] = lookahead
        self.head_start = max(self.lookaheads.values())
        self.n_steps = self.head_start + self.step_of(height - 1, width - 1) + 1

    def step_of(self, row, column):
        """The step at which a pixel is at hand, counted from the first pixel."""
        return row * self.lag + column

    def weights(self) -> list:
        """The weights of every layer, for ``pixels``."""
        return [layer.incremental_weights() for layer in self.layers]

    def init_states(self) -> list:
        """The states of every layer before the first pixel, for ``pixels``."""
        return [layer.init_state(self) for layer in self.layers]

    def ring_buffer(self, up: int, left: int, features: int, dtype):
        """An empty ring for ``Wavefront.write``, long enough to ``read`` at pixels ``up`` rows
        above and ``left`` columns to the left: zeros ``[steps, lanes + 2 * margin, features]``."""
        margin = max(1, -(-left // self.lag)) * self.batch  # see ``read``
        return tf.zeros([up * self.lag + left, self.lanes + 2 * margin, features], dtype)

    def pixels(self, step, weights: list, states: list) -> "ActivePixels":
        """The pixels at hand at ``step`` (0 to ``n_steps - 1``)."""
        return ActivePixels(self, step - self.head_start, weights, states)


class Wavefront:
    """The pixels of one step: one in each row at hand, of each image.

    Attributes:
        time: of the step, 0 at the first pixel.
        row, column: int32 ``[rows]``; some may lie outside of the image.
        index: int32 ``[rows]``, ``row * width + column``; ``height * width`` for those outside.
    """

    def __init__(self, schedule: Schedule, time):
        self.schedule, self.time = schedule, time
        place = tf.range(schedule.rows)
        self.row = time // schedule.lag - place
        self.column = time % schedule.lag + place * schedule.lag
        inside = (self.row >= 0) & (self.row < schedule.height) & (self.column < schedule.width)
        outside = schedule.height * schedule.width
        self.index = tf.where(inside, self.row * schedule.width + self.column, outside)
        self._inside = tf.repeat(inside, schedule.batch)[:, None]
        self._shared: dict = {}

    def write(self, ring, features):
        """``ring``, a ring of the last steps, with ``features`` ``[lanes, features]`` of these
        pixels in it: zeros for those outside of the image and on both margins."""
        features = tf.where(self._inside, features, tf.zeros([], features.dtype))
        features = tf.pad(features, [[self._margin(ring)] * 2, [0, 0]])
        now = self._entry(ring, 0, 0)
        return tf.tensor_scatter_nd_update(ring, now[None, None], features[None])

    def read(self, ring, up: int, right: int):
        """What ``ring`` holds of the pixels ``up`` rows above and ``right`` columns to the
        right (negative: left) of these; zeros outside of the image.

        Returns:
            ``[lanes, features]``.
        """
        # Going right by ``right`` may step over the end of a place's ``lag`` columns, into the
        # place after, or, to the left, into one of those before; its lanes are next to ours.
        schedule, margin = self.schedule, self._margin(ring)
        at = self._once(
            ("at", *ring.shape[:2], up, right),
            lambda: tf.stack(
                [
                    self._entry(ring, up, right),
                    (self.time % schedule.lag + right) // schedule.lag * schedule.batch + margin,
                    0,
                ]
            ),
        )
        size = [1, schedule.lanes, ring.shape[2]]
        return tf.reshape(tf.slice(ring, at, size), size[1:])

    def _margin(self, ring) -> int:
        """How many lanes of zeros ``ring`` has on either side."""
        return (ring.shape[1] - self.schedule.lanes) // 2

    def _entry(self, ring, up: int, right: int):
        """Where in a ring the step of the pixels ``up`` and ``right`` of these is."""
        length, ago = ring.shape[0], up * self.schedule.lag - right
        return self._once(("entry", length, ago), lambda: (self.time - ago) % length)

    def _once(self, key, make):
        """A tensor that many layers need: graphs of thousands of operations take seconds."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]


class ActivePixels(Wavefront):
    """The pixels at hand, and what the layers know of them.

    Attributes:
        channel: the colour whose turn it is.
    """

    def __init__(self, schedule: Schedule, time, weights: list, states: list):
        super().__init__(schedule, time)
        self.channel = 0
        self._wavefronts: dict[int, Wavefront] = {0: self}
        self._slots = {
            layer: LayerState(*both, schedule.lookaheads[layer])
            for layer, *both in zip(schedule.layers, weights, states, strict=True)
        }
        for layer, at in self._slots.items():
            at.sums = layer.start_pixel(at.weights, at.state, self)

    def __getitem__(self, layer: IncrementalLayer) -> LayerState:
        return self._slots[layer]

    def ahead(self, lookahead: int) -> Wavefront:
        """The pixels that will be at hand ``lookahead`` steps later."""
        if lookahead not in self._wavefronts:
            self._wavefronts[lookahead] = Wavefront(self.schedule, self.time + lookahead)
        return self._wavefronts[lookahead]

    def end(self) -> list:
        """The states of every layer after these pixels, all of whose colours are known."""
        return [layer.end_pixel(at, self) for layer, at in self._slots.items()]


def where(condition, change, *states):
    """``change(*states)`` where the scalar ``condition`` holds, else ``states``.

    A loop of at most one turn: XLA lets it work in place, while it copies all that goes into and
    comes out of a ``tf.cond``.
    """

    def body(_, *states):
        return False, *change(*states)

    return tf.while_loop(lambda again, *_: again, body, (condition, *states))[1:]
