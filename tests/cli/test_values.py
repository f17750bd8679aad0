"""Images of more than 8 bits, and of codes, through the commands."""

import re

import numpy as np
import pytest
import tensorflow as tf
from command_line import train
from PIL import Image

from pixelcnn_tf import PixelRNN, load_model
from pixelcnn_tf.cli import complete, compress, decompress, evaluate, sample, score
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.config.loading import load_config


def read_png(path):
    return tf.io.decode_png(tf.io.read_file(str(path)), dtype=tf.uint16).numpy()


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """A folder with images of 12 bits, runs on them in grey and on codes, and a model for those in
    colour."""
    folder = tmp_path_factory.mktemp("deep")
    rng = np.random.default_rng(0)
    for name, channels in (("grey", 1), ("colour", 3)):
        (folder / name).mkdir()
        for i in range(6 if name == "colour" else 12):
            image = rng.integers(2000, 4096, size=(8, 8, channels)).astype(np.uint16)
            (folder / name / f"{i:02}.png").write_bytes(tf.io.encode_png(image).numpy())
    np.savez(folder / "codes.npz", x=rng.integers(700, size=(20, 8, 8)).astype(np.int32))
    (folder / "eight").mkdir()
    for name in "ab":
        Image.fromarray(np.full([8, 8], 200, np.uint8)).save(folder / "eight" / f"{name}.png")
    np.save(folder / "over.npy", np.full([5, 8, 8], 5000, np.uint16))
    np.save(folder / "negative.npy", np.full([5, 8, 8], -1, np.int32))
    np.save(folder / "halves.npy", np.full([5, 8, 8], 0.5))
    files = {"data.sixteen_bit": "keep", "data.test_share": 0.5, "model.likelihood": "logistic-2"}
    codes = {"data.values": "codes", "model.likelihood": "softmax-700"}
    for name, source, settings in (
        ("grey", "grey", files),
        ("codes", "codes.npz", codes),
    ):
        settings = {"data.source": folder / source, "training.steps": 3, **settings}
        settings |= {"training.eval_every": 3, "training.sample_every": 3, "sampling.n_images": 2}
        assert train(folder / "runs", name=name, **settings) == 0
    model = PixelRNN(2, 2, n_layers=1, likelihood="logistic-2", n_values=4096)
    model.build((None, None, None, 3))
    model.save(folder / "runs" / "colour.keras")
    return folder


def test_the_resolved_config_shows_what_follows_from_the_data(deep):
    config = load_config(deep / "runs" / "grey" / "config.yml")
    assert (config.model.n_values, config.model.input) == (4096, "value")
    config = load_config(deep / "runs" / "codes" / "config.yml")
    assert (config.model.n_values, config.model.input) == (None, "embedding")


@pytest.mark.parametrize("name", ["grey", "colour.keras"])
def test_sixteen_bit_files_come_back_exactly(name, deep, tmp_path, capsys):
    run, file, out = str(deep / "runs" / name), str(tmp_path / "a.pxc"), tmp_path / "out"
    source = deep / name.removesuffix(".keras")
    assert exit_with(lambda: compress.main([str(source), "--run", run, "--out", file])) == 0
    assert exit_with(lambda: decompress.main([file, "--run", run, "--out", str(out)])) == 0
    for path in source.iterdir():
        np.testing.assert_array_equal(read_png(out / path.name), read_png(path))
    assert (
        f"{len(list(source.iterdir())) * 64 * load_model(run).n_channels * 2:,} bytes:"
        in capsys.readouterr().out
    )


def test_commands_keep_or_show_the_values(deep, tmp_path, capsys):
    run, image = str(deep / "runs" / "grey"), str(deep / "grey" / "03.png")
    array, whole, shown = (tmp_path / name for name in ("a.npy", "whole.png", "shown.png"))
    for out, more in ((array, []), (whole, ["--format", "png16"]), (shown, [])):
        arguments = ["--run", run, "--n", "2", "--out", str(out), *more]
        assert exit_with(lambda arguments=arguments: sample.main(arguments)) == 0
    images = np.load(array)
    assert images.dtype == np.uint16 and images.max() > 255
    assert set(images.ravel()) <= set(read_png(whole).ravel())
    assert read_png(shown).max() % 257 == 0  # 8 bits
    assert exit_with(lambda: evaluate.main(["--run", run])) == 0
    assert re.search(r"1[0-9]\.\d+ bits per dim", capsys.readouterr().out)
    arguments = [image, "--run", run, "--correct", "complexity", "--maps", str(tmp_path / "maps")]
    assert exit_with(lambda: score.main(arguments)) == 0
    assert (tmp_path / "maps" / "0_03.png").is_file()
    arguments = ["--run", run, "--images", image, "--out", str(tmp_path / "c.png")]
    assert exit_with(lambda: complete.main([*arguments, "--completions", "2"])) == 0


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("over.npy", {}, "has values from 0 to 255, the training images of .*over.npy go from "
         "5000 to 5000; choose 'softmax-5001'"),
        ("over.npy", {"model.likelihood": "logistic-2", "model.n_values": 4096},
         "from 0 to 4095, .* set model.n_values=8192, or leave it out"),
        ("over.npy", {"model.likelihood": "bernoulli", "data.binarize": "sample"}, "of 8 bits"),
        ("negative.npy", {}, r"negative.npy: holds int32 from -1 to -1; must be from 0 to 65535"),
        ("halves.npy", {"data.values": "codes"}, "halves.npy: holds float64 .* must be integers"),
        ("grey", {}, "more than 8 bits per channel; set data.sixteen_bit=scale .*keep"),
        ("codes.npz", {"data.values": "codes", "model.likelihood": "logistic-5"},
         "'logistic-5' is for values whose order means something; choose 'softmax-N'"),
        ("codes.npz", {"model.likelihood": "softmax-700", "model.n_values": 800},
         "'softmax-700' has 700 values; leave n_values out"),
        ("codes.npz", {"model.likelihood": "softmax-65537"}, "values from 2 to 65536"),
    ],
)  # fmt: skip
def test_wrong_values_are_one_line(source, settings, message, deep, tmp_path, capsys):
    assert train(tmp_path, **{"data.source": deep / source, **settings}) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(message, error), error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("source", "words"), [("over.npy", "5000"), ("eight", "has 8 bits per")])
def test_values_that_are_not_those_of_the_model_are_one_line(source, words, deep, tmp_path, capsys):
    run, path = str(deep / "runs" / "grey"), str(deep / source)
    new = ["--set", f"data.source={path}"]
    for command, arguments in (
        (evaluate.main, ["--run", run, *new]),
        (score.main, [path, "--run", run]),
        (compress.main, [path, "--run", run, "--out", str(tmp_path / "a.pxc")]),
        (complete.main, ["--images", path, "--run", run, "--out", str(tmp_path / "a.png")]),
    ):
        assert exit_with(lambda command=command, arguments=arguments: command(arguments)) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert source in error and words in error and "4095" in error
    assert not list(tmp_path.iterdir())
    if source == "eight":  # as arrays, they may be dark
        np.save(tmp_path / "dark.npy", np.ones([4, 8, 8], np.uint8))
        assert exit_with(lambda: score.main([str(tmp_path / "dark.npy"), "--run", run])) == 0
