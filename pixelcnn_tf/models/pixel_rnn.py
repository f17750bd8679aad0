"""PixelRNN: a masked input convolution, a stack of blocks, masked output layers."""

import inspect
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.config import registry
from pixelcnn_tf.layers.embedding import ValueEmbedding
from pixelcnn_tf.layers.incremental import IncrementalBlock, IncrementalLayer
from pixelcnn_tf.layers.masked_conv import MaskedConv2D
from pixelcnn_tf.layers.schedule import ActivePixels
from pixelcnn_tf.likelihoods.base import Likelihood
from pixelcnn_tf.likelihoods.in_pieces import MOST_LOGITS, log_probs_in_pieces
from pixelcnn_tf.likelihoods.registry import get_likelihood
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.blocks import Block, PixelCNNResBlock
from pixelcnn_tf.models.keras_data import inputs_of, present
from pixelcnn_tf.utils.serialization import PACKAGE
from pixelcnn_tf.utils.validation import count

#: With more outputs per sub-pixel than this, ``nll`` evaluates a part of the pixels at a time.
MOST_OUTPUTS = 300


@keras.saving.register_keras_serializable(package=PACKAGE)
class PixelRNN(PixelModel):
    """A distribution over images, factorized into one conditional distribution per sub-pixel.

    Layers, in order: scaling of the values to [-1, 1], or an embedding of them; a 7x7 convolution
    of type A (or the ``input_layer`` of the block) with ``2 * hidden_dim * n_channels`` features;
    ``n_layers`` blocks; twice a ReLU and a 1x1 convolution with ``out_dim * n_channels`` features;
    a ReLU and a last 1x1 convolution to the parameters of the likelihood, in float32 whatever the
    precision policy is. The model is fully convolutional: the same weights take any image size.

    Args:
        hidden_dim: half the features per channel between blocks ("h" in the paper).
        out_dim: features per channel of the output layers.
        n_layers: number of blocks, from 1 up.
        pixel_layer: the block: a class or function that is called with ``n_channels``, ``name``
            and ``dtype`` (and ``n_classes``, if given, and ``condition_features``, if the model is
            conditional) and returns a block; its name in a config (``'resblock'``); or a block to
            copy. All blocks must have the same config.
        n_channels: number of channels per pixel; 1 for greyscale images.
        likelihood: a ``Likelihood``, or its name in a config (``'softmax-256'``).
        skip_connections: whether the output of every block is also added, through a 1x1
            convolution of its own, to the input of the output layers (section 3.3 of the paper).
        n_classes: makes the model class-conditional: its blocks depend on the label.
        input: ``'value'``, the scaled values, which None is, too; or ``'embedding'``,
            ``hidden_dim`` learned features for every value of every channel, for values whose order
            means nothing.
        n_values: number of values of a sub-pixel, 2 to 65,536, for a likelihood whose name does not
            state it (``'logistic-10'``); None: 256, or those of the likelihood.
        n_condition_channels: makes the model conditional: its blocks depend on a grid of values 0
            to 255 with this many channels, the condition, which is not masked.
        condition_factor: images are this many times as high and as wide as their condition.
        n_condition_codes: the condition holds codes 0 to ``n_condition_codes - 1``, which are
            embedded, instead of values.

    Input: images ``[batch, height, width, n_channels]``, values 0 to ``n_values - 1``
    (255 for ``softmax-256``), of any numeric dtype; integer labels ``[batch]`` if ``n_classes`` is
    given; a condition ``[batch, height / condition_factor, width / condition_factor,
    n_condition_channels]`` if that is given.
    Output: float32 logits ``[batch, height, width, n_channels, n_params]``.

    Raises:
        ValueError: a number of features that does not fit the block, fewer than one layer, images
            of another number of channels; labels that are missing, not integers, or for a model
            without classes; likewise for a condition, or one of another shape.
        tf.errors.InvalidArgumentError: labels or a condition that are out of range, or not one per
            image.

    Source: arXiv 1601.06759, table 1; the condition is that of arXiv 1606.05328, equation 5. The
    ReLU before the last 1x1 is not in that table; without it the last two convolutions would be one
    linear map.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(hidden_dim=8, out_dim=8, n_layers=2, pixel_layer="gated")
        >>> model(np.zeros([2, 8, 8, 3], np.uint8)).shape
        TensorShape([2, 8, 8, 3, 256])
    """

    def __init__(
        self,
        hidden_dim: int = 32,
        out_dim: int = 64,
        n_layers: int = 8,
        pixel_layer=PixelCNNResBlock,
        n_channels: int = 3,
        likelihood: str | Likelihood = "softmax-256",
        skip_connections: bool = False,
        n_classes: int | None = None,
        input: Literal["value", "embedding"] | None = None,
        n_values: int | None = None,
        n_condition_channels: int | None = None,
        condition_factor: int = 1,
        n_condition_codes: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim = count("hidden_dim", hidden_dim)
        self.out_dim = out_dim = count("out_dim", out_dim)
        self.n_layers = n_layers = count("n_layers", n_layers)
        self.n_channels = n_channels
        if isinstance(likelihood, str):
            likelihood = get_likelihood(likelihood, n_values)
        if n_values not in (None, likelihood.n_values):
            raise ValueError(f"n_values={n_values!r}: the likelihood has {likelihood.n_values}")
        self.likelihood, self.n_values = likelihood, n_values
        self.skip_connections = skip_connections
        self.n_classes = n_classes

        def conv(filters, kernel_size, mask_type, name, **options):
            options = {"dtype": self.dtype_policy, **options}
            return MaskedConv2D(filters, kernel_size, mask_type, n_channels, name=name, **options)

        if input not in (None, "value", "embedding"):
            raise ValueError(f"input={input!r}: must be 'value' or 'embedding'")
        self._input = input
        self.embedding = None
        if input == "embedding":
            sizes = self.likelihood.n_values, hidden_dim, n_channels
            self.embedding = ValueEmbedding(*sizes, name="embedding", dtype=self.dtype_policy)
        features = 2 * hidden_dim * n_channels
        options = {"n_channels": n_channels, "dtype": self.dtype_policy}
        if n_classes is not None:
            options["n_classes"] = n_classes
        self.condition_features = self.make_condition_encoder(
            2 * hidden_dim, n_condition_channels, condition_factor, n_condition_codes
        )
        if self.condition_features is not None:
            options["condition_features"] = self.condition_features
        self.blocks: list[Any] = [
            _make_block(pixel_layer, name=f"block_{i + 1}", **options) for i in range(n_layers)
        ]
        for place, block in enumerate(self.blocks):
            if isinstance(block, Block):
                block.set_place(place, n_layers)
        if isinstance(self.blocks[0], Block):
            self._check_block(self.blocks[0])
            self.input_conv = self.blocks[0].input_layer(
                features, 7, name="input_conv", dtype=self.dtype_policy
            )
        else:
            self.input_conv = conv(features, 7, "A", "input_conv")
        configs = [{**block.get_config(), "name": ""} for block in self.blocks]
        if any(config != configs[0] for config in configs):
            raise ValueError("pixel_layer: must build blocks that differ in their names only")
        self.skips = [
            conv(features, 1, "B", f"skip_{i + 1}") for i in range(n_layers * skip_connections)
        ]
        self.head = [conv(out_dim * n_channels, 1, "B", f"head_{i + 1}") for i in range(2)]
        n_outputs = n_channels * self.likelihood.n_params
        self.output_conv = conv(n_outputs, 1, "B", "output_conv", dtype="float32")

    def _check_block(self, block: Block) -> None:
        for name, own, of_block in [
            ("n_channels", self.n_channels, block.n_channels),
            ("n_classes", self.n_classes, block.n_classes),
            ("condition_features", self.condition_features, block.condition_features),
        ]:
            if of_block != own:
                raise ValueError(f"{name}={own!r}: the blocks have {of_block!r}; must be the same")
        takes = "condition" in inspect.signature(block.call).parameters
        if self.condition_spec is not None and not takes:
            raise ValueError(
                f"n_condition_channels={self.condition_spec.n_channels}: the call of "
                f"{type(block).__name__} takes no condition; give it an argument 'condition', see "
                "docs/extending.md"
            )

    def build(self, images_shape, labels_shape=None, condition_shape=None):
        self.checked_shape(images_shape)
        shape = (None, None, None, self.n_channels)  # images of any size
        if self.embedding is not None:
            self.embedding.build(shape)
            shape = self.embedding.compute_output_shape(shape)
        self.input_conv.build(shape)
        shape = self.input_conv.compute_output_shape(shape)
        for block in self.blocks:
            if not block.built:
                block.build(shape)
        shape = _horizontal(shape)
        for layer in [*self.skips, self.head[0]]:
            layer.build(shape)
        shape = self.head[0].compute_output_shape(shape)
        self.head[1].build(shape)
        self.output_conv.build(shape)
        self.built = True

    def call(self, images, labels=None, condition=None, training=False, log_probs=False):
        """Returns the logits or, with ``log_probs``, the log-probabilities of the values of the
        images themselves, float32 ``[batch, height, width, n_channels]``; those are evaluated for a
        part of the pixels at a time, see ``nll``."""
        images, labels, condition = inputs_of(images, labels, condition)
        images, labels = self.checked_inputs(images, labels, log_probs)
        given = present(labels=labels, condition=self.encoded(condition, images))
        x = self.input_conv(
            self.scale(images) if self.embedding is None else self.embedding(images)
        )
        skipped = []
        for i, block in enumerate(self.blocks):
            x = block(x, **given)  # Keras passes ``training`` on
            if self.skip_connections:
                skipped.append(self.skips[i](_horizontal(x)))
        x = tf.add_n([_horizontal(x), *skipped])
        for conv in self.head:
            x = conv(tf.nn.relu(x))
        if log_probs:
            return self._log_probs(tf.nn.relu(x), images)
        outputs = self.output_conv(tf.nn.relu(x))
        shape = tf.concat([tf.shape(images), [self.likelihood.n_params]], axis=0)
        return tf.reshape(outputs, shape)

    def _log_probs(self, x, images):
        """Returns the log-probabilities of images, given the input of the last layer."""
        conv = self.output_conv
        kernel = conv.used_kernel()
        kernel = tf.reshape(kernel, kernel.shape[2:])
        features = tf.reshape(tf.cast(x, tf.float32), [-1, x.shape[-1]])
        values = tf.reshape(images, [-1, self.n_channels])
        bias = conv.bias_or_zeros(tf.float32)
        found = log_probs_in_pieces(self.likelihood, features, kernel, bias, values)
        if values.dtype.is_floating:  # XLA replaces wrong values with NaN, see ``checked_values``
            found = tf.where(tf.math.is_nan(values), np.nan, found)
        return tf.reshape(found, tf.shape(images))

    @property
    def _has_many_outputs(self) -> bool:
        return self.likelihood.n_params > MOST_OUTPUTS

    def nll(
        self,
        images,
        labels=None,
        training: bool = False,
        per_subpixel: bool = False,
        condition=None,
    ):
        if not self._has_many_outputs:
            return super().nll(images, labels, training, per_subpixel, condition)
        given = present(labels=labels, condition=condition)
        nats = -self(images, training=training, log_probs=True, **given)
        return nats if per_subpixel else tf.reduce_sum(nats, axis=[1, 2, 3])

    def output_bytes(self, shape) -> int:
        everything = super().output_bytes(shape)
        return min(everything, 4 * MOST_LOGITS) if self._has_many_outputs else everything

    def naive_parts(self) -> list:
        return [block for block in self.blocks if not isinstance(block, IncrementalBlock)]

    def lookahead_layers(self) -> list[IncrementalLayer]:
        parts = [self.input_conv, *self.blocks]
        return [layer for part in parts for layer in part.lookahead_layers()]

    def advance(self, pixels: ActivePixels) -> None:
        if self.lookahead_layers():
            x = self.input_conv.advance(None, pixels)
            for block in self.blocks:
                x = block.advance(x, pixels)

    def step(self, pixels: ActivePixels):
        x = self.input_conv.step(None, pixels)
        skipped = []
        for i, block in enumerate(self.blocks):
            x = block.step(x, pixels)
            if self.skip_connections:
                skipped.append(self.skips[i].step(x, pixels))
        x = tf.add_n([x, *skipped])
        for conv in self.head:
            x = conv.step(tf.nn.relu(x), pixels)
        return self.output_conv.step(tf.nn.relu(x), pixels)

    def observe(self, values, pixels: ActivePixels) -> None:
        if self.embedding is None:
            x = self.scale(values)[:, None]
        else:
            x = self.embedding.step(values, pixels)
        for part in [self.input_conv, *self.blocks]:
            part.observe(x, pixels)

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "out_dim": self.out_dim,
            "n_layers": self.n_layers,
            "pixel_layer": keras.saving.serialize_keras_object(self.blocks[0]),
            "likelihood": keras.saving.serialize_keras_object(self.likelihood),
            "skip_connections": self.skip_connections,
            "input": self._input,
            "n_values": self.n_values,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("pixel_layer", "likelihood"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


def _horizontal(x):
    """The second of a pair, or its shape: the horizontal one of two stacks, or the features with
    an image; a single stack as it is."""
    pair = isinstance(x, list | tuple) and len(x) == 2
    return x[1] if pair else x


def _make_block(pixel_layer, **options):
    """A new block: a copy of a block, or made by a class, a function or a registered name."""
    if isinstance(pixel_layer, str):
        try:
            pixel_layer = registry.get("block", pixel_layer).load()
        except ValueError as error:
            raise ValueError(f"pixel_layer={pixel_layer!r}: {error}") from None
    if isinstance(pixel_layer, keras.layers.Layer):
        del options["n_channels"]  # the block to copy has its own
        return type(pixel_layer).from_config({**pixel_layer.get_config(), **options})
    if not callable(pixel_layer):
        raise ValueError(
            f"pixel_layer={pixel_layer!r:.80}: must be a block, its name, or a class or function "
            "that returns one"
        )
    return pixel_layer(**options)
