"""The folder of an exported model."""

import os
from pathlib import Path

from pixelcnn_tf.utils.errors import UserError

#: The file of an exported model that describes it for programs; TensorFlow does not read it.
DESCRIPTION = "assets.extra/pixelcnn_tf.json"


def check_folder(path: str | Path, force: bool = False) -> Path:
    """Returns ``path`` if a model can be exported there.

    Args:
        path: the folder to write.
        force: whether it may be an exported model already.

    Raises:
        UserError: it exists, or the folder above it does not or cannot be written to.

    Example:

    >>> from pixelcnn_tf.serving.folder import check_folder
    >>> check_folder("none/model")
    Traceback (most recent call last):
    pixelcnn_tf.utils.errors.UserError: none/model: there is no folder none; create it first
    """
    path = Path(path)
    if os.path.lexists(path):
        if not force:
            raise UserError(f"{path}: exists already; use --force to replace it")
        if not (path / DESCRIPTION).is_file():
            raise UserError(f"{path}: holds no exported model, and is not replaced; name another")
    if not path.parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}; create it first")
    trial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        trial.mkdir()
        trial.rmdir()
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}") from None
    return path
