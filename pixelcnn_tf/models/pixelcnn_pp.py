"""PixelCNN++: two streams of shifted convolutions at three resolutions, and a mixture of
logistics over whole pixels.

The vertical stream sees the rows above only, the horizontal one also the pixels to the left. Both
run down to a quarter of the resolution and back up, with skip connections from the blocks of the
down path to those of the up path.

Source: Salimans, Karpathy, Chen and Kingma 2017, arXiv 1701.05517. Departures:

- Features are upsampled by a 2x2 transposed convolution of stride 2 (a 1x1 convolution to four
  times the features, rearranged to 2x2 pixels, each with its own gains and biases) in both streams;
  in the authors' code it is 2x3 in the vertical one.
- Images may have any size. Where a side is odd, the lower resolution has half of it, rounded up,
  and the last row or column of the upsampled features is cut off.
- The image is shifted before the first convolutions, not after them, so that its first row and
  column have their biases.
- Log scales are bounded above, too (likelihoods/logistic_mixture.py).
- Weights are initialized without dropout, and features with almost no variance are not scaled.
"""

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.layers.incremental import IncrementalLayer, layers_of
from pixelcnn_tf.layers.normalized_conv import NormalizedConv2D
from pixelcnn_tf.likelihoods.logistic_mixture import LogisticMixture, PixelMixture
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.keras_data import inputs_of, present
from pixelcnn_tf.models.pixelcnn_pp_blocks import Stream, halved
from pixelcnn_tf.models.pixelcnn_pp_incremental import (
    IncrementalNetwork,
    NetworkState,
    NetworkWeights,
)
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import count, dropout_rate

#: Number of resolutions, each half of the one before it.
N_LEVELS = 3


