"""Set-up of tests and docstring examples: a quiet TensorFlow on two logical CPUs, and seeds."""

import gc
import os

# Compiling takes seconds, hundreds of times; tests of XLA ask for it.
os.environ["PIXELCNN_TF_XLA"] = "0"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the figures in the tests are those of a CPU
if "PYTEST_XDIST_WORKER" in os.environ:  # the workers share the cores: threads would only wait
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np
import pytest

import pixelcnn_tf
from pixelcnn_tf.utils import startup


def pytest_configure(config):
    if config.getoption("numprocesses", None):
        return  # its workers run the tests
    startup.import_tensorflow()
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    startup.find_devices()


def pytest_collection_finish(session):
    """Exempt all that is imported by now from garbage collection, which would visit it often."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seeded():
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def names_in_examples(doctest_namespace):
    """What the examples in docstrings use without importing it."""
    import keras
    import tensorflow as tf

    doctest_namespace.update(np=np, tf=tf, keras=keras, pixelcnn_tf=pixelcnn_tf)
