"""Atomic writing: a file is complete, or it does not exist."""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pixelcnn_tf.utils.errors import UserError

_UNWRITABLE = FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError
_FULL = errno.ENOSPC, errno.EDQUOT


@contextlib.contextmanager
def _unwritable_in_one_line(path: Path) -> Iterator[None]:
    """Turns the errors of a path that cannot be written, and of a full disk, into a UserError that
    names ``path``."""
    try:
        yield
    except OSError as error:
        if isinstance(error, _UNWRITABLE) or error.errno in _FULL:
            raise UserError(f"{path}: cannot be written: {error.strerror}") from None
        raise


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path to write to, which replaces ``path`` only once it is complete.

    The new file is flushed to the disk before the rename, so that after a crash or a
    power cut ``path`` is either the old file or the new one.

    Raises:
        UserError: the folder does not exist or cannot be written to.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with replacing(path) as temporary:
        ...     _ = temporary.write_text("complete")
        >>> path.read_text()
        'complete'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        with _unwritable_in_one_line(path):
            yield temporary
            flush(temporary)
            os.replace(temporary, path)
            flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def filling(folder: str | Path) -> Iterator[Path]:
    """Yields a temporary folder to write files into, which move to ``folder`` only once all are
    complete, as do the files in its sub-folders. A folder that does not exist is created; files of
    the same names are replaced.

    Raises:
        UserError: the folder cannot be written to, or its parent does not exist.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "maps"
        >>> with filling(folder) as temporary:
        ...     _ = (temporary / "a.txt").write_text("complete")
        >>> [path.name for path in folder.iterdir()]
        ['a.txt']
    """
    folder = Path(folder)
    temporary = (folder if folder.is_dir() else folder.parent) / f".{folder.name}.{os.getpid()}"
    try:
        with _unwritable_in_one_line(folder):
            temporary.mkdir()
            yield temporary
            parts = list(temporary.rglob("*"))
            for part in parts:
                flush(part)
            if folder.is_dir():
                for file in filter(Path.is_file, parts):
                    target = folder / file.relative_to(temporary)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(file, target)
            else:
                os.replace(temporary, folder)
            flush(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def replacing_folder(path: str | Path) -> Iterator[Path]:
    """Yields a new temporary folder, which replaces the folder ``path``, if there is one, once it
    is complete and flushed to the disk.

    Raises:
        UserError: the folder above it does not exist or cannot be written to.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "folder"
        >>> with replacing_folder(path) as temporary:
        ...     _ = (temporary / "a.txt").write_text("complete")
        >>> [file.name for file in path.iterdir()]
        ['a.txt']
    """
    path = Path(path)
    temporary, old = (path.with_name(f".{path.name}.{os.getpid()}{end}") for end in ("", ".old"))
    try:
        with _unwritable_in_one_line(path):
            temporary.mkdir()
            yield temporary
            for part in [*temporary.rglob("*"), temporary]:
                flush(part)
            if path.exists():  # a folder with files in it cannot be replaced in one step
                os.replace(path, old)
            os.replace(temporary, path)
            flush(path.parent)
    finally:
        if old.exists() and not path.exists():
            os.replace(old, path)
        for leftover in (temporary, old):
            shutil.rmtree(leftover, ignore_errors=True)


def flush(path: Path) -> None:
    """Flushes a file's contents, or a folder's entries, to the disk.

    Examples:
        >>> import tempfile
        >>> flush(Path(tempfile.mkdtemp()))
    """
    if os.name == "nt":  # Windows cannot open folders, nor flush files opened for reading
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_writable(path: str | Path, *endings: str, force: bool = True) -> Path:
    """Returns ``path`` if a file can be written there. Commands call it before long work.

    Args:
        path: the path of the file.
        endings: the allowed endings of its name (``'.png'``); by default any.
        force: whether the file may exist already.

    Raises:
        UserError: its folder does not exist, it is a folder itself, or it has another ending; or it
            exists.

    Examples:
        >>> check_writable("masks.jpg", ".png")
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: masks.jpg: must end in .png
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}; create it first")
    if not os.access(path.parent, os.W_OK):
        raise UserError(f"{path}: the folder {path.parent} cannot be written to")
    if endings and path.suffix.lower() not in endings:
        raise UserError(f"{path}: must end in {' or '.join(endings)}")
    if path.exists() and not force:
        raise UserError(f"{path}: exists already; use --force to overwrite it, or another name")
    return path


def check_folder(path: str | Path, force: bool) -> None:
    """Checks that files can be written into a folder, which is new or empty. Commands call it
    before long work.

    Args:
        path: the path of the folder.
        force: whether it may hold files already.

    Raises:
        UserError: it holds files, is a file, or cannot be written to.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> check_folder(folder / "maps", False)
        >>> (folder / "a.txt").touch()
        >>> check_folder(folder, False)
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: ...: holds files already; use --force to add to them
    """
    path = Path(path)
    if not path.is_dir():
        if check_writable(path).exists():
            raise UserError(f"{path}: is a file; must be a folder")
    elif not os.access(path, os.W_OK | os.X_OK):
        raise UserError(f"{path}: cannot be written to")
    elif any(path.iterdir()) and not force:
        raise UserError(f"{path}: holds files already; use --force to add to them")
