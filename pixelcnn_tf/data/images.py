"""The training, validation and test images of a run."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.utils.stored_images import StoredImages, subset

#: Images in memory or on disk.
ImageArray = np.ndarray | StoredImages


class Images(NamedTuple):
    """A training set and a test set, with labels and a validation set if there are any.

    Attributes:
        train, test: uint8 or uint16 ``[n, height, width, channels]``; ``StoredImages`` where they
            take more than ``data.cache_gb``.
        train_labels, test_labels: int32 ``[n]``, from 0 up; None without labels.
        validation, validation_labels: the images that are held out of the training images for
            scores during training (``data.validation_share``), and their labels; None without
            them.
        dynamic: whether ``train`` contains intensities from 0 to 255, from which ``get_dataset``
            draws binary images; the other images are binary then.
        augment: the random changes that ``get_dataset`` makes to training images, as
            ``data.augment``.
        mutation_rate: the probability with which ``get_dataset`` replaces each sub-pixel of a
            training image by a random value, as ``data.mutation_rate``; None for 0.
        condition: what ``get_dataset`` returns with each image, as ``data.condition``; None for
            nothing.
        train_condition, test_condition, validation_condition: the conditions of the images with
            ``'paired'``, integers ``[n, height, width, channels]``, each of the size of an image or
            a divisor of it; None otherwise.
        alphabet: the characters of levels, in the order of their values; None for other images.

    Examples:
        >>> images = Images(np.zeros((9, 8, 8, 1), np.uint8), np.zeros((3, 8, 8, 1), np.uint8))
        >>> batches = pixelcnn_tf.get_dataset(images, "test", batch_size=2)
        >>> [batch.shape[0] for batch in batches]
        [2, 1]
    """

    train: ImageArray
    test: ImageArray
    train_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    dynamic: bool = False
    validation: ImageArray | None = None
    validation_labels: np.ndarray | None = None
    augment: tuple[str, ...] = ()
    mutation_rate: float | None = None
    condition: str | None = None
    train_condition: ImageArray | None = None
    test_condition: ImageArray | None = None
    validation_condition: ImageArray | None = None
    alphabet: str | None = None

    def arrays(self) -> tuple[ImageArray | None, ...]:
        """Returns the images and labels of all sets, those of the validation set last, and then
        the conditions that are not made from the images."""
        conditions = self.train_condition, self.test_condition, self.validation_condition
        return (*self[:4], self.validation, self.validation_labels, *conditions)


#: The images of one set, and their labels if they were requested and exist.
Part = tuple[ImageArray, np.ndarray | None]


class LevelSets(dict[str, Part]):
    """The levels of each set of a file or folder.

    Args:
        sets: as ``read_path`` returns them.
        alphabet: the characters, in the order of their values.

    Examples:
        >>> LevelSets({}, alphabet="#.").alphabet
        '#.'
    """

    def __init__(self, sets: Mapping[str, Part], alphabet: str):
        super().__init__(sets)
        self.alphabet = alphabet


def hold_out_test(
    images: ImageArray,
    labels: np.ndarray | None,
    data: DataConfig,
    condition: ImageArray | None = None,
) -> Images:
    """Returns the images, divided at random into a training and a test set.

    Args:
        images: uint8 ``[n, height, width, channels]``.
        labels: int32 ``[n]``, or None.
        data: the section of the config: ``test_share`` is the fraction to hold out, at least one
            image; ``seed`` decides which ones.
        condition: their conditions, or None.

    Raises:
        UserError: no image is left for training.

    Examples:
        >>> from pixelcnn_tf.config.schema import DataConfig
        >>> data = DataConfig(source="digits", test_share=0.2)
        >>> images = hold_out_test(np.zeros((10, 8, 8, 1), np.uint8), None, data)
        >>> len(images.train), len(images.test)
        (8, 2)
    """
    n_test = max(1, round(len(images) * data.test_share))
    if n_test >= len(images):
        raise UserError(
            f"{data.source}: {number_of(len(images), 'image')}, of which data.test_share "
            f"{data.test_share} leaves none for training; add images"
            + (" or lower the share" if len(images) > 1 else "")
        )
    order = np.random.default_rng([data.seed, 0]).permutation(len(images))
    train, test = np.sort(order[n_test:]), np.sort(order[:n_test])
    return Images(
        subset(images, train),
        subset(images, test),
        None if labels is None else labels[train],
        None if labels is None else labels[test],
        train_condition=None if condition is None else subset(condition, train),
        test_condition=None if condition is None else subset(condition, test),
    )


def hold_out_validation(images: Images, data: DataConfig) -> Images:
    """Returns the images with a random part of the training images as the validation set.

    Args:
        images: a training and a test set.
        data: the section of the config: ``validation_share`` is the fraction to hold out, at least
            one image; ``seed`` decides which ones.

    Raises:
        UserError: no image is left for training.

    Examples:
        >>> from pixelcnn_tf.config.schema import DataConfig
        >>> images = Images(np.zeros((10, 8, 8, 1), np.uint8), np.zeros((5, 8, 8, 1), np.uint8))
        >>> images = hold_out_validation(images, DataConfig(validation_share=0.2))
        >>> len(images.train), len(images.validation), len(images.test)
        (8, 2, 5)
    """
    n, share = len(images.train), data.validation_share or 0.0
    n_validation = max(1, round(n * share))
    if n_validation >= n:
        raise UserError(
            f"{data.source}: {number_of(n, 'training image')}, of which data.validation_share "
            f"{share} leaves none for training; lower the share or set data.validation_share=null"
        )
    order = np.random.default_rng([data.seed, 4]).permutation(n)
    train, held_out = np.sort(order[n_validation:]), np.sort(order[:n_validation])
    labels, condition = images.train_labels, images.train_condition
    return images._replace(
        train=subset(images.train, train),
        validation=subset(images.train, held_out),
        train_labels=None if labels is None else labels[train],
        validation_labels=None if labels is None else labels[held_out],
        train_condition=None if condition is None else subset(condition, train),
        validation_condition=None if condition is None else subset(condition, held_out),
    )
