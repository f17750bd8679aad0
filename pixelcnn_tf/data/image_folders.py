"""Images and classes from folders."""

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
    """All images below a folder; its ``train`` and ``test`` folders if it has both."""
    folders = _split(path)
    files = [find_images(folder) for folder in folders]
    found = [class_names(*both) for both in zip(folders, files, strict=True)]
    names = (data.class_names or found[0]) if labels and all(found) else None
    return [
        (read_images(inside, data), class_labels(folder, inside, names) if names else None)
        for folder, inside in zip(folders, files, strict=True)
    ]


def _split(path: Path) -> list[Path]:
    """The folders of training and test images, or the one of all."""
    split = [path / "train", path / "test"]
    return split if all(folder.is_dir() for folder in split) else [path]


def folder_classes(data: DataConfig) -> list[str] | None:
    """What the labels of a folder of images mean, by label; None for other sources."""
    path = Path(os.path.expanduser(data.source))
    if data.class_names or registry.find("source", data.source) or not path.is_dir():
        return data.class_names
    folder = _split(path)[0]
    return class_names(folder, find_images(folder))
