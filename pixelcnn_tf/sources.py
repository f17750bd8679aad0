"""Where images come from: built-in sets, array files, folders of pictures."""

import colorsys
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pixelcnn_tf.config import BUILT_IN, DataConfig
from pixelcnn_tf.errors import UserError, first_line, suggestion
from pixelcnn_tf.pictures import (
    IMAGE_ENDINGS,
    class_labels,
    class_names,
    find_pictures,
    read_pictures,
)

DIGITS_SIZE = (12, 12)
INK = 0.45  # how dark a scanned pixel must be to count as ink: 0 is paper, 1 is black
TINTS_PER_DIGIT = 4
HUES = 6


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


def load_images(
    data: DataConfig | str | Path, labels: bool = False, hold_out: bool = True
) -> Images:
    """Load images.

    Args:
        data: the ``data`` section of a config, or what its ``source`` would say.
        labels: whether to load labels too, where the source has them.
        hold_out: whether to hold ``data.test_share`` of the images of a file or folder without
            test images out; else all of them are both sets.

    Returns:
        uint8 arrays with values 0 to 255, or 0 and 1 with ``data.binarize`` (but for the
        training images of ``'dynamic'``, see ``Images``); int32 labels, or None.

    Raises:
        UserError: no such source, no network, a broken file, images of another kind; zeros and
            ones with ``data.binarize``; with ``labels``, those that do not fit the images.
    """
    if isinstance(data, str | Path) and str(data):
        data = DataConfig(source=str(data))
    if not isinstance(data, DataConfig):
        raise UserError(f"source={data!r:.80}: must be a name, a path, or a DataConfig")
    if data.source == "digits":
        images = _digits(data)
    elif data.source == "digits_grey":
        images = _digits_grey(data)
    elif data.source in BUILT_IN:
        images = _from_keras(data.source, labels)
    else:
        images = _from_path(data, labels, hold_out)
    _check_size(images, data)
    if not labels:
        images = Images(images.train, images.test)
    if data.binarize:
        if max(images.train.max(), images.test.max()) == 1:
            raise UserError(
                f"data.binarize: {data.binarize!r}, but {data.source} holds zeros and ones "
                "already; set data.binarize=null"
            )
        dynamic = data.binarize == "dynamic"
        train = images.train if dynamic else _binarize(images.train, data, "train")
        test = _binarize(images.test, data, "test")
        images = images._replace(train=train, test=test, dynamic=dynamic)
    return images


def load_pictures(path: str | Path, data: DataConfig) -> np.ndarray:
    """All images of one file or folder, none held out.

    Args:
        path: a picture, a folder of pictures, a .npy file, or a .npz file (its test images,
            or else its training images).
        data: how to resize pictures, what arrays are called, and how to binarize.

    Returns:
        uint8 ``[n, height, width, channels]``, values as from ``load_images``; zeros and ones
            stay as they are.

    Raises:
        UserError: no such file or folder, or nothing in it that can be read.
    """
    path = Path(os.path.expanduser(path))
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if path.is_dir():
        images = read_pictures(find_pictures(path), data)
    elif path.suffix.lower() in IMAGE_ENDINGS:
        images = read_pictures([path], data)
    else:
        images, _ = _read_arrays(path, data)[-1]
    if data.binarize and images.max() > 1:
        images = _binarize(images, data, "test")
    return images


def _binarize(images: np.ndarray, data: DataConfig, split: str) -> np.ndarray:
    """Zeros and ones: by a threshold at half intensity, or drawn once with the intensity
    as probability (the "static" binarization of the literature)."""
    if data.binarize == "threshold":
        return (images >= 128).astype(np.uint8)
    # Each split has a generator of its own: 'sample' and 'dynamic' share their test images.
    rng = np.random.default_rng([data.seed, 1 if split == "train" else 3])
    return (rng.random(images.shape, np.float32) < images / np.float32(255)).astype(np.uint8)


def _check_size(images: Images, data: DataConfig) -> None:
    shape = images.train.shape[1:]
    if images.test.shape[1:] != shape:
        raise UserError(
            f"{data.source}: training images are {shape}, test images {images.test.shape[1:]} "
            "(height, width, channels); must be the same"
        )
    if data.image_size not in (None, shape[:2]):
        raise UserError(
            f"data.image_size: {list(data.image_size)}, but {data.source} holds images of "
            f"{list(shape[:2])} (height, width); leave it out (only folders and digits resize)"
        )


