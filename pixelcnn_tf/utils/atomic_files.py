"""Files that are whole or not there at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from pixelcnn_tf.utils.errors import UserError


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Write to the path yielded; it takes the place of ``path`` only once complete.

    The new file is flushed to the disk before the rename, so that after a crash or a
    power cut ``path`` is either the old file or the new one.

    Raises:
        UserError: the folder does not exist or cannot be written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield temporary
        flush(temporary)
        os.replace(temporary, path)
        flush(path.parent)
    except (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError) as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Bring a file's contents, or a folder's entries, to the disk."""
    if os.name == "nt":  # there, folders cannot be opened, nor files flushed that are read only
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_writable(path: str | Path, *endings: str) -> Path:
    """``path`` if a file can be put there, before long work begins.

    Args:
        endings: what its name may end in (``'.png'``); anything if none is given.

    Raises:
        UserError: its folder does not exist, or it is a folder itself; another ending.
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
    return path
