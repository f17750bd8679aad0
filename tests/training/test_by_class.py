"""The commands with a class-conditional model."""

import json

import numpy as np
import pytest
from command_line import ROOT, train
from PIL import Image

from pixelcnn_tf import UserError, load_config, load_images, load_model
from pixelcnn_tf.cli import complete, evaluate, plot_receptive_field, sample
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.training.run_folder import RunFolder

# The animation has a reference of its own to what a test replaces.
from pixelcnn_tf.visualization import animation, grids  # noqa: F401

GATED = {
    "model.pixel_layer": "gated",
    "model.kernel_size": 3,
    "model.variant": "null",
    "model.n_classes": 10,
    "model.dropout": 0.1,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of a class-conditional Gated PixelCNN."""
    folder = tmp_path_factory.mktemp("by_class")
    assert train(folder, **GATED) == 0
    return folder / "small"


def test_a_class_conditional_run_is_scored_with_its_labels(run, capsys):
    model = load_model(run)
    assert model.n_classes == 10
    assert [block.dropout for block in model.blocks] == [0.1]
    assert evaluate.main(["--run", str(run), "--batch-size", "50"]) == 0
    record = json.loads((run / "results.json").read_text())
    assert f"{record['test']['bits_per_dim']:.4f} bits per dim" in capsys.readouterr().out


def test_scores_of_two_runs_and_of_classes_are_written(run, tmp_path):
    typed = ["--run", str(run), "--compare", str(run), "--out"]
    assert evaluate.main([*typed, str(tmp_path / "two.npy")]) == 0
    assert evaluate.main([*typed, str(tmp_path / "two.csv")]) == 0
    scores = np.load(tmp_path / "two.npy")
    np.testing.assert_array_equal(scores[:, 0], scores[:, 1])
    table = np.genfromtxt(tmp_path / "two.csv", delimiter=",", names=True)
    names = ("nats_per_image", "bits_per_dim")
    assert table.dtype.names == ("image", "label", *names, *(f"compared_{n}" for n in names))
    labels = load_images(load_config(run / "config.yml").data, labels=True).test_labels
    np.testing.assert_array_equal(table["label"], labels)
    np.testing.assert_allclose(table["compared_nats_per_image"], scores[:, 1], atol=1e-6)


@pytest.fixture
def given(monkeypatch):
    """The labels that ``generate_images`` is called with."""
    from pixelcnn_tf.sampling import complete, generate

    labels, generate_images = [], generate.generate_images

    def note(*arguments, **options):
        labels.append(options["labels"])
        return generate_images(*arguments, **options)

    for module in (generate, complete):
        monkeypatch.setattr(module, "generate_images", note)
    return labels


def test_sample_draws_one_class_or_a_row_of_each(run, given, tmp_path, monkeypatch, capsys):
    drawn = []
    sheet = grids.image_grid
    keep = lambda *a: drawn.append(a) or sheet(*a)  # noqa: E731
    monkeypatch.setattr(grids, "image_grid", keep)
    flags = ["--run", str(run), "--n", "3", "--out", str(tmp_path / "a.png")]
    assert sample.main([*flags, "--label", "all"]) == 0
    images, _, columns, *_ = drawn.pop()
    assert images.shape == (30, 8, 8, 1) and columns == 3
    np.testing.assert_array_equal(given[0], np.arange(10).repeat(3))
    assert sample.main([*flags, "--label", "7"]) == 0
    assert drawn.pop()[0].shape == (3, 8, 8, 1)
    assert given[1] == 7
    assert "3 images of 8x8x1" in capsys.readouterr().out


def test_complete_knows_the_labels_of_the_test_set(run, given, tmp_path):
    out = str(tmp_path / "c.png")
    flags = ["--run", str(run), "--n", "4", "--completions", "2", "--out", out]
    assert complete.main(flags) == 0
    assert len(given[0]) == 8 and len(set(given[0])) > 1
    assert (given[0][::2] == given[0][1::2]).all()
    assert complete.main([*flags, "--label", "3"]) == 0
    assert set(given[1]) == {3}


@pytest.mark.parametrize(
    ("command", "flags", "words"),
    [
        (sample, [], "--label: is missing, but the model is class-conditional; must be a class"),
        (sample, ["--label", "10"], "--label 10: the model has 10 classes; must be from 0 to 9"),
        (sample, ["--label", "-1"], "'-1': must be an integer from 0 up, or 'all'"),
        (complete, ["--label", "10"], "--label 10: the model is class-conditional; must be"),
        (complete, ["--label", "all"], "--label all: the model is class-conditional; must be"),
        (complete, ["--images", "{tmp}/a.png"], "--label not given: the model is class"),
    ],
)
def test_wrong_labels_get_one_line(command, flags, words, run, tmp_path, capsys):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    typed = [flag.format(tmp=tmp_path) for flag in flags]
    out = tmp_path / "o.png"
    assert exit_with(lambda: command.main(["--run", str(run), "--out", str(out), *typed])) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and words in lines[0]
    assert not out.exists()


def test_classes_of_a_folder_go_into_the_runs_config(tmp_path, monkeypatch, rng, capsys):
    """Without training: ``check`` is the first that sees the config."""
    for name in ("oak", "elm"):
        (tmp_path / "trees" / name).mkdir(parents=True)
        for i in range(3):
            pixels = rng.integers(256, size=(8, 8)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "trees" / name / f"{i}.png")
    seen = []

    def check(self, config, fresh, images):
        seen.append(config)
        raise UserError("enough")

    monkeypatch.setattr(RunFolder, "check", check)
    settings = {**GATED, "data.source": tmp_path / "trees", "model.n_classes": 2}
    assert train(tmp_path, **settings) == 2
    assert capsys.readouterr().err == "error: enough\n"
    assert seen[0].data.class_names == ["elm", "oak"]


def test_scoring_without_labels_is_refused(run, tmp_path, capsys):
    np.savez(tmp_path / "a.npz", x_train=np.zeros((4, 8, 8), np.uint8))
    typed = ["--run", str(run), "--set", f"data.source={tmp_path / 'a.npz'}"]
    assert exit_with(lambda: evaluate.main(typed)) == 2
    error = capsys.readouterr().err
    assert "has no labels; must be" in error and error.count("\n") == 1


def test_receptive_fields_are_drawn_side_by_side(tmp_path, capsys):
    models = ("pixelcnn", "gated_pixelcnn")
    configs = [str(ROOT / "configs" / f"mnist_binary_{m}.yml") for m in models]
    flags = ["--set", "model.n_layers=1", "--set", "model.hidden_dim=2", "--size", "15"]
    flags += ["--set", "model.n_classes=3"]  # a class changes nothing here
    out = tmp_path / "r.png"
    typed = [*[f for c in configs for f in ("--config", c)], *flags, "--out", str(out)]
    assert plot_receptive_field.main(typed) == 0
    # One layer of 3x3 after the 7x7: four rows of nine and four to the left; one of them blind.
    assert "mnist_binary_pixelcnn 39, mnist_binary_gated_pixelcnn 40" in capsys.readouterr().out
    picture = np.asarray(Image.open(out))
    assert picture.shape[1] > 1.5 * picture.shape[0]
    assert picture.std() > 20