@keras.saving.register_keras_serializable(package=PACKAGE)
class PixelCNNPlusPlus(IncrementalLayer, PixelModel):
    """A distribution over images of integers, one pixel after another.

    Args:
        n_resnet: blocks per stream and level, in the down path; one more in the up path. 5 in the
            paper.
        n_filters: feature maps of each stream; 160 in the paper.
        n_mix: components of the mixture; 10 in the paper.
        n_channels: channels per pixel; 1 is greyscale.
        n_classes: number of classes of a class-conditional model.
        dropout: dropout rate within every block, in training.
        n_values: number of values of a sub-pixel, 2 to 65,536; None: 256.
        n_condition_channels, condition_factor, n_condition_codes: as in ``PixelRNN``, for a
            conditional model. At lower resolutions its blocks get means of the features of the
            condition, over 2x2 or 4x4 pixels.

    Input: images ``[batch, height, width, n_channels]`` of any size, values 0 to ``n_values - 1``
    of any numeric dtype; integer labels ``[batch]`` if ``n_classes`` is given, and a condition, as
    in ``PixelRNN``.
    Output: float32 ``[batch, height, width, n_channels, 3 * n_mix]``, the parameters of a mixture
    for every sub-pixel given all sub-pixels before it, for the likelihood ``logistic-N_MIX``. So
    the model is scored and sampled like any other.

    Raises:
        ValueError: numbers out of range, or images with other channels; labels as in ``PixelRNN``.

    Attributes:
        above, left: the vertical and the horizontal stream, one ``Stream`` per level.
        input_above, input_left_above, input_left, output_conv: the first and the last convolutions.

    Attributes that hold layers have the names that model files and checkpoints contain.

    Source: arXiv 1701.05517; the departures are listed at the top of the module.

    Example:

    >>> model = pixelcnn_tf.PixelCNNPlusPlus(n_resnet=1, n_filters=8, n_mix=2)
    >>> images = np.zeros([2, 8, 8, 3], np.uint8)
    >>> model.initialize_from(images)
    >>> model(images).shape
    TensorShape([2, 8, 8, 3, 6])
    """

    n_initial_images = 100

    def __init__(
        self,
        n_resnet: int = 5,
        n_filters: int = 160,
        n_mix: int = 10,
        n_channels: int = 3,
        n_classes: int | None = None,
        dropout: float = 0.5,
        n_values: int | None = None,
        n_condition_channels: int | None = None,
        condition_factor: int = 1,
        n_condition_codes: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.n_resnet = count("n_resnet", n_resnet)
        self.n_filters = count("n_filters", n_filters)
        self.n_mix = count("n_mix", n_mix, most=100)
        self.n_channels = n_channels = count("n_channels", n_channels)
        self.n_classes = n_classes
        self.dropout = dropout_rate(dropout)
        self.likelihood = LogisticMixture(
            self.n_mix, n_values=256 if n_values is None else n_values
        )
        self.n_values = n_values
        condition_features = self.make_condition_encoder(
            self.n_filters, n_condition_channels, condition_factor, n_condition_codes
        )
        self._mixture = PixelMixture(self.likelihood, n_channels)

        def conv(name, size, direction, mask_type="A", filters=self.n_filters, dtype=None):
            dtype = dtype or self.dtype_policy
            return NormalizedConv2D(filters, size, direction, mask_type, name=name, dtype=dtype)

        def streams(name, direction):
            sizes = direction, self.n_filters, self.n_resnet
            options = {"n_classes": n_classes, "dropout": dropout, "dtype": self.dtype_policy}
            options["condition_features"] = condition_features
            return [
                Stream(*sizes, level == N_LEVELS - 1, name=f"{name}_{level}", **options)
                for level in range(N_LEVELS)
            ]

        self.input_above = conv("input_above", (2, 3), "down")
        # The horizontal stream starts from the row above and from the column to the left.
        self.input_left_above = conv("input_left_above", (1, 3), "down")
        self.input_left = conv("input_left", (2, 1), "down_right")
        self.above = streams("above", "down")
        self.left = streams("left", "down_right")
        n_params = self._mixture.n_params
        self.output_conv = conv("output_conv", 1, "down_right", "B", n_params, "float32")

    def build(self, images_shape, labels_shape=None, condition_shape=None):
        self.checked_shape(images_shape)
        for layer in self.input_convs():
            layer.build((None, None, None, self.n_channels + 1))
        self.output_conv.build((None, None, None, self.n_filters))
        self.built = True

    def input_convs(self) -> list[NormalizedConv2D]:
        """Returns the convolutions of the image: of the vertical stream, and the two of the
        horizontal one."""
        return [self.input_above, self.input_left_above, self.input_left]

    def convolutions(self) -> list[NormalizedConv2D]:
        """Returns all convolutions of the model."""
        layers = layers_of([*self.above, *self.left])
        inside = [layer for layer in layers if isinstance(layer, NormalizedConv2D)]
        return [*self.input_convs(), *inside, self.output_conv]

    def call(self, images, labels=None, condition=None, training=False):
        images, labels, condition = inputs_of(images, labels, condition)
        images, labels = self.checked_inputs(images, labels)
        options = present(labels=labels, condition=self.encoded(condition, images))
        options["training"] = training
        x = self._inputs(images)
        vertical = self.input_above(x)
        horizontal = self.input_left_above(x) + self.input_left(x)
        horizontal = self._level(0, vertical, horizontal, options)[1]
        params = self.output_conv(tf.nn.elu(horizontal))
        values = tf.unstack(tf.cast(images, tf.float32), axis=-1)
        return tf.stack(self._mixture.per_channel(params, values[:-1]), axis=-2)

    def _level(self, level: int, vertical, horizontal, options: dict):
        """Runs both streams from a level down to the lowest resolution and back up.

        Args:
            vertical, horizontal: ``[batch, height, width, n_filters]`` of this level.
            options: ``training``, ``labels`` and ``condition`` for the blocks; the latter of this
                level.

        Returns:
            both streams, of the same shape.
        """
        v_stream, h_stream = self.above[level], self.left[level]
        skips = [(vertical, horizontal)]
        for v_block, h_block in zip(v_stream.there, h_stream.there, strict=True):
            vertical = v_block(vertical, **options)
            horizontal = h_block(horizontal, vertical, **options)
            skips.append((vertical, horizontal))
        if level + 1 < N_LEVELS:
            lower = v_stream.shrink(vertical), h_stream.shrink(horizontal)
            below = dict(options)
            if "condition" in options:
                below["condition"] = halved(options["condition"])
            vertical, horizontal = self._level(level + 1, *lower, below)
            vertical = v_stream.upsampled(vertical, skips[-1][0])
            horizontal = h_stream.upsampled(horizontal, skips[-1][1])
        else:
            skips.pop()  # the up path starts from it
        for v_block, h_block in zip(v_stream.back, h_stream.back, strict=True):
            v_skip, h_skip = skips.pop()
            vertical = v_block(vertical, v_skip, **options)
            horizontal = h_block(horizontal, tf.concat([vertical, h_skip], axis=-1), **options)
        return vertical, horizontal

    def _inputs(self, images):
        """Values scaled to [-1, 1], and a channel of ones, which tells the image from the zeros
        around it."""
        x = self.scale(images)
        return tf.concat([x, tf.ones_like(x[..., :1])], axis=-1)

    def initialize_from(self, images, labels=None, condition=None) -> None:
        """Sets gains and biases from a batch of images, once, before training.

        Afterwards each feature of each convolution has mean 0 and standard deviation 1 on these
        images (0.1 at the end of a block), without dropout; features whose variance is below 0.001
        are not scaled. What the gains and biases have learned is lost. The command
        ``train`` calls it; before Keras's ``fit`` or ``Trainer.fit``, call it yourself.

        Args:
            images, labels, condition: as for ``call``; about 100 images are enough.

        Raises:
            ValueError: no images, or as ``call``.

        Source: Salimans and Kingma 2016, arXiv 1602.07868, section 3.
        """
        if not self.built:
            self.build((None, None, None, self.n_channels))
        shape = self.checked_shape(np.shape(images))
        if len(shape) != 4 or 0 in shape:
            raise ValueError(f"images {shape}: must be some, [n, height, width, channels]")
        convs = self.convolutions()
        try:
            for conv in convs:
                conv.initializing = True
            self.call(tf.convert_to_tensor(images), labels, condition)
        finally:
            for conv in convs:
                conv.initializing = False

    # Incremental evaluation; see pixelcnn_pp_incremental.py.

    def reach(self, width):
        return width - 1  # the row above must be complete

    def incremental_weights(self):
        return NetworkWeights.of(self)

    def init_state(self, schedule):
        return NetworkState.zeros(self, schedule)

    def advance(self, pixels):
        """Does nothing: no layer is evaluated ahead of the active pixel."""

    def step(self, pixels):
        """The parameters ``[batch, 3 * n_mix]`` of the channel ``pixels.channel`` of the active
        pixel. The network runs for the first channel; the others only take in the values before
        them."""
        own = pixels[self]
        if pixels.channel == 0:
            network = IncrementalNetwork(self, pixels.schedule, own.weights)
            own.sums, own.state = network.step(own.state, pixels.row[0], pixels.column[0])
        return self._mixture.per_channel(own.sums, own.groups)[-1]

    def observe(self, values, pixels):
        """Takes in the values, float32 ``[batch]``, chosen for that channel."""
        pixels[self].groups.append(values)

    def end_pixel(self, layer_state, pixels):
        x = self._inputs(tf.stack(layer_state.groups, axis=-1))
        return layer_state.state.with_pixel(pixels.column[0], x)

    def get_config(self):
        return {
            **super().get_config(),
            "n_resnet": self.n_resnet,
            "n_filters": self.n_filters,
            "n_mix": self.n_mix,
            "dropout": self.dropout,
            "n_values": self.n_values,
        }
