"""PixelCNN++: two streams of shifted convolutions at three resolutions, and a mixture of
logistics over whole pixels.

Source: Salimans, Karpathy, Chen and Kingma 2017, arXiv 1701.05517. Departures: features are
brought back up by a 2x2 transposed convolution of stride 2 (a 1x1 convolution to four times the
features, dealt out to 2x2 pixels, each with gains and biases of its own) in both streams, not
2x3 in the one above; the image is shifted before the first convolutions, not after, so that its
first row and column have their biases; log scales are bounded above, too (mixtures.py). The first
weights are set without dropout, and features that hardly vary are not scaled.

Incremental evaluation: the stream above knows the rows above only, all of them and to both sides,
so it is run a row at a time, when the row above is complete. The left one is run pixel by pixel. A
pixel of the second level is made when the first of its four pixels has come, before any of
them is known, and waits for the others; the third level likewise.
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.layers.incremental import IncrementalLayer
from pixelcnn_tf.layers.normalized_conv import NormalizedConv2D
from pixelcnn_tf.layers.schedule import where
from pixelcnn_tf.likelihoods.logistic_mixture import LogisticMixture, PixelMixture
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.pixelcnn_pp_blocks import Above, Left, Stream
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import count, dropout_rate

#: Resolutions: each half of the one before it.
N_LEVELS = 3


class Walk(NamedTuple):
    """What is known before a pixel.

    Attributes:
        image: the rows two above, one above and at hand, ``[3, width, batch, n_channels + 1]``.
        first: what the left stream begins with from the row above, ``[width, batch, features]``.
        above, left: of each level.
    """

    image: tf.Tensor
    first: tf.Tensor
    above: tuple
    left: tuple


@keras.saving.register_keras_serializable(package=PACKAGE)
class PixelCNNPlusPlus(IncrementalLayer, PixelModel):
    """A distribution over images of 8-bit values, one pixel after another.

    Args:
        n_resnet: blocks a stream and level, each way; 5 in the paper.
        n_filters: feature maps of each stream; 160 in the paper.
        n_mix: components of the mixture; 10 in the paper.
        n_channels: channels per pixel; 1 is greyscale.
        n_classes: makes a class-conditional model.
        dropout: the share of features left out within every block in training.

    Input: images ``[batch, height, width, n_channels]``, values 0 to 255 of any numeric dtype,
    height and width multiples of 4; integer labels ``[batch]`` if ``n_classes`` is given.
    Output: float32 ``[batch, height, width, n_channels, 3 * n_mix]``, a mixture for every
    sub-pixel given all that comes before it, of the likelihood ``logistic-N_MIX``: so the model is
    scored and sampled as any other.

    Raises:
        ValueError: numbers out of range, other channels, sides that do not divide by 4; labels as
            ``PixelRNN``.
    """

    size_unit = 2 ** (N_LEVELS - 1)
    n_initial_images = 100

    def __init__(
        self,
        n_resnet: int = 5,
        n_filters: int = 160,
        n_mix: int = 10,
        n_channels: int = 3,
        n_classes: int | None = None,
        dropout: float = 0.5,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.n_resnet = count("n_resnet", n_resnet)
        self.n_filters = count("n_filters", n_filters)
        self.n_mix = count("n_mix", n_mix, most=100)
        self.n_channels = count("n_channels", n_channels)
        self.n_classes = n_classes
        self.dropout = dropout_rate(dropout)
        self.likelihood = LogisticMixture(self.n_mix)
        self._mixture = PixelMixture(self.likelihood, self.n_channels)

        dtype = {"dtype": self.dtype_policy}
        blocks = {"n_classes": n_classes, "dropout": dropout, **dtype}

        def conv(name, size, direction, mask_type="A", filters=self.n_filters, **options):
            return NormalizedConv2D(filters, size, direction, mask_type, name=name, **options)

        self.input_above = conv("input_above", (2, 3), "down", **dtype)
        self.input_left_above = conv("input_left_above", (1, 3), "down", **dtype)
        self.input_left = conv("input_left", (2, 1), "down_right", **dtype)
        self.above, self.left = (
            [
                Stream(
                    direction,
                    self.n_filters,
                    self.n_resnet,
                    level == N_LEVELS - 1,
                    name=f"{name}_{level}",
                    **blocks,
                )
                for level in range(N_LEVELS)
            ]
            for name, direction in (("above", "down"), ("left", "down_right"))
        )
        self.output_conv = conv(
            "output_conv", 1, "down_right", "B", self._mixture.n_params, dtype="float32"
        )

    def build(self, images_shape, labels_shape=None):
        self.checked_shape(images_shape)
        shape = (None, None, None, self.n_channels + 1)
        for layer in (self.input_above, self.input_left_above, self.input_left):
            layer.build(shape)
        self.output_conv.build((None, None, None, self.n_filters))
        self.built = True

    def call(self, images, labels=None, training=False):
        images, labels = self.checked_inputs(images, labels)
        given = {"training": training, **({} if labels is None else {"labels": labels})}
        x = self._inputs(images)
        above, left = self.input_above(x), self.input_left_above(x) + self.input_left(x)
        left = self._level(0, above, left, given)[1]
        params = self.output_conv(tf.nn.elu(left))
        values = tf.unstack(tf.cast(images, tf.float32), axis=-1)
        return tf.stack(self._mixture.per_channel(params, values[:-1]), axis=-2)

    def _level(self, level: int, above, left, given):
        """Both streams, from a level down and back up to it.

        Args:
            above, left: ``[batch, height, width, n_filters]`` of this level.
            given: labels and ``training``, for the blocks.

        Returns:
            the two, of the same shape.
        """
        streams = self.above[level], self.left[level]
        all_above, all_left = [above], [left]
        for a, b in zip(*(stream.there for stream in streams), strict=True):
            above = a(above, **given)
            left = b(left, above, **given)
            all_above.append(above)
            all_left.append(left)
        if level + 1 < N_LEVELS:
            half = [stream.shrink(x) for stream, x in zip(streams, (above, left), strict=True)]
            half = self._level(level + 1, *half, given)
            above, left = (stream.enlarged(x) for stream, x in zip(streams, half, strict=True))
        else:
            above, left = all_above.pop(), all_left.pop()
        for a, b in zip(*(stream.back for stream in streams), strict=True):
            above = a(above, all_above.pop(), **given)
            left = b(left, tf.concat([above, all_left.pop()], axis=-1), **given)
        return above, left

    def _inputs(self, images):
        """Values scaled to [-1, 1], and a one that tells the image from what is around it."""
        x = self.scale(images)
        return tf.concat([x, tf.ones_like(x[..., :1])], axis=-1)

    def initialize_from(self, images, labels=None) -> None:
        """Set gains and biases from a batch of images such that every feature that varies (by a
        variance above 0.001) has mean 0 and standard deviation 1 at first (0.1 at the end of a
        block), without dropout. Once, before training, for what they have learned is lost:
        ``main.py`` does so, whoever calls ``fit`` must.

        Args:
            images, labels: as for ``call``; some 100 images will do.

        Raises:
            ValueError: no images, or of other channels; as ``call``.

        Source: arXiv 1602.07868, section 3.
        """
        if not self.built:
            self.build((None, None, None, self.n_channels))
        shape = self.checked_shape(np.shape(images))
        if len(shape) != 4 or 0 in shape:
            raise ValueError(f"images {shape}: must be some, [n, height, width, channels]")
        inside = self._flatten_layers(include_self=False, recursive=True)
        convs = [layer for layer in inside if isinstance(layer, NormalizedConv2D)]
        try:
            for conv in convs:
                conv.initializing = True
            self.call(tf.convert_to_tensor(images), labels)
        finally:
            for conv in convs:
                conv.initializing = False

    # Incremental evaluation.

    def reach(self, width):
        return width - 1  # the row above must be complete

    def incremental_weights(self):
        convs = self.input_above, self.input_left_above, self.input_left, self.output_conv
        streams = (
            [
                [layer.incremental_weights() for layer in level.incremental_layers()]
                for level in stream
            ]
            for stream in (self.above, self.left)
        )
        return [conv.incremental_weights() for conv in convs], *streams

    def init_state(self, schedule):
        width, batch, features = schedule.width, schedule.batch, self.n_filters

        def zeros(*shape):
            return tf.zeros(shape, self.compute_dtype)

        above, left = [], []
        for level in range(N_LEVELS):
            columns, deepest = width >> level, level + 1 == N_LEVELS
            row = columns, batch, features
            states = [
                streams[level].schedule(schedule, level).init_states()
                for streams in (self.above, self.left)
            ]
            made = [zeros(*row) for _ in self.above[level].there + self.above[level].back]
            above.append(Above(states[0], made, () if deepest else zeros(2, *row)))
            grown = () if deepest else zeros(columns // 2, batch, 4 * features)
            left.append(Left(states[1], grown))
        image = zeros(3, width, batch, self.n_channels + 1)
        return Walk(image, zeros(width, batch, features), tuple(above), tuple(left))

    def advance(self, pixels):
        """Nothing is made ahead of the pixels at hand."""

    def step(self, pixels):
        """The mixture ``[batch, 3 * n_mix]`` of the colour ``pixels.channel`` of the pixels at
        hand. The first colour runs the network, the others only take in the values before."""
        slot = pixels[self]
        if pixels.channel == 0:
            slot.sums = self._params(slot, pixels)
        return self._mixture.per_channel(slot.sums, slot.groups)[-1]

    def observe(self, values, pixels):
        """Take in the values, float32 ``[batch]``, chosen for that colour."""
        pixels[self].groups.append(values)

    def end_pixel(self, slot, pixels):
        x = self._inputs(tf.stack(slot.groups, axis=-1))
        at = tf.stack([2, pixels.column[0]])[None]
        image = tf.tensor_scatter_nd_update(slot.state.image, at, x[None])
        return slot.state._replace(image=image)

    def _params(self, slot, pixels):
        """The parameters ``[batch, n_params]`` of the mixture over the pixel at hand."""
        walk, schedule, (row, column) = (
            slot.state,
            pixels.schedule,
            (pixels.row[0], pixels.column[0]),
        )
        convs, weights_above, weights_left = slot.weights

        def new_row(image, _, above):
            image = tf.concat([image[1:], tf.zeros_like(image[:1])], axis=0)
            x = self.input_above.row_from([image[0], image[1]], convs[0])
            above = self._row(0, row, x, schedule, weights_above, above)[1]
            return image, self.input_left_above.row_from([image[1]], convs[1]), above

        image, first, above = where(column == 0, new_row, walk.image, walk.first, walk.above)
        before = tf.gather(image[1:], tf.maximum(column - 1, 0), axis=1)
        before = tf.where(column > 0, before, tf.zeros_like(before))
        kernel, bias = convs[2]
        x = first[column] + tf.concat(tf.unstack(before), axis=-1) @ kernel + bias
        made = [level.made for level in above]
        x, left = self._pixel(0, row, column, x, schedule, weights_left, made, walk.left)
        slot.state = Walk(image, first, above, left)
        kernel, bias = convs[3]
        return tf.cast(tf.nn.elu(x), tf.float32) @ kernel + bias

    def _row(self, level: int, row, x, schedule, weights, states):
        """The stream above at a new row of a level and at those below it that have a new row,
        too.

        Args:
            row: of the level.
            x: what the stream begins with there, ``[width, batch, n_filters]``.
            schedule: of the whole walk.
            weights: of the layers of each level.
            states: of this level and those below.

        Returns:
            the outputs of the row, of the shape of ``x``, and the states.
        """
        stream, (here, *below) = self.above[level], states
        pixels = stream.schedule(schedule, level).pixels(0, weights[level], here.layers)
        known, made = [x], []
        for block in stream.there:
            x = block.row(x, None, pixels)
            made.append(x)
            known.append(x)
        grown = here.grown
        if stream.shrink is None:
            x = known.pop()
        else:

            def half(grown, states):
                x = stream.shrink.row(known[-1], pixels)
                x, states = self._row(level + 1, row // 2, x, schedule, weights, states)
                x = stream.grow.row(x, pixels)
                four = tf.reshape(x, [*x.shape[:2], 2, 2, self.n_filters])
                return tf.reshape(tf.transpose(four, [2, 0, 3, 1, 4]), grown.shape), states

            grown, below = where(row % 2 == 0, half, grown, tuple(below))
            stream.shrink.observe_row(x, pixels)
            x = grown[row % 2]
        for block in stream.back:
            x = block.row(x, known.pop(), pixels)
            made.append(x)
        return x, (Above(pixels.end(), made, grown), *below)

    def _pixel(self, level: int, row, column, x, schedule, weights, made, states):
        """The left stream at a pixel of a level and at those below it that begin there.

        Args:
            row, column: of the level.
            x: what the stream begins with there, ``[batch, n_filters]``.
            made: of each level, what the blocks of the stream above made of the row.
            schedule, weights, states: as in ``_row``.

        Returns:
            the outputs at the pixel, of the shape of ``x``, and the states.
        """
        stream, (here, *below) = self.left[level], states
        level_schedule = stream.schedule(schedule, level)
        pixels = level_schedule.pixels(
            row * level_schedule.width + column, weights[level], here.layers
        )
        above, known = iter([rows[column] for rows in made[level]]), [x]
        for block in stream.there:
            x = block.step(x, next(above), pixels)
            known.append(x)
        grown = here.grown
        if stream.shrink is None:
            x = known.pop()
        else:
            stream.shrink.observe(x, pixels)

            def half(grown, states):
                x = stream.shrink.outputs(pixels)
                x, states = self._pixel(
                    level + 1, row // 2, column // 2, x, schedule, weights, made, states
                )
                x = stream.grow.step(x, pixels)
                return tf.tensor_scatter_nd_update(grown, [[column // 2]], x[None]), states

            begins = (row % 2 == 0) & (column % 2 == 0)
            grown, below = where(begins, half, grown, tuple(below))
            four = tf.reshape(grown[column // 2], [-1, 4, self.n_filters])
            x = four[:, 2 * (row % 2) + column % 2]
        for block in stream.back:
            x = block.step(x, tf.concat([next(above), known.pop()], axis=-1), pixels)
        return x, (Left(pixels.end(), grown), *below)

    def get_config(self):
        return {
            **super().get_config(),
            "n_resnet": self.n_resnet,
            "n_filters": self.n_filters,
            "n_mix": self.n_mix,
            "dropout": self.dropout,
        }
