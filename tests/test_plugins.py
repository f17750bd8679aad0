"""Blocks, architectures, likelihoods and data sources from a file of the user's own.

tests/docs/test_extending.py trains and samples with one of each kind.
"""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import wrong_plugins
from command_line import ROOT
from wrong_plugins import WRONG_PLUGINS

import pixelcnn_tf
from pixelcnn_tf import UserError, build_model, generate_images, load_config, load_images
from pixelcnn_tf.cli import sample
from pixelcnn_tf.cli import train as train_command
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.config import config_template, plugins, registry
from pixelcnn_tf.training.run_folder import load_model

BLOCK = '''
import pixelcnn_tf
import tensorflow as tf
from pydantic import Field


class BlockSettings(pixelcnn_tf.BlockSettings):
    width: int = Field(default=3, examples=[5], ge=1, le=9, description="side of the kernel")


@pixelcnn_tf.register_block("one_conv", settings=BlockSettings)
class OneConv(pixelcnn_tf.Block):
    """A masked convolution, added to its input."""

    def __init__(self, width=3, n_channels=3, **kwargs):
        super().__init__(n_channels, **kwargs)
        self.width = width

    def build(self, inputs_shape, labels_shape=None):
        features = inputs_shape[-1]
        self.check_features(features)
        self.conv = self.make_conv("conv", features, features, self.width)

    def call(self, inputs, labels=None, training=False):
        return inputs + self.conv(tf.nn.relu(inputs))

    def step(self, inputs, pixels):
        return inputs + self.conv.step(tf.nn.relu(inputs), pixels)

    def get_config(self):
        return {**super().get_config(), "width": self.width}
'''

MODEL = '''
import pixelcnn_tf
from pydantic import Field


class WideSettings(pixelcnn_tf.ModelSettings):
    width: int = Field(default=2, ge=1, description="features per channel, everywhere")


@pixelcnn_tf.register_model("wide", settings=WideSettings)
class Wide(pixelcnn_tf.PixelRNN):
    """Two layers of one width."""

    def __init__(self, width=2, **kwargs):
        kwargs = {"hidden_dim": width, "out_dim": width, "n_layers": 2, **kwargs}
        super().__init__(**kwargs)
        self.width = width

    def get_config(self):
        return {**super().get_config(), "width": self.width}
'''

LIKELIHOOD = '''
import pixelcnn_tf
import tensorflow as tf
from pydantic import Field


class CappedSettings(pixelcnn_tf.LikelihoodSettings):
    n_values: int = Field(default=256, title="N", ge=2, le=256, description="values")
    cap: float = Field(default=5.0, title="C", gt=0, description="bound of the logits")


@pixelcnn_tf.register_likelihood("capped", settings=CappedSettings)
class Capped(pixelcnn_tf.Softmax):
    """A softmax of bounded logits."""

    def __init__(self, n_values=256, cap=5.0, **kwargs):
        super().__init__(n_values, **kwargs)
        self.cap = cap

    def checked(self, logits):
        return self.cap * tf.tanh(super().checked(logits) / self.cap)

    def get_config(self):
        return {**super().get_config(), "cap": self.cap}
'''

SOURCE = '''
import numpy as np
import pixelcnn_tf
from pydantic import Field


class StripeSettings(pixelcnn_tf.SourceSettings):
    n_images: int = Field(default=40, ge=2, description="how many are drawn")


@pixelcnn_tf.register_source("stripes", settings=StripeSettings, channels=1, n_values=256)
def stripes(data):
    """Stripes of random brightness."""
    rng = np.random.default_rng(data.seed)
    rows = rng.integers(256, size=(data.n_images, 8, 1, 1), dtype=np.uint8)
    return rows.repeat(8, axis=2)
'''

FILES = {"block": BLOCK, "model": MODEL, "likelihood": LIKELIHOOD, "source": SOURCE}
SETTINGS = {
    "block": "model: {pixel_layer: one_conv, width: 5, n_layers: 1, hidden_dim: 2, out_dim: 2}",
    "model": "model: {architecture: wide, width: 3}",
    "likelihood": "model: {likelihood: capped-256-2.5, n_layers: 1, hidden_dim: 2, out_dim: 2}",
    "source": "data: {source: stripes, n_images: 20}\nmodel: {n_layers: 1, hidden_dim: 2}",
}


@pytest.fixture(autouse=True)
def _registry():
    with plugins.restored():
        yield


