"""The VQ-VAE example: its quantizer equals its formulas, and the whole route runs at tiny size."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import random_images, small_model
from PIL import Image

import pixelcnn_tf
from examples.vq_vae import __main__ as example
from examples.vq_vae.__main__ import main
from examples.vq_vae.model import VQVAE, VectorQuantizer
from examples.vq_vae.naive import naive_samples
from pixelcnn_tf.cli.parsing import exit_with


def test_the_quantizer_is_that_of_the_paper(rng):
    """Equations 1 to 3 of arXiv 1711.00937, in float64, and the straight-through gradient."""
    layer = VectorQuantizer(n_codes=5, beta=0.3)
    x = rng.normal(size=(2, 3, 4, 6)).astype("float32")
    layer.build(x.shape)
    layer.codebook.assign(rng.normal(size=(5, 6)))
    book = layer.codebook.numpy().astype(np.float64)
    distances = ((x[..., None, :] - book) ** 2).sum(-1)
    codes = distances.argmin(-1)
    inputs, book_value = tf.constant(x), layer.codebook.value
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(inputs)
        outputs = layer(inputs)
        loss, total = layer.losses[0], tf.reduce_sum(outputs * outputs)
    np.testing.assert_array_equal(layer.codes(x), codes)
    np.testing.assert_allclose(outputs, book[codes], atol=1e-6)
    squares = ((x - book[codes]) ** 2).mean()
    np.testing.assert_allclose(loss, 1.3 * squares, rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(total, inputs), 2 * book[codes], atol=1e-5)
    assert tape.gradient(total, book_value) is None  # only the loss moves the codebook
    of_inputs, of_book = tape.gradient(loss, [inputs, book_value])
    np.testing.assert_allclose(of_inputs, 0.3 * 2 * (x - book[codes]) / x.size, atol=1e-6)
    expected = np.zeros_like(book)
    np.add.at(expected, codes.ravel(), (2 * (book[codes] - x) / x.size).reshape(-1, 6))
    np.testing.assert_allclose(tf.convert_to_tensor(of_book), expected, atol=1e-6)


def test_decoded_codes_are_what_the_autoencoder_returns(rng):
    model = VQVAE(n_codes=7, n_halvings=2, n_channels=3, features=4, filters=5)
    model.build((None, 8, 12, 3))
    images = random_images(rng, 3, 8, 12, 3, 256)
    codes = model.encode(images)
    assert codes.shape == (3, 2, 3, 1) and codes.dtype == np.uint8
    expected = np.round(255 * np.clip(model(images.astype("float32") / 255), 0, 1))
    assert np.abs(model.decode(codes) - expected).max() <= 1


def test_the_naive_sampler_draws_from_the_model():
    """The frequencies of the first value of an image are its probabilities."""
    model, n = small_model(1, "softmax-4"), 2000
    images = naive_samples(model, (1, 2), n, seed=0)
    logits = model(np.zeros([1, 1, 2, 1], np.uint8))[0, 0, 0, 0]
    frequencies = np.bincount(images[:, 0, 0, 0], minlength=4) / n
    np.testing.assert_allclose(frequencies, tf.nn.softmax(logits), atol=0.04)


@pytest.mark.usefixtures("blank_samples")  # in training; those of the example are drawn
@pytest.mark.parametrize(
    ("side", "classes"), [(8, 3), pytest.param(28, None, marks=pytest.mark.slow)]
)
def test_from_images_to_samples(side, classes, tmp_path, rng, capsys, monkeypatch):
    monkeypatch.setattr(example, "COLUMNS", 6)
    monkeypatch.setattr(example, "ROWS", 1)
    monkeypatch.setattr(example, "ROUNDS", 1)
    images = random_images(rng, 30, side, side, 1, 256)
    labels = {} if classes is None else {"y_train": np.arange(24) % 3, "y_test": np.arange(6) % 3}
    np.savez(tmp_path / "a.npz", x_train=images[:24], x_test=images[24:], **labels)
    small = {"hidden_dim": 2, "out_dim": 2, "n_layers": 1}
    settings = {f"model.{key}": value for key, value in small.items()}
    settings |= {"training.steps": 2, "training.warmup_steps": 1, "sampling.n_images": 1}
    flags = ["--data", str(tmp_path / "a.npz"), "--out", str(tmp_path / "out"), "--codes", "6"]
    flags += ["--steps", "3", *(f for k, v in settings.items() for f in ("--set", f"{k}={v}"))]
    assert main(flags) == 0
    printed = capsys.readouterr().out
    assert f"6 grids of {side // 4 if side > 8 else 4}x" in printed
    assert "images/s incrementally" in printed and "squared error of the test images" in printed
    with np.load(tmp_path / "out" / "codes.npz") as codes:
        assert codes["x_train"].shape == (24, *(7 if side == 28 else 4,) * 2, 1)
        assert codes["x_train"].max() < 6 and ("y_test" in codes) == (classes is not None)
    assert Image.open(tmp_path / "out" / "vq_vae.png").mode == "RGB"

    def blank(model, size, n, *_, **__):
        return np.zeros([n, *size, 1], np.uint8)

    monkeypatch.setattr(example, "_compare_speed", lambda *_: None)  # it has been tried
    monkeypatch.setattr(pixelcnn_tf, "generate_images", blank)  # this, too
    assert main(flags) == 0  # again, with what is there
    assert "is already trained" in capsys.readouterr().out
    assert exit_with(lambda: main([*flags, "--steps", "4"])) == 2
    error = capsys.readouterr().err
    assert "holds a VQ-VAE with other settings" in error and error.count("\n") == 1


def test_wrong_input(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.zeros([20, 9, 8, 1], np.uint8))
    out = ["--out", str(tmp_path / "out")]
    for flags, words in (
        ([*out, "--codes", "1"], "--codes 1: must be an integer from 2 to 65,536"),
        ([*out, "--data", str(tmp_path / "a.npy")], "both sides must be multiples of 2"),
        ([*out, "--prior", "none.yml"], "none.yml: no such file"),
    ):
        assert exit_with(lambda flags=flags: main(flags)) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
