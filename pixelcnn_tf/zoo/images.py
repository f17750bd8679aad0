"""The test images that a model of the zoo is installed with."""

from pathlib import Path

import numpy as np

from pixelcnn_tf.config import registry
from pixelcnn_tf.config.data import DataConfig
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.utils.progress import say
from pixelcnn_tf.zoo.models import ZooModel, find, in_zoo, run_path


def installed_images(card: ZooModel) -> Images:
    """Returns the test images of a model that are installed with it, as the model takes them. There
    are no training images.

    Args:
        card: of the model.

    Example:

    >>> from pixelcnn_tf.zoo.images import installed_images
    >>> card = pixelcnn_tf.zoo_models()["mnist_binary"]
    >>> images = installed_images(card)
    >>> len(images.test) == len(card.scores), len(images.train)
    (True, 0)
    """
    with np.load(card.folder / "images.npz", allow_pickle=False) as arrays:
        test = arrays["x_test"]
        labels = arrays["y_test"] if "y_test" in arrays.files else None
        condition = arrays["c_test"] if "c_test" in arrays.files else None
    return Images(test[:0], test, None, labels, test_condition=condition)


def instead_of_missing(run: str | Path, data: DataConfig, labels: bool) -> Images | None:
    """Returns the installed test images of a model of the zoo whose data are not here, with a note.

    Args:
        run: a run, as ``--run`` names it.
        data: the section of its config.
        labels: whether to return labels.

    Returns:
        the images; None for other runs, and where ``data.source`` is there.

    Example:

    >>> from pixelcnn_tf.zoo.images import instead_of_missing
    >>> instead_of_missing("runs/digits", pixelcnn_tf.DataConfig(), labels=False)
    """
    if not in_zoo(run):
        return None
    own = load_config(run_path(run) / "config.yml").data.source
    if data.source != own or registry.find("source", own) or Path(own).exists():
        return None
    card = find(str(run))
    images = installed_images(card)._replace(condition=data.condition)
    say(
        f"{own} is not in this folder; of its {card.test_images:,} test images, the "
        f"{len(images.test)} that {run} comes with are used"
    )
    return images if labels else images._replace(test_labels=None)