def write_config(folder, kind):
    """A plugin and a config that uses it; the path of the config."""
    (folder / f"my_{kind}.py").write_text(FILES[kind])
    config = folder / "config.yml"
    config.write_text(
        textwrap.dedent(f"""
        name: mine
        runs_dir: {folder}
        plugins: [my_{kind}.py]
        training: {{steps: 2, batch_size: 4}}
        sampling: {{n_images: 2}}
        """)
        + ("" if kind == "source" else "data: {source: digits_grey}\n")
        + SETTINGS[kind]
    )
    return config


def type_in(command, *arguments):
    """The exit status of a command."""
    return exit_with(lambda: command.main([str(argument) for argument in arguments]))


@pytest.mark.parametrize("kind", ["block", "model", "likelihood"])
def test_model_files_need_the_plugin_by_hand(kind, tmp_path, capsys):
    with plugins.restored():
        build_model(load_config(write_config(tmp_path, kind))).save(tmp_path / "saved.keras")
    for name in [n for n in keras.saving.get_custom_objects() if n.startswith("plugin>")]:
        del keras.saving.get_custom_objects()[name]
    arguments = ["--run", tmp_path / "saved.keras", "--size", 8, "--n", 2]
    arguments += ["--out", tmp_path / "s.npy"]
    assert type_in(sample, *arguments) == 2
    assert "name the file that registers it with --plugin FILE" in capsys.readouterr().err
    assert type_in(sample, *arguments, "--plugin", tmp_path / f"my_{kind}.py") == 0
    assert np.load(tmp_path / "s.npy").shape == (2, 8, 8, 1)


def test_a_plugin_that_was_moved_is_found_by_the_flag(tmp_path, capsys):
    config = write_config(tmp_path, "block")
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "my_block.py").rename(tmp_path / "elsewhere" / "my_block.py")
    with pytest.raises(UserError, match=r"my_block\.py: no such file; name it with --plugin"):
        load_config(config)
    assert load_config(config, plugins=[str(moved)]).plugins == [str(moved)]
    assert load_config(config).plugins == [str(moved)]


def test_a_plugin_of_the_flag_is_kept_in_the_config(tmp_path, monkeypatch, capsys):
    config = write_config(tmp_path, "block")
    config.write_text(config.read_text().replace("plugins: [my_block.py]\n", ""))
    monkeypatch.chdir(tmp_path)
    assert (
        type_in(train_command, "--config", config, "--plugin", "my_block.py", "--print-config") == 0
    )
    assert f"plugins:\n- {tmp_path}/my_block.py\n" in capsys.readouterr().out


def test_what_is_registered_is_known_everywhere(tmp_path, capsys):
    config = write_config(tmp_path, "block")
    section = load_config(config).model
    assert (section.pixel_layer, section.width, section.variant) == ("one_conv", 5, None)
    for override, words in {
        "model.width=12": "model.width: 12 is not allowed; must be less than or equal to 9",
        "model.widht=3": "model.widht: unknown key; did you mean 'width'",
        "model.pixel_layer=one_con": "did you mean 'one_conv'",
        "model.pixel_layer=gated": "width 5 is for pixel_layer 'one_conv'; 'gated' has none",
        "model.variant=relu": "variant 'relu' is for pixel_layer 'resblock'; 'one_conv' has none",
    }.items():
        with pytest.raises(UserError, match=words):
            load_config(config, [override])
    text = config_template("mnist", block="one_conv")
    assert "  width: 5              # side of the kernel" in text
    assert "#   one_conv: a masked convolution, added to its input" in text
    assert pixelcnn_tf.PixelRNN(pixel_layer="one_conv", n_layers=1).blocks[0].width == 3


def test_what_is_registered_in_python_needs_no_file():
    @pixelcnn_tf.register_source("ramps", channels=1)
    def ramps(data):
        return np.arange(640, dtype=np.uint8).reshape(10, 8, 8, 1)

    assert load_images("ramps").train.shape == (9, 8, 8, 1)
    config = pixelcnn_tf.Config(data={"source": "ramps"}, model={"n_layers": 1, "hidden_dim": 2})
    assert build_model(config).n_channels == 1


def test_a_class_may_be_defined_again_as_in_a_notebook():
    for side in (3, 5):

        @pixelcnn_tf.register_block("again")
        class Again(pixelcnn_tf.PixelCNNResBlock):
            width = side

    assert registry.get("block", "again").load().width == 5


