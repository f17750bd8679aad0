"""Run folders: the files of a training run, and loading a model from them."""

import contextlib
import json
import os
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

try:
    import fcntl
except ImportError:  # Windows: no locks there
    fcntl = None

from pixelcnn_tf.config.loading import load_config, load_plugins_of
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.data.images import ImageArray
from pixelcnn_tf.training.resumption import forbidden_changes
from pixelcnn_tf.utils.atomic_files import flush, replacing
from pixelcnn_tf.utils.errors import UserError, first_line
from pixelcnn_tf.utils.progress import say
from pixelcnn_tf.utils.stored_images import StoredImages
from pixelcnn_tf.zoo.models import check_digest, in_zoo, run_path

if TYPE_CHECKING:
    from pixelcnn_tf.models.base import PixelModel


class RunFolder:
    """The paths of one run.

    ``config.yml`` (resolved), ``checkpoints/``, ``logs/`` (TensorBoard), ``samples/`` (image
    grids), ``images.txt`` (checksums of the data), ``curve.json`` (scores during training),
    ``best.keras`` (with ``data.validation_share``: the weights with the best score),
    ``model.keras`` and ``results.json`` (at the end).

    Args:
        path: of the folder, which ``opened`` creates; or ``zoo:NAME``, for the folder of a model of
            the zoo, which nothing is written to.

    Example:

    >>> str(pixelcnn_tf.training.run_folder.RunFolder("runs/digits").model)
    'runs/digits/model.keras'
    """

    def __init__(self, path: str | Path):
        self.path = run_path(path)
        self.config = self.path / "config.yml"
        self.checkpoints = self.path / "checkpoints"
        self.logs = self.path / "logs"
        self.samples = self.path / "samples"
        self.images = self.path / "images.txt"
        self.curve = self.path / "curve.json"
        self.best = self.path / "best.keras"
        self.model = self.path / "model.keras"
        self.results = self.path / "results.json"
        self._handle: int | None = None
        self._opened = False

    @contextlib.contextmanager
    def opened(
        self, config: Config, fresh: bool = False, images: Sequence[ImageArray | None] = ()
    ) -> Iterator[None]:
        """Within the ``with`` block the folder exists, may be used for a run with ``config``,
        and no other process may use it. May be nested; checked once.

        A folder that is still empty at the end is removed again.

        Args:
            config: the resolved config of the run.
            fresh: whether a run with another config may be in the folder, to be renamed by
                ``set_aside``.
            images: the images and labels of the run. Where they are those that the run was
                started with, they may come from another path.

        Raises:
            UserError: the folder holds a run with another config or something else, cannot be
                created, or is in use by another process.
        """
        if self._opened:
            yield
            return
        new = [folder for folder in (self.path, *self.path.parents) if not folder.exists()]
        self.make()
        try:
            with self.locked():
                self.check(config, fresh, images)
                self._opened = True
                yield
        finally:
            self._opened = False
            with contextlib.suppress(OSError):  # not empty
                for folder in new:
                    folder.rmdir()

    def check(
        self, config: Config, fresh: bool = False, images: Sequence[ImageArray | None] = ()
    ) -> None:
        """Make sure that a run with ``config`` may be started or resumed here.

        With ``fresh``, a run with another config is accepted; other files are not. With the
        ``images`` of the run, settings that only state where they come from may differ.

        Raises:
            UserError: the folder holds a run with another config, or something else.
        """
        if not self.config.exists():
            # A process that was killed before it wrote a config leaves these.
            inside = [f for f in self.path.iterdir() if f != self.images and f.name[0] != "."]
            if inside:
                raise UserError(
                    f"{self.path}: holds files but no run (no config.yml); choose another name"
                )
            return
        if fresh:
            return
        same_images = bool(images) and self.has_images(*images)
        differences = forbidden_changes(load_config(self.config), config, same_images)
        if differences:
            moved = ""
            if not same_images and all(text.startswith("data.") for text in differences):
                moved = "; its images may move to another path, but these are others"
            raise UserError(
                f"{self.path}: holds a run with another config ({'; '.join(differences)}{moved}); "
                "choose another name with --set name=NAME, or set it aside with --fresh"
            )

    def make(self) -> None:
        """Make the folder, if there is none."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise UserError(f"{self.path}: is a file; choose another name in the config") from None
        except OSError as error:
            raise UserError(f"{self.path}: cannot be created: {error.strerror}") from None

    def create(self, config: Config) -> None:
        """Make the folder and write the resolved config into it."""
        self.make()
        with replacing(self.config) as temporary:
            temporary.write_text(config.to_yaml(), encoding="utf-8")

    def has_images(self, *parts: ImageArray | None) -> bool:
        """Returns whether the run was started with these images and labels."""
        if not self.images.exists():
            return False
        recorded = self.images.read_text(encoding="utf-8").split()
        # Runs of earlier versions lack the validation set, which comes last.
        return bool(recorded) and recorded == checksums(parts).split()[: len(recorded)]

    def check_images(self, *parts: ImageArray | None) -> None:
        """Record the checksums of a run's images and labels, or compare them with those that the
        run was started with: a single additional image could move test images into the training
        set.

        Raises:
            UserError: they differ.
        """
        if not self.images.exists():
            with replacing(self.images) as temporary:
                temporary.write_text(checksums(parts), encoding="utf-8")
        elif not self.has_images(*parts):
            raise UserError(
                f"{self.path}: was started with other images or labels; restore them, choose "
                "another name with --set name=NAME, or set it aside with --fresh"
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Within the ``with`` block no other process may lock this folder. May be nested.

        Raises:
            UserError: another process trains here.
        """
        if fcntl is None or self._handle is not None:
            yield
            return
        self._lock()
        try:
            yield
        finally:
            if self._handle is not None:
                os.close(self._handle)
            self._handle = None

    def _lock(self) -> None:
        assert fcntl is not None
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise UserError(
                f"{self.path}: another process trains here; wait for it, or choose another name "
                "with --set name=NAME"
            ) from None
        self._handle = handle

    def finished(self, config: Config) -> bool:
        """Returns whether a run has already been trained for as long as the config says."""
        try:
            record = json.loads(self.results.read_text(encoding="utf-8"))
            training = config.training
            if "minutes" in record:  # written since version 0.2
                same = (record["minutes"], record["steps"]) == (training.minutes, training.steps)
            else:
                same = record["step"] == training.steps
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return same and zipfile.is_zipfile(self.model)

    def finished_step(self) -> int | None:
        """Returns the step at which a finished run wrote ``model.keras``, if there is one."""
        try:
            step = json.loads(self.results.read_text(encoding="utf-8"))["step"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return step if self.model.exists() else None

    def set_aside(self) -> Path | None:
        """Rename the folder, unless it is empty, to ``NAME.old-1`` (2, 3, ...); returns the new
        path. Within ``opened`` a new folder takes its place.

        Raises:
            UserError: another process trains here.
        """
        if not self.path.exists() or not any(self.path.iterdir()):
            return None
        with self.locked():
            number = 1
            while (target := self.path.with_name(f"{self.path.name}.old-{number}")).exists():
                number += 1
            self.path.rename(target)
            if self._opened:
                self.make()
                if self._handle is not None:
                    os.close(self._handle)
                    self._lock()
        flush(target.parent)
        return target


def checksums(parts: Sequence[ImageArray | None]) -> str:
    """Returns the number and checksum of each array that is not None, on one line.

    Example:

    >>> from pixelcnn_tf.training.run_folder import checksums
    >>> checksums([np.zeros([2, 4, 4, 1], np.uint8), None])
    '2:190a55ad\\n'
    """
    present = [part for part in parts if part is not None]
    return " ".join(f"{len(part)}:{_checksum(part):08x}" for part in present) + "\n"


def _checksum(part: ImageArray) -> int:
    if isinstance(part, StoredImages):
        return part.checksum()
    return zlib.crc32(np.ascontiguousarray(part).data)


def load_model(run_or_keras_path: str | Path) -> "PixelModel":
    """Returns a trained model, from a run folder, a ``.keras`` file or the zoo.

    Args:
        run_or_keras_path: ``runs/NAME`` (its ``model.keras``, or its latest checkpoint
            if that is newer, during training), the path of a ``.keras`` file, or ``zoo:NAME`` for
            a model that is installed with the package (``zoo_models`` lists them).

    Returns:
        the ``PixelRNN`` or ``PixelCNNPlusPlus``, not compiled, with the averaged weights if the
        run averages them.

    Raises:
        UserError: no such path or model of the zoo, no model in it, or a damaged or foreign file.
            A run with checkpoints gives the latest one, with a note, if its ``model.keras`` is
            damaged.

    Example:

    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/model.keras"
    >>> model = pixelcnn_tf.PixelRNN(4, 4, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> _ = model(np.zeros([1, 6, 6, 1], np.uint8))
    >>> model.save(path)
    >>> pixelcnn_tf.load_model(path).count_params() == model.count_params()
    True
    """
    path = run_path(run_or_keras_path)
    if in_zoo(run_or_keras_path):
        check_digest(str(run_or_keras_path))
    if path.is_dir():
        from pixelcnn_tf.training.checkpoints import saved_steps

        run = RunFolder(path)
        newest = max(saved_steps(run.checkpoints), default=0)
        if run.config.exists():
            load_plugins_of(run.config)
        if run.model.exists() and newest <= (run.finished_step() or newest):
            try:
                return _load_keras(run.model)
            except UserError as error:
                if not newest or not run.config.exists():
                    raise
                say(f"{error}; loading the checkpoint of step {newest}")
        if not run.config.exists():
            raise UserError(f"{path}: no run in this folder (no config.yml, no model.keras)")
        return _load_checkpoint(run)
    if not path.exists():
        raise UserError(f"{path}: no such run folder or .keras file")
    return _load_keras(path)


def _load_keras(path: Path):
    import keras

    from pixelcnn_tf.models.base import PixelModel

    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise UserError(f"{path}: is not a Keras model file; must be a run folder or a .keras file")
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = first_line(error)
        if unknown := re.search(r"Could not locate class '(\w+)'", str(error)):
            raise UserError(
                f"{path}: holds a {unknown[1]}, which is no class of this package; name the file "
                "that registers it with --plugin FILE"
            ) from None
        raise UserError(f"{path}: cannot be loaded as a model: {reason[:150]}") from None
    if not isinstance(model, PixelModel):
        raise UserError(f"{path}: holds a {type(model).__name__}, not a model of this package")
    return model


def _load_checkpoint(run: RunFolder):
    from pixelcnn_tf.models.build import build_model
    from pixelcnn_tf.training.checkpoints import Checkpoints

    model = build_model(load_config(run.config))
    if Checkpoints(run.checkpoints, model).restore() == 0:
        raise UserError(f"{run.path}: has no model.keras and no checkpoint yet")
    return model
