"""Importing TensorFlow quietly, and registering the classes of this package with Keras.

TensorFlow reports its build and the absence of a GPU on standard error at every log level.
``import_tensorflow`` suppresses these known lines and no others.
"""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator

from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.machine import cores

_NOISE = re.compile(
    rb"All log messages before absl::InitializeLog"
    rb"|oneDNN custom operations are on"
    rb"|Could not find cuda drivers|failed call to cuInit"
    rb"|cpu_feature_guard|To enable the following instructions"
    rb"|Unable to register cu(DNN|FFT|BLAS) factory"
    rb"|XLA service 0x|StreamExecutor device|Compiled cluster using XLA"
    rb"|Loaded cuDNN version|Created device /job"
)


@contextlib.contextmanager
def without_noise() -> Iterator[None]:
    """Within the ``with`` block standard error is captured; afterwards it is printed without the
    known lines of TensorFlow's start-up.

    Examples:
        >>> with without_noise():
        ...     _ = os.write(2, b"oneDNN custom operations are on.\\n")
    """
    if sys.stderr is None:  # closed
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not _NOISE.search(line):
                    os.write(2, line)


def import_tensorflow() -> None:
    """Imports TensorFlow and Keras without their start-up messages.

    Raises:
        UserError: the environment selects another Keras backend.

    Examples:
        >>> import_tensorflow()
        >>> keras.backend.backend()
        'tensorflow'
    """
    if os.environ.setdefault("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise UserError(f"KERAS_BACKEND={os.environ['KERAS_BACKEND']}: must be 'tensorflow'")
    if "tensorflow" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # warnings and errors are kept
    with without_noise():
        importlib.import_module("tensorflow")
        importlib.import_module("keras")


def find_devices() -> None:
    """Makes TensorFlow find its devices, without the messages of that search.

    Examples:
        >>> find_devices()
    """
    import tensorflow as tf

    with without_noise():
        tf.config.list_logical_devices()


#: The environment variable by which users choose the threads of an operation.
THREADS_VARIABLE = "TF_NUM_INTRAOP_THREADS"

#: With more cores than this, TensorFlow's own way of using them is kept.
_MOST_CORES = 4


def use_one_thread_per_operation() -> None:
    """Makes TensorFlow run each operation on one thread, and as many operations at once as there
    are cores, for commands that train and evaluate: they divide their batches, see
    ``models.parts``.

    Does nothing on one core or more than four, with a GPU, if ``TF_NUM_INTRAOP_THREADS`` is set, or
    after TensorFlow has found its devices.

    Examples:
        >>> use_one_thread_per_operation()
    """
    import tensorflow as tf

    n = cores()
    if not 2 <= n <= _MOST_CORES or THREADS_VARIABLE in os.environ:
        return
    with without_noise():
        if tf.config.list_physical_devices("GPU"):
            return
    with contextlib.suppress(RuntimeError):  # the devices have been found
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(n)


class _AfterKeras(importlib.abc.MetaPathFinder):
    """A finder that imports the classes of this package right after a program imports Keras.

    ``keras.models.load_model`` only finds classes that are already registered, and
    registering needs Keras. Importing it here would make ``import pixelcnn_tf`` take
    seconds, so this finder waits until the program does so. If a module of this package imports
    Keras, it waits until that module is complete, because the others may need it.
    """

    searching = keras_is_there = False
    depth = 0  # modules of this package that are being imported

    def find_spec(self, name, path=None, target=None):
        if name.startswith("pixelcnn_tf."):
            return self._find_own(name, path)
        if name != "keras" or self.searching:
            return None
        self.searching = True  # the search below asks this finder again
        try:
            spec = importlib.util.find_spec("keras")
        finally:
            self.searching = False
        if spec is None or spec.loader is None:
            return spec
        run_keras = spec.loader.exec_module

        def run_keras_then_register(module):
            run_keras(module)
            self.keras_is_there = True
            self._register()

        spec.loader.exec_module = run_keras_then_register
        return spec

    def _find_own(self, name, path):
        """Returns a spec that registers the classes after the module, if it imports Keras."""
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_then_register(module):
            self.depth += 1
            try:
                run(module)
            finally:
                self.depth -= 1
            self._register()

        spec.loader.exec_module = run_then_register
        return spec

    def _register(self) -> None:
        """Imports the classes once Keras is imported and no module is partially imported."""
        if self.keras_is_there and self.depth == 0 and self in sys.meta_path:
            sys.meta_path.remove(self)
            importlib.import_module("pixelcnn_tf.models.build")


def register_with_keras() -> None:
    """Makes ``keras.models.load_model`` find the classes of this package.

    It does so now or, if Keras is not imported yet, as soon as it is.

    Examples:
        >>> register_with_keras()
        >>> keras.saving.get_registered_object("pixelcnn_tf>PixelRNN").__name__
        'PixelRNN'
    """
    if "keras" in sys.modules:
        importlib.import_module("pixelcnn_tf.models.build")
    else:
        sys.meta_path.insert(0, _AfterKeras())
