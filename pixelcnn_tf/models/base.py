"""The base class of the models."""

from typing import Any

import keras
import tensorflow as tf

from pixelcnn_tf.layers.incremental import IncrementalLayer, IncrementalModel, layers_of
from pixelcnn_tf.likelihoods.base import Likelihood


class PixelModel(IncrementalModel, keras.Model):
    """The base class of distributions over images, factorized into one conditional distribution
    per sub-pixel. A subclass fills in ``call``, ``step`` and ``observe``.

    Input: images ``[batch, height, width, n_channels]``, values 0 to ``n_values - 1`` of the
    likelihood, of any numeric dtype; a class-conditional model also takes integer labels
    ``[batch]``, as ``model(images, labels)``, ``model((images, labels))`` or ``model({"images":
    images, "labels": labels})``.
    Output: float32 ``[batch, height, width, n_channels, n_params]``.

    Attributes:
        likelihood: the ``Likelihood`` whose parameters the outputs are.
        n_channels: number of channels per pixel; 1 for greyscale images.
        n_classes: number of classes; None for a model that is not class-conditional.
        size_unit: height and width must be multiples of this.
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
    size_unit: int = 1
    n_initial_images: int = 0

    def check_size(self, height: int | None, width: int | None) -> None:
        """Raises ValueError for images whose sides the model cannot take."""
        unit = self.size_unit
        if any(side is not None and side % unit for side in (height, width)):
            fits = "x".join(f"{-(-s // unit) * unit}" if s else "?" for s in (height, width))
            raise ValueError(
                f"images of {height}x{width}: {type(self).__name__} halves them, so that both "
                f"sides must be multiples of {unit}: {fits}, for example"
            )

    def initialize_from(self, images, labels=None) -> None:
        """Initializes the weights from images, before training; by default does nothing.

        Args:
            images, labels: as for ``call``, at least ``n_initial_images``.
        """

    def checked_shape(self, images_shape):
        """Returns the shape of the images; ValueError for another number of channels."""
        images_shape, _ = _images_and_labels(images_shape)
        if images_shape[-1] != self.n_channels:
            raise ValueError(
                f"images of {images_shape[-1]} channels for a model of n_channels={self.n_channels}"
            )
        return images_shape

    def checked_inputs(self, images, labels):
        """Returns images, and labels as int32 ``[batch]`` or None; raises what ``call`` raises."""
        images, labels = _images_and_labels(images, labels)
        self.check_size(*images.shape[1:3])
        return images, checked_labels(labels, tf.shape(images)[0], self.n_classes)

    def scale(self, images):
        """Scales values 0 to ``n_values - 1`` to [-1, 1]; the only place where this is done."""
        images = tf.cast(images, tf.float32)
        return tf.cast(images * (2.0 / (self.likelihood.n_values - 1)) - 1.0, self.compute_dtype)

    def incremental_layers(self) -> list[IncrementalLayer]:
        """Returns the incremental layers among ``layers`` and within them."""
        return layers_of(self.layers)

    def compute_output_shape(self, images_shape, labels_shape=None):
        images_shape, _ = _images_and_labels(images_shape)
        return (*images_shape, self.likelihood.n_params)

    def get_config(self):
        return {
            **super().get_config(),
            "n_channels": self.n_channels,
            "n_classes": self.n_classes,
        }


def _images_and_labels(inputs: Any, labels: Any = None) -> tuple[Any, Any]:
    """Images and labels, or their shapes, from what Keras gives as one input: the images alone, a
    pair, or a dictionary."""
    if isinstance(inputs, dict):
        unknown = sorted(set(inputs) - {"images", "labels"})
        if unknown or "images" not in inputs:
            raise ValueError(f"inputs: {sorted(inputs)}; must be 'images', and 'labels' if any")
        return inputs["images"], inputs.get("labels", labels)
    is_shape = isinstance(inputs, tuple | list) and (
        not inputs or inputs[0] is None or isinstance(inputs[0], int)
    )
    if isinstance(inputs, list | tuple) and not is_shape:
        images, *others = inputs
        return images, others[0] if others else labels
    return inputs, labels


def checked_labels(labels: Any, n: int | tf.Tensor, n_classes: int | None) -> tf.Tensor | None:
    """Returns ``labels`` as int32 ``[n]``, or None without classes.

    Args:
        labels: integers 0 to ``n_classes - 1``, ``[n]`` or, as in the data sets of Keras,
            ``[n, 1]``.
        n: number of images.
        n_classes: number of classes of the model; None for a model without classes.

    Raises:
        ValueError: labels that are missing, not wanted, or not integers.
        tf.errors.InvalidArgumentError: not one label per image, or one that is out of range.

    Example:
        >>> from pixelcnn_tf.models.base import checked_labels
        >>> checked_labels([[3], [7]], 2, n_classes=10).numpy().tolist()
        [3, 7]
    """
    if n_classes is None and labels is not None:
        raise ValueError(f"labels: a model without classes takes none, not {labels!r:.80}")
    if n_classes is not None and labels is None:
        raise ValueError(
            f"labels: not given; must be integers from 0 to {n_classes - 1}, for the model is "
            "class-conditional"
        )
    if n_classes is None:
        return None
    labels = tf.convert_to_tensor(labels)
    # Keras traces a model with floats, to build or to export it.
    if not labels.dtype.is_integer and tf.executing_eagerly():
        raise ValueError(f"labels: {labels.dtype.name}; must be integers")
    labels = tf.reshape(labels, [-1])
    wanted = f"labels: must be one per image, integers from 0 to {n_classes - 1}"
    tf.debugging.assert_equal(tf.size(labels), n, wanted)
    as_integers = tf.cast(labels, tf.int64)  # not yet 32 bits: 2**32 would become 0
    tf.debugging.assert_equal(labels, tf.cast(as_integers, labels.dtype), wanted)
    within = tf.clip_by_value(as_integers, 0, n_classes - 1)
    tf.debugging.assert_equal(as_integers, within, wanted)
    return tf.cast(within, tf.int32)
