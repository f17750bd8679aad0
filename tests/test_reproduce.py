"""Rows of docs/results.md and the page made of them."""

import json

import numpy as np
import pytest
import reproduce
from PIL import Image

from pixelcnn_tf import load_model
from pixelcnn_tf.cli import exit_with


@pytest.mark.parametrize(
    ("job", "model", "title"),
    [
        ("mnist_binary", "gated", "Gated PixelCNN, dynamic"),
        ("cifar10_small", "masked", "masked PixelCNN, 10 logistics"),
    ],
)
def test_a_row_and_the_page(job, model, title, tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    binary = job == "mnist_binary"
    images = rng.integers(256, size=(240, 8, 8, 1 if binary else 3)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", x_train=images[:200], x_test=images[200:])
    results = tmp_path / "docs" / "results"
    monkeypatch.setattr(reproduce, "RESULTS", results)
    typed = [job, "--model", model, "--publish", "--name", "small", "--test-images", "30"]
    typed += ["--minutes", "0.02", "--binarize", "dynamic"] if binary else ["--images", "32"]
    typed += ["--data", str(tmp_path / "data.npz")]
    for setting in (f"runs_dir={tmp_path}", "model.n_layers=1", "model.hidden_dim=2"):
        typed += ["--set", setting]
    assert reproduce.main(typed) == 0
    record = json.loads((results / "small.json").read_text())
    assert record["images_seen"] >= 16 if binary else record["images_seen"] == 32
    seen = [point[0] for point in record["curve"]]
    assert seen == sorted(set(seen)) and seen[-1] == record["images_seen"]
    assert record["test_images"] == 30
    assert "--data data.npz" in record["command"]
    if binary:  # 64 coins, more or less: nothing can be learned
        assert 0.9 * 64 * np.log(2) < record["test"] < 2 * 64 * np.log(2)
        images = images >= 128
    else:  # nor of 192 values in 256
        assert 7.9 < record["test"] < 20
    trained = load_model(tmp_path / "reproduce_small")
    images = images[200:].astype(np.uint8)
    assert np.isfinite(trained.likelihood.nll(images, trained(images))).all()

    assert reproduce.main([job, "--table"]) == 0
    page = (tmp_path / "docs" / "results.md").read_text()
    assert f"| {title} | {record['weights']:,} |" in page
    assert f"**{record['test']:.{2 if binary else 3}f}**" in page
    for picture in ("results/small.png", "results/small_completions.png", f"curves_{job}.png"):
        assert f"({picture})" in page
        assert Image.open(tmp_path / "docs" / picture).size[0] > 300

    (results / "twin.json").write_text((results / "small.json").read_text())
    assert exit_with(lambda: reproduce.main([job, "--table"])) == 2
    assert f"are both {title}, after" in capsys.readouterr().err
