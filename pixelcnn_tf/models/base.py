"""The base class of the models."""

import math
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.layers.condition import ConditionEncoder
from pixelcnn_tf.layers.incremental import IncrementalLayer, IncrementalModel, layers_of
from pixelcnn_tf.likelihoods.base import Likelihood
from pixelcnn_tf.models.keras_data import (
    ConditionSpec,
    checked_condition,
    checked_first,
    checked_labels,
    inputs_of,
    present,
    sizes_of,
)
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.machine import memory


class PixelModel(IncrementalModel, keras.Model):
    """The base class of distributions over images, factorized into one conditional distribution
    per sub-pixel. A subclass fills in ``call``, ``step`` and ``observe``.

    Input: images ``[batch, height, width, n_channels]``, values 0 to ``n_values - 1`` of the
    likelihood, of any numeric dtype. A class-conditional model also takes integer labels
    ``[batch]``, and a conditional one a condition, a grid of integers ``[batch, height / factor,
    width / factor, n_condition_channels]``: as ``model(images, labels, condition)``, a tuple of
    them, or a dictionary ``{"images": ..., "labels": ..., "condition": ...}``.
    Output: float32 ``[batch, height, width, n_channels, n_params]``.

    Attributes:
        likelihood: the ``Likelihood`` whose parameters the outputs are.
        n_channels: number of channels per pixel; 1 for greyscale images.
        n_classes: number of classes; None for a model that is not class-conditional.
        condition_spec: the ``ConditionSpec`` of a conditional model; None for any other.
        n_initial_images: number of training images that ``initialize_from`` needs; 0 for a model
            whose initial weights do not depend on data.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(4, 4, n_layers=1, n_classes=10)
        >>> isinstance(model, pixelcnn_tf.PixelModel)
        True
        >>> model(np.zeros([2, 8, 8, 3], np.uint8), np.array([3, 7])).shape
        TensorShape([2, 8, 8, 3, 256])
    """

    likelihood: Likelihood
    n_channels: int
    n_classes: int | None = None
    condition_spec: ConditionSpec | None = None
    condition_encoder: ConditionEncoder | None = None
    n_initial_images: int = 0

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # Images are checked as they are given: 254.7 would be 255 in bfloat16.
        self.autocast = False

    fit = checked_first(keras.Model.fit)
    evaluate = checked_first(keras.Model.evaluate)
    predict = checked_first(keras.Model.predict, takes_targets=False)
    train_on_batch = checked_first(keras.Model.train_on_batch)
    test_on_batch = checked_first(keras.Model.test_on_batch)
    predict_on_batch = checked_first(keras.Model.predict_on_batch, takes_targets=False)

    def make_condition_encoder(
        self,
        features: int,
        n_condition_channels: int | None,
        condition_factor: int = 1,
        n_condition_codes: int | None = None,
    ) -> int | None:
        """Makes the model conditional if ``n_condition_channels`` is given, for a constructor.

        Args:
            features: features of the condition that the blocks get.
            n_condition_channels, condition_factor, n_condition_codes: as in ``PixelRNN``.

        Returns:
            ``features``; None if the model is not conditional.

        Raises:
            ValueError: a number that is out of range, or that is given without channels.
        """
        if n_condition_channels is None:
            if (condition_factor, n_condition_codes) != (1, None):
                raise ValueError(
                    f"condition_factor={condition_factor!r}, n_condition_codes="
                    f"{n_condition_codes!r}: the model is not conditional; set n_condition_channels"
                )
            return None
        spec = ConditionSpec(n_condition_channels, condition_factor, n_condition_codes)
        encoder = ConditionEncoder(
            features, *spec, name="condition_encoder", dtype=self.dtype_policy
        )
        encoder.build((None, None, None, n_condition_channels))
        self.condition_spec, self.condition_encoder = spec, encoder
        return features

    def encoded(self, condition, images):
        """Returns the features of a condition ``[batch, height, width, features]``, for the
        blocks; None for a model that is not conditional. Raises what ``call`` raises; under XLA, a
        condition with wrong values makes the features NaN."""
        checked = checked_condition(condition, sizes_of(images), self.condition_spec)
        if checked is None or self.condition_encoder is None:
            return None
        condition, right = checked
        features = self.condition_encoder(condition)
        return tf.where(tf.reshape(right, [-1, 1, 1, 1]), features, np.nan)

    def initialize_from(self, images, labels=None, condition=None) -> None:
        """Initializes the weights from images, before training; by default does nothing.

        Args:
            images, labels, condition: as for ``call``, at least ``n_initial_images``.
        """

    def checked_shape(self, images_shape):
        """Returns the shape of the images; ValueError for another number of channels."""
        images_shape, *_ = inputs_of(images_shape)
        if images_shape[-1] != self.n_channels:
            raise ValueError(
                f"images of {images_shape[-1]} channels for a model of n_channels={self.n_channels}"
            )
        return images_shape

    def checked_inputs(self, images, labels, in_pieces: bool = False):
        """Returns images, and labels as int32 ``[batch]`` or None; raises what ``call`` raises. The
        memory of the outputs is not checked where they are evaluated ``in_pieces``. Conditions are
        checked by ``encoded``.

        A graph that XLA compiles cannot raise errors: there, images with wrong values or a wrong
        label become NaN, and so does every loss.
        """
        images, labels, condition = inputs_of(images, labels)
        if condition is not None and self.condition_spec is None:
            raise ValueError("condition: the model takes none; leave it out")
        if tf.executing_eagerly() and not in_pieces:
            self._check_memory(np.shape(images))
        images = self.likelihood.checked_values(images)
        n = tf.shape(images)[0] if images.shape[0] is None else images.shape[0]
        given, labels = labels, checked_labels(labels, n, self.n_classes)
        if labels is not None:
            given = tf.reshape(tf.convert_to_tensor(given), [-1])
            right = tf.reshape(given == tf.cast(labels, given.dtype), [-1, 1, 1, 1])
            images = tf.where(right, tf.cast(images, tf.float32), np.nan)
        return images, labels

    def nll(
        self,
        images,
        labels=None,
        training: bool = False,
        per_subpixel: bool = False,
        condition=None,
    ):
        """Returns the negative log-likelihood of images: ``likelihood.nll`` of the outputs.

        A model whose likelihood has many outputs may evaluate them for a part of the pixels at a
        time, so that they fit memory; ``PixelRNN`` does.

        Args:
            images, labels, training, condition: as for ``call``.
            per_subpixel: whether to return that of every sub-pixel.

        Returns:
            float32 ``[batch]``, nats per image, or ``[batch, height, width, n_channels]``.
        """
        logits = self(images, training=training, **present(labels=labels, condition=condition))
        if per_subpixel:
            return -self.likelihood.log_probs(images, logits)
        return self.likelihood.nll(images, logits)

    def output_bytes(self, shape: Sequence[int]) -> int:
        """Returns the bytes of the outputs that ``nll`` evaluates at once.

        Args:
            shape: ``(n, height, width, n_channels)`` of the images.
        """
        return 4 * math.prod(shape) * self.likelihood.n_params

    def _check_memory(self, shape) -> None:
        """Raises UserError if the outputs for all of these images at once do not fit the memory:
        the system may end a process that tries, without a message."""
        needed = 2 * PixelModel.output_bytes(self, shape)  # of the loss, too
        if needed > memory():
            raise UserError(
                f"{shape[0]:,} images of {'x'.join(map(str, shape[1:]))} at once: the outputs need "
                f"{needed / 1e9:,.1f} GB of memory, of {memory() / 1e9:,.1f} GB here; "
                "pixelcnn_tf.score(model, images) returns their likelihoods, batch by batch"
            )

    def scale(self, images):
        """Scales values 0 to ``n_values - 1`` to [-1, 1]; the only place where this is done."""
        images = tf.cast(images, tf.float32)
        return tf.cast(images * (2.0 / (self.likelihood.n_values - 1)) - 1.0, self.compute_dtype)

    def incremental_layers(self) -> list[IncrementalLayer]:
        """Returns the incremental layers among ``layers`` and within them."""
        return layers_of(self.layers)

    def compute_output_shape(self, images_shape, labels_shape=None, condition_shape=None):
        images_shape, *_ = inputs_of(images_shape)
        return (*images_shape, self.likelihood.n_params)

    def get_config(self):
        config = {
            **super().get_config(),
            "n_channels": self.n_channels,
            "n_classes": self.n_classes,
        }
        if self.condition_spec is not None:  # else as in files of version 0.2
            config["n_condition_channels"] = self.condition_spec.n_channels
            config["condition_factor"] = self.condition_spec.factor
            config["n_condition_codes"] = self.condition_spec.n_codes
        return config
