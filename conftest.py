"""Set-up of tests and docstring examples: a quiet TensorFlow on two logical CPUs, and seeds."""

import gc
import os

# Compiling takes seconds, hundreds of times; tests of XLA ask for it.
os.environ["PIXELCNN_TF_XLA"] = "0"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the figures in the tests are those of a CPU
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores: threads would only wait
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

from pixelcnn_tf.utils import startup

startup.import_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402

import pixelcnn_tf  # noqa: E402

_CPU = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(_CPU, [tf.config.LogicalDeviceConfiguration()] * 2)
startup.find_devices()


def pytest_collection_finish(session):
    """Exempt all that is imported by now from garbage collection, which would visit it often."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def names_in_examples(doctest_namespace):
    """What the examples in docstrings use without importing it."""
    doctest_namespace.update(np=np, tf=tf, keras=keras, pixelcnn_tf=pixelcnn_tf)
