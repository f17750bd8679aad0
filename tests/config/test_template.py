"""A generated config file: complete, commented, valid."""

from itertools import product
from pathlib import Path

import pytest
import yaml

from pixelcnn_tf import UserError, load_config
from pixelcnn_tf.config import config_template, registry

ROOT = Path(__file__).resolve().parents[2]
MODELS = [("pixel_rnn", block) for block in registry.names("block")] + [("pixelcnn_pp", "")]


def test_the_config_of_the_project_is_the_generated_one():
    assert (ROOT / "config.yml").read_text() == config_template(), (
        "run pixelcnn-tf init --force in the root of the project"
    )


@pytest.mark.parametrize(
    ("source", "model"),
    list(product(["digits", "mnist", "photos/birds.npz", "~/my pictures/"], MODELS)),
)
def test_it_is_valid_and_has_every_key_once(source, model, tmp_path):
    architecture, block = model
    text = config_template(source, architecture, block or "resblock")
    path = tmp_path / "config.yml"
    path.write_text(text)
    config = load_config(path)
    assert (config.data.source, config.model.architecture) == (source, architecture)
    written, resolved = yaml.safe_load(text), config.model_dump(mode="json")
    left_out = {"likelihood"} if architecture == "pixelcnn_pp" else set()
    for section, values in resolved.items():
        if isinstance(values, dict):
            assert set(values) - set(written[section]) <= left_out
    assert set(resolved) == set(written)


def test_every_key_is_commented_within_the_line_length():
    for architecture, block in MODELS:
        text = config_template("mnist", architecture, block or "resblock")
        assert max(map(len, text.splitlines())) <= 100
        keys = [line for line in text.splitlines() if ":" in line and line.strip()[0] != "#"]
        assert [line for line in keys if "#" not in line and line[-1] != ":"] == []


def test_names_of_runs_are_folder_names():
    for source, name in {
        "cifar10": "cifar10",
        "photos/birds.npz": "birds",
        "~/my pictures/": "my_pictures",
    }.items():
        assert yaml.safe_load(config_template(source))["name"] == name
    assert yaml.safe_load(config_template(name="other"))["name"] == "other"


def test_unknown_names_are_errors():
    with pytest.raises(UserError, match="did you mean 'gated'"):
        config_template(block="gatd")
    with pytest.raises(UserError, match="did you mean 'pixelcnn_pp'"):
        config_template(architecture="pixelcnn_p")
