"""``tf.data`` pipelines of ``uint8`` images and their labels, in an order that resuming repeats."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.data.sources import load_images
from pixelcnn_tf.utils.errors import UserError

__all__ = ["Images", "check_labels", "get_dataset", "load_for", "load_images"]


#: What would give labels.
_LABELLED = (
    "must be a built-in set, a .npz file with integers named by data.train_label_key (and "
    "data.test_label_key), or a folder with every image in the sub-folder of its class and none "
    "beside them"
)


def get_dataset(
    source: str | Path | DataConfig | Images,
    split: str = "train",
    batch_size: int = 16,
    seed: int = 0,
    start_step: int = 0,
    labels: bool = False,
) -> tf.data.Dataset:
    """Batches of images, with their labels if asked for.

    ``'train'`` is shuffled anew each epoch and repeats without end, in an order that
    depends on ``seed`` alone; ``'test'`` goes once through the set, in order, its last
    batch possibly smaller. With ``Images.dynamic``, zeros and ones are drawn anew for each
    training batch, by ``seed`` and its place in the run.

    Args:
        source: a name (``'digits'``) or path, a ``DataConfig``, or loaded ``Images``.
        split: ``'train'`` or ``'test'``.
        batch_size: images a batch.
        seed: of the order, and of what is drawn with ``Images.dynamic``.
        start_step: batches to leave out at the start (training goes on where it stopped).
        labels: whether each batch is a pair ``(images, labels)``; the images are the same.

    Returns:
        a dataset of uint8 tensors ``[batch, height, width, channels]``, prefetched; labels
        are int32 ``[batch]``.

    Raises:
        UserError: as ``load_images``; an unknown split; a batch size below 1; no labels.
    """
    if split not in ("train", "test", "validation"):
        raise UserError(f"split={split!r}: must be 'train', 'test' or 'validation'")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise UserError(f"batch_size={batch_size!r}: must be an integer from 1 up")
    images = source if isinstance(source, Images) else load_images(source, labels)
    array, numbers = getattr(images, split), getattr(images, f"{split}_labels")
    if array is None:
        raise UserError("split='validation': these images have none; set data.validation_share")
    if labels and numbers is None:
        raise UserError(
            "labels=True: these images have no labels (load_images(..., labels=True) loads those "
            f"that there are); {_LABELLED}"
        )
    with tf.device("CPU"):
        array = tf.constant(array)
        numbers = tf.constant(numbers, tf.int32) if labels else None
    if split == "train":
        indices = _endless_order(len(array), seed, start_step * batch_size)
        indices = indices.batch(batch_size, drop_remainder=True)
    else:
        indices = tf.data.Dataset.range(len(array)).skip(start_step * batch_size)
        indices = indices.batch(batch_size)
    dynamic = images.dynamic and split == "train"

    def batch(step: tf.Tensor, at: tf.Tensor):
        chosen = tf.gather(array, at)
        chosen = _draw_binary(chosen, seed, step) if dynamic else chosen
        return (chosen, tf.gather(numbers, at)) if labels else chosen

    return indices.enumerate(start_step).map(batch, num_parallel_calls=2).prefetch(2)


def filled_up(part, size: int):
    """A batch of any rank with zeros after its first axis, to ``size``."""
    return tf.pad(part, [[0, size - len(part)], *[[0, 0]] * (len(part.shape) - 1)])


def load_for(data: DataConfig, n_classes: int | None, hold_out: bool = True) -> Images:
    """The images of a source for a model: with labels, checked, if it knows classes.

    Args:
        data: the ``data`` section of a config.
        n_classes: of the model; None for one without classes.
        hold_out: as in ``load_images``.

    Raises:
        UserError: as ``load_images``, ``check_labels``.
    """
    images = load_images(data, labels=n_classes is not None, hold_out=hold_out)
    if n_classes is not None:
        check_labels(images, n_classes, data.source)
    return images


def check_labels(images: Images, n_classes: int, source: str) -> None:
    """Make sure that every image has a label below ``n_classes``.

    Args:
        images: as ``load_images(..., labels=True)`` returns them.
        n_classes: how many classes a model knows.
        source: ``data.source``, for the error.

    Raises:
        UserError: no labels, or some from ``n_classes`` up.
    """
    parts = [images.train_labels, images.test_labels]
    if images.validation is not None:
        parts.append(images.validation_labels)
    present = [part for part in parts if part is not None]
    if len(present) < len(parts):
        raise UserError(
            f"model.n_classes: {n_classes}, but data.source {source!r} has no labels; {_LABELLED}"
        )
    smallest, largest = min(p.min() for p in present), max(p.max() for p in present)
    if largest >= n_classes:
        raise UserError(
            f"model.n_classes: {n_classes}, but data.source {source!r} has labels from {smallest} "
            f"to {largest}; must be at least {largest + 1}"
        )


def _draw_binary(intensities: tf.Tensor, seed: int, step: tf.Tensor) -> tf.Tensor:
    """Zeros and ones, 1 with probability intensity / 255: uint8 of the same shape.

    A function of (seed, step), so that a resumed run sees what an unbroken one does.
    """
    # Not [seed, step] itself, which shuffles the epoch of that number.
    key = tf.random.experimental.stateless_fold_in(tf.constant([seed, 1], tf.int64), step)
    # One of 255 whole numbers: 0 is never and 255 is always above it.
    drawn = tf.random.stateless_uniform(intensities.shape, key, 0, 255, tf.int32)
    return tf.cast(drawn < tf.cast(intensities, tf.int32), tf.uint8)


def _endless_order(n: int, seed: int, start: int) -> tf.data.Dataset:
    """Indices of an endless training run, from its ``start``-th image on.

    Each epoch is a permutation that depends on (seed, epoch) only, so that going on in the
    middle of an epoch needs no saved iterator: it costs one permutation.
    """
    epoch, skip = divmod(start, n)

    def permutation(epoch):
        order = tf.random.experimental.stateless_shuffle(
            tf.range(n, dtype=tf.int64), seed=tf.stack([np.int64(seed), epoch])
        )
        return tf.data.Dataset.from_tensor_slices(order)

    epochs = tf.data.Dataset.range(epoch, np.iinfo(np.int64).max)
    return epochs.flat_map(permutation).skip(skip)
