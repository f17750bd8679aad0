"""Picture files, and folders of them."""

import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress

IMAGE_ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read: {error.strerror}")


def find_pictures(folder: Path) -> list[Path]:
    """All picture files in and below a folder, by name.

    Raises:
        UserError: there are none, or a folder that cannot be read.
    """
    found = []
    for below, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        real = os.path.realpath(below)
        if any(os.path.realpath(parent) == real for parent in Path(below).parents):
            folders.clear()  # a link to where it lies
            continue
        found += [Path(below) / name for name in names]
    files = sorted(file for file in found if file.suffix.lower() in IMAGE_ENDINGS)
    if not files:
        endings = ", ".join(sorted(IMAGE_ENDINGS))
        raise UserError(f"{folder}: no images in this folder or below it ({endings})")
    return files


def class_names(folder: Path, files: list[Path]) -> list[str] | None:
    """The names of the first folders, below ``folder``, that pictures lie in, sorted, numbers by
    their value; None if a picture lies in no such folder."""
    names = {_class_of(folder, file) for file in files}
    if None in names:
        return None
    return sorted(
        names, key=lambda name: (0, int(name), name) if name.isdecimal() else (1, 0, name)
    )


def class_labels(folder: Path, files: list[Path], names: list[str]) -> np.ndarray:
    """The class of each picture: the place in ``names`` of the folder that it lies in.

    Returns:
        int32 ``[n]``.

    Raises:
        UserError: a class that is not among the names.
    """
    classes = [_class_of(folder, file) for file in files]
    unknown = sorted({name or "" for name in classes} - set(names))
    if unknown:
        raise UserError(
            f"{folder / unknown[0]}: is none of the classes ({', '.join(names)}), those of "
            "data.class_names or else of training; add it there, or remove it"
        )
    return np.array([names.index(name) for name in classes], np.int32)


def _class_of(folder: Path, file: Path) -> str | None:
    parts = file.relative_to(folder).parent.parts
    return parts[0] if parts else None


def read_pictures(files: list[Path], data: DataConfig) -> np.ndarray:
    """uint8 ``[n, height, width, channels]``; 1 channel if all are greyscale, else 3.

    Raises:
        UserError: a file that is no picture, or pictures of unlike size.
    """
    images: list[np.ndarray] = []
    for file in progress(f"reading {os.path.commonpath(files)}", len(files), "img", files):
        image = _read_picture(file, data)
        if images and image.shape[:2] != images[0].shape[:2]:
            (height, width), (first_height, first_width) = image.shape[:2], images[0].shape[:2]
            raise UserError(
                f"{file}: is {height}x{width}, {files[0]} is {first_height}x{first_width}; set "
                "data.image_size to bring all to one size"
            )
        images.append(image)
    if all(image.ndim == 2 for image in images):
        return np.stack(images)[..., None]
    # One colour image makes all of them colour images.
    return np.stack([i if i.ndim == 3 else np.stack([i] * 3, axis=-1) for i in images])


#: Pillow's modes of 8 bits a channel; others (16 bits, floats) would lose values silently.
_EIGHT_BIT_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"}


def _read_picture(file: Path, data: DataConfig) -> np.ndarray:
    """uint8 ``[height, width]`` for greyscale files, else ``[height, width, 3]``.

    Transparent parts are laid on white.

    Raises:
        UserError: no picture, or one of more than 8 bits a channel.
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
        reason = str(error).replace(f"'{file}'", "it") or type(error).__name__
        raise UserError(f"{file}: no readable image ({reason}); mend or remove it") from None
    if mode not in _EIGHT_BIT_MODES:
        raise UserError(f"{file}: has mode {mode}; must have 8 bits a channel: convert it")
    if data.image_size:
        size = data.image_size[::-1]  # Pillow says width, height
        if data.fit == "crop":
            image = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
        else:
            image = image.resize(size, Image.Resampling.LANCZOS)
    return np.asarray(image)
