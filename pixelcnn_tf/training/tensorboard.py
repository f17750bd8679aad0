"""Event files of TensorBoard: scalars, images, text."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from pixelcnn_tf.utils.errors import first_line


class Summaries:
    """Event files below a folder, one sub-folder ("run" in TensorBoard) per part.

    All methods raise OSError if the files cannot be written.

    Args:
        folder: created on demand; ``None`` to write nothing.

    Example:

    >>> import pathlib, tempfile
    >>> summaries = pixelcnn_tf.training.tensorboard.Summaries(pathlib.Path(tempfile.mkdtemp()))
    >>> summaries.scalars("validation", {"bits_per_dim": 3.2}, step=100)
    >>> [part.name for part in summaries.folder.iterdir()]
    ['validation']
    """

    def __init__(self, folder: Path | None):
        self.folder = folder
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def _writer(self, part: str) -> tf.summary.SummaryWriter:
        if self.folder is None:
            return tf.summary.create_noop_writer()
        if part not in self._writers:
            self._writers[part] = tf.summary.create_file_writer(str(self.folder / part))
        return self._writers[part]

    @contextlib.contextmanager
    def _writing(self, part: str, step: int) -> Iterator[None]:
        try:
            writer = self._writer(part)
            with writer.as_default(step=step):
                yield
            writer.flush()
        except tf.errors.OpError as error:  # a full disk, a folder that is gone
            reason = f"cannot be written: {first_line(error)}"
            raise OSError(None, reason, str(self.folder)) from None

    def scalars(self, part: str, values: dict[str, float], step: int) -> None:
        """Write a number per tag."""
        with self._writing(part, step):
            for tag, value in values.items():
                tf.summary.scalar(tag, value)

    def image(self, part: str, tag: str, image: np.ndarray, step: int) -> None:
        """Write an image, uint8 ``[height, width, 3]``."""
        with self._writing(part, step):
            tf.summary.image(tag, image[None])

    def text(self, part: str, tag: str, text: str, step: int) -> None:
        """Write text that is shown verbatim, line by line."""
        with self._writing(part, step):
            tf.summary.text(tag, f"```\n{text}```")
