"""Plugins: Python files by the user that register blocks, architectures, likelihoods and data
sources.

A plugin is run like a script, once per process. Only the config key ``plugins`` and the flag
``--plugin`` name plugins, never a model file.
"""

import contextlib
import hashlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from pixelcnn_tf.config import registry
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.errors import UserError, first_line

#: The hash of each loaded plugin, by its path.
_loaded: dict[Path, str] = {}


def load_plugins(paths: Any, folder: str | Path = ".") -> Any:
    """Runs those plugins that have not been run in this process.

    Args:
        paths: Python files; ``~`` stands for the home folder.
        folder: the folder that relative paths start from.

    Returns:
        their absolute paths, as text; ``paths`` itself if it is not a list of texts.

    Raises:
        UserError: a file does not exist, is not valid Python, or raises an exception. The message
            names the file and the line.

    Example:
        >>> from pixelcnn_tf.config.plugins import load_plugins
        >>> load_plugins(["none.py"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: plugin .../none.py: no such file; name it with ...
    """
    if not isinstance(paths, Sequence) or not all(isinstance(path, str) for path in paths):
        return paths
    if isinstance(paths, str):
        return paths
    return [str(load_plugin(path, folder)) for path in paths]


def load_plugin(path: str | Path, folder: str | Path = ".") -> Path:
    """Runs a plugin, unless it has been run in this process.

    If the file does not exist, a loaded plugin with the same file name takes its place: the config
    of a run contains the path that its plugin had then, ``--plugin`` the one that it has now.

    Args:
        path: a Python file; ``~`` stands for the home folder.
        folder: the folder that a relative path starts from.

    Returns:
        the absolute path of the file that was run.

    Raises:
        UserError: as ``load_plugins``.

    Example:
        >>> import pathlib, tempfile
        >>> from pixelcnn_tf.config.plugins import restored
        >>> with tempfile.TemporaryDirectory() as folder, restored():
        ...     _ = pathlib.Path(folder, "mine.py").write_text("rate = 3")
        ...     pixelcnn_tf.load_plugin("mine.py", folder).name
        'mine.py'
    """
    path = Path(os.path.abspath(Path(folder) / os.path.expanduser(path)))
    if path in _loaded:
        return path
    if not path.exists():
        for other in _loaded:
            if other.name == path.name:
                return other
        raise UserError(
            f"plugin {path}: no such file; name it with --plugin FILE or in 'plugins' of the config"
        )
    if path.is_dir() or path.suffix != ".py":
        raise UserError(f"plugin {path}: must be a Python file (.py)")
    try:
        source = path.read_bytes()
        code = compile(source, str(path), "exec")
    except OSError as error:
        raise UserError(f"plugin {path}: cannot be read: {error.strerror}") from None
    except SyntaxError as error:
        raise UserError(f"{path}:{error.lineno}: not valid Python: {error.msg}") from None
    except ValueError as error:  # null bytes
        raise UserError(f"plugin {path}: not valid Python: {first_line(error)}") from None
    checksum = hashlib.sha256(source).hexdigest()
    if checksum not in _loaded.values():
        _run(path, code, source)
    _loaded[path] = checksum
    return path


def _run(path: Path, code: Any, source: bytes) -> None:
    """Runs the code of a plugin as a module; if it fails, its registrations are undone."""
    if re.search(rb"\b(tensorflow|keras)\b|\b(from|import) pixelcnn_tf\.", source):
        startup.import_tensorflow()  # quietly, and before a part of this package imports Keras
    name = _module_name(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with registry.kept_if_successful(), errors_of(path):
            exec(code, module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise


def _module_name(path: Path) -> str:
    return f"pixelcnn_tf_plugin_{path.stem}"


@contextlib.contextmanager
def errors_of(path: str | Path) -> Iterator[None]:
    """Turns an exception within the ``with`` block into one that names the line of a file.

    Args:
        path: the file, through which the exception has passed.

    Raises:
        UserError: an exception was raised.

    Example:
        >>> from pixelcnn_tf.config.plugins import errors_of
        >>> with errors_of("mine.py"):
        ...     1 / 0
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: mine.py: ZeroDivisionError: division by zero
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        where = f"{path}:{lines[-1]}" if lines else str(path)
        kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
        raise UserError(f"{where}: {kind}{_text(error)}") from error


def _text(error: BaseException) -> str:
    if not isinstance(error, Exception):
        return f"exit status {error}"
    # Keras puts "Exception encountered when calling ..." before the message of the layer.
    if inside := re.search(r"\x1b\[1m(.*?)\x1b\[0m", str(error), re.DOTALL):
        return first_line(Exception(inside[1]))
    return first_line(error)


@contextlib.contextmanager
def errors_in_plugins(paths: Sequence[str]) -> Iterator[None]:
    """Does within the ``with`` block what ``errors_of`` does, for whichever plugin the exception
    has passed through last; other exceptions pass unchanged.

    Args:
        paths: the plugins, as ``load_plugins`` returns them.

    Raises:
        UserError: an exception was raised in a plugin.

    Example:
        >>> from pixelcnn_tf.config.plugins import errors_in_plugins
        >>> with errors_in_plugins(["/home/me/mine.py"]):
        ...     1 / 0
        Traceback (most recent call last):
        ZeroDivisionError: division by zero
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        passed = [frame.filename for frame in frames if frame.filename in paths]
        if not passed:
            raise
        with errors_of(passed[-1]):
            raise


def file_of(target: Any) -> str | None:
    """Returns the plugin that defines a class or function; None if no plugin does.

    Example:
        >>> from pixelcnn_tf.config.plugins import file_of
        >>> file_of(pixelcnn_tf.PixelCNNResBlock) is None
        True
    """
    module: ModuleType | None = sys.modules.get(getattr(target, "__module__", ""))
    path = getattr(module, "__file__", None)
    return path if path is not None and Path(path) in _loaded else None


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Removes the plugins that are loaded within the ``with`` block at its end.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> from pixelcnn_tf.config.plugins import restored
        >>> with restored():
        ...     _ = pixelcnn_tf.register_block("mine", pixelcnn_tf.PixelCNNResBlock)
        >>> "mine" in registry.names("block")
        False
    """
    before = dict(_loaded)
    try:
        with registry.restored():
            yield
    finally:
        for path in _loaded.keys() - before.keys():
            sys.modules.pop(_module_name(path), None)
        _loaded.clear()
        _loaded.update(before)
