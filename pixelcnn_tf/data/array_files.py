"""Images and labels from NumPy files."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pixelcnn_tf.config.conditions import PAIRED
from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.images import Part
from pixelcnn_tf.data.mapped_arrays import kept, mapped_member
from pixelcnn_tf.utils.errors import UserError, first_line
from pixelcnn_tf.utils.progress import say
from pixelcnn_tf.utils.values import MOST_VALUES, dtype_for

#: The endings of files of NumPy arrays.
ARRAY_ENDINGS = (".npz", ".npy")


#: The names of the conditions of each set, for ``data.condition: paired``.
CONDITION_KEYS = {
    "training": ("c_train",),
    "validation": ("c_val", "c_valid"),
    "test": ("c_test",),
}


def read_arrays(path: Path, data: DataConfig, labels: bool = False) -> dict[str, Part]:
    """Returns the images of an array file, as ``'training'`` and, where there are any,
    ``'validation'`` and ``'test'``. What is taken for what, and what is left out, is printed.

    Args:
        path: a .npy file with one array, or a .npz file with several.
        data: the names of the arrays of a .npz file.
        labels: whether to read the labels too, where there are any.

    Raises:
        UserError: the file cannot be read, or its arrays are not images or labels.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npz"
        >>> images = np.zeros((5, 8, 8), np.uint8)
        >>> np.savez(path, x_train=images, x_test=images[:2])
        >>> sets = read_arrays(path, DataConfig(source=str(path)))
        >>> sets["training"][0].shape, sets["test"][0].shape
        ((5, 8, 8, 1), (2, 8, 8, 1))
    """
    loaded = _read(str(path), lambda: np.load(path, allow_pickle=False, mmap_mode="r"))
    if isinstance(loaded, np.ndarray):
        return {"training": (kept(as_images(loaded, str(path)), data, str(path)), None)}

    keys = {setting: _key_of(setting, data, loaded.files) for setting in _USUAL_NAMES}
    used = {*keys.values()}
    if data.condition == PAIRED:
        used |= {name for names in CONDITION_KEYS.values() for name in names}
    left_out = [name for name in loaded.files if name not in used]

    def read(setting: str) -> tuple[np.ndarray, str]:
        """Returns the array that a setting names, and its location for error messages."""
        key = keys[setting]
        if key not in loaded.files:
            names = ", ".join(loaded.files) or "nothing"
            raise UserError(
                f"{path}: no array {key!r} in it; it holds {names}: name one in data.{setting}"
            )
        if key != getattr(data, setting):
            say(f"{path}: took the array {key!r} for data.{setting}")
        where = f"{path}: {key}"
        return _read(where, lambda: _loaded(path, loaded, key)), where

    with loaded:
        if left_out:
            say(f"{path}: left out the arrays {', '.join(left_out)}")
        labels = labels and keys["train_label_key"] in loaded.files
        classes: list[str] = []
        sets = {}
        for name, key in [("training", "train"), ("validation", "validation"), ("test", "test")]:
            if key == "train" or keys[f"{key}_key"] in loaded.files:
                given, where = read(f"{key}_key")
                images, numbers = kept(as_images(given, where), data, where), None
                if labels:
                    given, where = read(f"{key}_label_key")
                    if given.dtype.kind in "US":
                        given = _numbered(given.astype(str), classes, where)
                    numbers = as_labels(given, where, len(images))
                sets[name] = images, numbers
    return sets


def _loaded(path: Path, archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    """Returns an array, mapped into memory where that is possible."""
    if archive.zip is not None and f"{name}.npy" in archive.zip.namelist():
        mapped = mapped_member(path, archive.zip, name)
        if mapped is not None:
            return mapped
    return archive[name]


def _names(words: str, alone: tuple[str, ...], *parts: str) -> tuple[str, ...]:
    """Returns the usual names of the images or labels (``words``) of a set."""
    letter = "x" if "image" in words else "y"
    of_set = [f"{letter}_{part}" for part in parts]
    of_set += [name for part in parts for name in (f"{part}_{words}", f"{words}_{part}")]
    return (*of_set, *alone)


#: Names that arrays have in other people's files, in any case, by the setting that names them.
_USUAL_NAMES = {
    "train_key": _names("images", ("images", "image", "train", "data", "x", "arr_0"), "train"),
    "validation_key": _names("images", ("val", "valid"), "val", "valid", "validation", "dev"),
    "test_key": _names("images", ("test",), "test"),
    "train_label_key": _names("labels", ("labels", "label", "targets", "target", "y"), "train"),
    "validation_label_key": _names("labels", (), "val", "valid", "validation", "dev"),
    "test_label_key": _names("labels", (), "test"),
}


def _key_of(setting: str, data: DataConfig, names: list[str]) -> str:
    """Returns the name of the array that a setting names, or, if the setting has its default and
    there is no array of that name, the first usual name that is there."""
    key = getattr(data, setting)
    if key in names or key != DataConfig.model_fields[setting].default:
        return key
    if setting == "train_key" and len(names) == 1:
        return names[0]
    in_any_case = {name.lower(): name for name in reversed(names)}
    usual = _USUAL_NAMES[setting]
    return next((in_any_case[name] for name in usual if name in in_any_case), key)


def _numbered(labels: np.ndarray, classes: list[str], where: str) -> np.ndarray:
    """Returns the numbers of class names; ``classes`` is filled in if it is empty."""
    if not classes:
        classes += np.unique(labels).tolist()
        numbers = ", ".join(f"{label} {name}" for label, name in enumerate(classes[:20]))
        say(f"{where}: the classes are {numbers}{', ...' if len(classes) > 20 else ''}")
    unknown = sorted(set(labels.ravel().tolist()) - set(classes))
    if unknown:
        raise UserError(f"{where}: {unknown[0]!r} is not among the training labels")
    return np.searchsorted(classes, labels)


def load_arrays(path: Path, names: list[str]) -> dict[str, np.ndarray]:
    """Returns those of some arrays that a .npz file has.

    Raises:
        UserError: the file cannot be read.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npz"
        >>> np.savez(path, mask=np.zeros((8, 8), bool))
        >>> list(load_arrays(path, ["mask", "other"]))
        ['mask']
    """
    with _read(str(path), lambda: np.load(path, allow_pickle=False)) as loaded:
        present = [name for name in names if name in loaded.files]
        return {name: _read(f"{path}: {name}", lambda n=name: loaded[n]) for name in present}


def load_one_array(path: Path) -> np.ndarray:
    """Returns the array of a .npy file, or of a .npz file that holds one.

    Raises:
        UserError: the file cannot be read, or holds several.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npz"
        >>> np.savez(path, mask=np.zeros((8, 8), bool))
        >>> load_one_array(path).shape
        (8, 8)
    """
    loaded = _read(str(path), lambda: np.load(path, allow_pickle=False))
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        if len(loaded.files) != 1:
            raise UserError(f"{path}: holds {len(loaded.files)} arrays; must hold one")
        return _read(str(path), lambda: loaded[loaded.files[0]])


def _read(where: str, load: Callable):
    """Calls ``load``; an error that NumPy raises for a damaged file becomes a ``UserError``."""
    try:
        return load()
    except Exception as error:
        reason = first_line(error)
        if "Object arrays" in reason or "Python objects" in reason:
            reason = "an array of Python objects; must be one of numbers, or of text for labels"
            raise UserError(f"{where}: {reason}") from None
        if "pickle" in reason:
            reason = "not an array of numbers"
        raise UserError(f"{where}: not a readable NumPy file: {reason}") from None


def as_images(array: np.ndarray, where: str) -> np.ndarray:
    """Returns ``array`` as images ``[n, height, width, channels]``.

    Args:
        array: uint8, uint16 or int32 ``[n, height, width, channels]``, or ``[n, height, width]``
            for greyscale. ``kept`` checks the values of int32.
        where: the location of the array, for error messages.

    Raises:
        UserError: another dtype or shape; the message says how to convert the array.

    Examples:
        >>> as_images(np.zeros((5, 8, 8), np.uint8), "x").shape
        (5, 8, 8, 1)
        >>> as_images(np.zeros((5, 8, 8)), "x")
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: x: holds float64 from 0 to 0; must be integers ...
    """
    if f"{array.dtype.kind}{array.dtype.itemsize}" not in ("u1", "u2", "i4"):
        raise UserError(
            f"{where}: holds {array.dtype}{_range(array)}; must be integers from 0 to "
            f"{MOST_VALUES - 1}, as uint8, uint16 or int32"
            f"{_how_to_convert(array)}"
        )
    if array.ndim == 3:
        _check_order_of_three(array.shape, where)
        array = array[..., None]
    few = array.ndim == 4 and array.shape[0] == array.shape[1] >= 8  # few images, last
    if (
        array.ndim == 4
        and array.shape[2] in (1, 3, 4)
        and (array.shape[3] > 4 <= array.shape[1] or few)
    ):
        raise UserError(
            f"{where}: has shape {array.shape}, like (height, width, channels, images); must have "
            "images first: save x.transpose(3, 0, 1, 2)"
        )
    if array.ndim == 4 and array.shape[1] in (1, 3, 4) and array.shape[3] > 4:
        raise UserError(
            f"{where}: has shape {array.shape}, like (images, channels, height, width); "
            "must have channels last: save x.transpose(0, 2, 3, 1)"
        )
    if array.ndim == 4 and array.shape[0] in (1, 3) and min(array.shape[1:]) > 4:
        raise UserError(
            f"{where}: has shape {array.shape}, like (channels, height, width, images); must have "
            "images first and channels last: save x.transpose(3, 1, 2, 0)"
        )
    if array.ndim == 2 and 0 not in array.shape:
        side = math.isqrt(array.shape[1])
        is_square = side > 1 and side**2 == array.shape[1]
        flat = f", and flattened ones x.reshape(-1, {side}, {side})" * is_square
        raise UserError(
            f"{where}: has shape {array.shape}; must be (images, height, width, channels): one "
            f"greyscale image is x[None]{flat}"
        )
    if array.ndim != 4 or 0 in array.shape:
        raise UserError(
            f"{where}: has shape {array.shape}; must be (images, height, width, channels), or "
            "(images, height, width) for greyscale, none of them 0"
        )
    return array


def _check_order_of_three(shape: tuple[int, ...], where: str) -> None:
    """Raises UserError for axes that look like those of one image, or like images last."""
    n, height, width = shape
    like = cure = ""
    if width in (3, 4) and min(n, height) >= 8:
        like, cure = "one image (height, width, channels)", "x[None]"
    elif n in (1, 3) and height == width >= 8:
        like, cure = "one image (channels, height, width)", "x.transpose(1, 2, 0)[None]"
    elif n == height != width and n >= 8:
        like, cure = "(height, width, images)", "x.transpose(2, 0, 1)"
    if like and n != 1:
        raise UserError(
            f"{where}: has shape {shape}, like {like}; must be (images, height, width, channels): "
            f"save {cure}, or x[..., None] if these are {n} greyscale images"
        )


def as_labels(labels: np.ndarray, where: str, n_images: int) -> np.ndarray:
    """Returns ``labels`` as int32 ``[n_images]``.

    Args:
        labels: whole numbers from 0 up or booleans, ``[n_images]`` or ``[n_images, 1]``, or
            one-hot ``[n_images, n_classes]``.
        where: the location of the array, for error messages.
        n_images: the number of images that they belong to.

    Raises:
        UserError: another dtype, shape or range.

    Examples:
        >>> as_labels(np.array([[2], [0]]), "y", n_images=2)
        array([2, 0], dtype=int32)
    """
    if labels.ndim == 2 and labels.shape[1] > 1 and _is_one_hot(labels):
        labels = labels.argmax(axis=1)
    if labels.dtype.kind == "f" and (labels == np.round(labels)).all():
        labels = labels.clip(-1, 2**31).astype(np.int64)
    fit = labels.dtype.kind in "biu" and labels.shape in ((n_images,), (n_images, 1))
    if not fit or not labels.size or labels.min() < 0 or labels.max() >= 2**31:
        raise UserError(
            f"{where}: has shape {labels.shape} and holds {labels.dtype}{_range(labels)}; labels "
            f"must be integers from 0 up of shape ({n_images},), one for each image, or one-hot"
        )
    return labels.reshape(n_images).astype(np.int32)


def _is_one_hot(labels: np.ndarray) -> bool:
    if labels.dtype.kind not in "biuf":
        return False
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all())


def _range(array: np.ndarray) -> str:
    if array.dtype.kind not in "iuf" or not array.size:
        return ""
    return f" from {array.min():.4g} to {array.max():.4g}"


def _how_to_convert(array: np.ndarray) -> str:
    """Returns the expression that converts the array, if it is right for the values in it."""
    if array.dtype.kind not in "biuf" or not array.size or not np.isfinite(array).all():
        return ""
    low, high = array.min(), array.max()
    if low >= 0 and float(high) < MOST_VALUES and (array == np.round(array)).all():
        cure = f": save x.astype({dtype_for(int(high) + 1).name!r})"
        if array.dtype.kind == "f" and high == 1:
            cure += " if they are binary, (x * 255).astype('uint8') if 1 means white"
        return cure
    if array.dtype.kind != "f" or low < -1 or high > 1:
        return ""
    cures = {}
    for lowest, x, factor in ((0, "x", 255), (0, "x", 256), (-1, "(x + 1)", 127.5)):
        values = (array - lowest) * factor
        if values.min() >= 0 and values.max() < 255.5 and _are_nearly_whole(values):
            cures.setdefault(lowest, f": save ({x} * {factor}).round().astype('uint8')")
    return next(iter(cures.values())) if len(cures) == 1 else ""  # several: nobody can tell


def _are_nearly_whole(array: np.ndarray) -> bool:
    error = 0.1 if array.dtype == np.float16 else 0.01  # of rounding, in values up to 256
    return bool(np.allclose(array, np.round(array), rtol=0, atol=error))
