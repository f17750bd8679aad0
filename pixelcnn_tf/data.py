"""``tf.data`` pipelines of ``uint8`` images, in an order that a resumed run repeats."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from pixelcnn_tf.config import DataConfig
from pixelcnn_tf.errors import UserError
from pixelcnn_tf.sources import Images, load_images

__all__ = ["Images", "get_dataset", "load_images"]


def get_dataset(
    source: str | Path | DataConfig | Images,
    split: str = "train",
    batch_size: int = 16,
    seed: int = 0,
    start_step: int = 0,
) -> tf.data.Dataset:
    """Batches of images.

    ``'train'`` is shuffled anew each epoch and repeats without end, in an order that
    depends on ``seed`` alone; ``'test'`` goes once through the set, in order, its last
    batch possibly smaller.

    Args:
        source: a name (``'digits'``) or path, a ``DataConfig``, or loaded ``Images``.
        split: ``'train'`` or ``'test'``.
        batch_size: images a batch.
        seed: of the order.
        start_step: batches to leave out at the start (training goes on where it stopped).

    Returns:
        a dataset of uint8 tensors ``[batch, height, width, channels]``, prefetched.

    Raises:
        UserError: as ``load_images``; an unknown split; a batch size below 1.
    """
    if split not in ("train", "test"):
        raise UserError(f"split={split!r}: must be 'train' or 'test'")
    if not isinstance(batch_size, int) or batch_size < 1:
        raise UserError(f"batch_size={batch_size!r}: must be an integer from 1 up")
    images = source if isinstance(source, Images) else load_images(source)
    array = images.train if split == "train" else images.test
    with tf.device("CPU"):
        array = tf.constant(array)
    if split == "train":
        indices = _endless_order(len(array), seed, start_step * batch_size)
        indices = indices.batch(batch_size, drop_remainder=True)
    else:
        indices = tf.data.Dataset.range(len(array)).skip(start_step * batch_size)
        indices = indices.batch(batch_size)
    dataset = indices.map(lambda at: tf.gather(array, at), num_parallel_calls=2)
    return dataset.prefetch(2)


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
