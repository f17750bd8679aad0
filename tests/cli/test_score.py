"""pixelcnn-tf score: its figures against NumPy, and its files, which are all there or none."""

import csv
import errno
import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pixelcnn_tf import PixelRNN, load_images, load_model
from pixelcnn_tf import score as score_images
from pixelcnn_tf.anomaly import complexity
from pixelcnn_tf.cli import score as command
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.utils import progress
from pixelcnn_tf.visualization import surprise


def tree(folder):
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.fixture
def some(tmp_path, rng):
    """Paths of three images, and the images."""
    images = rng.integers(256, size=(3, 8, 8, 1)).astype(np.uint8)
    np.save(tmp_path / "two.npy", images[:2])
    Image.fromarray(images[2, ..., 0]).save(tmp_path / "one.png")
    return [str(tmp_path / "two.npy"), str(tmp_path / "one.png")], images


@pytest.fixture
def flat(runs, tmp_path):
    """A run with a model that gives every image the same probability."""
    model, folder = load_model(runs / "small"), tmp_path / "flat"
    for weight in model.output_conv.weights:
        weight.assign(tf.zeros_like(weight))
    folder.mkdir()
    model.save(folder / "model.keras")
    shutil.copy(runs / "small" / "config.yml", folder)
    return str(folder)


@pytest.mark.parametrize("correct", ["", "complexity", "ratio"])
def test_the_figures_are_those_of_numpy(correct, runs, some, flat, tmp_path, capsys):
    (paths, images), out = some, tmp_path / "scores.csv"
    typed = [*paths, "--model", str(runs / "small"), "--out", str(out)]
    typed += ["--correct", correct] * bool(correct) + ["--background", flat] * (correct == "ratio")
    assert command.main(typed) == 0
    model, test = load_model(runs / "small"), load_images("digits_grey").test
    bits, others = (score_images(model, array) / 64 / np.log(2) for array in (images, test))
    names = {
        "": [],
        "complexity": ["complexity", "corrected"],
        "ratio": ["background", "corrected"],
    }
    with out.open() as file:
        header, *rows = csv.reader(file)
    figures = ["bits_per_dim", *names[correct], "z_score", "percentile"]
    assert header == ["image", *figures]
    assert [row[0] for row in rows] == [f"{paths[0]}[0]", f"{paths[0]}[1]", paths[1]]
    columns = dict(zip(figures, np.array([row[1:] for row in rows], float).T, strict=True))
    np.testing.assert_allclose(columns["bits_per_dim"], bits, atol=2e-6)
    if correct:
        subtracted = [complexity(a) if correct == "complexity" else 8.0 for a in (images, test)]
        np.testing.assert_allclose(columns[names[correct][0]], subtracted[0], atol=2e-6)
        bits, others = bits - subtracted[0], others - subtracted[1]
        np.testing.assert_allclose(columns["corrected"], bits, atol=2e-6)
    z_scores = (bits - others.mean()) / others.std(ddof=1)
    np.testing.assert_allclose(columns["z_score"], z_scores, atol=1e-4)
    lower = (others[None] < bits[:, None]).mean(axis=1)
    np.testing.assert_allclose(columns["percentile"], 100 * lower, atol=1e-5)
    settings = json.loads((tmp_path / "scores.json").read_text())
    assert (settings["run"], settings["correct"]) == (str(runs / "small"), correct or None)
    assert (settings["test_images"], settings["data"]["source"]) == (180, "digits_grey")
    assert settings["mean"] == pytest.approx(others.mean(), abs=1e-5)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["image", *" ".join(figures).replace("_", " ").split()]
    assert printed[3].split()[:2] == [paths[1], f"{columns['bits_per_dim'][2]:.4f}"]
    assert printed[-1] == f"scores of 3 images: {out}"


def test_maps_are_drawn_with_one_scale(runs, some, tmp_path, monkeypatch, capsys):
    tops = []
    panel = surprise.surprise_panel
    keep = lambda *a, **k: tops.append(a[3]) or panel(*a, **k)  # noqa: E731
    monkeypatch.setattr(surprise, "surprise_panel", keep)
    maps = tmp_path / "maps"
    typed = [*some[0], "--run", str(runs / "small"), "--maps", str(maps)]
    typed += ["--out", str(tmp_path / "s.csv")]
    assert command.main(typed) == 0
    assert f"surprise maps of 3 images: {maps}" in capsys.readouterr().out
    files = ["0_two.png", "1_two.png", "2_one.png"]
    assert sorted(path.name for path in maps.iterdir()) == files
    assert len(tops) == 3 and len(set(tops)) == 1
    assert np.asarray(Image.open(maps / files[0])).std() > 20
    with (tmp_path / "s.csv").open() as file:
        assert [row["map"] for row in csv.DictReader(file)] == [str(maps / name) for name in files]


