"""The jobs of -m benchmarks that compare models."""

import json
import sys

import keras
import pytest

from benchmarks import __main__ as benchmark
from benchmarks import checkouts as benchmark_checkouts
from benchmarks import models as benchmark_models
from benchmarks import parts as benchmark_parts
from benchmarks.measuring import random_model
from experiments.tables import TABLES
from pixelcnn_tf import MaskedConv2D
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.training.results import used_parameters


@pytest.fixture(autouse=True)
def no_other_process(monkeypatch):
    monkeypatch.setattr(benchmark_models, "in_own_process", lambda *_: (1.0, 2.0))


def measured(tmp_path, job, *flags) -> dict:
    """The figures of a job on two small images."""
    out = tmp_path / "f.json"
    sizes = ["--side", "4", "--batch", "2", "--rounds", "1", "--json", str(out)]
    assert benchmark.main([job, *flags, *sizes]) == 0
    figures = json.loads(out.read_text())
    assert (figures.pop("job"), figures.pop("batch"), figures.pop("side")) == (job, 2, 4)
    return figures


def test_torch_must_be_installed(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert exit_with(lambda: benchmark.main(["torch"])) == 2
    assert "error: torch: not installed: pip install torch" in capsys.readouterr().err


def test_torch_computes_the_same(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from benchmarks import torch_peer

    monkeypatch.setattr(torch_peer, "IMAGES", {(4, 3): "softmax-256"})
    out = tmp_path / "f.json"
    sizes = ["--features", "12", "--batch", "2", "--rounds", "1", "--json", str(out)]
    assert benchmark.main(["torch", *sizes]) == 0
    assert len(json.loads(out.read_text())["models"]) == 5


def test_parts_writes_its_figures(tmp_path, monkeypatch):
    few = TABLES["mnist_binary"]._replace(models={"gated_pixelcnn": ""})
    monkeypatch.setattr(benchmark_models, "TABLES", {"mnist_binary": few})
    monkeypatch.setattr(benchmark_parts, "SIDES", {"mnist_binary": 4})
    in_process = lambda function, *arguments: function(*arguments)  # noqa: E731
    monkeypatch.setattr(benchmark_parts, "in_own_process", in_process)
    small = ["--set", "model.hidden_dim=2", "--set", "model.n_layers=1"]
    out = tmp_path / "f.json"
    assert benchmark.main(["parts", *small, "--batch=2", "--rounds=1", f"--json={out}"]) == 0
    [ratios] = json.loads(out.read_text())["models"].values()
    assert all(ratio > 0 for ratio in ratios.values()) and set(ratios) == {"train", "score"}


def test_conditional_writes_its_figures(tmp_path, monkeypatch):
    few = TABLES["cifar10_small"]._replace(models={"gated_pixelcnn": ""})
    monkeypatch.setitem(benchmark_models.TABLES, "cifar10_small", few)
    small = ["--set", "model.hidden_dim=2", "--set", "model.n_layers=1"]
    figures = measured(tmp_path, "conditional", *small)
    jobs = ["train_speed_ratio", "score_speed_ratio", "sample_speed_ratio"]
    assert list(figures["gated_pixelcnn"]) == jobs


def test_family_writes_its_figures(tmp_path, monkeypatch, capsys):
    few = TABLES["mnist_binary"]._replace(models={"pixelcnn": "", "gated_pixelcnn": ""})
    monkeypatch.setitem(benchmark_models.TABLES, "mnist_binary", few)
    small = ["--set", "model.hidden_dim=2", "--set", "model.n_layers=1"]
    figures = measured(tmp_path, "family", *small)
    assert list(figures) == ["pixelcnn", "gated_pixelcnn"]
    gated = figures["gated_pixelcnn"]
    ratio = gated["sample_images_per_s"] / gated["score_images_per_s"]
    assert gated["fraction_of_scoring"] == pytest.approx(ratio)
    printed = capsys.readouterr().out
    assert "sample/score" in printed
    assert f"{gated['weights']:,}" in printed


def test_colour_measures_its_models(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark_models, "CONFIGS", tmp_path)
    few = TABLES["cifar10_small"]._replace(models={"pixelcnn": ""})
    monkeypatch.setitem(benchmark_models.TABLES, "cifar10_small", few)
    model = "{hidden_dim: 1, out_dim: 2, n_layers: 1, likelihood: logistic-2}"
    config = f"data: {{source: cifar10}}\nmodel: {model}\n"
    (tmp_path / "cifar10_small_pixelcnn.yml").write_text(config)
    figures = measured(tmp_path, "colour")
    assert list(figures) == ["pixelcnn"]
    assert all(min(row.values()) > 0 for row in figures.values())
    assert "CIFAR-10, small subset, 4x4x3, 2 per batch" in capsys.readouterr().out


@pytest.mark.parametrize("table", TABLES)
def test_models_of_a_table_have_about_as_many_weights(table):
    counts = []
    for name in TABLES[table].models:
        config = load_config(benchmark_models.CONFIGS / f"{table}_{name}.yml")
        counts.append(used_parameters(random_model(config)))
    assert max(counts) < 1.1 * min(counts)


def test_masked_out_weights_do_not_count():
    model = keras.Sequential([MaskedConv2D(4, 3, "A", n_channels=1)])
    model.build((None, 8, 8, 1))
    assert used_parameters(model) == 4 * 4 + 4  # four pixels before, and biases
    assert model.count_params() > used_parameters(model)


TINY_PIXELCNN_PP = ["--set", "model.n_filters=2", "--set", "model.n_mix=2"]


def test_tfp_without_its_packages_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tensorflow_probability", None)  # as if not installed
    assert exit_with(lambda: benchmark.main(["tfp"])) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "pip install tensorflow-probability tf-keras" in captured.err


@pytest.mark.parametrize("whole", [False, True])
def test_tfp_measures_both_libraries(whole, tmp_path, capsys):
    pytest.importorskip("tensorflow_probability")
    pytest.importorskip("tf_keras")
    figures = measured(tmp_path, "tfp", *TINY_PIXELCNN_PP, *["--whole-naive"] * whole)
    for what, ratio in figures["ratios"].items():
        ours, theirs = (figures[who][f"{what}_images_per_s"] for who in ("ours", "theirs"))
        assert ratio == pytest.approx(ours / theirs)
    assert figures["their_sampling_is_extrapolated"] is not whole
    assert figures["theirs"]["used_weights"] < figures["theirs"]["weights"]
    assert ("run to the end" if whole else "times 17 iterations") in capsys.readouterr().out


def test_checkouts_compares_two_of_them(tmp_path, monkeypatch, capsys):
    worker = "import os, sys\nfor line in sys.stdin:\n"
    worker += "    print(2.0 if 'other' in os.getcwd() else 1.0, flush=True)\n"
    monkeypatch.setattr(benchmark_checkouts, "_WORKER", worker)
    package = tmp_path / "other" / "pixelcnn_tf"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    figures = measured(tmp_path, "checkouts", "--other", str(package.parent))
    assert set(figures["ratios"]) == set(benchmark_checkouts.MODELS)
    assert {v for found in figures["ratios"].values() for v in found.values()} == {2.0}
    assert "above 1: faster" in capsys.readouterr().out


@pytest.mark.parametrize("flags", [[], ["--other", "no/such/folder"]])
def test_checkouts_wants_another_checkout(flags, capsys):
    assert exit_with(lambda: benchmark.main(["checkouts", *flags])) == 2
    error = capsys.readouterr().err
    assert "must be the folder of another checkout" in error and error.count("\n") == 1
