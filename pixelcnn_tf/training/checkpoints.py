"""Training states on disk, and the latest intact one of them."""

import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from pixelcnn_tf.training.optimizers import averages
from pixelcnn_tf.utils.atomic_files import flush
from pixelcnn_tf.utils.errors import TrainingDiverged, UserError, first_line

#: Raised by TensorFlow for a checkpoint that lacks a part, is truncated or altered.
_DAMAGE = (tf.errors.OpError, IndexError, ValueError, AssertionError, OSError)


def saved_steps(folder: Path) -> list[int]:
    """Returns the steps of the checkpoints in a folder, newest first.

    They are read from the names of the files, so that no list of them can be missing or
    truncated.

    Example:

    >>> import pathlib
    >>> pixelcnn_tf.training.checkpoints.saved_steps(pathlib.Path("runs/none/checkpoints"))
    []
    """
    names = (re.fullmatch(r"ckpt-(\d+)\.index", f.name) for f in folder.glob("ckpt-*.index"))
    return sorted((int(name[1]) for name in names if name), reverse=True)


class Checkpoints:
    """Saves and restores a model, its optimizer, the step and the seconds of training.

    Args:
        folder: created at the first save.
        model: a built Keras model.
        optimizer: a built Keras optimizer; ``None`` restores the model alone, with the moving
            averages as weights where the checkpoint has them.
        keep: how many to keep, at least 2, so that a damaged one is not the last.

    Attributes:
        seconds: seconds of training at the checkpoint that was restored; 0 for checkpoints of
            versions before 0.2, which do not store them.

    Raises:
        UserError: a folder with a wildcard character in its path.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    >>> pixelcnn_tf.training.checkpoints.Checkpoints(folder, model).save(3, seconds=1.5)
    >>> checkpoints = pixelcnn_tf.training.checkpoints.Checkpoints(folder, model)
    >>> checkpoints.restore(), checkpoints.seconds
    (3, 1.5)
    """

    def __init__(self, folder: Path, model, optimizer=None, keep: int = 3):
        self.folder = Path(folder)
        # TensorFlow takes the path for a pattern, when it restores and when it deletes.
        if bad := set(str(folder)) & set("[]*?\\") - {os.sep}:
            raise UserError(
                f"{folder}: must be a path without {' '.join(sorted(bad))}; choose another name or "
                "runs_dir"
            )
        self.model = model
        self.keep = keep
        # Variables one by one, in order: TensorFlow's own traversal of a Keras model silently
        # leaves out random generators and layers in lists that were filled late; and names
        # cannot be keys, since Keras numbers them by order of creation.
        weights = [*model.weights, *(v for v in model.variables if "seed_generator" in v.path)]
        parts = {"model": [weight.value for weight in weights]}
        if optimizer is not None:
            parts["optimizer"] = [variable.value for variable in optimizer.variables]
            if averages(optimizer):  # also under their own name; written only once
                parts["averages"] = [average.value for average in averages(optimizer)]
        self._complete = optimizer is not None
        step = tf.Variable(0, dtype=tf.int64)
        self._state = tf.train.Checkpoint(step=step, **parts)
        # Written only: checkpoints of version 0.1.0 do not have it.
        self._time = tf.Variable(0.0, dtype=tf.float64)
        self._written = tf.train.Checkpoint(step=step, seconds=self._time, **parts)
        self.seconds = 0.0
        self._saved = None
        self._damaged: set[int] = set()

    def save(self, step: int, seconds: float = 0.0) -> None:
        """Write a checkpoint; it is complete on the disk when this method returns.

        Args:
            step: number of steps made.
            seconds: of training so far.

        Raises:
            TrainingDiverged: a weight is not a finite number; nothing is written.
            UserError: the disk is full, or the folder cannot be written to.
        """
        for weight in self.model.trainable_variables:
            if not np.isfinite(weight.numpy()).all():
                raise TrainingDiverged(f"weight {weight.path} is not finite at step {step}")
        if step == self._saved:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob("ckpt-*_temp"):  # of a save that was killed
            shutil.rmtree(leftover)
        (self.folder / "checkpoint").unlink(missing_ok=True)  # a list, of an earlier version
        for folder in self.folder.glob(f"ckpt-{step}.*"):
            if folder.is_dir():  # a damaged checkpoint: a file cannot take its place
                shutil.rmtree(folder)
        self._state.step.assign(step)
        self._time.assign(seconds)
        try:
            self._written.write(str(self.folder / f"ckpt-{step}"))
        except tf.errors.OpError as error:
            raise UserError(
                f"{self.folder}: the checkpoint of step {step} cannot be written: "
                f"{first_line(error)}"
            ) from None
        for file in self.folder.glob(f"ckpt-{step}.*"):
            flush(file)
        flush(self.folder)
        self._saved = step
        # Old ones are deleted only now that this one is safe. Later ones, and those that could not
        # be read, are not counted; they are deleted as soon as training has passed them.
        self._damaged.discard(step)
        earlier = [saved for saved in saved_steps(self.folder) if saved <= step]
        intact = [saved for saved in earlier if saved not in self._damaged]
        for old in set(earlier) - set(intact[: self.keep]):
            for file in sorted(self.folder.glob(f"ckpt-{old}.*")):  # the index last
                shutil.rmtree(file) if file.is_dir() else file.unlink(missing_ok=True)

    def restore(self) -> int:
        """Restore the latest intact checkpoint; returns its step, 0 if there is none yet.

        Damaged ones are skipped with a warning.

        Raises:
            UserError: there are checkpoints, and none can be read.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise UserError(f"{self.folder}: is a file; must be the folder of the checkpoints")
        steps = saved_steps(self.folder)
        parts = [re.fullmatch(r"ckpt-(\d+)\.data-.*", f.name) for f in self.folder.glob("ckpt-*")]
        for step in sorted({int(part[1]) for part in parts if part} - set(steps), reverse=True):
            self._warn(step, "its index file is missing")
        for step in steps:
            try:
                path = str(self.folder / f"ckpt-{step}")
                status = self._state.read(path)
                status.assert_existing_objects_matched()
                status.expect_partial()  # it may hold more than is needed
                if not self._complete:
                    self._take_averages(step)
                seconds = _value(tf.train.load_checkpoint(path), "seconds")
                self.seconds = 0.0 if seconds is None else float(seconds)
                self._saved = int(self._state.step)
                return self._saved
            except _DAMAGE as error:
                self._damaged.add(step)
                self._warn(step, first_line(error))
        if steps or any(parts):
            raise UserError(
                f"{self.folder}: none of its checkpoints can be read; restore them from a copy, "
                "or start from scratch with --fresh"
            )
        return 0

    def _take_averages(self, step: int) -> None:
        """Give the model the moving averages of a checkpoint, if it has any."""
        saved = tf.train.load_checkpoint(str(self.folder / f"ckpt-{step}"))
        for index, weight in enumerate(self.model.trainable_variables):
            average = _value(saved, f"averages/{index}")
            if step and average is not None:  # at step 0 there is nothing to average
                weight.assign(average)

    def _warn(self, step: int, reason: str) -> None:
        text = f"{self.folder}/ckpt-{step} is damaged and was skipped: {reason}"
        print(f"warning: {text}", file=sys.stderr)


def _value(saved, name: str):
    """Returns the value of a variable in a checkpoint, None if it has none of this name."""
    name = f"{name}/.ATTRIBUTES/VARIABLE_VALUE"
    return saved.get_tensor(name) if saved.has_tensor(name) else None
