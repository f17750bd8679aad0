"""Image files and folders of image files."""

import contextlib
import importlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress, say

#: The endings of image files. Pillow reads the last two where its plugin pillow-heif is installed.
IMAGE_ENDINGS = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".webp", ".gif"),
    *(".tif", ".tiff", ".avif", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".tga"),
    *(".heic", ".heif"),
)


class FoundFiles(NamedTuple):
    """The files in a folder and below it.

    Attributes:
        images: the image files, sorted by name.
        others: the other files, except for hidden ones.
        folders: the folders directly in it, except for hidden ones, sorted by name.

    Examples:
        >>> FoundFiles([Path("cat/a.png")], [Path("notes.txt")], [Path("cat")]).folders[0].name
        'cat'
    """

    images: list[Path]
    others: list[Path]
    folders: list[Path]


def find_files(folder: Path) -> FoundFiles:
    """Returns the files in a folder and below it.

    Hidden files and folders, and those that operating systems add, are left out: names that begin
    with a dot, ``__MACOSX``, ``Thumbs.db``, ``desktop.ini``.

    Raises:
        UserError: a folder cannot be read.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("a.png", ".b.png", "notes.txt"):
        ...     (folder / name).touch()
        >>> found = find_files(folder)
        >>> [file.name for file in found.images], [file.name for file in found.others]
        (['a.png'], ['notes.txt'])
    """
    files: list[Path] = []
    inside: list[Path] = []
    for below, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        real = os.path.realpath(below)
        if any(os.path.realpath(parent) == real for parent in Path(below).parents):
            folders.clear()  # a link to a folder that contains it
            continue
        folders[:] = [name for name in folders if not _is_hidden(name)]
        if Path(below) == folder:
            inside = [Path(below) / name for name in folders]
        files += [Path(below) / name for name in names if not _is_hidden(name)]
    images = {file for file in files if file.suffix.lower() in IMAGE_ENDINGS}
    others = [file for file in files if file not in images]
    return FoundFiles(sorted(images), sorted(others), sorted(inside))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in ("__macosx", "thumbs.db", "desktop.ini")


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read: {error.strerror}")


def find_images(folder: Path) -> list[Path]:
    """Returns all image files in a folder and below it, sorted by name, see ``find_files``.

    Raises:
        UserError: there are none, or a folder cannot be read.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> Image.new("L", (8, 8)).save(folder / "a.png")
        >>> [file.name for file in find_images(folder)]
        ['a.png']
    """
    found = find_files(folder)
    if not found.images:
        left_out = f"; it holds {count_by_ending(found.others)}" if found.others else ""
        endings = ", ".join(IMAGE_ENDINGS)
        raise UserError(f"{folder}: no images in this folder or below it ({endings}){left_out}")
    return found.images


def count_by_ending(files: list[Path]) -> str:
    """Returns how many files of each kind there are, in words.

    Examples:
        >>> count_by_ending([Path("a.txt"), Path("b.TXT"), Path("README")])
        '2 .txt, 1 without an ending'
    """
    counts = Counter(file.suffix.lower() or "without an ending" for file in files)
    listed = [f"{n:,} {ending}" for ending, n in counts.most_common(5)]
    more = sum(counts.values()) - sum(n for _, n in counts.most_common(5))
    return ", ".join([*listed, *([f"{more:,} others"] if more else [])])


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


class ReadImages(NamedTuple):
    """The images of some files.

    Attributes:
        images: uint8 ``[n, height, width, channels]``.
        files: the files that they come from; with ``data.skip_broken``, those that can be read.

    Examples:
        >>> ReadImages(np.zeros([1, 8, 8, 3], np.uint8), [Path("a.png")]).files[0].name
        'a.png'
    """

    images: np.ndarray
    files: list[Path]


def read_images(files: list[Path], data: DataConfig) -> ReadImages:
    """Returns the images of files as one array.

    Of an animation, or a file of several pages, the first image is read. What is left out is
    printed.

    Args:
        files: at least one.
        data: the section of the config whose ``image_size``, ``fit``, ``sixteen_bit`` and
            ``skip_broken`` state how to read them.

    Returns:
        the images, with one channel if all are greyscale, else three, and their files.

    Raises:
        UserError: files are not images (all of them are named), or the images differ in size.

    Examples:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "a.png"
        >>> Image.new("RGB", (20, 10)).save(file)
        >>> read_images([file], DataConfig(source="photos", image_size=8)).images.shape
        (1, 8, 8, 3)
    """
    images: list[np.ndarray] = []
    read: list[Path] = []
    broken: dict[Path, str] = {}
    notes: Counter = Counter()
    for file in progress(f"reading {os.path.commonpath(files)}", len(files), "img", files):
        try:
            image = _read_image(file, data, notes)
        except _BrokenImage as error:
            broken[file] = str(error)
            continue
        if images and image.shape[:2] != images[0].shape[:2]:
            (height, width), (first_height, first_width) = image.shape[:2], images[0].shape[:2]
            raise UserError(
                f"{file}: is {height}x{width}, {read[0]} is {first_height}x{first_width}; set "
                "data.image_size to resize all of them"
            )
        images.append(image)
        read.append(file)
    _tell(files, broken, notes, data)
    if all(image.ndim == 2 for image in images):
        return ReadImages(np.stack(images)[..., None], read)
    # If one image is in colour, all are stored with three channels.
    in_colour = [i if i.ndim == 3 else np.stack([i] * 3, axis=-1) for i in images]
    return ReadImages(np.stack(in_colour), read)


