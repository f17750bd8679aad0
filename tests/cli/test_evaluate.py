"""scripts/evaluate.py: which images it scores, and its figures."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf
from command_line import train

from pixelcnn_tf import load_config, load_images, load_model, score
from pixelcnn_tf.cli import evaluate
from pixelcnn_tf.cli.parsing import exit_with


def test_evaluate_agrees_with_the_training_run(runs, capsys):
    assert evaluate.main(["--run", str(runs / "small"), "--batch-size", "7"]) == 0
    record = json.loads((runs / "small" / "results.json").read_text())
    assert f"{record['test']['bits_per_dim']:.4f} bits per dim" in capsys.readouterr().out


def test_evaluate_scores_all_of_other_images(runs, tmp_path, rng, capsys):
    np.save(tmp_path / "x.npy", rng.integers(256, size=(7, 8, 8)).astype(np.uint8))
    typed = ["--run", str(runs / "small"), "--set", f"data.source={tmp_path / 'x.npy'}"]
    assert evaluate.main(typed) == 0
    assert "(7 images)" in capsys.readouterr().out
    assert evaluate.main([*typed, "--set", "data.test_share=0.3"]) == 0
    assert "(2 images)" in capsys.readouterr().out


def test_the_score_of_every_image_is_written(runs, tmp_path, capsys):
    model, images = load_model(runs / "small"), load_images("digits_grey").test
    expected = score(model, images)
    typed = ["--run", str(runs / "small"), "--out"]
    assert evaluate.main([*typed, str(tmp_path / "scores.npy")]) == 0
    np.testing.assert_allclose(np.load(tmp_path / "scores.npy"), expected, rtol=1e-6)
    assert evaluate.main([*typed, str(tmp_path / "a.csv")]) == 0
    assert f"scores of {len(images)} images: {tmp_path}" in capsys.readouterr().out
    first, *lines = (tmp_path / "a.csv").read_text().splitlines()
    assert first == "image,nats_per_image,bits_per_dim"
    place, nats, bits = np.array([line.split(",") for line in lines], float).T
    np.testing.assert_array_equal(place, np.arange(len(images)))
    np.testing.assert_allclose(nats, expected, atol=1e-6)
    np.testing.assert_allclose(bits * images[0].size * math.log(2), nats, atol=1e-3)


@pytest.mark.usefixtures("blank_samples")
def test_evaluate_holds_out_what_the_run_held_out(tmp_path, rng, capsys):
    """Of its own images, under any name."""
    images = rng.integers(256, size=(20, 8, 8)).astype(np.uint8)
    for name, array in [("own", images), ("copy", images), ("other", images ^ 1)]:
        np.save(tmp_path / f"{name}.npy", array)
    settings = {"data.source": tmp_path / "own.npy", "training.sample_every": 100}
    assert train(tmp_path, **settings) == 0
    for name, n in [("own", 2), ("copy", 2), ("other", 20)]:
        typed = ["--run", str(tmp_path / "small"), "--set", f"data.source={tmp_path}/{name}.npy"]
        assert evaluate.main(typed) == 0
        assert f"({n} images)" in capsys.readouterr().out


@pytest.mark.usefixtures("blank_samples")
def test_evaluate_tells_of_training_images(tmp_path, rng, capsys):
    """In other files, and in another division of its own."""
    images = rng.integers(256, size=(20, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "own.npy", images)
    np.save(tmp_path / "more.npy", np.concatenate([images, images[:2] ^ 1]))
    settings = {"data.source": tmp_path / "own.npy", "training.sample_every": 100}
    assert train(tmp_path, **settings) == 0
    typed = ["--run", str(tmp_path / "small"), "--set"]
    typed_gb = [*typed, "data.cache_gb=0", "--set", f"data.source={tmp_path}/more.npy"]
    assert evaluate.main(typed_gb) == 0
    assert "18 of the 22 images are among the training images of" in capsys.readouterr().err
    assert exit_with(lambda: evaluate.main([*typed, "data.test_share=0.5"])) == 2
    assert "or their division into sets, have changed" in capsys.readouterr().err


def test_evaluate_compares_two_runs(runs, tmp_path, capsys):
    """Against NumPy, with a model that knows nothing."""
    twin = load_model(runs / "small")
    for weight in twin.output_conv.weights:
        weight.assign(tf.zeros_like(weight))
    (tmp_path / "flat").mkdir()
    twin.save(tmp_path / "flat" / "model.keras")
    (tmp_path / "flat" / "config.yml").write_text((runs / "small" / "config.yml").read_text())
    typed = ["--run", str(runs / "small"), "--against", str(tmp_path / "flat")]
    assert evaluate.main(typed) == 0
    printed = capsys.readouterr().out
    model = load_model(runs / "small")
    images = load_images(load_config(runs / "small" / "config.yml").data).test
    nats = model.likelihood.nll(images, model(images)).numpy() / images[0].size
    gain = math.log2(model.likelihood.n_values) - nats / math.log(2)
    error = gain.std(ddof=1) / len(images) ** 0.5
    assert f"is better by {gain.mean():.4f} ± {error:.4f} bits per dim" in printed
