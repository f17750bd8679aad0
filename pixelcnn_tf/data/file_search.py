"""The image files in a folder and below it, and the classes that their sub-folders are."""

import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pixelcnn_tf.utils.errors import UserError

#: The endings of image files. Pillow reads the last two where its plugin pillow-heif is installed.
IMAGE_ENDINGS = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".webp", ".gif"),
    *(".tif", ".tiff", ".avif", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".tga"),
    *(".heic", ".heif"),
)


#: The ending of text files of levels.
LEVEL_ENDING = ".txt"


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

    Hidden files and folders, and those that systems add, are left out: names that begin with a dot,
    ``__MACOSX``, ``Thumbs.db``, ``@eaDir`` and others.

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


def holds_levels(path: Path) -> bool:
    """Returns whether a path is a text file, or a folder with text files and without images.

    Raises:
        UserError: a folder cannot be read.

    Examples:
        >>> holds_levels(Path("a.txt")), holds_levels(Path("a.png"))
        (True, False)
    """
    if not path.is_dir():
        return path.suffix.lower() == LEVEL_ENDING
    endings: set[str] = set()
    for _, folders, names in os.walk(path, onerror=_refuse):
        folders[:] = [name for name in folders if not _is_hidden(name)]
        endings |= {Path(name).suffix.lower() for name in names if not _is_hidden(name)}
        if endings & set(IMAGE_ENDINGS):  # as soon as possible: a folder may hold millions
            return False
    return LEVEL_ENDING in endings


#: Files and folders that systems and programs add.
_NOT_DATA = {
    *("__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "system volume information"),
    *("@eadir", "#recycle", "lost+found", "__pycache__"),
}


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _NOT_DATA


def _refuse(error: OSError) -> None:
    raise UserError(f"{error.filename}: cannot be read: {error.strerror}")


def find_images(folder: Path) -> list[Path]:
    """Returns all image files in a folder and below it, sorted by name, see ``find_files``.

    Raises:
        UserError: there are none, or a folder cannot be read.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "a.png").touch()
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
