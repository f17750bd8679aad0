import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pixelcnn_tf
from pixelcnn_tf.utils import startup

ROOT = Path(__file__).resolve().parents[1]


def run(code, *flags):
    return subprocess.run(
        [sys.executable, *flags, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_importing_loads_neither_tensorflow_nor_keras_and_prints_nothing():
    result = run("import sys, pixelcnn_tf; print({'tensorflow', 'keras'} & set(sys.modules))")
    assert (result.stdout, result.stderr) == ("set()\n", "")


def test_first_use_is_quiet():
    result = run("import pixelcnn_tf; pixelcnn_tf.PixelRNN; pixelcnn_tf.startup.find_devices()")
    assert (result.stdout, result.stderr) == ("", "")


def test_a_module_that_is_imported_directly_registers_all_classes():
    """Although it is only half imported when it imports Keras."""
    code = """
import pixelcnn_tf.models.blocks, keras
print(*(keras.saving.get_registered_object(f"pixelcnn_tf>{name}").__name__
        for name in ("RowLSTMBlock", "PixelCNNPlusPlus", "LogisticMixture")))
"""
    assert run(code).stdout == "RowLSTMBlock PixelCNNPlusPlus LogisticMixture\n"


def test_another_keras_backend_is_refused_in_one_line():
    code = (
        "import os; os.environ['KERAS_BACKEND'] = 'jax'; import pixelcnn_tf; pixelcnn_tf.PixelRNN"
    )
    assert run(code).stderr.endswith("UserError: KERAS_BACKEND=jax: must be 'tensorflow'\n")


def test_real_warnings_pass():
    result = run(
        "import os\nfrom pixelcnn_tf import startup\n"
        "with startup.without_noise():\n"
        "    os.write(2, b'oneDNN custom operations are on.\\nthe disk is full\\n')"
    )
    assert result.stderr == "the disk is full\n"


@pytest.mark.parametrize(
    "imports",
    [
        "keras, pixelcnn_tf",
        pytest.param("pixelcnn_tf, keras", marks=pytest.mark.slow),
        pytest.param("pixelcnn_tf, tensorflow, keras", marks=pytest.mark.slow),
    ],
)
def test_keras_knows_the_classes_before_their_first_use(imports):
    result = run(
        f"import {imports}\n"
        "print(keras.saving.get_registered_object('pixelcnn_tf>PixelRNN').__name__)"
    )
    assert result.stdout == "PixelRNN\n", result.stderr


def test_type_checkers_see_the_same_names():
    stub = (ROOT / "pixelcnn_tf/__init__.pyi").read_text()
    found = {}
    for node in ast.parse(stub).body:
        if isinstance(node, ast.ImportFrom):
            found |= {name.asname: node.module for name in node.names}
    homes = {name: f"pixelcnn_tf.{home}" for name, home in pixelcnn_tf._HOME_OF.items()}
    assert found == homes


def test_every_public_name_is_there():
    for name in pixelcnn_tf.__all__:
        assert getattr(pixelcnn_tf, name).__name__
        assert name in dir(pixelcnn_tf)
    promised = "get_mask MaskedConv2D PixelCNNResBlock PixelRNN build_model load_config get_dataset"
    promised += " Trainer generate_images load_model"
    assert set(promised.split()) <= set(pixelcnn_tf.__all__)
    with pytest.raises(AttributeError, match="no attribute 'PixelCNN'"):
        pixelcnn_tf.PixelCNN  # noqa: B018


def test_version_is_the_same_everywhere():
    import yaml

    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == pixelcnn_tf.__version__
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert changes.split("## [")[1].split("]")[0] == pixelcnn_tf.__version__


def test_threads_of_commands_that_divide_batches():
    code = """
import os, pixelcnn_tf
os.environ.pop("TF_NUM_INTRAOP_THREADS", None)
from pixelcnn_tf.utils.machine import cores
startup = pixelcnn_tf.startup
startup.import_tensorflow(); startup.use_one_thread_per_operation(); startup.find_devices()
startup.use_one_thread_per_operation()  # too late, and says nothing
from pixelcnn_tf.models.parts import n_parts
print(cores(), n_parts(12), n_parts(5 * 7), n_parts(None))
"""
    cores, *n = map(int, run(code).stdout.split())
    assert n == [cores if 2 <= cores <= 4 else 1, 1, 1]


@pytest.mark.parametrize(("cores", "threads", "calls"), [(2, None, 1), (2, "2", 0), (8, None, 0)])
def test_the_choice_of_threads(cores, threads, calls, monkeypatch):
    import tensorflow as tf

    chosen = []
    monkeypatch.setattr(startup, "cores", lambda: cores)
    monkeypatch.delenv(startup.THREADS_VARIABLE, raising=False)
    if threads:
        monkeypatch.setenv(startup.THREADS_VARIABLE, threads)
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", chosen.append)
    monkeypatch.setattr(tf.config.threading, "set_inter_op_parallelism_threads", lambda n: None)
    startup.use_one_thread_per_operation()
    assert chosen == [1] * calls