# Handwritten digits of scikit-learn (UCI Optical Recognition of Handwritten Digits):
# 1797 images of 8x8 pixels, values 0 to 16.


def _digits_grey(data: DataConfig) -> Images:
    from sklearn.datasets import load_digits

    digits = load_digits()  # images: float64 [1797, 8, 8]; target: int64 [1797]
    images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., None]
    return _hold_out(images, digits.target.astype(np.int32), data)


def _digits(data: DataConfig) -> Images:
    """Digits enlarged and tinted in random hues, every test digit unseen in training."""
    height, width = data.image_size or DIGITS_SIZE
    if min(height, width) < 8:
        raise UserError(f"data.image_size: {[height, width]}, but digits need at least 8x8")
    rng = np.random.default_rng([data.seed, 2])
    grey = _digits_grey(data)
    parts = []
    for part in (grey.train, grey.test):
        sheets = [Image.fromarray(digit[..., 0]) for digit in part]
        inside = (width - 2, height - 2)  # a margin of one pixel all around
        large = [
            np.pad(np.asarray(sheet.resize(inside, Image.Resampling.BICUBIC)), 1)
            for sheet in sheets
        ]
        ink = np.repeat(np.stack(large), TINTS_PER_DIGIT, axis=0)[..., None] >= 255 * INK
        paper, pen = _hues(len(ink), rng)
        parts.append(np.where(ink, pen, paper))
    labels = (np.repeat(part, TINTS_PER_DIGIT) for part in (grey.train_labels, grey.test_labels))
    return Images(*parts, *labels)