def test_outputs_that_exist_need_force(runs, some, tmp_path, capsys):
    typed = [some[0][1], "--run", str(runs / "small")]
    outputs = ["--out", str(tmp_path / "s.csv"), "--maps", str(tmp_path / "maps")]
    (tmp_path / "maps").mkdir()
    assert command.main([*typed, *outputs]) == 0
    (tmp_path / "s.csv").write_text("precious")
    for part in (outputs[:2], outputs[2:]):
        assert exit_with(lambda part=part: command.main([*typed, *part])) == 2
        assert "use --force" in capsys.readouterr().err
    assert (tmp_path / "s.csv").read_text() == "precious"
    assert command.main([*typed, *outputs, "--force"]) == 0
    assert (tmp_path / "s.csv").read_text().startswith("image,bits_per_dim")


@pytest.mark.parametrize("exists", [False, True])
def test_a_full_disk_leaves_nothing(exists, runs, some, tmp_path, monkeypatch, capsys):
    saved = surprise.save_image

    def save(image, path):
        saved(image, path)
        if path.name.startswith("1_"):
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(surprise, "save_image", save)
    if exists:
        (tmp_path / "maps").mkdir()
    before = tree(tmp_path)
    typed = [*some[0], "--run", str(runs / "small"), "--maps", str(tmp_path / "maps")]
    typed += ["--out", str(tmp_path / "s.csv")]
    assert exit_with(lambda: command.main(typed)) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "No space left on device" in lines[0]
    assert tree(tmp_path) == before


def test_images_of_another_run_are_refused(runs, some, tmp_path, capsys):
    """The test images of the run may have been trained on."""
    run = tmp_path / "run"
    shutil.copytree(runs / "small", run)
    (run / "images.txt").write_text("1617:00000000 180:00000000\n")
    assert exit_with(lambda: command.main([some[0][0], "--run", str(run)])) == 2
    assert "its images, or their division into sets, have changed" in capsys.readouterr().err


def test_training_images_are_noted(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, "_said", set())
    np.save(tmp_path / "a.npy", load_images("digits_grey").train[:50])
    assert command.main([str(tmp_path / "a.npy"), "--run", str(runs / "small")]) == 0
    printed = capsys.readouterr()
    assert "50 of the 50 images are among the training images of" in printed.err
    lines = printed.out.splitlines()
    assert "the 40 of 50 images with the highest z-scores" in lines[0]
    z_scores = [float(line.split()[2]) for line in lines[2:-1]]
    assert len(z_scores) == 40 and z_scores == sorted(z_scores, reverse=True)


def a_run(folder, data, likelihood="softmax-256", **options):
    """A run folder with an untrained model."""
    model = PixelRNN(2, 2, n_layers=1, likelihood=likelihood, **options)
    model.build((None, None, None, model.n_channels))
    folder.mkdir()
    model.save(folder / "model.keras")
    text = f"data: {{{data}}}\nmodel: {{likelihood: {likelihood}}}\n"
    (folder / "config.yml").write_text(text)
    return str(folder)


def test_grey_images_for_a_model_of_colours(tmp_path, capsys):
    run = a_run(tmp_path / "run", "source: digits")
    Image.new("L", (12, 12), 9).save(tmp_path / "a.png")
    assert command.main([str(tmp_path / "a.png"), "--run", run]) == 0
    assert "720 test images of the run" in capsys.readouterr().out


def test_binary_images_and_classes(tmp_path, capsys):
    options = {"n_channels": 1, "likelihood": "bernoulli", "n_classes": 10}
    run = a_run(tmp_path / "run", "source: digits_grey, binarize: threshold", **options)
    np.save(tmp_path / "a.npy", np.full((2, 8, 8), 200, np.uint8))
    Image.new("L", (9, 9), 200).save(tmp_path / "b.png")
    typed = [str(tmp_path / "a.npy"), "--run", run]
    for label in ([], ["--label", "10"]):
        assert exit_with(lambda label=label: command.main([*typed, *label])) == 2
        assert "must be a class from 0 to 9" in capsys.readouterr().err
    typed = [str(tmp_path / "b.png"), *typed, "--label", "3", "--out", str(tmp_path / "s.csv")]
    assert exit_with(lambda: command.main(typed)) == 2
    assert "b.png: is 9x9; must be 8x8" in capsys.readouterr().err
    assert command.main([*typed, "--set", "data.image_size=8"]) == 0
    model = load_model(run)
    nats = score_images(model, np.ones([1, 8, 8, 1]), 3, progress=False)
    with (tmp_path / "s.csv").open() as file:
        rows = [float(row["bits_per_dim"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(rows, np.repeat(nats / 64 / np.log(2), 3), atol=2e-6)
