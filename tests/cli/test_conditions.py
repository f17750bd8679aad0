"""The commands with a conditional model, as a user types them."""

import csv

import numpy as np
import pytest
from command_line import train
from PIL import Image

from pixelcnn_tf import DataConfig, PixelRNN, UserError, load_model, make_condition
from pixelcnn_tf.cli import complete, evaluate, export, sample, score
from pixelcnn_tf.cli.conditions import read_conditions
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.config.loading import load_config

#: Coloured digits, given at a quarter of their size.
SETTINGS = {"data.source": "digits", "data.condition": "down4", "data.augment": "[flip]"}


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """A finished run; its samples during training are checked by another test."""
    folder = tmp_path_factory.mktemp("conditional")
    assert train(folder, **SETTINGS, name="c", **{"training.sample_every": 1000}) == 0
    return folder / "c"


def test_a_run(conditional):
    config = load_config(conditional / "config.yml")
    assert (config.model.n_condition_channels, config.model.condition_factor) == (3, 4)
    assert load_model(conditional).condition_spec == (3, 4, None)
    # One row: the condition, four draws, the truth.
    width, height = Image.open(conditional / "samples" / "final.png").size
    assert width > 5 * height


def test_sample(conditional, tmp_path, capsys):
    out = tmp_path / "a.npy"
    flags = ["--run", str(conditional), "--draws", "2", "--out", str(out)]
    assert sample.main([*flags, "--split", "test", "--n", "3"]) == 0
    assert "6 images of 8x8x3, seed 0" in capsys.readouterr().out
    drawn = np.load(out)
    assert drawn.shape == (6, 8, 8, 3) and (drawn[0] != drawn[1]).any()
    # Images of the full size are made smaller; small ones are taken as they are.
    rng = np.random.default_rng(0)
    image = rng.integers(256, size=(2, 2, 3)).astype(np.uint8)
    large = image.repeat(4, axis=0).repeat(4, axis=1)
    for name, pixels in (("small", image), ("large", large)):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        assert sample.main([*flags, "--condition", str(tmp_path / f"{name}.png"), "--n", "2"]) == 0
        drawn = [*drawn, np.load(out)]
        assert "small.png has 1 condition, and" in capsys.readouterr().err or name == "large"
    np.testing.assert_array_equal(drawn[-1], drawn[-2])
    grid = tmp_path / "a.png"
    assert sample.main([*flags[:-1], str(grid), "--split", "test", "--n", "2"]) == 0
    assert Image.open(grid).size[0] > 1.5 * Image.open(grid).size[1]


def test_files_of_another_size_are_resized_with_a_note(tmp_path, capsys):
    model = PixelRNN(2, 2, 1, n_condition_channels=3, condition_factor=4)
    Image.fromarray(np.full([20, 30, 3], 7, np.uint8)).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", np.zeros([1, 20, 30, 3], np.uint8))
    data = DataConfig(condition="down4")
    found = read_conditions(str(tmp_path / "a.png"), data, model, (8, 8))
    assert found.condition.tolist() == np.full([1, 2, 2, 3], 7).tolist()
    assert "a.png: resized to 8x8; conditions of 2x2 are made" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"a.npy: holds \(20, 30, 3\) .*; must be conditions of"):
        read_conditions(str(tmp_path / "a.npy"), data, model, (8, 8))


@pytest.mark.parametrize(
    ("n_channels", "likelihood", "values", "mode", "finished"),
    [
        (1, "softmax-256", 256, "L", False),
        (1, "softmax-256", 2, "L", True),
        (1, "bernoulli", 2, "L", False),
        (3, "softmax-256", 256, "L", True),
        (3, "softmax-256", 256, "RGB", False),
        (3, "softmax-256", 2, "RGB", True),
    ],
)
def test_edges_or_images(n_channels, likelihood, values, mode, finished, tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(values, size=(8, 8)) * (255 // (values - 1))
    image = Image.fromarray(pixels.astype(np.uint8)).convert(mode)
    image.save(tmp_path / "a.png")
    model = PixelRNN(2, 2, 1, n_channels=n_channels, likelihood=likelihood, n_condition_channels=1)
    path, data = str(tmp_path / "a.png"), DataConfig(condition="edges")
    condition = read_conditions(path, data, model, (8, 8)).condition
    pixels = pixels[None, :, :, None].astype(np.uint8)
    expected = pixels if finished else make_condition(pixels, "edges")
    np.testing.assert_array_equal(condition, expected)
    said = "taken as edges, as they are" if finished else "as images, whose edges are computed"
    assert said in capsys.readouterr().err


def test_complete_evaluate_and_score(conditional, tmp_path, capsys):
    run = ["--run", str(conditional)]
    out = str(tmp_path / "a.png")
    assert complete.main([*run, "--n", "1", "--completions", "1", "--out", out]) == 0
    assert evaluate.main(run) == 0
    assert "bits per dim" in capsys.readouterr().out
    image = np.random.default_rng(0).integers(256, size=(8, 8, 3)).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "x.png")
    table = tmp_path / "a.csv"
    assert score.main([str(tmp_path / "x.png"), *run, "--out", str(table)]) == 0

    def bits():
        return float(next(csv.DictReader(table.open()))["bits_per_dim"])

    own = bits()
    other = tmp_path / "c.png"
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(other)
    flags = [*run, "--out", str(table), "--force", "--condition", str(other)]
    assert score.main([str(tmp_path / "x.png"), *flags]) == 0
    assert bits() != own


def test_wrong_use_is_one_line(conditional, runs, tmp_path, capsys):
    np.save(tmp_path / "c.npy", np.zeros([3, 5, 5, 3], np.uint8))
    own, plain = ["--run", str(conditional)], ["--run", str(runs / "small")]
    cases = [
        (sample, own, "--condition, --split: the model is conditional; give one of them"),
        (sample, [*own, "--split", "validation"], "--split validation: the run has none"),
        (sample, [*own, "--condition", "none"], "--condition none: no such file or folder"),
        (sample, [*own, "--condition", str(tmp_path / "c.npy")], "must be conditions of (2, 2, 3)"),
        (
            sample,
            [*plain, "--split", "test"],
            "--split: the model is not conditional",
        ),
        (complete, [*plain, "--condition", "x.png"], "--condition: the model is not conditional"),
        (export, own, "model: is conditional (data.condition), which export does not support"),
    ]
    for command, arguments, words in cases:
        flags = [*arguments, "--out", str(tmp_path / "a.png")]
        assert exit_with(lambda c=command, f=flags: c.main(f)) == 2
        error = capsys.readouterr().err
        assert words in error and error.strip().count("\n") == 0, error
    assert not (tmp_path / "a.png").exists()
