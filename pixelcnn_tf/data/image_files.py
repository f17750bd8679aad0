"""Image files and folders of image files."""

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress

IMAGE_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}


def find_images(folder: Path) -> list[Path]:
    """Returns all image files in a folder and below it, sorted by name.

    Raises:
        UserError: there are none, or a folder cannot be read.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new("L", (8, 8)).save(folder / "a.png")
        >>> [file.name for file in find_images(folder)]
        ['a.png']
    """
    found = []
    for below, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        real = os.path.realpath(below)
        if any(os.path.realpath(parent) == real for parent in Path(below).parents):
            folders.clear()  # a link to a folder that contains it
            continue
        found += [Path(below) / name for name in names]
    files = sorted(file for file in found if file.suffix.lower() in IMAGE_ENDINGS)
    if not files:
        endings = ", ".join(sorted(IMAGE_ENDINGS))
        raise UserError(f"{folder}: no images in this folder or below it ({endings})")
    return files


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read: {error.strerror}")


def class_names(folder: Path, files: list[Path]) -> list[str] | None:
    """Returns the class names: the names of the sub-folders of ``folder`` that contain the files.

    They are sorted, numbers by their value. The result is None if a file is not in a sub-folder.

    Examples:
        >>> folder = Path("birds")
        >>> class_names(folder, [folder / "wren" / "1.png", folder / "owl" / "barn" / "2.png"])
        ['owl', 'wren']
    """
    names = set()
    for file in files:
        name = _class_of(folder, file)
        if name is None:
            return None
        names.add(name)
    return sorted(
        names, key=lambda name: (0, int(name), name) if name.isdecimal() else (1, 0, name)
    )


def class_labels(folder: Path, files: list[Path], names: list[str]) -> np.ndarray:
    """Returns the class of each file: the index in ``names`` of the sub-folder that contains it.

    Returns:
        int32 ``[n]``.

    Raises:
        UserError: the name of a sub-folder is not among them.

    Examples:
        >>> folder = Path("birds")
        >>> class_labels(folder, [folder / "wren" / "1.png"], ["owl", "wren"])
        array([1], dtype=int32)
    """
    classes = [_class_of(folder, file) or "" for file in files]
    unknown = sorted(set(classes) - set(names))
    if unknown:
        raise UserError(
            f"{folder / unknown[0]}: is not one of the classes ({', '.join(names)}), which "
            "data.class_names or else the training images define; add it there, or remove it"
        )
    return np.array([names.index(name) for name in classes], np.int32)


def _class_of(folder: Path, file: Path) -> str | None:
    parts = file.relative_to(folder).parent.parts
    return parts[0] if parts else None


def read_images(files: list[Path], data: DataConfig) -> np.ndarray:
    """Returns the images of files as one array.

    Args:
        files: at least one.
        data: the section of the config whose ``image_size`` and ``fit`` state how to resize them.

    Returns:
        uint8 ``[n, height, width, channels]``, with one channel if all are greyscale, else three.

    Raises:
        UserError: a file is not an image, or the images differ in size.

    Examples:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.png"
        >>> Image.new("RGB", (20, 10)).save(file)
        >>> read_images([file], DataConfig(source="photos", image_size=8)).shape
        (1, 8, 8, 3)
    """
    images: list[np.ndarray] = []
    for file in progress(f"reading {os.path.commonpath(files)}", len(files), "img", files):
        image = _read_image(file, data)
        if images and image.shape[:2] != images[0].shape[:2]:
            (height, width), (first_height, first_width) = image.shape[:2], images[0].shape[:2]
            raise UserError(
                f"{file}: is {height}x{width}, {files[0]} is {first_height}x{first_width}; set "
                "data.image_size to resize all of them"
            )
        images.append(image)
    if all(image.ndim == 2 for image in images):
        return np.stack(images)[..., None]
    # If one image is in colour, all are stored with three channels.
    return np.stack([i if i.ndim == 3 else np.stack([i] * 3, axis=-1) for i in images])


#: Pillow's modes of 8 bits per channel; others (16 bits, floats) would lose values silently.
_EIGHT_BIT_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"}


def _read_image(file: Path, data: DataConfig) -> np.ndarray:
    """Returns uint8 ``[height, width]`` for a greyscale file, else ``[height, width, 3]``.

    The background of transparent images is white.

    Raises:
        UserError: the file is not an image, or has more than 8 bits per channel.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as opened:
                image = ImageOps.exif_transpose(opened)
                mode = image.mode
                if image.has_transparency_data:
                    paper = Image.new("RGBA", image.size, "white")
                    paper.alpha_composite(image.convert("RGBA"))
                    image = paper
                image = image.convert("L" if mode in ("1", "L", "LA", "La") else "RGB")
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        reason = str(error).replace(f" '{file}'", "").rstrip(":") or type(error).__name__
        raise UserError(f"{file}: not a readable image ({reason}); repair or remove it") from None
    if mode not in _EIGHT_BIT_MODES:
        raise UserError(f"{file}: has mode {mode}; must have 8 bits per channel: convert it")
    if data.image_size:
        height, width = data.image_size
        resize = ImageOps.fit if data.fit == "crop" else Image.Image.resize
        image = resize(image, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(image)
