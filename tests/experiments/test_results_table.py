"""Rows of docs/results.md and the page made from them."""

import json
import shlex

import numpy as np
import pytest
from command_line import ROOT
from PIL import Image

from experiments import results_table
from experiments.results_page import page_text
from experiments.tables import TABLES
from pixelcnn_tf import load_config, load_images, load_model
from pixelcnn_tf.cli import train as train_command
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.config import DataConfig

SMALL = {"mnist_binary_pixelcnn": "masked PixelCNN, dynamic"}
SMALL |= {"cifar10_small_pixelcnn": "masked PixelCNN, 10 logistics"}


@pytest.fixture
def configs(tmp_path, monkeypatch):
    """A copy of the configs with small models, and an empty docs folder alongside."""
    (tmp_path / "configs").mkdir()
    for path in (ROOT / "configs").glob("*.yml"):
        text = path.read_text()
        if path.stem in SMALL:
            text = text.replace("n_layers: 7", "n_layers: 1").replace("n_layers: 8", "n_layers: 1")
            text = text.replace("hidden_dim: 30", "hidden_dim: 2")
            text = text.replace("hidden_dim: 26", "hidden_dim: 2")
        (tmp_path / "configs" / path.name).write_text(text)
    monkeypatch.setattr(results_table, "ROOT", tmp_path)
    monkeypatch.setattr(results_table, "RESULTS", tmp_path / "docs" / "results")
    results_table.RESULTS.mkdir(parents=True)
    return tmp_path / "configs"


@pytest.mark.usefixtures("blank_samples")
@pytest.mark.parametrize(("name", "title"), SMALL.items())
def test_a_row_and_the_page(name, title, configs, tmp_path, capsys):
    rng = np.random.default_rng(0)
    binary = name.startswith("mnist")
    images = rng.integers(256, size=(240, 8, 8, 1 if binary else 3)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", x_train=images[:200], x_test=images[200:])
    limit = ["training.minutes=0.005"] if binary else ["training.minutes=null", "training.steps=2"]
    limit += ["data.binarize=dynamic"] * binary
    settings = [*limit, f"runs_dir={tmp_path}", f"data.source={tmp_path / 'data.npz'}"]
    settings += ["data.validation_share=0.1", "sampling.n_images=4"]
    typed = [text for setting in settings for text in ("--set", setting)]
    assert train_command.main(["--config", str(configs / f"{name}.yml"), *typed]) == 0

    assert results_table.main(["--add", str(tmp_path / name), "--name", "small"]) == 0
    path = results_table.RESULTS / "small.json"
    record = json.loads(path.read_text())
    assert record["images_seen"] >= 16 if binary else record["images_seen"] == 32
    seen = [point[0] for point in record["curve"]]
    assert seen == sorted(set(seen)) and seen[-1] == record["images_seen"]
    assert record["test_images"] == 40 and record["train_images"] == 180
    assert str(tmp_path) not in record["command"]
    assert "data.source=data.npz" in record["command"]
    assert limit[-1] in record["command"] and "n_channels" not in record["command"]
    if binary:  # 64 coins, more or less: nothing can be learned
        assert 0.9 * 64 * np.log(2) < record["test"] < 2 * 64 * np.log(2)
    else:  # nor of 192 values in 256
        assert 7.9 < record["test"] < 20
    trained = load_model(tmp_path / name)
    test = (images[200:] >= 128).astype(np.uint8) if binary else images[200:]
    assert np.isfinite(trained.likelihood.nll(test, trained(test))).all()

    page = (tmp_path / "docs" / "results.md").read_text()
    table = "mnist_binary" if binary else "cifar10_small"
    assert f"| {title} | {record['weights']:,} |" in page
    assert f"**{record['test']:.{2 if binary else 3}f}**" in page
    for image in ("results/small.png", f"curves_{table}.png"):
        assert f"({image})" in page
        assert min(Image.open(tmp_path / "docs" / image).size) > 10

    path.write_text(json.dumps({**record, "command": "another"}))
    assert exit_with(lambda: results_table.main(["--add", str(tmp_path / name), "--name", "small"]))
    assert "small.json: was measured by 'another'; delete it" in capsys.readouterr().err
    (results_table.RESULTS / "twin.json").write_text(path.read_text())
    assert exit_with(lambda: results_table.main([])) == 2
    assert f"are both {title}, after" in capsys.readouterr().err


def test_a_run_of_no_table_is_refused(runs, configs, tmp_path, capsys):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yml").write_text((runs / "small" / "config.yml").read_text())
    (run / "results.json").write_text(json.dumps({"validation": {}}))
    assert exit_with(lambda: results_table.main(["--add", str(run)])) == 2
    assert "its model is not that of any configs/TABLE_MODEL.yml" in capsys.readouterr().err


PUBLISHED = sorted((ROOT / "docs" / "results").glob("*.json"))


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_every_published_row_has_a_command_that_gives_its_model_data_and_budget(path):
    record = results_table.read_record(path)
    python, main, flag, config, *sets = shlex.split(record["command"])
    assert (python, main, flag) == ("python", "main.py", "--config")
    config = load_config(ROOT / config, sets[1::2])
    measured = record["config"]
    assert config.model.hidden_dim == measured["model"]["hidden_dim"]
    assert config.model.n_layers == measured["model"]["n_layers"]
    assert config.model.n_classes == measured["model"]["n_classes"]
    assert config.training.learning_rate == measured["training"]["learning_rate"]
    assert config.data.binarize == measured["data"]["binarize"]
    assert config.training.minutes == record["minutes"]
    if record["images"]:
        assert config.training.steps == -(-record["images"] // record["batch_size"])
    assert record["model"] in TABLES[record["job"]].models


def test_the_published_page_is_what_its_records_give():
    records = [results_table.read_record(path) for path in PUBLISHED]
    page = page_text(records, results_table.RESULTS)
    assert page == (ROOT / "docs" / "results.md").read_text()
    for record in records:
        assert f"\n{record['command']}  # {record['versions']['pixelcnn_tf']}, " in page


@pytest.mark.parametrize("dynamic", [False, True])
def test_what_is_held_out_is_not_trained_on(dynamic, tmp_path):
    """Images that bear their number as their label and, in binary, in pixels that cannot be drawn
    otherwise."""
    numbers = np.arange(50, dtype=np.int32)
    pixels = np.full((50, 3, 6, 1), 100, np.uint8)
    pixels[:, 0, :, 0] = 255 * (numbers[:, None] >> np.arange(6) & 1)
    np.savez(
        tmp_path / "a.npz", x_train=pixels, x_test=pixels[:2], y_train=numbers, y_test=numbers[:2]
    )
    data = DataConfig(source=str(tmp_path / "a.npz"), validation_share=0.1, seed=7)
    data = data.model_copy(update={"binarize": "dynamic"} if dynamic else {})
    images = load_images(data, labels=True)
    held = images.validation[:, 0, :, 0] > 0
    np.testing.assert_array_equal(held @ (1 << np.arange(6)), images.validation_labels)
    np.testing.assert_array_equal(images.train, pixels[images.train_labels])
    assert len(images.validation) == 5
    assert sorted([*images.train_labels, *images.validation_labels]) == numbers.tolist()
    assert set(np.unique(images.validation)) == ({0, 1} if dynamic else {0, 100, 255})
    again = load_images(data, labels=True).validation
    np.testing.assert_array_equal(again, images.validation)
    other = load_images(data.model_copy(update={"seed": 8}), labels=True)
    assert (other.validation_labels != images.validation_labels).any()
