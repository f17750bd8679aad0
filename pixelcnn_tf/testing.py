"""The two properties that every layer, block and model must have, as checks for your own.

- *No leak*: no output depends on its own sub-pixel or on a later one (``check_causal``).
- *Agreement*: incremental evaluation gives what ``call`` gives (``check_incremental``).

Both take seconds for images of 5 x 6 pixels, which show as much as larger images do. Imports
``sampling``, ``models`` and ``layers``; imported by tests.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.layers.incremental import Incremental, IncrementalBlock, IncrementalLayer
from pixelcnn_tf.layers.schedule import Schedule
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.inputs import check_model
from pixelcnn_tf.models.pixel_rnn import PixelRNN
from pixelcnn_tf.sampling.generate import supports_incremental, teacher_forced_logits
from pixelcnn_tf.utils.values import dtype_for

#: Outputs that differ by less than this, relative to the largest, are the same.
TOLERANCE = 1e-4


def check_causal(
    part: Any,
    image_size: tuple[int, int],
    *,
    features: int | None = None,
    draws: int = 3,
    seed: int = 0,
) -> None:
    """Raises AssertionError if an output depends on its own or a later sub-pixel.

    One sub-pixel after another of a random image is changed (all features of one channel group,
    for a layer), and outputs that are not later must stay the same. The weights are drawn at
    random, several times, because an activation may hide a leak from one draw; afterwards the
    weights are as they were.

    Args:
        part: a model, a block, or a layer with ``n_channels`` channel groups. A block is tested in
            a ``PixelRNN`` of two such blocks. Outputs of a block or layer may depend on their own
            channel group, unless its ``mask_type`` is ``'A'``.
        image_size: ``(height, width)``.
        features: number of input features of a block or layer; by default 4 per channel.
        draws: number of times that the weights are drawn.
        seed: of images and weights.

    Raises:
        AssertionError: names the first output that leaks, and the input that it depends on.
        ValueError: ``features`` that do not fit; a layer that only works within a block.

    Example:
        >>> from pixelcnn_tf.testing import check_causal
        >>> check_causal(pixelcnn_tf.PixelRNN(2, 2, n_layers=1), (4, 5))
        >>> check_causal(pixelcnn_tf.GatedBlock(), (4, 5))
    """
    subject = _subject(part, features, image_size)
    saved = subject.layer.get_weights()
    rng = np.random.default_rng(seed)
    try:
        for draw in range(draws):
            draw_weights(subject.layer, seed + draw)
            image = subject.random_inputs(rng, 1, image_size)
            found, _ = leaks(subject.call, image, subject.n_values, subject.strict, subject.groups)
            if found:
                own, changed = min((moved, changed) for changed, moved in found)
                shape = (*image.shape[1:3], subject.groups)
                raise AssertionError(
                    f"{_name(part)}: the output at {_place(own, shape)} depends on the input at "
                    f"{_place(changed, shape)}, which is "
                    + ("its own sub-pixel" if own == changed else "a later sub-pixel")
                )
    finally:
        subject.layer.set_weights(saved)


def check_incremental(
    part: keras.layers.Layer,
    image_size: tuple[int, int],
    *,
    features: int | None = None,
    seed: int = 0,
) -> None:
    """Raises AssertionError if incremental evaluation gives other outputs than ``call``.

    Args:
        part, image_size, features, seed: as in ``check_causal``. The weights are drawn at random,
            and afterwards they are as they were.

    Raises:
        AssertionError: names the first output that differs, and the input to which ``step``
            responds in another way than ``call``.

    Example:
        >>> from pixelcnn_tf.testing import check_incremental
        >>> check_incremental(pixelcnn_tf.PixelRNN(2, 2, n_layers=1), (4, 5))
        >>> check_incremental(pixelcnn_tf.RowLSTMBlock(), (4, 5))
    """
    subject = _subject(part, features, image_size)
    layer, is_model = subject.layer, isinstance(subject.layer, keras.Model)
    if not (supports_incremental(layer) if is_model else isinstance(layer, Incremental)):
        raise AssertionError(f"{_name(part)}: has no step, so it cannot be evaluated incrementally")
    saved = subject.layer.get_weights()
    try:
        draw_weights(subject.layer, seed)
        inputs = subject.random_inputs(np.random.default_rng(seed), 2, image_size)
        expected = subject.by_group(subject.call(inputs))
        outputs = subject.by_group(subject.step(inputs))
        difference = np.abs(outputs - expected).max(axis=-1)
        wrong = np.argwhere(~(difference <= TOLERANCE * max(1.0, np.abs(expected).max())))
        if len(wrong):
            image, first = wrong[0]
            shape = (*inputs.shape[1:3], subject.groups)
            raise AssertionError(
                f"{_name(part)}: step and call differ by {difference[image, first]:.2g} in the "
                f"output at {_place(first, shape)}; {_cause(subject, inputs[image], first, shape)}"
            )
    finally:
        subject.layer.set_weights(saved)


class _Subject(NamedTuple):
    """A model or layer that is tested.

    Attributes:
        groups: channel groups of inputs and outputs.
        n_values: inputs are 0 to ``n_values - 1``; None for the real inputs of a layer.
        features: number of input features.
        strict: whether an output may not depend on its own channel group.
    """

    layer: Any
    groups: int
    n_values: int | None
    features: int
    strict: bool

    def random_inputs(self, rng, n: int, image_size: tuple[int, int]) -> np.ndarray:
        shape = (n, *image_size, self.features)
        if self.n_values is None:
            return rng.normal(size=shape).astype("float32")
        return rng.integers(self.n_values, size=shape).astype(dtype_for(self.n_values))

    def _given(self, inputs: np.ndarray) -> dict:
        """The labels and the condition, the same for all inputs."""
        if not isinstance(self.layer, PixelModel):
            return {}
        given, spec = {}, self.layer.condition_spec
        if self.layer.n_classes is not None:
            given["labels"] = np.arange(len(inputs)) * 0
        if spec is not None:
            shape = spec.shape_for(*inputs.shape[1:3])
            condition = np.random.default_rng(0).integers(spec.n_values, size=(1, *shape))
            given["condition"] = condition.repeat(len(inputs), axis=0)
        return given

    def call(self, inputs: np.ndarray):
        return np.asarray(self.layer(inputs, **self._given(inputs)))

    def step(self, inputs: np.ndarray):
        if self.n_values is None:
            return incremental_outputs(self.layer, inputs, self.groups)
        return teacher_forced_logits(self.layer, inputs, jit_compile=False, **self._given(inputs))

    def by_group(self, outputs) -> np.ndarray:
        """``[n, height * width * groups, ...]``."""
        n, height, width = outputs.shape[:3]
        return np.reshape(outputs, [n, height * width * self.groups, -1])


def _subject(
    part: keras.layers.Layer, features: int | None, image_size: tuple[int, int]
) -> _Subject:
    """A part, or a model of it, with all its weights, including those made by the first call."""
    if isinstance(part, IncrementalBlock):
        part = _model_of(part, features)
    if isinstance(part, keras.Model):
        check_model(part)
        n_values = part.likelihood.n_values
        subject = _Subject(part, part.n_channels, n_values, part.n_channels, True)
    else:
        if isinstance(part, Incremental) and part in part.lookahead_layers():
            raise ValueError(f"{_name(part)}: is evaluated ahead; check the block around it")
        groups, strict = 1, False
        if isinstance(part, IncrementalLayer):
            groups, strict = part.n_channels, part.mask_type == "A"
        features = features or 4 * groups
        if not part.built:
            part.build((None, None, None, features))
        subject = _Subject(part, groups, None, features, strict)
    subject.call(subject.random_inputs(np.random.default_rng(0), 1, image_size))
    return subject


def _model_of(block, features: int | None) -> PixelRNN:
    """A small model of two blocks like ``block``."""
    n_channels = block.n_channels
    features = features or 4 * n_channels
    if features % (2 * n_channels):
        raise ValueError(f"features={features}: must be a multiple of 2 * n_channels")
    options = {"likelihood": "softmax-4", "n_classes": block.n_classes}
    if getattr(block, "condition_features", None) is not None:
        options["n_condition_channels"] = 1
    hidden_dim = features // (2 * n_channels)
    return PixelRNN(hidden_dim, 4, 2, pixel_layer=block, n_channels=n_channels, **options)


def draw_weights(layer: keras.layers.Layer, seed: int = 0, scale: float = 1.0) -> None:
    """Draws every weight of a built layer at random, biases around 0.5, so that few ReLUs are zero
    for all inputs, and no weight hides a mistake by being zero.

    Example:
        >>> from pixelcnn_tf.testing import draw_weights
        >>> layer = pixelcnn_tf.MaskedConv2D(3, 3)
        >>> layer.build((None, None, None, 3))
        >>> draw_weights(layer)
        >>> bool((layer.bias.numpy() != 0).all())
        True
    """
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        fan_in = max(1, int(np.prod(weight.shape[:-1])))
        values = rng.normal(size=weight.shape) * scale * (2 / fan_in) ** 0.5
        if "bias" in weight.path:
            values = 0.5 + 0.2 * rng.normal(size=weight.shape)
        weight.assign(values.astype("float32"))


def leaks(
    function: Callable,
    inputs: np.ndarray,
    n_values: int | None,
    strict: bool = True,
    groups: int | None = None,
) -> tuple[set[tuple[int, int]], int]:
    """Returns the pairs (changed, moved) of sub-pixels that violate the raster order.

    Changes one sub-pixel after another of every image, and looks which outputs move.

    Args:
        function: inputs ``[n, height, width, features]`` to outputs ``[n, height, width, ...]``.
        inputs: integers 0 to ``n_values - 1``, or floats if ``n_values`` is None.
        n_values: number of values.
        strict: whether the output of the changed sub-pixel itself must not move either (a model
            or a layer of type A); otherwise only earlier outputs.
        groups: number of channel groups; by default every feature is one.

    Returns:
        the set of such pairs of indices in raster order, and the number of permitted pairs that
        moved.

    Example:
        >>> from pixelcnn_tf.testing import leaks
        >>> image = np.zeros([1, 2, 2, 1], np.uint8)
        >>> sorted(leaks(lambda x: x, image, 2)[0])  # every output is its own sub-pixel
        [(0, 0), (1, 1), (2, 2), (3, 3)]
    """
    found, moved_later = set(), 0
    for image in inputs:
        groups = groups or image.shape[-1]
        size = image.shape[0] * image.shape[1] * groups
        changed = _each_changed(image, size, n_values)
        outputs = np.asarray(function(changed)).reshape(size + 1, size, -1)
        difference = np.abs(outputs[:-1] - outputs[-1:]).max(axis=-1)
        moved = difference > 1e-5 * max(1.0, np.abs(outputs).max())
        forbidden = np.tri(size, k=0 if strict else -1, dtype=bool)  # earlier outputs, or own
        found |= {(int(a), int(b)) for a, b in np.argwhere(moved & forbidden)}
        moved_later += int((moved & ~forbidden).sum())
    return found, moved_later


def incremental_outputs(layer: Any, inputs: np.ndarray, n_channels: int) -> np.ndarray:
    """Returns the outputs of a layer or block for ``inputs`` ``[n, height, width, features]``,
    evaluated incrementally and eagerly.

    Example:
        >>> from pixelcnn_tf.testing import incremental_outputs
        >>> layer = pixelcnn_tf.MaskedConv2D(3, 3)
        >>> x = np.ones([1, 4, 5, 3], "float32")
        >>> bool(np.allclose(layer(x), incremental_outputs(layer, x, 3), atol=1e-5))
        True
    """
    n, height, width, features = inputs.shape
    schedule = Schedule(layer, n, height, width)
    flat = np.concatenate([inputs.reshape(n, -1, features), np.zeros([n, 1, features])], axis=1)
    outputs = np.zeros(0)
    weights, states = schedule.weights(), schedule.init_states()
    for time in range(schedule.n_steps):
        pixels = schedule.pixels(tf.constant(time), weights, states)
        here = flat[:, pixels.index.numpy()].transpose(1, 0, 2)  # [rows, n, features]
        groups = np.split(here.reshape(schedule.lanes, features).astype("float32"), n_channels, 1)
        results = []
        for channel, group in enumerate(groups):
            pixels.channel = channel
            if isinstance(layer, IncrementalLayer) and layer.mask_type == "A":
                results.append(layer.step(None, pixels))
                layer.observe(tf.constant(group), pixels)
            else:
                results.append(layer.step(tf.constant(group), pixels))
        states = pixels.end()
        result = tf.concat(results, axis=-1).numpy().reshape(schedule.rows, n, -1)
        if time == 0:
            outputs = np.zeros([n, height * width + 1, result.shape[-1]])
        outputs[:, pixels.index.numpy()] = result.transpose(1, 0, 2)
    return outputs[:, :-1].reshape(n, height, width, -1)


def _each_changed(image: np.ndarray, size: int, n_values: int | None) -> np.ndarray:
    """``size + 1`` copies of an image: copy i has sub-pixel (or channel group) i changed, and the
    last none."""
    changed = np.repeat(image[None], size + 1, axis=0)
    each, flat = np.arange(size), changed.reshape(size + 1, size, -1)
    if n_values is None:
        flat[each, each] += 1
    else:
        flat[each, each] = (flat[each, each].astype(int) + n_values // 2) % n_values
    return changed


def _cause(subject: _Subject, image: np.ndarray, output: int, shape: tuple) -> str:
    """The input to which ``step`` and ``call`` respond differently at ``output``."""
    changed = _each_changed(image, int(np.prod(shape)), subject.n_values)
    called = subject.by_group(subject.call(changed))[:, output]
    stepped = subject.by_group(subject.step(changed))[:, output]
    by_call, by_step = called[:-1] - called[-1], stepped[:-1] - stepped[-1]
    apart = np.abs(by_call - by_step).max(axis=-1)
    if apart.max() <= TOLERANCE * max(1.0, np.abs(called).max()):
        return "the difference does not depend on the input: a bias or a constant, for example"
    cause = int(apart.argmax())
    moves = [np.abs(by[cause]).max() for by in (by_call, by_step)]
    return (
        f"if the input at {_place(cause, shape)} changes, the output of call changes by "
        f"{moves[0]:.2g}, that of step by {moves[1]:.2g}"
    )


def _place(index: int, shape: tuple) -> str:
    row, column, channel = np.unravel_index(index, shape)
    return f"row {row}, column {column}, channel {channel}"


def _name(part) -> str:
    return f"{type(part).__name__} {part.name!r}"
