"""Checks of the images of a finished run, and of others that were among its training images."""

import numpy as np

from pixelcnn_tf.config.data import DataConfig
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.data.images import ImageArray, Images
from pixelcnn_tf.data.pipeline import load_for
from pixelcnn_tf.data.sources import load_images
from pixelcnn_tf.training.run_folder import RunFolder
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import say
from pixelcnn_tf.utils.stored_images import StoredImages
from pixelcnn_tf.zoo.images import instead_of_missing


def load_run_images(
    run: str, data: DataConfig, n_classes: int | None, hold_out: bool = True
) -> Images:
    """Returns the images of a run; those that a model of the zoo comes with if its data are not
    here, among which there are no training images.

    Args:
        run: the run folder, or ``zoo:NAME``.
        data: the section of its config.
        n_classes, hold_out: as in ``load_for``.

    Raises:
        UserError: as ``load_for``.

    Example:

    >>> from pixelcnn_tf.training.run_images import load_run_images
    >>> data = pixelcnn_tf.DataConfig(source="digits_grey")
    >>> len(load_run_images("runs/digits", data, n_classes=None).test)
    180
    """
    installed = instead_of_missing(run, data, labels=n_classes is not None)
    return load_for(data, n_classes, hold_out) if installed is None else installed


def check_same_images(
    run: str, images: Images, n_classes: int | None, advice: str = "restore them"
) -> None:
    """Checks that the images of a run are those that it was started with: else its test images may
    be among those that it was trained on.

    Args:
        run: the run folder.
        images: the images of its config, with labels if ``n_classes`` is not None.
        n_classes: the number of classes of the model. The labels of a run that is not
            class-conditional are in no checksum, so they are left out.
        advice: the end of the error message.

    Raises:
        UserError: they have changed.

    Example:

    >>> from pixelcnn_tf.training.run_images import check_same_images
    >>> check_same_images("runs/none", pixelcnn_tf.load_images("digits_grey"), None)  # a note
    """
    if not len(images.train):  # the installed ones of a model of the zoo
        return
    folder = RunFolder(run)
    if not folder.images.exists():
        say(f"{folder.images} is missing: the images may be others than those of the run")
        return
    if n_classes is None:
        images = images._replace(train_labels=None, test_labels=None, validation_labels=None)
    if not folder.has_images(*images.arrays()):
        raise UserError(
            f"--run {run}: its images, or their division into sets, have changed since it was "
            f"trained, so that training images may be among the test images; {advice}"
        )


def note_training_images(run: str, images: ImageArray, own: ImageArray | None = None) -> None:
    """Prints how many of some images a run was trained on, as far as they can still be read.

    Args:
        run: the run folder.
        images: uint8 or uint16 ``[n, height, width, channels]``.
        own: the training images of the run; by default, they are loaded.

    Example:

    >>> import pathlib, tempfile
    >>> from pixelcnn_tf.training.run_images import note_training_images
    >>> run = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (run / "config.yml").write_text("data: {source: digits_grey}")
    >>> note_training_images(str(run), np.zeros([2, 8, 8, 1], np.uint8))
    """
    try:
        own = load_images(load_config(RunFolder(run).config).data).train if own is None else own
    except UserError:  # they are no longer there
        return
    if own.shape[1:] == images.shape[1:] and 0 < len(own) * len(images) < 1e8:  # CRC-32 is short
        n = int(np.isin(_checksums(images), _checksums(own)).sum())
        if n:
            say(f"{n:,} of the {len(images):,} images are among the training images of {run}")


def _checksums(images: ImageArray) -> np.ndarray:
    """Returns the checksum of each image."""
    if isinstance(images, np.ndarray):
        images = StoredImages(images.__getitem__, images.shape, "images")
    return images.checksums()
