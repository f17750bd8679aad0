"""The commands other than training, as a user types them."""

import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from benchmarks import __main__ as benchmark
from experiments import results_table
from pixelcnn_tf import PixelRNN
from pixelcnn_tf.cli import (
    complete,
    evaluate,
    export,
    plot_masks,
    plot_receptive_field,
    sample,
    score,
)
from pixelcnn_tf.cli import train as train_command
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.visualization import grids

# The other commands


def test_sample_writes_an_image_grid_or_an_array(runs, tmp_path, capsys):
    run = str(runs / "small")
    assert sample.main(["--run", run, "--n", "3", "--out", str(tmp_path / "a.png")]) == 0
    assert "3 images of 8x8x1, seed 0" in capsys.readouterr().out
    assert Image.open(tmp_path / "a.png").mode == "RGB"
    flags = ["--run", f"{run}/model.keras", "--size", "3x5", "--n", "2"]
    assert sample.main([*flags, "--out", str(tmp_path / "a.NPY")]) == 0
    assert np.load(tmp_path / "a.NPY").shape == (2, 3, 5, 1)


def test_sample_draws_an_animation_of_the_grid(runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = ["--run", str(runs / "small"), "--n", "6"]
    assert sample.main([*flags, "--format", "gif"]) == 0
    assert sample.main([*flags, "--format", "png"]) == 0
    assert "6 images of 8x8x1, seed 0: sheet.gif" in capsys.readouterr().out
    assert exit_with(lambda: sample.main([*flags, "--format", "gif"])) == 2
    assert "sheet.gif: exists already; use --force" in capsys.readouterr().err
    grid = np.asarray(Image.open("sheet.png")).astype(int)
    with Image.open("sheet.gif") as animation:
        assert animation.info["loop"] == 0  # for ever
        frames, durations = [], []
        for i in range(animation.n_frames):
            animation.seek(i)
            frames.append(np.asarray(animation.convert("RGB")).astype(int))
            durations.append(animation.info["duration"])
    np.testing.assert_allclose(frames[-1], grid, atol=8)  # a palette of 256 colours
    known = [(np.abs(frame - grid) <= 8).all(axis=-1).mean() for frame in frames]
    assert known == sorted(known) and known[0] < 0.5
    assert 3000 < sum(durations[:-1]) < 5000 and durations[-1] == 2500


def test_export_writes_a_model_for_other_programs(runs, tmp_path, capsys):
    flags = ["--run", str(runs / "small"), "--out", str(tmp_path / "m"), "--batch-sizes", "2"]
    assert export.main(flags) == 0
    out = capsys.readouterr().out
    assert "images of 8x8x1, in batches of 2" in out and f"{tmp_path / 'm'} (" in out
    signatures = tf.saved_model.load(tmp_path / "m").signatures
    shape = signatures["complete"].structured_input_signature[1]["images"].shape
    assert shape.as_list() == [None, 8, 8, 1]


@pytest.mark.parametrize("part", ["lower", "right", "2,3,4x2", "mask.png", "mask.npy"])
def test_complete_keeps_the_visible_pixels(part, runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    mask = np.zeros((8, 8), np.uint8)
    mask[1:3] = 255
    Image.fromarray(mask).save("mask.png")
    np.save("mask.npy", mask > 0)
    drawn = []
    grid = grids.completion_grid
    keep = lambda *a: drawn.append(a) or grid(*a)  # noqa: E731
    monkeypatch.setattr(grids, "completion_grid", keep)
    flags = ["--run", str(runs / "small"), "--hide", part, "--n", "3", "--completions", "2"]
    assert complete.main([*flags, "--batch-size", "6"]) == 0
    assert "2 completions per image, 3 images, seed 0: completions.png" in capsys.readouterr().out
    originals, hidden, completions, *_ = drawn[0]
    assert completions.shape == (3, 2, 8, 8, 1)
    assert hidden.sum() == {"2,3,4x2": 8, "mask.png": 16, "mask.npy": 16}.get(part, 32)
    shown = completions[:, :, ~hidden]
    np.testing.assert_array_equal(shown, originals[:, None, ~hidden].repeat(2, axis=1))
    assert (completions[:, :, hidden] != originals[:, None, hidden]).any()
    assert Image.open("completions.png").size[0] > 200


def test_complete_takes_an_image_file(runs, tmp_path, capsys):
    Image.new("L", (20, 30), 99).save(tmp_path / "a.png")
    flags = ["--run", str(runs / "small"), "--images", str(tmp_path / "a.png")]
    assert complete.main([*flags, "--seed", "-1", "--out", str(tmp_path / "c.png")]) == 0
    assert "4 completions per image, 1 image," in capsys.readouterr().out


@pytest.mark.parametrize("top", [1, 255])
@pytest.mark.parametrize("run", ["model.keras", ""])
def test_complete_takes_binary_images(run, top, tmp_path, monkeypatch):
    """Binary images stay as they are; others are binarized at half intensity or as configured."""
    model = PixelRNN(2, 2, 1, n_channels=1, likelihood="bernoulli")
    model.build((None, None, None, 1))
    model.save(tmp_path / "model.keras")
    config = "data: {source: digits_grey, binarize: sample}\nmodel: {likelihood: bernoulli}\n"
    (tmp_path / "config.yml").write_text(config)
    given = np.eye(4, dtype=np.uint8)[None]
    np.save(tmp_path / "a.npy", top * given)
    drawn = []
    grid = grids.completion_grid
    keep = lambda *a: drawn.append(a) or grid(*a)  # noqa: E731
    monkeypatch.setattr(grids, "completion_grid", keep)
    flags = ["--run", str(tmp_path / run), "--images", str(tmp_path / "a.npy")]
    assert complete.main([*flags, "--out", str(tmp_path / "c.png")]) == 0
    np.testing.assert_array_equal(drawn[0][0][..., 0], given)


@pytest.mark.parametrize(("kernel", "channels"), [("5", "3"), ("7", "1"), ("3x5", "4")])
def test_plot_masks_writes_an_image_file(kernel, channels, tmp_path):
    out = tmp_path / "m.png"
    assert plot_masks.main(["--kernel", kernel, "--channels", channels, "--out", str(out)]) == 0
    drawn_masks = np.asarray(Image.open(out))
    assert drawn_masks.shape[0] > 200
    assert drawn_masks.std() > 20


@pytest.mark.parametrize("job", ["train", "conv"])
def test_benchmark_prints_a_table_and_writes_its_figures(job, tmp_path, capsys):
    small = ["--set", "model.hidden_dim=2", "--set", "model.n_layers=1", "--set", "model.out_dim=2"]
    sizes = ["--batch", "2", "--side", "8", "--rounds", "1", "--json", str(tmp_path / "f.json")]
    assert benchmark.main([job, *small, *sizes]) == 0
    figures = json.loads((tmp_path / "f.json").read_text())
    assert figures["job"] == job
    assert "ratio" in capsys.readouterr().out
    if job == "train":
        assert figures["ratio"] == pytest.approx(
            figures["cropped_images_per_s"] / figures["whole_images_per_s"]
        )


def test_benchmark_of_sampling_writes_its_figures(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "benchmarks.sampling.in_own_process", lambda *_: (1.0, 2.0)
    )  # in a separate process
    small = ["--set", "model.hidden_dim=2", "--set", "model.n_layers=1", "--set", "model.out_dim=2"]
    sizes = ["--side", "6", "--sides", "4,8", "--batches", "2", "--batch", "2", "--rounds", "1"]
    out = tmp_path / "f.json"
    assert benchmark.main(["sample", *small, *sizes, "--json", str(out)]) == 0
    figures = json.loads(out.read_text())
    naive, incremental = (figures[f"{name}_images_per_s"]["2"] for name in ("naive", "incremental"))
    assert figures["ratio_to_naive"]["2"] == pytest.approx(incremental / naive)
    assert set(figures["growth"]) == {"4", "8"}
    assert figures["naive_is_extrapolated"] is True
    assert "* extrapolated" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        train_command,
        sample,
        complete,
        evaluate,
        score,
        export,
        plot_masks,
        plot_receptive_field,
        benchmark,
        results_table,
    ],
)
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["--help"])
    assert stop.value.code == 0
    assert "examples:" in capsys.readouterr().out