def _tell(files: list[Path], broken: dict[Path, str], notes: Counter, data: DataConfig) -> None:
    """Raises UserError if there are broken files, unless they are skipped; prints what was done."""
    folder = os.path.commonpath(files)
    listed = [f"{file} ({reason})" for file, reason in list(broken.items())[:10]]
    listed += [f"and {len(broken) - 10:,} more"] if len(broken) > 10 else []
    if broken and (not data.skip_broken or len(broken) == len(files)):
        what = "not a readable image" if len(broken) == 1 else "not readable images"
        raise UserError(
            f"{folder if len(broken) > 1 else next(iter(broken))}: {what}: {', '.join(listed)}; "
            "repair or remove them, or set data.skip_broken=true"
        )
    if broken:
        say(f"{folder}: skipped {len(broken):,} broken files: {', '.join(listed)}")
    for note, n in (+notes).items():
        say(f"{folder}: {note} of {n:,} file{'s' if n > 1 else ''}")


class _BrokenImage(Exception):
    """The reason why a file is not a readable image."""


@contextlib.contextmanager
def opened_image(file: Path) -> Iterator[Image.Image]:
    """Yields the opened image file.

    Raises:
        UserError: it is not a readable image.

    Examples:
        >>> with opened_image(Path("none.png")) as image:
        ...     image.size
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: none.png: not a readable image (...
    """
    try:
        with _opened(file) as image:
            yield image
    except _BrokenImage as error:
        raise UserError(f"{file}: not a readable image ({error})") from None


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    if file.suffix.lower() in (".heic", ".heif"):
        try:
            importlib.import_module("pillow_heif").register_heif_opener()
        except ImportError:
            raise _BrokenImage("needs the package pillow-heif") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file) as image:
                yield image
    except UserError:
        raise
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        reason = str(error).replace(f" '{file}'", "").rstrip(":") or type(error).__name__
        raise _BrokenImage(reason) from None


#: Pillow's modes of 8 bits per channel; others would lose values.
_EIGHT_BIT_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "CMYK", "YCbCr"}


def _read_image(file: Path, data: DataConfig, notes: Counter) -> np.ndarray:
    """Returns uint8 ``[height, width]`` for a greyscale file, else ``[height, width, 3]``.

    The background of transparent images is white. What is left out is counted in ``notes``.

    Raises:
        UserError: the file has more than 8 bits per channel.
        _BrokenImage: it is not a readable image.
    """
    with _opened(file) as opened:
        notes["read the first image"] += getattr(opened, "n_frames", 1) > 1
        sixteen = _has_sixteen_bits(opened)
        image = ImageOps.exif_transpose(opened)
        mode = image.mode
        if sixteen and data.sixteen_bit is None:
            raise UserError(
                f"{file}: has 16 bits per channel; set data.sixteen_bit=scale to keep the upper 8"
            )
        notes["kept the upper 8 of 16 bits per channel"] += sixteen
        if sixteen and mode.startswith("I"):  # in colour, Pillow has kept the upper 8 bits
            image, mode = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)), "L"
        if mode not in _EIGHT_BIT_MODES:
            raise UserError(f"{file}: has mode {mode}; must have 8 bits per channel: convert it")
        if image.has_transparency_data:
            paper = Image.new("RGBA", image.size, "white")
            paper.alpha_composite(image.convert("RGBA"))
            image = paper
        image = image.convert("L" if mode in ("1", "L", "LA", "La") else "RGB")
    if data.image_size:
        height, width = data.image_size
        resize = ImageOps.fit if data.fit == "crop" else Image.Image.resize
        image = resize(image, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _has_sixteen_bits(opened: Image.Image) -> bool:
    """Whether a file that is not loaded yet has 16 bits per channel. Of images in colour, the mode
    is that of the 8 bits that Pillow keeps, and how it decodes the file tells."""
    if opened.mode.startswith("I;16") or (opened.mode == "I" and opened.format in ("PNG", "PPM")):
        return True
    arguments = [str(tile[3]) for tile in getattr(opened, "tile", ())]
    return any(";16" in argument or "65535" in argument for argument in arguments)
