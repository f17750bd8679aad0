"""Images from named sources, array files and folders of image files."""

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from pixelcnn_tf.config import registry
from pixelcnn_tf.config.conditions import PAIRED
from pixelcnn_tf.config.data import DataConfig, data_section
from pixelcnn_tf.config.plugins import errors_of, file_of
from pixelcnn_tf.config.registry import Entry
from pixelcnn_tf.data.array_files import ARRAY_ENDINGS, as_images, as_labels
from pixelcnn_tf.data.conditions import condition_shape
from pixelcnn_tf.data.images import (
    ImageArray,
    Images,
    LevelSets,
    hold_out_test,
    hold_out_validation,
)
from pixelcnn_tf.data.mapped_arrays import kept
from pixelcnn_tf.data.paired import as_condition, read_conditions, with_conditions
from pixelcnn_tf.data.paths import NamedImages, read_all, read_path, source_path
from pixelcnn_tf.utils.errors import UserError, suggestion
from pixelcnn_tf.utils.stored_images import StoredImages


def load_images(
    data: DataConfig | str | Path, labels: bool = False, hold_out: bool = True
) -> Images:
    """Returns the training and test images of a source.

    Args:
        data: the ``data`` section of a config, or the value of its ``source``.
        labels: whether to load the labels, if the source has any.
        hold_out: whether to hold out ``data.test_share`` of the images of a file or folder
            without test images; otherwise all of them are both the training and the test set.

    Returns:
        uint8 images with values from 0 to 255, uint16 images, or binary images with
        ``data.binarize`` (except for the training images with ``'dynamic'``, see ``Images``);
        int32 labels, or None.

    Raises:
        UserError: no such source, no network, a damaged file, arrays that are not images,
            ``data.binarize`` for images that are binary already, or labels that do not fit the
            images.

    Examples:
        >>> images = pixelcnn_tf.load_images("digits_grey", labels=True)
        >>> images.test.shape, images.test_labels[:3].tolist()
        ((180, 8, 8, 1), [2, 0, 8])
    """
    if isinstance(data, str | Path) and str(data):
        data = data_section({"source": str(data)})
    if not isinstance(data, DataConfig):
        raise UserError(f"source={data!r:.80}: must be a name, a path, or a DataConfig")
    entry = registry.find("source", data.source)
    images = _from_entry(entry, data) if entry else _from_path(data, labels, hold_out)
    if entry and data.condition_source is not None:
        images = images._replace(**with_conditions(images, data))
    if data.window and images.alphabet is None and not (entry and file_of(entry.target)):
        raise UserError(
            f"data.window: cuts levels in text files, and {data.source} holds none; set "
            "data.window=null"
        )
    _check_size(images, data)
    if data.validation_share and images.validation is not None:
        raise UserError(
            f"data.validation_share: {data.validation_share}, but {data.source} has validation "
            "images of its own; set data.validation_share=null"
        )
    if not labels:
        images = images._replace(train_labels=None, test_labels=None, validation_labels=None)
    if data.binarize:
        if max(images.train.max(), images.test.max()) == 1:
            raise UserError(
                f"data.binarize: {data.binarize!r}, but the images of {data.source} are binary "
                "already; set data.binarize=null"
            )
        dynamic = data.binarize == "dynamic"
        _check_eight_bits(images.train, data)
        train = images.train if dynamic else _binarize(images.train, data, "train")
        test, validation = _binarize(images.test, data, "test"), images.validation
        if validation is not None:
            validation = _binarize(validation, data, "validation")
        images = images._replace(train=train, test=test, validation=validation, dynamic=dynamic)
    images = images._replace(
        augment=tuple(data.augment), mutation_rate=data.mutation_rate, condition=data.condition
    )
    _check_condition(images, data)
    if data.validation_share:
        images = hold_out_validation(images, data)
        if images.dynamic and images.validation is not None:  # drawn once, like the test images
            images = images._replace(validation=_binarize(images.validation, data, "validation"))
    return images


