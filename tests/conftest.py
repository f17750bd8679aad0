"""Fixtures of the tests: small data sets, and runs that are trained once and copied."""

import os
import shutil

import numpy as np
import pytest

# Programs of XLA run once or twice here, so that optimizing their machine code takes longer than it
# saves. XLA reads this before the first compilation; commands that tests start inherit it.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false",
)


def pytest_collection_finish(session):
    """Graphs are not rewritten for speed: the small ones of tests run once or twice, and rewriting
    takes longer. The commands that tests start as processes of their own do rewrite them."""
    if session.items and not session.config.option.collectonly:
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def images(rng):
    """A small data set for ``helpers.small_config``."""
    from helpers import random_images

    from pixelcnn_tf.data.images import Images

    return Images(random_images(rng, 40, 4, 4, 3), random_images(rng, 7, 4, 4, 3))


@pytest.fixture
def blank_samples(monkeypatch):
    """A Trainer writes black images as its samples. Drawing takes long for the first time, and few
    tests of a run look at them."""
    from pixelcnn_tf import Trainer

    def blank(trainer, n_images=None, seed=None):
        config = trainer.config
        shape = (*config.data.image_size, config.model.n_channels)
        return np.zeros((n_images or config.sampling.n_images, *shape), np.uint8)

    monkeypatch.setattr(Trainer, "create_image_samples", blank)


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A folder with one finished run, ``small``."""
    from command_line import train

    folder = tmp_path_factory.mktemp("runs")
    assert train(folder) == 0
    return folder


@pytest.fixture
def finished(tmp_path, tmp_path_factory, images, _trained):
    """Returns a function that gives the config of a finished run below ``tmp_path``.

    The run is a copy, because the tests damage it; each set of options is trained once.
    """
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
    """The folders of ``finished``, by options."""
    return {}
