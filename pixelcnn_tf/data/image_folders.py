"""Images from folders, with classes from the names of their sub-folders."""

import os
from pathlib import Path

from pixelcnn_tf.config import registry
from pixelcnn_tf.config.data import DataConfig
from pixelcnn_tf.data.image_files import (
    class_labels,
    class_names,
    find_images,
    read_images,
)
from pixelcnn_tf.data.images import Part


def read_folder(path: Path, data: DataConfig, labels: bool) -> list[Part]:
    """Returns all images below a folder, divided if it has folders ``train`` and ``test``.

    Args:
        path: the folder.
        data: the section of the config that states how to resize the images, and which
            sub-folders are classes.
        labels: whether to return the class of each image, if all images are in sub-folders.

    Returns:
        one pair of images and labels, or two: training and test set.

    Raises:
        UserError: there are no images, one cannot be read, or a sub-folder is not a class.

    Examples:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("owl", "wren"):
        ...     (folder / name).mkdir()
        ...     Image.new("L", (8, 8)).save(folder / name / "1.png")
        >>> [(images, labels)] = read_folder(folder, DataConfig(source=str(folder)), labels=True)
        >>> images.shape, labels.tolist()
        ((2, 8, 8, 1), [0, 1])
    """
    folders = _split(path)
    files = [find_images(folder) for folder in folders]
    found = [class_names(*both) for both in zip(folders, files, strict=True)]
    names = (data.class_names or found[0]) if labels and all(found) else None
    return [
        (read_images(inside, data), class_labels(folder, inside, names) if names else None)
        for folder, inside in zip(folders, files, strict=True)
    ]


def _split(path: Path) -> list[Path]:
    """Returns the folders of training and test images, or the one folder of all images."""
    split = [path / "train", path / "test"]
    return split if all(folder.is_dir() for folder in split) else [path]


def folder_classes(data: DataConfig) -> list[str] | None:
    """Returns the class names of a folder of images, indexed by label; None for other sources.

    Examples:
        >>> folder_classes(DataConfig(source="digits")) is None
        True
    """
    path = Path(os.path.expanduser(data.source))
    if data.class_names or registry.find("source", data.source) or not path.is_dir():
        return data.class_names
    folder = _split(path)[0]
    return class_names(folder, find_images(folder))