def load_all_images(path: str | Path, data: DataConfig, n_values: int | None = None) -> ImageArray:
    """Returns all images of one file or folder, without holding any out.

    Args:
        path: an image file, or any file or folder that ``data.source`` may be; of those that
            have sets of their own (array files, MNIST, CIFAR), the test images, or else the
            training images.
        data: the section of the config that states how to resize image files, the names of
            arrays, and how to binarize.
        n_values: of the model that they are for, if there is one. Those of more than 256 values get
            all bits of image files, as with ``data.sixteen_bit`` ``'keep'``.

    Returns:
        integers ``[n, height, width, channels]``, with values as in ``load_images``; images that
        are binary already stay as they are, and those that take more than ``data.cache_gb`` are
        ``StoredImages``.

    Raises:
        UserError: no such file or folder, it contains no readable image, or as ``check_bits``.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npy"
        >>> np.save(path, np.zeros((5, 8, 8), np.uint8))
        >>> load_all_images(path, DataConfig()).shape
        (5, 8, 8, 1)
    """
    return load_named_images(path, data, n_values).images


def load_named_images(
    path: str | Path, data: DataConfig, n_values: int | None = None
) -> NamedImages:
    """Returns all images of one file or folder, as ``load_all_images`` does, and their names.

    Args, raises: as ``load_all_images``.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npy"
        >>> np.save(path, np.zeros((5, 8, 8), np.uint8))
        >>> Path(load_named_images(path, DataConfig()).names[4]).name
        'a.npy[4]'
    """
    path = Path(os.path.expanduser(path))
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if n_values is not None and n_values > 256 and data.sixteen_bit is None:
        data = data.model_copy(update={"sixteen_bit": "keep"})
    read = read_all(path, data)
    check_bits(read.images, path, data, n_values)
    if data.binarize and read.images.max() > 1:
        read = read._replace(images=_binarize(read.images, data, "test"))
    return read


def check_bits(
    images: ImageArray, source: str | Path, data: DataConfig, n_values: int | None
) -> None:
    """Checks that images of 8 bits are not given to a model of more values, to which they are
    nearly black. Arrays may hold small values only, and codes are the same in any number of bits.

    Args:
        images: those that were read from ``source``.
        source: their file, their folder, or the name of a source.
        data: how they were read.
        n_values: of the model; None if there is none.

    Raises:
        UserError: they have 8 bits.

    Examples:
        >>> images = np.zeros([1, 8, 8, 1], np.uint8)
        >>> check_bits(images, "a.npy", DataConfig(), 4096)
        >>> check_bits(images, "a.png", DataConfig(), 4096)
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: a.png: has 8 bits per channel, ...
    """
    is_array = Path(source).suffix.lower() in ARRAY_ENDINGS
    if n_values is None or n_values <= 256 or is_array or data.values == "codes":
        return
    if images.dtype == np.uint8:
        raise UserError(
            f"{source}: has 8 bits per channel, the values of the model go up to {n_values - 1}; "
            "must have 16 bits, or be an array file with values as those of the training images"
        )


def _binarize(images: ImageArray, data: DataConfig, split: str) -> np.ndarray:
    """Returns binary images: 1 from half intensity up, or with the intensity as probability.

    Source of the latter, static binarization: Salakhutdinov and Murray 2008.
    """
    _check_eight_bits(images, data)
    images = np.asarray(images)
    if data.binarize == "threshold":
        return (images >= 128).astype(np.uint8)
    # Each split has a generator of its own: 'sample' and 'dynamic' share their test images.
    stream = {"train": 1, "test": 3, "validation": 5}[split]
    rng = np.random.default_rng([data.seed, stream])
    return (rng.random(images.shape, np.float32) < images / np.float32(255)).astype(np.uint8)


def _check_eight_bits(images: ImageArray, data: DataConfig) -> None:
    if images.dtype != np.uint8:
        raise UserError(
            f"data.binarize: {data.binarize!r} is for images of 8 bits; those of {data.source} are "
            f"{images.dtype}"
        )


