"""A training and a test set in memory."""

from typing import NamedTuple

import numpy as np

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.utils.errors import UserError


class Images(NamedTuple):
    """A training and a test set.

    Attributes:
        train, test: uint8 ``[n, height, width, channels]``.
        train_labels, test_labels: int32 ``[n]``, from 0 up; None where there are none.
        dynamic: whether ``train`` holds intensities from 0 to 255, of which zeros and ones
            are still to be drawn, as ``get_dataset`` does; ``test`` holds zeros and ones.
    """

    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None
    dynamic: bool = False


#: Images and, if asked for and there, their labels.
Part = tuple[np.ndarray, np.ndarray | None]


def hold_out_test(images: np.ndarray, labels: np.ndarray | None, data: DataConfig) -> Images:
    """Part off ``test_share`` of the images, chosen by ``data.seed``, at least one, with
    their labels."""
    n_test = max(1, round(len(images) * data.test_share))
    if n_test >= len(images):
        raise UserError(
            f"{data.source}: {len(images)} image(s), of which data.test_share {data.test_share} "
            "leaves none to train on; add images"
            + (" or lower the share" if len(images) > 1 else "")
        )
    order = np.random.default_rng([data.seed, 0]).permutation(len(images))
    train, test = np.sort(order[n_test:]), np.sort(order[:n_test])
    if labels is None:
        return Images(images[train], images[test])
    return Images(images[train], images[test], labels[train], labels[test])
