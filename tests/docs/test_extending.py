"""The page on extending is run as it is printed: its files are written, trained and sampled."""

import re
import shlex

import numpy as np
import pytest
from documents import ROOT, python_blocks

from pixelcnn_tf import build_model, generate_images, load_config, load_images
from pixelcnn_tf.cli.main import main
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.config import plugins
from pixelcnn_tf.testing import check_causal

TEXT = (ROOT / "docs" / "extending.md").read_text()
FILES = dict(
    re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', TEXT, flags=re.DOTALL | re.MULTILINE)
)
CONFIGS = [name for name in FILES if name.endswith(".yml")]
SHORT = ["--set", "training.steps=3", "--set", "training.batch_size=4"]
SHORT += ["--set", "sampling.n_images=2"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working directory with all files of the page."""
    for name, body in FILES.items():
        (tmp_path / name).write_text(body)
    monkeypatch.chdir(tmp_path)
    with plugins.restored():
        yield tmp_path


def type_in(*arguments):
    """The exit status of the command, in a registry of its own as in a new process."""
    with plugins.restored():
        return exit_with(lambda: main([str(argument) for argument in arguments]))


@pytest.mark.usefixtures("blank_samples")  # in training; the command `sample` draws
@pytest.mark.parametrize("config", CONFIGS)
def test_every_config_trains_and_samples(config, folder, capsys):
    shallow = ["--set", "model.n_layers=1"] if "n_layers" in FILES[config] else []
    assert type_in("train", "--config", config, *SHORT, *shallow) == 0
    # What the run says is enough from here on, for every command.
    run = folder / "runs" / config.removesuffix(".yml")
    resolved = run / "config.yml"
    with plugins.restored():
        plugin = str(folder / config.replace(".yml", ".py"))
        assert load_config(resolved).plugins == [plugin]
    assert type_in("sample", "--run", run, "--n", "2", "--out", "s.npy") == 0
    assert np.load("s.npy").shape == (2, 8, 8, 1)
    if config == "my_block.yml":
        assert type_in("train", "--config", resolved, "--set", "training.steps=4") == 0
        assert type_in("evaluate", "--run", run) == 0
        assert type_in("complete", "--run", run, "--n", "1", "--out", "c.png") == 0
    assert "error" not in capsys.readouterr().err


def test_init_writes_a_config_for_the_block(folder):
    (line,) = re.findall(r"`(pixelcnn-tf init[^`]+)`", TEXT)
    assert exit_with(lambda: main(shlex.split(line)[1:])) == 0
    text = (folder / "config.yml").read_text()
    assert "  width: 3              # side of the kernel, odd" in text
    assert load_config("config.yml").plugins == [str(folder / "my_block.py")]


def test_python_of_the_page_runs():
    names: dict = {}
    for block in python_blocks(TEXT):
        exec(block, names)
    assert names["model"].blocks[0].width == 3


def test_both_samplers_draw_the_same_images():
    for config in ("my_block.yml", "my_model.yml"):
        model = build_model(load_config(config))
        fast = generate_images(model, 8, 2, 0)
        np.testing.assert_array_equal(generate_images(model, 8, 2, 0, method="naive"), fast)


def test_the_likelihood_is_a_distribution():
    likelihood = build_model(load_config("my_likelihood.yml")).likelihood
    logits = np.linspace(-3, 3, 5, dtype=np.float32)[:, None]
    probabilities = likelihood.probabilities(logits)
    np.testing.assert_allclose(probabilities.numpy().sum(-1), 1, atol=1e-3)
    of_seven = likelihood.log_probs(np.full(5, 7), logits)
    np.testing.assert_allclose(np.exp(of_seven), probabilities[:, 7], rtol=1e-4)


def test_the_source_has_as_many_images_as_the_config_says():
    images = load_images(load_config("my_source.yml").data)
    assert len(images.train) + len(images.test) == 300


def test_the_cost_in_the_table_is_that_of_the_files():
    for name, n_lines in re.findall(r"\| `(my_\w+\.py)`, (\d+) lines", TEXT):
        assert len(FILES[name].splitlines()) == int(n_lines), name
        config = FILES[name.replace(".py", ".yml")]
        assert f"plugins: [{name}]" in config


def test_a_block_without_step_gives_the_line_that_the_page_shows(folder):
    text = FILES["my_block.py"]
    start, end = text.index("    def step"), text.index("    def get_config")
    (folder / "my_block.py").write_text(text[:start] + text[end:])
    with pytest.raises(ValueError) as error:
        load_config("my_block.yml")
    shown = re.search(r"^error: /home/me/(.*)$", TEXT, flags=re.MULTILINE)
    assert shown and str(error.value) == f"{folder}/{shown[1]}"


def test_a_leak_gives_the_message_that_the_page_shows():
    conv = 'tf.keras.layers.Conv2D(features, 3, padding="same")'
    right = 'self.make_conv("around", features, features, self.width)'
    names: dict = {}
    exec(FILES["my_block.py"].replace(right, conv), names)
    with pytest.raises(AssertionError) as error:
        check_causal(names["SiluBlock"](name="silu"), (5, 6))
    assert f"AssertionError: {error.value}\n" in TEXT
