"""Conditions that are read together with the images: ``data.condition: paired``."""

import os
from pathlib import Path

import numpy as np

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.array_files import CONDITION_KEYS, load_arrays
from pixelcnn_tf.data.file_search import find_images
from pixelcnn_tf.data.images import ImageArray, Images, Part
from pixelcnn_tf.data.paths import read_path, source_path
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.stored_images import StoredImages


def read_conditions(path: Path, data: DataConfig, sets: dict[str, Part]) -> dict[str, ImageArray]:
    """Returns the condition of every image of a file or folder.

    Args:
        path: the file or folder of the images.
        data: the section of the config; without ``condition_source`` the conditions are arrays of
            the same .npz file.
        sets: the images, as ``read_path`` returns them.

    Returns:
        integers ``[n, height, width, channels]`` of each set.

    Raises:
        UserError: there are none, or they do not belong to the images.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npz"
        >>> images = np.zeros((5, 8, 8), np.uint8)
        >>> np.savez(path, x_train=images, c_train=images[:, ::2, ::2])
        >>> data = DataConfig(source=str(path), condition="paired")
        >>> read_conditions(path, data, read_path(path, data))["training"].shape
        (5, 4, 4, 1)
    """
    counts = {name: len(images) for name, (images, _) in sets.items()}
    if data.condition_source is not None:
        return _from_source(data, counts, path)
    if path.suffix.lower() != ".npz":
        raise UserError(
            f"data.condition: 'paired', but {path} is no .npz file with an array c_train; name the "
            "conditions in data.condition_source"
        )
    arrays = load_arrays(path, [key for name in counts for key in CONDITION_KEYS[name]])
    conditions = {}
    for name, n in counts.items():
        key = next((key for key in CONDITION_KEYS[name] if key in arrays), None)
        if key is None:
            raise UserError(
                f"{path}: no array {CONDITION_KEYS[name][0]!r} in it, the conditions of the {name} "
                "images (data.condition 'paired')"
            )
        conditions[name] = as_condition(arrays[key], f"{path}: {key}", n)
    return _of_one_shape(conditions, str(path))


def with_conditions(images: Images, data: DataConfig) -> dict[str, ImageArray]:
    """Returns the fields of ``Images`` with the conditions of ``data.condition_source``, for images
    of a registered source.

    Raises:
        UserError: as ``read_conditions``.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npz"
        >>> small = np.zeros((1797, 4, 4), np.uint8)
        >>> np.savez(path, x_train=small[:1617], x_test=small[1617:])
        >>> options = {"condition": "paired", "condition_source": str(path)}
        >>> data = DataConfig(source="digits_grey", **options)
        >>> with_conditions(pixelcnn_tf.load_images("digits_grey"), data)["test_condition"].shape
        (180, 4, 4, 1)
    """
    names = {"training": "train", "validation": "validation", "test": "test"}
    present = {name: getattr(images, field) for name, field in names.items()}
    counts = {name: len(array) for name, array in present.items() if array is not None}
    conditions = _from_source(data, counts, None)
    return {f"{names[name]}_condition": array for name, array in conditions.items()}


def _from_source(
    data: DataConfig, counts: dict[str, int], images: Path | None
) -> dict[str, ImageArray]:
    source = str(data.condition_source)
    where = f"data.condition_source: {source}"
    path = source_path(source)
    if not path.exists():
        raise UserError(f"{where}: no such file or folder")
    size = data.condition_size or data.image_size
    update = {"source": source, "condition": None, "image_size": size}
    sets = read_path(path, data.model_copy(update=update))
    if list(sets) != list(counts):
        raise UserError(
            f"{where}: has {', '.join(sets)} images, {data.source} {', '.join(counts)} images; "
            "must have the same sets"
        )
    if images is not None and images.is_dir() and path.is_dir():
        _check_names(images, path, where)
    arrays = {
        name: as_condition(of_set, source, counts[name]) for name, (of_set, _) in sets.items()
    }
    return _of_one_shape(arrays, source)


def _check_names(images: Path, conditions: Path, where: str) -> None:
    """Raises UserError unless both folders have images of the same names, in the same order."""
    own, others = (
        [os.path.splitext(file.relative_to(folder))[0] for file in find_images(folder)]
        for folder in (images, conditions)
    )
    for names, found, folder in ((own, others, conditions), (others, own, images)):
        if missing := set(names) - set(found):
            raise UserError(
                f"{where}: {folder} has no image {min(missing)!r}; images and conditions must have "
                "the same names"
            )
    for name, other in zip(own, others, strict=False):  # sorted with their extensions
        if name != other:
            raise UserError(
                f"{where}: the images sort {name!r} where the conditions sort {other!r}, because "
                "of their extensions; give all files the same extension"
            )


def _of_one_shape(conditions: dict[str, ImageArray], where: str) -> dict[str, ImageArray]:
    shapes = {name: array.shape[1:] for name, array in conditions.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise UserError(f"{where}: conditions of different shapes: {told}; must be equal")
    return conditions


def as_condition(array: ImageArray, where: str, n_images: int) -> ImageArray:
    """Returns conditions as integers ``[n, height, width, channels]``.

    Args:
        array: integers from 0 up, ``[n, height, width, channels]`` or ``[n, height, width]``.
        where: the location of the array, for error messages.
        n_images: the number of images that they belong to.

    Returns:
        uint8; int32 where there are larger values. ``StoredImages`` as they are.

    Raises:
        UserError: another dtype, shape or number.

    Examples:
        >>> as_condition(np.array([[[7, 300]]]), "c", n_images=1).shape
        (1, 1, 2, 1)
    """
    if len(array) != n_images:
        raise UserError(f"{where}: {len(array)} conditions for {n_images} images; must be as many")
    if isinstance(array, StoredImages):
        return array
    if array.ndim == 3:
        array = array[..., None]
    if array.dtype.kind not in "biu" or array.ndim != 4 or 0 in array.shape:
        raise UserError(
            f"{where}: holds {array.dtype} {array.shape}; must be integers (images, height, width, "
            "channels), or (images, height, width)"
        )
    if array.min() < 0 or array.max() >= 2**31:
        raise UserError(f"{where}: holds {array.min()} to {array.max()}; must be from 0 up")
    return array.astype(np.uint8 if array.max() < 256 else np.int32)
