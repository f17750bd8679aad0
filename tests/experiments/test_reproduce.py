"""Rows of docs/results.md and the page made of them."""

import json

import numpy as np
import pytest
from PIL import Image

from experiments import reproduce
from pixelcnn_tf import load_model
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.data.images import Images


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
    assert record["test_images"] == 30 and record["train_images"] == 180
    assert record["config"]["training"]["schedule"] == "cosine"
    assert "--data data.npz" in record["command"]
    assert str(tmp_path / "data.npz") not in (results / "small.json").read_text()
    if binary:  # 64 coins, more or less: nothing can be learned
        assert 0.9 * 64 * np.log(2) < record["test"] < 2 * 64 * np.log(2)
        images = images >= 128
    else:  # nor of 192 values in 256
        assert 7.9 < record["test"] < 20
    trained = load_model(tmp_path / "reproduce_small")
    images = images[200:].astype(np.uint8)
    assert np.isfinite(trained.likelihood.nll(images, trained(images))).all()

    assert exit_with(lambda: reproduce.main([*typed, "--seed", "1"])) == 2
    assert (
        "small.json: was published by 'python -m experiments.reproduce" in capsys.readouterr().err
    )

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


@pytest.mark.parametrize("dynamic", [False, True])
def test_what_is_held_out_is_not_trained_on(dynamic):
    """Images that bear their number as their label and, in binary, in pixels that cannot be drawn
    otherwise."""
    numbers = np.arange(50, dtype=np.int32)
    pixels = np.full((50, 3, 6, 1), 100, np.uint8)
    pixels[:, 0, :, 0] = 255 * (numbers[:, None] >> np.arange(6) & 1)
    images = Images(pixels, pixels[:2], numbers, numbers[:2], dynamic=dynamic)
    training, validation = reproduce.split(images, 7)
    held = validation.test[:, 0, :, 0] > 0
    np.testing.assert_array_equal(held @ (1 << np.arange(6)), validation.test_labels)
    np.testing.assert_array_equal(training.train, pixels[training.train_labels])
    assert len(validation.test) == 5
    assert sorted([*training.train_labels, *validation.test_labels]) == numbers.tolist()
    assert set(np.unique(validation.test)) == ({0, 1} if dynamic else {0, 100, 255})
    again = reproduce.split(images, 7)[1].test
    np.testing.assert_array_equal(again, validation.test)
    assert (reproduce.split(images, 8)[1].test_labels != validation.test_labels).any()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--table", "--model", "gated"], "--model: --table has no use for it"),
        (["--model", "gated", "--validate-only", "--test-images", "9"], "no test image is scored"),
    ],
)
def test_flags_of_no_use_are_refused(flags, words, capsys):
    assert exit_with(lambda: reproduce.main(["mnist_binary", *flags])) == 2
    error = capsys.readouterr().err
    assert words in error and error.count("\n") == 1
