"""Plugins: Python files of the user's own that register blocks, architectures, likelihoods and
data sources.

A plugin is run like a script, once in a process. It is named by the config key ``plugins`` or the
flag ``--plugin``, never by a model file.
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

#: Loaded plugins by their path, with a hash of their text.
_loaded: dict[Path, str] = {}


def load_plugins(paths: Any, folder: str | Path = ".") -> Any:
    """Runs plugins that have not been run in this process.

    Args:
        paths: Python files; ``~`` is the home folder.
        folder: where relative paths begin.

    Returns:
        their absolute paths, as text; ``paths`` itself if it is no list of texts.

    Raises:
        UserError: no such file, no Python, or an exception when it is run; in one line, with file
            and line.
    """
    if not isinstance(paths, Sequence) or not all(isinstance(path, str) for path in paths):
        return paths
    if isinstance(paths, str):
        return paths
    return [str(load_plugin(path, folder)) for path in paths]


def load_plugin(path: str | Path, folder: str | Path = ".") -> Path:
    """Runs a plugin, unless that has been done in this process.

    A file that is not there any more is taken for the loaded plugin of the same name: a run names
    the place where its plugin was, ``--plugin`` the place where it is.

    Args:
        path: a Python file; ``~`` is the home folder.
        folder: where a relative path begins.

    Returns:
        the absolute path of the file that was run.

    Raises:
        UserError: as ``load_plugins``.
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
        raise UserError(f"{path}:{error.lineno}: no valid Python: {error.msg}") from None
    except ValueError as error:  # null bytes
        raise UserError(f"plugin {path}: no valid Python: {first_line(error)}") from None
    checksum = hashlib.sha256(source).hexdigest()
    if checksum not in _loaded.values():
        _run(path, code, source)
    _loaded[path] = checksum
    return path


def _run(path: Path, code: Any, source: bytes) -> None:
    """Runs the code of a plugin as a module; what it has registered goes if it fails."""
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
    """Within the ``with`` block an exception that passes through a file becomes a UserError that
    names the file and the line.

    Raises:
        UserError: see above.
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
    return first_line(error) if isinstance(error, Exception) else f"exit status {error}"


def file_of(target: Any) -> str | None:
    """Returns the file of the plugin that defines a class or function; None for other ones."""
    module: ModuleType | None = sys.modules.get(getattr(target, "__module__", ""))
    path = getattr(module, "__file__", None)
    return path if path is not None and Path(path) in _loaded else None


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Within the ``with`` block plugins may be loaded; afterwards none of them is."""
    before = dict(_loaded)
    try:
        with registry.restored():
            yield
    finally:
        for path in _loaded.keys() - before.keys():
            sys.modules.pop(_module_name(path), None)
        _loaded.clear()
        _loaded.update(before)
