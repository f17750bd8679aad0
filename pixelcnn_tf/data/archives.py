"""Archives of images: .zip and .tar files, compressed or not."""

import atexit
import contextlib
import functools
import os
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pixelcnn_tf.data.array_files import ARRAY_ENDINGS
from pixelcnn_tf.data.image_folders import set_of
from pixelcnn_tf.utils.errors import UserError, first_line
from pixelcnn_tf.utils.progress import say, shown_as

#: The endings of archives.
ARCHIVE_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


def is_archive(path: Path) -> bool:
    """Returns whether a file is named like an archive.

    Examples:
        >>> is_archive(Path("photos.TAR.GZ")), is_archive(Path("train-images-idx3-ubyte.gz"))
        (True, False)
    """
    return path.name.lower().endswith(ARCHIVE_ENDINGS)


@contextlib.contextmanager
def extracted(path: Path) -> Iterator[Path]:
    """Yields a temporary folder with the contents of an archive, which exists until the process
    ends. If the archive contains one folder, or one file of arrays, and nothing else, it is that.
    Other files and folders are yielded as they are. Messages within name the archive in place of
    the temporary folder.

    Members whose names lead out of the folder are left out (.zip) or refused (.tar), and nothing
    but files and folders is created.

    Raises:
        UserError: the file is damaged, protected by a password, or larger than the free disk.

    Examples:
        >>> folder = Path(tempfile.mkdtemp())
        >>> with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        ...     archive.writestr("birds/owl/1.png", b"")
        ...     archive.writestr("birds/wren/1.png", b"")
        >>> with extracted(folder / "a.zip") as birds:
        ...     sorted(path.name for path in birds.iterdir())
        ['owl', 'wren']
    """
    if not (path.is_file() and is_archive(path)):
        yield path
        return
    status = path.stat()
    folder = _extracted(path.resolve(), status.st_mtime_ns, status.st_size)
    inside = [each for each in folder.iterdir() if not each.name.startswith((".", "__MACOSX"))]
    contents = inside[0] if len(inside) == 1 else folder
    if contents.is_dir():
        contents = folder if set_of(contents.name) else contents
    elif contents.suffix.lower() not in ARRAY_ENDINGS:
        contents = folder
    with shown_as(folder, path):
        yield contents


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
                members = archive.infolist()
                _check_room(path, sum(member.file_size for member in members))
                if any(member.flag_bits & 1 for member in members):
                    raise UserError(f"{path}: is protected by a password; must be without one")
                say(f"{path}: extracting {len(members):,} files")
                for member in members:
                    member.filename = member.filename.replace("\\", "/")  # of old Windows tools
                    archive.extract(member, folder)
        else:
            with tarfile.open(path) as archive:
                members = archive.getmembers()
                _check_room(path, sum(member.size for member in members))
                say(f"{path}: extracting {len(members):,} files")
                archive.extractall(folder, filter="data")
    except UserError:
        raise
    except tarfile.ReadError:
        raise UserError(
            f"{path}: not a readable archive: neither .zip nor .tar, or cut off"
        ) from None
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