def _check_size(images: Images, data: DataConfig) -> None:
    shape = images.train.shape[1:]
    for name in ("test", "validation"):
        others = getattr(images, name)
        if others is not None and others.shape[1:] != shape:
            raise UserError(
                f"{data.source}: training images are {shape}, {name} images {others.shape[1:]} "
                "(height, width, channels); must be equal"
            )
    if data.image_size not in (None, shape[:2]):
        raise UserError(
            f"data.image_size: {list(data.image_size)}, but {data.source} holds images of "
            f"{list(shape[:2])} (height, width); leave it out (only digits and image files are "
            "resized)"
        )


def _check_condition(images: Images, data: DataConfig) -> None:
    """Raises UserError if the conditions do not fit the images."""
    where = f"data.condition: {data.condition!r}"
    if data.condition == PAIRED and images.train_condition is None:
        raise UserError(
            f"{where}, but {data.source} has no conditions; name them in data.condition_source"
        )
    try:
        shape = condition_shape(images)
    except UserError as error:
        raise UserError(f"data.{error}") from None
    if shape is None:
        return
    if data.condition != PAIRED and images.train.dtype != np.uint8:
        raise UserError(f"{where} is made from 8-bit images; these have more bits")
    height, width = images.train.shape[1:3]
    factor = max(1, height // shape[0])
    if (height, width) != (factor * shape[0], factor * shape[1]):
        raise UserError(
            f"{where}: conditions are {shape[0]}x{shape[1]}, images {height}x{width}; must be of "
            "the same size, or divided by an integer"
        )


def _from_entry(entry: Entry, data: DataConfig) -> Images:
    """Returns the images of a registered source; those of a plugin are checked."""
    load, path = entry.load(), file_of(entry.target)
    if isinstance(entry.target, str):  # of this package
        return load(data)
    with errors_of(path) if path else contextlib.nullcontext():
        images = load(data)
    where = f"data source {entry.name!r}"
    if isinstance(images, np.ndarray | StoredImages):
        return hold_out_test(_checked(images, data, where), None, data)
    if not isinstance(images, Images):
        raise UserError(
            f"{where}: returns {type(images).__name__}; must return integer images "
            "[n, height, width, channels], or Images"
        )
    parts = {}
    for name in ("train", "test", "validation"):
        array, labels = getattr(images, name), getattr(images, f"{name}_labels")
        if array is None and name == "validation":
            continue
        parts[name] = array = _checked(array, data, where)
        if labels is not None:
            parts[f"{name}_labels"] = as_labels(labels, where, len(array))
        condition = getattr(images, f"{name}_condition")
        if condition is not None and data.condition == PAIRED:
            parts[f"{name}_condition"] = as_condition(condition, where, len(array))
    return Images(**parts)


def _checked(images: Any, data: DataConfig, where: str) -> ImageArray:
    if isinstance(images, StoredImages):
        return images
    return kept(as_images(images, where), data, where)


def _from_path(data: DataConfig, labels: bool, hold_out: bool) -> Images:
    path = source_path(data.source)
    if not path.exists():
        names = registry.names("source")
        raise UserError(
            f"data.source: {data.source!r} must be a file, a folder, or one of "
            f"{', '.join(names)}{suggestion(data.source, names)}"
        )
    sets = read_path(path, data, labels)
    conditions = read_conditions(path, data, sets) if data.condition == PAIRED else {}
    train, validation = sets["training"], sets.get("validation", (None, None))
    if "test" not in sets and hold_out:
        images = hold_out_test(*train, data, conditions.get("training"))
    else:
        (of_train, train_labels), (of_test, test_labels) = train, [*sets.values()][-1]
        images = Images(
            of_train,
            of_test,
            train_labels,
            test_labels,
            train_condition=conditions.get("training"),
            test_condition=conditions.get([*sets][-1]),
        )
    return images._replace(
        validation=validation[0],
        validation_labels=validation[1],
        validation_condition=conditions.get("validation"),
        alphabet=sets.alphabet if isinstance(sets, LevelSets) else None,
    )