def test_models_of_a_plugin_are_saved_and_loaded(tmp_path):
    model = build_model(load_config(write_config(tmp_path, "block")))
    model.save(tmp_path / "m.keras")
    images = np.zeros((1, 8, 8, 1), np.uint8)
    np.testing.assert_array_equal(load_model(tmp_path / "m.keras")(images), model(images))
    assert keras.models.load_model(tmp_path / "m.keras").blocks[0].width == 5
    np.testing.assert_array_equal(
        generate_images(model, 8, 2, 0, method="plain"), generate_images(model, 8, 2, 0)
    )


@pytest.mark.parametrize("name", WRONG_PLUGINS)
def test_wrong_plugins_are_named_in_one_line_and_leave_nothing(name, tmp_path):
    wrong_plugins.write_all(tmp_path)
    before = dict(registry._entries)
    with pytest.raises(UserError) as error:
        plugins.load_plugin(tmp_path / f"{name}.py")
    assert wrong_plugins.words_of(name) in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)
    assert registry._entries == before


def test_files_that_are_no_plugins(tmp_path):
    (tmp_path / "words.txt").write_text("words")
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'")
    for name, words in {
        "none.py": "none.py: no such file; name it with --plugin FILE",
        "words.txt": r"words.txt: must be a Python file \(.py\)",
        ".": "must be a Python file",
        "latin.py": "latin.py:1: not valid Python: .*utf-8",
    }.items():
        with pytest.raises(UserError, match=words):
            plugins.load_plugin(name, tmp_path)


def test_mistakes_that_show_later_name_file_and_line(tmp_path):
    config = write_config(tmp_path, "source")
    path = tmp_path / "my_source.py"
    path.write_text(SOURCE.replace("rng = ", "no_such_name\n    rng = "))
    line = path.read_text().splitlines().index("    no_such_name") + 1
    with pytest.raises(UserError, match=rf"my_source.py:{line}: NameError"):
        load_images(load_config(config).data)
    config = write_config(tmp_path, "block")
    path = tmp_path / "my_block.py"
    path.write_text(BLOCK.replace("self.width = width", "self.width = widht"))
    line = path.read_text().splitlines().index("        self.width = widht") + 1
    with pytest.raises(UserError, match=rf"my_block.py:{line}: NameError: name 'widht'"):
        build_model(load_config(config))


@pytest.mark.parametrize(
    ("right", "wrong", "error"),
    [
        (
            "return inputs + self.conv(tf.nn.relu(inputs))",
            "return tf.zeros([2, 3]) @ inputs",
            "InvalidArgument",
        ),
        ("self.conv.step(", "self.no_such.step(", "AttributeError: 'OneConv' object has no"),
    ],
)
def test_a_block_that_fails_is_named_before_anything_is_written(
    right, wrong, error, tmp_path, capsys
):
    config = write_config(tmp_path, "block")
    path = tmp_path / "my_block.py"
    text = path.read_text()
    assert right in text
    path.write_text(text.replace(right, wrong))
    line = [wrong in line for line in path.read_text().splitlines()].index(True) + 1
    before = sorted(tmp_path.rglob("*"))
    assert type_in(train_command, "--config", config) == 2
    assert f"my_block.py:{line}: {error}" in capsys.readouterr().err.splitlines()[-1]
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("return 3", "data source 'stripes': returns int; must return integer images"),
        ("return rng.random((9, 8, 8, 1))", "data source 'stripes': holds float64 from .* to"),
        ("return rows[0, 0]", r"data source 'stripes': has shape \(1, 1\)"),
    ],
)
def test_sources_that_give_no_images(text, words, tmp_path):
    config = write_config(tmp_path, "source")
    path = tmp_path / "my_source.py"
    path.write_text(SOURCE.replace("return rows.repeat(8, axis=2)", text))
    with pytest.raises(UserError, match=words):
        load_images(load_config(config).data)


def test_settings_that_get_config_forgets_are_named(tmp_path):
    config = write_config(tmp_path, "block")
    path = tmp_path / "my_block.py"
    path.write_text(BLOCK[: BLOCK.index("    def get_config")])
    with pytest.raises(UserError, match=r"OneConv\.get_config must return 'width' as well"):
        build_model(load_config(config))


def test_the_same_file_twice_is_one_plugin(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "my_block.py").write_text(BLOCK)
        plugins.load_plugin(f"{folder}/my_block.py", tmp_path)
    assert registry.names("block").count("one_conv") == 1


def test_the_registry_and_a_plugin_without_layers_need_no_tensorflow(tmp_path):
    config = write_config(tmp_path, "source")
    code = (
        "import sys; from pixelcnn_tf import load_config; "
        f"print(load_config({str(config)!r}).data.n_images); "
        "assert 'tensorflow' not in sys.modules"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (result.stdout, result.stderr) == ("20\n", "")
