"""Archives of images: .zip and .tar files, compressed or not."""

import atexit
import functools
import os
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path

from pixelcnn_tf.data.image_folders import SET_NAMES
from pixelcnn_tf.utils.errors import UserError, first_line
from pixelcnn_tf.utils.progress import say

#: The endings of archives.
ARCHIVE_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


def is_archive(path: Path) -> bool:
    """Returns whether a file is named like an archive.

    Examples:
        >>> is_archive(Path("photos.TAR.GZ")), is_archive(Path("train-images-idx3-ubyte.gz"))
        (True, False)
    """
    return path.name.lower().endswith(ARCHIVE_ENDINGS)


def extracted(path: Path) -> Path:
    """Returns a temporary folder with the contents of an archive, which exists until the process
    ends. If all of them are in one folder of the archive, it is that folder.

    Members whose names lead out of the folder are left out (.zip) or refused (.tar), and nothing
    but files and folders is created.

    Raises:
        UserError: the file is damaged, protected by a password, or larger than the free disk.

    Examples:
        >>> folder = Path(tempfile.mkdtemp())
        >>> with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        ...     archive.writestr("birds/owl/1.png", b"")
        ...     archive.writestr("birds/wren/1.png", b"")
        >>> sorted(path.name for path in extracted(folder / "a.zip").iterdir())
        ['owl', 'wren']
    """
    status = path.stat()
    folder = _extracted(path.resolve(), status.st_mtime_ns, status.st_size)
    inside = [each for each in folder.iterdir() if not each.name.startswith((".", "__MACOSX"))]
    named_like_set = any(inside[0].name.lower() in names for names in SET_NAMES.values() if inside)
    if len(inside) == 1 and inside[0].is_dir() and not named_like_set:
        return inside[0]
    return folder


@functools.cache  # a run reads its source several times
def _extracted(path: Path, changed: int, size: int) -> Path:
    """Returns a temporary folder, deleted at exit. It has the name of the archive, which makes
    messages about its files clear."""
    temporary = tempfile.mkdtemp(prefix="pixelcnn_tf_")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    folder = Path(temporary, path.name)
    folder.mkdir()
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                _check_room(path, sum(member.file_size for member in archive.infolist()))
                say(f"{path}: extracting {len(archive.namelist()):,} files")
                archive.extractall(folder)
        else:
            with tarfile.open(path) as archive:
                members = archive.getmembers()
                _check_room(path, sum(member.size for member in members))
                say(f"{path}: extracting {len(members):,} files")
                archive.extractall(folder, filter="data")
    except UserError:
        raise
    # Damaged data raise errors of many classes, those of zlib and lzma among them.
    except Exception as error:
        raise UserError(f"{path}: not a readable archive: {first_line(error)}") from None
    return folder


def _check_room(path: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if n_bytes > free:
        raise UserError(
            f"{path}: its contents take {n_bytes / 1e9:,.1f} GB, of {free / 1e9:,.1f} GB free in "
            f"{tempfile.gettempdir()}; extract it elsewhere, or set {_TEMPORARY}"
        )


#: The environment variable that moves temporary files.
_TEMPORARY = "TEMP" if os.name == "nt" else "TMPDIR"
