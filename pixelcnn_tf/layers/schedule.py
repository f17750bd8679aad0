"""The order in which incremental evaluation computes pixels, and the states of layers at them.

docs/sampling.md explains the terms, with figures; incremental.py is the protocol of the layers.
"""

import dataclasses
from typing import Any, NamedTuple, TypeAlias

import tensorflow as tf

from pixelcnn_tf.layers.incremental import Incremental, IncrementalLayer
from pixelcnn_tf.layers.wavefront import Wavefront

#: A tensor, or a NamedTuple or list of nests.
Nest: TypeAlias = Any


@dataclasses.dataclass
class LayerState:
    """The weights, state and partial sums of one layer at the active pixels.

    Attributes:
        weights: from ``incremental_weights``.
        state: from ``init_state`` and the last ``end_pixel``.
        lookahead: number of steps that the layer is ahead of the active pixels.
        sums: from ``start_pixel``; ``step`` adds to it.
        groups: the channel groups of the layer's input so far.

    Example:
        >>> layer = pixelcnn_tf.MaskedConv2D(3, kernel_size=7)
        >>> layer.build((None, None, None, 3))
        >>> schedule = Schedule(layer, batch=2, height=8, width=8)
        >>> pixels = schedule.pixels(0, schedule.weights(), schedule.init_states())
        >>> pixels[layer].sums.shape == (schedule.lanes, layer.filters)
        True
    """

    weights: Nest
    state: Nest
    lookahead: int = 0
    sums: Nest = None
    groups: list = dataclasses.field(default_factory=list)


class Recent(NamedTuple):
    """The features of the last steps: a ring buffer, and those that the last step added.

    The buffer is written before it is read. If it were read before it is written, in the same step,
    XLA might have to copy all of it.

    Attributes:
        buffer: from ``Schedule.ring_buffer``.
        newest: ``[lanes, features]``, which the next step writes into the buffer.

    Example:
        >>> layer = pixelcnn_tf.MaskedConv2D(3, kernel_size=7)
        >>> layer.build((None, None, None, 3))
        >>> recent = Schedule(layer, batch=2, height=8, width=8).recent(3, 3, 3, tf.float32)
        >>> recent.newest.shape
        TensorShape([4, 3])
    """

    buffer: tf.Tensor
    newest: tf.Tensor


class Window(NamedTuple):
    """The earlier pixels that a layer reads.

    Attributes:
        around: of each pixel, how many rows above and columns to the right (negative: left) of the
            active pixel it is.
        features: number of features that are read.
        filters: number of outputs of the product with weights.
        dtype: of the features.

    Example:
        >>> layer = pixelcnn_tf.MaskedConv2D(3, kernel_size=3)
        >>> layer.build((None, None, None, 6))
        >>> layer.window()
        Window(around=((1, -1), (1, 0), (1, 1), (0, -1)), features=6, filters=3, dtype='float32')
    """

    around: tuple[tuple[int, int], ...]
    features: int
    filters: int
    dtype: str