def _hues(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Dark paper and bright pen colours of unlike hue: two uint8 arrays ``[n, 1, 1, 3]``."""
    paper = rng.integers(HUES, size=n)
    pen = (paper + rng.integers(1, HUES, size=n)) % HUES
    dark, bright = _wheel(saturation=1.0, value=0.4), _wheel(saturation=0.4, value=1.0)
    return dark[paper][:, None, None], bright[pen][:, None, None]


def _wheel(saturation: float, value: float) -> np.ndarray:
    """The colours of all hues: uint8 ``[HUES, 3]``."""
    colours = [colorsys.hsv_to_rgb(i / HUES, saturation, value) for i in range(HUES)]
    return np.round(255 * np.array(colours)).astype(np.uint8)


def _from_keras(name: str, labels: bool) -> Images:
    import keras

    try:
        parts = getattr(keras.datasets, name).load_data()
    except Exception as error:
        raise UserError(
            f"data.source: {name!r} could not be downloaded ({first_line(error)}); connect to a "
            "network, or name a .npz file with x_train and x_test in data.source"
        ) from None
    images = [_as_images(x, name) for x, _ in parts]
    return Images(*images, *(_as_labels(y, name, len(x)) for x, y in parts if labels))


def _from_path(data: DataConfig, labels: bool, hold_out: bool) -> Images:
    path = Path(os.path.expanduser(data.source))
    if not path.exists():
        raise UserError(
            f"data.source: {data.source!r} is neither a file, a folder, nor one of "
            f"{', '.join(BUILT_IN)}{suggestion(data.source, list(BUILT_IN))}"
        )
    parts = (_read_folder if path.is_dir() else _read_arrays)(path, data, labels)
    if len(parts) == 1 and hold_out:
        return _hold_out(*parts[0], data)
    (train, train_labels), (test, test_labels) = parts[0], parts[-1]
    return Images(train, test, train_labels, test_labels)


#: Images and, if asked for and there, their labels.
Part = tuple[np.ndarray, np.ndarray | None]


def _read_arrays(path: Path, data: DataConfig, labels: bool = False) -> list[Part]:
    """The training and, where there are any, the test images of an array file."""
    if path.suffix not in (".npz", ".npy"):
        raise UserError(f"{path}: must be a .npz or .npy file or a folder of images")
    loaded = _read(path, lambda: np.load(path, allow_pickle=False))
    if isinstance(loaded, np.ndarray):
        return [(_as_images(loaded, str(path)), None)]

    def read(setting: str) -> tuple[np.ndarray, str]:
        """The array that a setting names, and where it was found."""
        key = getattr(data, setting)
        if key not in loaded.files:
            names = ", ".join(loaded.files) or "nothing"
            raise UserError(
                f"{path}: no array {key!r} in it; it holds {names}: name one in data.{setting}"
            )
        return _read(path, lambda: loaded[key]), f"{path}: {key}"

    with loaded:
        labels = labels and data.train_label_key in loaded.files
        parts = []
        for split in ("train", "test") if data.test_key in loaded.files else ("train",):
            images = _as_images(*read(f"{split}_key"))
            numbers = _as_labels(*read(f"{split}_label_key"), len(images)) if labels else None
            parts.append((images, numbers))
    return parts


def _read(path: Path, load: Callable):
    """What ``load`` returns; whatever NumPy makes of a damaged file becomes one line."""
    try:
        return load()
    except Exception as error:
        reason = first_line(error)
        if "pickle" in reason:
            reason = "not an array of numbers"
        raise UserError(f"{path}: no readable NumPy file: {reason}") from None


def _as_images(array: np.ndarray, where: str) -> np.ndarray:
    """``array`` as uint8 ``[n, height, width, channels]``, or an error that names the cure."""
    if array.dtype != np.uint8:
        raise UserError(
            f"{where}: holds {array.dtype}{_range(array)}; must be uint8 from 0 to 255"
            f"{_cure(array)}"
        )
    if array.ndim == 3 and array.shape[2] in (3, 4) and min(array.shape[:2]) >= 8:
        raise UserError(
            f"{where}: has shape {array.shape}, like one image (height, width, channels); must be "
            "(images, height, width, channels): save x[None]"
        )
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim == 4 and array.shape[1] in (1, 3, 4) and array.shape[3] > 4:
        raise UserError(
            f"{where}: has shape {array.shape}, like (images, channels, height, width); "
            "must have channels last: save x.transpose(0, 2, 3, 1)"
        )
    if array.ndim != 4 or 0 in array.shape:
        raise UserError(
            f"{where}: has shape {array.shape}; must be (images, height, width, channels), or "
            "(images, height, width) for greyscale, none of them 0"
        )
    return array


def _as_labels(labels: np.ndarray, where: str, n_images: int) -> np.ndarray:
    """``labels`` as int32 ``[n_images]``, or an error that says what they must be."""
    fit = labels.dtype.kind in "iu" and labels.shape in ((n_images,), (n_images, 1))
    if not fit or labels.min() < 0 or labels.max() >= 2**31:
        raise UserError(
            f"{where}: has shape {labels.shape} and holds {labels.dtype}{_range(labels)}; labels "
            f"must be integers from 0 up of shape ({n_images},), one for each image"
        )
    return labels.reshape(n_images).astype(np.int32)


def _range(array: np.ndarray) -> str:
    if array.dtype.kind not in "iuf" or not array.size:
        return ""
    return f" from {array.min():.4g} to {array.max():.4g}"


def _cure(array: np.ndarray) -> str:
    if np.issubdtype(array.dtype, np.floating) and array.size and array.max() <= 1:
        return ": save (x * 255).round().astype('uint8')"
    return ": save x.astype('uint8') if its values are whole numbers in that range"


def _read_folder(path: Path, data: DataConfig, labels: bool) -> list[Part]:
    """All images below a folder; its ``train`` and ``test`` folders if it has both."""
    folders = _split(path)
    files = [find_pictures(folder) for folder in folders]
    found = [class_names(*both) for both in zip(folders, files, strict=True)]
    names = (data.class_names or found[0]) if labels and all(found) else None
    return [
        (read_pictures(inside, data), class_labels(folder, inside, names) if names else None)
        for folder, inside in zip(folders, files, strict=True)
    ]


def _split(path: Path) -> list[Path]:
    """The folders of training and test images, or the one of all."""
    split = [path / "train", path / "test"]
    return split if all(folder.is_dir() for folder in split) else [path]


def folder_classes(data: DataConfig) -> list[str] | None:
    """What the labels of a folder of images mean, by label; None for other sources."""
    path = Path(os.path.expanduser(data.source))
    if data.class_names or data.source in BUILT_IN or not path.is_dir():
        return data.class_names
    folder = _split(path)[0]
    return class_names(folder, find_pictures(folder))


def _hold_out(images: np.ndarray, labels: np.ndarray | None, data: DataConfig) -> Images:
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
