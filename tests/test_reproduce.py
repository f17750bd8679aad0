"""Rows of docs/results.md and the page made of them."""

import json

import numpy as np
import pytest
import reproduce
from PIL import Image

from pixelcnn_tf import load_model

SMALL = {
    "mnist_binary": ["model.n_layers=1", "model.hidden_dim=2"],
    "cifar10_small": ["model.n_layers=1", "model.hidden_dim=2"],
}


@pytest.mark.parametrize(
    ("job", "model", "title"),
    [
        ("mnist_binary", "gated", "Gated PixelCNN, dynamic"),
        ("cifar10_small", "masked", "masked PixelCNN, 10 logistics"),
    ],
)
def test_a_row_and_the_page(job, model, title, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    binary = job == "mnist_binary"
    images = rng.integers(256, size=(240, 8, 8, 1 if binary else 3)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", x_train=images[:200], x_test=images[200:])
    monkeypatch.setattr(reproduce, "RESULTS", tmp_path / "docs" / "results")
    typed = [
        job,
        "--model",
        model,
        *(["--minutes", "0.02"] if job == "mnist_binary" else ["--images", "32"]),
        "--publish",
    ]
    typed += ["--data", str(tmp_path / "data.npz")] + ["--binarize", "dynamic"] * binary
    settings = [f"runs_dir={tmp_path}", *SMALL[job]]
    assert reproduce.main(typed + [f for s in settings for f in ("--set", s)]) == 0
    name = f"{job}_{model}_" + ("dynamic_0.02_minutes" if binary else "32_images")
    record = json.loads((tmp_path / "docs" / "results" / f"{name}.json").read_text())
    assert record["images_seen"] >= 16 if binary else record["images_seen"] == 32
    if binary:  # 64 coins, more or less: nothing can be learned
        assert 0.9 * 64 * np.log(2) < record["test"] < 2 * 64 * np.log(2)
        images = images >= 128
    else:  # nor of 192 values in 256
        assert 7.9 < record["test"] < 20
    trained = load_model(tmp_path / f"reproduce_{name}")
    images = images[200:].astype(np.uint8)
    assert np.isfinite(trained.likelihood.nll(images, trained(images))).all()

    assert reproduce.main([job, "--table"]) == 0
    assert Image.open(tmp_path / "docs" / "results" / f"{name}.png").size[0] > 300
    page = (tmp_path / "docs" / "results.md").read_text()
    assert f"| {title} | {record['weights']:,} |" in page
    assert f"**{record['test']:.{2 if binary else 3}f}**" in page
    assert Image.open(tmp_path / "docs" / f"curves_{job}.png").size[0] > 500
