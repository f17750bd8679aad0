"""Shared set-up: a quiet TensorFlow with two logical CPUs, seeds, small models."""

import gc
import os
import shutil

os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the figures in the tests are those of a CPU
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores: threads would only wait
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

from pixelcnn_tf.utils import startup

startup.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402

_CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)
startup.find_devices()


def pytest_collection_finish(session):
    """What is imported by now stays: each full collection would look through all of it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True, scope="session")
def without_xla():
    """Compiling takes seconds, hundreds of times; tests of XLA ask for it."""
    from pixelcnn_tf.sampling import loops

    loops.USE_XLA = False


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def images(rng):
    """A small data set for ``helpers.small_config``."""
    from helpers import random_images

    from pixelcnn_tf.data.images import Images

    return Images(random_images(rng, 40, 4, 4, 3), random_images(rng, 7, 4, 4, 3))


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A folder with one finished run, ``small``."""
    from command_line import train

    folder = tmp_path_factory.mktemp("runs")
    assert train(folder) == 0
    return folder


@pytest.fixture
def finished(tmp_path, tmp_path_factory, images, _trained):
    """Gives the config of a run that has ended, below ``tmp_path``: a copy, for the tests
    damage it, of one that is trained once for each set of options."""
    from helpers import make_trainer, small_config

    def copy(**training):
        key = tuple(sorted(training.items()))
        if key not in _trained:
            _trained[key] = tmp_path_factory.mktemp("trained")
            make_trainer(small_config(_trained[key], **training)).fit(images)
        shutil.copytree(_trained[key], tmp_path, dirs_exist_ok=True)
        return small_config(tmp_path, **training)

    return copy


@pytest.fixture(scope="session")
def _trained():
    """The folders of ``finished`` by options."""
    return {}
