"""Images from a path: what kind of file or folder it is, and the function that reads it."""

import os
from pathlib import Path
from typing import NamedTuple

from pixelcnn_tf.config import registry
from pixelcnn_tf.config.data import TFDS, DataConfig
from pixelcnn_tf.data.archives import ARCHIVE_ENDINGS, extracted
from pixelcnn_tf.data.array_files import ARRAY_ENDINGS, read_arrays
from pixelcnn_tf.data.cifar_files import cifar_files, read_cifar
from pixelcnn_tf.data.file_search import (
    IMAGE_ENDINGS,
    LEVEL_ENDING,
    find_images,
    holds_levels,
)
from pixelcnn_tf.data.idx_files import idx_files, is_idx_file, read_idx
from pixelcnn_tf.data.image_files import read_images
from pixelcnn_tf.data.image_folders import folder_classes, read_folder
from pixelcnn_tf.data.images import ImageArray, Part
from pixelcnn_tf.data.level_files import read_levels
from pixelcnn_tf.data.record_files import (
    prepared_folder,
    read_records,
    record_classes,
    record_files,
)
from pixelcnn_tf.utils.errors import UserError


def source_path(source: str) -> Path:
    """Returns the path that ``data.source`` means, if it is not the name of a registered source.

    Raises:
        UserError: TensorFlow Datasets has prepared no such data.

    Examples:
        >>> source_path("a.npz")
        PosixPath('a.npz')
    """
    if source.startswith(TFDS):
        return prepared_folder(source)
    return Path(os.path.expanduser(source))


def read_path(path: Path, data: DataConfig, labels: bool = False) -> dict[str, Part]:
    """Returns the images and labels of a file or folder.

    Args:
        path: a .npz or .npy file, an IDX file, a TFRecord file, a text file of levels, an archive,
            or a folder: of images, of IDX, TFRecord or text files, or of the files of CIFAR for
            Python.
        data: the section of the config that states how to read them.
        labels: whether to return the labels, where there are any.

    Returns:
        the images and labels of each set: ``'training'``, and ``'validation'`` and ``'test'``
        where they exist. Those of levels are ``LevelSets``.

    Raises:
        UserError: it is of no such kind, or it cannot be read.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npy"
        >>> np.save(path, np.zeros((5, 8, 8), np.uint8))
        >>> read_path(path, DataConfig())["training"][0].shape
        (5, 8, 8, 1)
    """
    with extracted(path) as path:
        return _read(path, data, labels, "a folder of images")


def _read(path: Path, data: DataConfig, labels: bool, kinds: str) -> dict[str, Part]:
    if container := _container(path):
        return (read_cifar if cifar_files(container) else read_idx)(container, labels)
    if record_files(path):
        return read_records(path, data, labels)
    if holds_levels(path):
        return read_levels(path, data)
    if path.is_dir():
        return read_folder(path, data, labels)
    if is_idx_file(path):
        return read_idx(path, labels)
    if path.suffix.lower() not in ARRAY_ENDINGS:
        endings = ", ".join((*ARRAY_ENDINGS, LEVEL_ENDING, *ARCHIVE_ENDINGS))
        raise UserError(
            f"{path}: must be {kinds}, an IDX file, a .tfrecord file, or one of {endings}"
        )
    return read_arrays(path, data, labels)


def _container(path: Path) -> Path | None:
    """Returns the folder with the files of MNIST or CIFAR: ``path`` or, as torchvision stores them,
    a folder below it; None without such files."""
    if not _is_readable(path):
        return None
    with os.scandir(path) as entries:
        below = sorted(path / entry.name for entry in entries if entry.is_dir())
    # More than 20 are the classes of images, and looking into them takes time.
    candidates = [path, *below[:20], *(folder / "raw" for folder in below)]
    found = [
        each for each in candidates if _is_readable(each) and (cifar_files(each) or idx_files(each))
    ]
    if len(found) > 1 and found[0] != path:
        raise UserError(f"{path}: holds {found[0]} and {found[1]}; must be one of them")
    return found[0] if found else None


def _is_readable(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.X_OK) and folder.is_dir()


class NamedImages(NamedTuple):
    """Images, and a name of each for messages and tables.

    Attributes:
        images: uint8 or uint16 ``[n, height, width, channels]``.
        names: the file of each, or the array file and the position in it: ``'a.npz[3]'``.

    Examples:
        >>> NamedImages(np.zeros([1, 8, 8, 3], np.uint8), ["a.png"]).names
        ['a.png']
    """

    images: ImageArray
    names: list[str]


def read_all(path: Path, data: DataConfig) -> NamedImages:
    """Returns all images of an image file or of a folder of images; of other files and folders,
    the test images or else the training images.

    Args:
        path: an image file, or as for ``read_path``.
        data: as for ``read_path``.

    Returns:
        the images and their names.

    Raises:
        UserError: as ``read_path``.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npz"
        >>> images = np.zeros((5, 8, 8), np.uint8)
        >>> np.savez(path, x_train=images, x_test=images[:2])
        >>> [Path(name).name for name in read_all(path, DataConfig()).names]
        ['a.npz[0]', 'a.npz[1]']
    """
    with extracted(path) as inside:
        if inside.suffix.lower() in IMAGE_ENDINGS and inside.is_file():
            return NamedImages(read_images([inside], data).images, [str(path)])
        levels = _is_levels(inside)
        if levels and data.alphabet is None and inside.is_file():
            raise UserError(
                f"{path}: must be images; levels as text need data.alphabet, which the runs that "
                "were trained on such levels have"
            )
        as_levels = levels and data.alphabet is not None
        if inside.is_dir() and not (as_levels or _container(inside) or record_files(inside)):
            images, files = read_images(find_images(inside), data)
            return NamedImages(images, [str(path / file.relative_to(inside)) for file in files])
        [*_, (images, _)] = _read(inside, data, False, "an image file, a folder").values()
        return NamedImages(images, [f"{path}[{i}]" for i in range(len(images))])


def path_classes(data: DataConfig) -> list[str] | None:
    """Returns the class names of a folder or an archive of images, indexed by label; None for
    other sources.

    Examples:
        >>> path_classes(DataConfig(source="digits")) is None
        True
    """
    if data.class_names or registry.find("source", data.source):
        return data.class_names
    with extracted(source_path(data.source)) as path:
        if not path.is_dir() or _container(path):
            return None
        if record_files(path):
            return record_classes(path)
        if holds_levels(path):
            return None
        return folder_classes(path, data)


def _is_levels(path: Path) -> bool:
    """Whether a path is a text file or a folder of levels, and of nothing that is read before; the
    files of other kinds may come with text."""
    return not _container(path) and not record_files(path) and holds_levels(path)