class Schedule:
    """The assignment of the pixels of a batch of images to steps.

    Args:
        part: a layer, block or model.
        batch: number of images at once.
        height, width: of the images, in pixels.
        labels: int32 ``[batch]``, for ``init_states`` of a class-conditional model.
        lag: the row lag, if it is to be larger than the layers need.
        condition: features of the condition ``[batch, height, width, features]``, for
            ``init_states`` of a conditional model.

    Attributes:
        lag: number of columns that a row is ahead of the row below it.
        rows: largest number of active rows.
        lanes: ``rows * batch``, ordered by row.
        lookaheads: number of steps that each layer is ahead.
        windows: the layers of each ``Window``. They share a ring buffer and one batched product,
            which is faster than many small ones.
        head_start: number of steps before the first pixel, in which the lookahead layers compute
            their first row.
        n_steps: number of all steps.

    Example:
        >>> from pixelcnn_tf.layers.schedule import Schedule
        >>> layer = pixelcnn_tf.MaskedConv2D(3, kernel_size=7)
        >>> layer.build((None, None, None, 3))
        >>> schedule = Schedule(layer, batch=16, height=32, width=32)
        >>> schedule.lag, schedule.rows, schedule.n_steps
        (4, 8, 156)
    """

    def __init__(
        self,
        part: Incremental,
        batch: int,
        height: int,
        width: int,
        labels=None,
        lag: int | None = None,
        condition=None,
    ):
        self.layers = part.incremental_layers()
        self.batch, self.height, self.width = batch, height, width
        self.labels, self.condition = labels, condition
        ahead = part.lookahead_layers()
        reaches = [layer.reach(width) for layer in self.layers if layer not in ahead]
        self.lag = lag or 1 + max([0, sum(layer.reach(width) for layer in ahead), *reaches])
        self.rows = -(-width // self.lag)
        self.lanes = self.rows * batch
        self.lookaheads, lookahead = dict.fromkeys(self.layers, 0), self.lag - 1
        for layer in ahead:
            lookahead -= layer.reach(width)
            self.lookaheads[layer] = lookahead
        self.windows: dict[Window, list[IncrementalLayer]] = {}
        for layer in self.layers:
            if (window := layer.window()) is not None:
                self.windows.setdefault(window, []).append(layer)
        self.head_start = max(self.lookaheads.values(), default=0)
        self.n_steps = self.head_start + self.step_of(height - 1, width - 1) + 1

    def step_of(self, row, column):
        """Returns the step at which a pixel is active, counted from the first pixel."""
        return row * self.lag + column

    def weights(self) -> list[Nest]:
        """Returns the weights of every layer and of every window, for ``pixels``."""
        of_windows = [
            tf.stack([layer.window_weights() for layer in layers])
            for layers in self.windows.values()
        ]
        return [*(layer.incremental_weights() for layer in self.layers), *of_windows]

    def init_states(self) -> list[Nest]:
        """Returns the states before the first pixel, of every layer and of every window, for
        ``pixels``."""
        of_windows = [
            self.recent(
                max(up for up, _ in window.around),
                max(0, *(-right for _, right in window.around)),
                len(layers) * window.features,
                window.dtype,
            )
            for window, layers in self.windows.items()
        ]
        return [*(layer.init_state(self) for layer in self.layers), *of_windows]

    def ring_buffer(self, up: int, left: int, features: int, dtype) -> tf.Tensor:
        """Returns an empty ring buffer for ``Wavefront.write``, long enough to ``read`` at pixels
        ``up`` rows above and ``left`` columns to the left: zeros ``[steps, lanes + 2 * margin,
        features]``."""
        margin = max(1, -(-left // self.lag)) * self.batch  # see ``read``
        return tf.zeros([up * self.lag + left, self.lanes + 2 * margin, features], dtype)

    def recent(self, up: int, left: int, features: int, dtype) -> Recent:
        """Returns the state of a layer that reads what it was given at earlier pixels; arguments as
        of ``ring_buffer``."""
        buffer = self.ring_buffer(up, left, features, dtype)
        return Recent(buffer, tf.zeros([self.lanes, features], dtype))

    def pixels(self, step, weights: list[Nest], states: list[Nest]) -> "ActivePixels":
        """Returns the active pixels at ``step`` (0 to ``n_steps - 1``)."""
        return ActivePixels(self, step - self.head_start, weights, states)


class ActivePixels(Wavefront):
    """The pixels that are computed at this step, and the states of the layers at them.

    ``pixels[layer]`` is the ``LayerState`` of a layer.

    Attributes:
        channel: the channel that is computed now.

    Example:
        >>> layer = pixelcnn_tf.MaskedConv2D(2, kernel_size=3, n_channels=1)
        >>> layer.build((None, None, None, 2))
        >>> schedule = Schedule(layer, batch=1, height=4, width=4)
        >>> states = schedule.init_states()
        >>> for step in tf.range(schedule.n_steps):
        ...     pixels = schedule.pixels(step, schedule.weights(), states)
        ...     outputs = layer.step(tf.ones([schedule.lanes, 2]), pixels)
        ...     states = pixels.end()
        >>> outputs.shape
        TensorShape([2, 2])
    """

    def __init__(self, schedule: Schedule, time, weights: list[Nest], states: list[Nest]):
        super().__init__(schedule, time)
        self.channel = 0
        self._wavefronts: dict[int, Wavefront] = {0: self}
        n_layers = len(schedule.layers)
        of_layers = zip(schedule.layers, weights[:n_layers], states[:n_layers], strict=True)
        self._layer_states = {
            layer: LayerState(of_layer, state, schedule.lookaheads[layer])
            for layer, of_layer, state in of_layers
        }
        self._inputs = [self._updated(recent) for recent in states[n_layers:]]
        self._products: dict[IncrementalLayer, tf.Tensor] = {}
        of_windows = schedule.windows.items()
        for (window, layers), kernels, recent in zip(
            of_windows, weights[n_layers:], self._inputs, strict=True
        ):
            products = self._window_products(window, kernels, recent.buffer)
            self._products.update(zip(layers, products, strict=True))
        for layer, layer_state in self._layer_states.items():
            layer_state.sums = layer.start_pixel(layer_state.weights, layer_state.state, self)

    def __getitem__(self, layer: IncrementalLayer) -> LayerState:
        try:
            return self._layer_states[layer]
        except KeyError:
            raise ValueError(
                f"{layer!r}: not among the incremental_layers() of the block or model that uses it"
            ) from None

    def ahead(self, lookahead: int) -> Wavefront:
        """Returns the pixels that will be active ``lookahead`` steps later."""
        if lookahead not in self._wavefronts:
            self._wavefronts[lookahead] = Wavefront(self.schedule, self.time + lookahead)
        return self._wavefronts[lookahead]

    def update(self, layer: IncrementalLayer) -> tf.Tensor:
        """Writes what the last step added to the ``Recent`` features of a layer into their buffer,
        and returns the buffer."""
        self[layer].state = self._updated(self[layer].state)
        return self[layer].state.buffer

    def _updated(self, recent: Recent) -> Recent:
        return recent._replace(buffer=self.ahead(-1).write(*recent))

    def product(self, layer: IncrementalLayer) -> tf.Tensor:
        """Returns ``[lanes, filters]``: the inputs of a layer at the pixels of its ``window`` times
        its ``window_weights``."""
        return self._products[layer]

    def _window_products(self, window: Window, kernels, buffer) -> list[tf.Tensor]:
        """The products of all layers of a window, with ``kernels`` ``[layers, ...]``."""
        shape = [self.schedule.lanes, kernels.shape[0], window.features]
        seen = [tf.reshape(x, shape) for x in self.read(buffer, list(window.around))]
        seen = tf.transpose(tf.concat(seen, axis=-1), [1, 0, 2])
        return tf.unstack(seen @ kernels)

    def end(self) -> list[Nest]:
        """Returns the states after these pixels, all of whose channels are known."""
        states = [layer.end_pixel(state, self) for layer, state in self._layer_states.items()]
        for recent, layers in zip(self._inputs, self.schedule.windows.values(), strict=True):
            groups = [group for layer in layers for group in self[layer].groups]
            states.append(recent._replace(newest=tf.concat(groups, axis=-1)))
        return states
