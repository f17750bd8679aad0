"""The commands as a user types them, and what they leave behind."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import yaml
from command_line import ROOT, train
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from benchmarks import __main__ as benchmark
from experiments import reproduce
from pixelcnn_tf import PixelCNNPlusPlus, PixelRNN, Trainer, UserError, load_model
from pixelcnn_tf.cli import complete, evaluate, plot_masks, plot_receptive_field, sample
from pixelcnn_tf.cli import train as train_command
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.training import experiment
from pixelcnn_tf.training.clock import Window
from pixelcnn_tf.training.run_folder import RunFolder
from pixelcnn_tf.visualization import plots

# What a run leaves behind


def test_a_run_leaves_everything_behind(runs):
    run = runs / "small"
    config = yaml.safe_load((run / "config.yml").read_text())
    assert config["data"]["image_size"] == [8, 8]
    assert config["model"]["n_channels"] == 1
    record = json.loads((run / "results.json").read_text())
    assert record["step"] == 6
    assert 0 < record["test"]["bits_per_dim"] < 10
    assert {p.name for p in (run / "samples").iterdir()} == {"step_000003.png", "final.png"}
    assert Image.open(run / "samples" / "final.png").size[0] > 100
    model = load_model(run)
    assert model(np.zeros((1, 8, 8, 1), np.uint8)).shape == (1, 8, 8, 1, 256)
    assert not list(run.rglob(".*"))  # nothing temporary


def test_tensorboards_own_reader_finds_every_scalar_and_picture(runs):
    def read(part):
        reader = EventAccumulator(str(runs / "small" / "logs" / part))
        reader.Reload()
        return reader

    expected = {
        "train": {
            "bits_per_dim": [2, 4, 6],
            "learning_rate": [2, 4, 6],
            "gradient_norm": [2, 4, 6],
            "images_per_second": [2, 4, 6],
        },
        "test": {"bits_per_dim": [3, 6]},
        "imgs": {"generated": [3, 6], "real": [0], "masks": [0]},
    }
    for part, tags in expected.items():
        reader = read(part)
        assert set(reader.Tags()["tensors"]) == set(tags) | (
            {"config"} if part == "train" else set()
        )
        for tag, steps in tags.items():
            events = reader.Tensors(tag)
            assert [event.step for event in events] == steps, (part, tag)
            if part == "imgs":
                width, height, png = events[0].tensor_proto.string_val[:3]
                assert png.startswith(b"\x89PNG")
                assert int(width) > 50
                assert int(height) > 50
            else:
                assert all(np.isfinite(float(_number(event))) for event in events)
    text = read("train").Tensors("config")[0].tensor_proto.string_val[0].decode()
    assert "hidden_dim: 2" in text


def _number(event):
    import tensorflow as tf

    return tf.make_ndarray(event.tensor_proto)


def test_the_end_tells_where_everything_lies(runs, capsys):
    """A finished run, started again: trains nothing and says the same."""
    assert train(runs) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("small is already trained (--fresh trains it from scratch)")
    assert lines[-4].startswith("test         ")
    assert "bits per dim" in lines[-4]
    assert lines[-3].endswith("small/samples/final.png")
    assert lines[-2].endswith("small/model.keras")
    assert lines[-1].startswith("TensorBoard  ")
    assert lines[-1].endswith(f"tensorboard --logdir {runs}/small/logs")


def test_longer_training_goes_on_and_other_settings_do_not(runs, capsys):
    assert train(runs, **{"training.learning_rate": 0.5}) == 2
    error = capsys.readouterr().err
    assert "training.learning_rate: 0.006 there, 0.5 here" in error
    assert "--fresh" in error


def test_fresh_sets_the_old_run_aside(runs, tmp_path, capsys):
    shutil.copytree(runs / "small", tmp_path / "small")
    (tmp_path / "small" / "note.txt").write_text("mine")
    assert train(tmp_path, "--fresh") == 0
    assert "the old run is now" in capsys.readouterr().out
    assert (tmp_path / "small.old-1" / "note.txt").read_text() == "mine"
    assert json.loads((tmp_path / "small" / "results.json").read_text())["step"] == 6


def test_constant_rate_runs_may_be_made_longer_and_show_other_things(tmp_path, capsys):
    constant = {"training.schedule": "constant", "training.warmup_steps": 0}
    assert train(tmp_path, **constant) == 0
    more = {"training.steps": 8, "training.log_every": 1, "sampling.n_images": 1}
    assert train(tmp_path, **constant, **more) == 0
    assert json.loads((tmp_path / "small" / "results.json").read_text())["step"] == 8
    config = yaml.safe_load((tmp_path / "small" / "config.yml").read_text())
    assert config["sampling"]["n_images"] == 1  # does not change the weights
    assert train(tmp_path, **constant, **{"training.steps": 7}) == 2
    assert "training.steps: 8 there, 7 here" in capsys.readouterr().err


def test_ctrl_c_saves_says_how_to_go_on_and_goes_on(tmp_path, monkeypatch, capsys):
    add = Window.add

    def add_and_signal(self, *results):
        add(self, *results)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Window, "add", add_and_signal)
    assert train(tmp_path) == 130
    assert "stopped at step 1 of 6 and saved" in capsys.readouterr().err
    monkeypatch.setattr(Window, "add", add)
    assert train(tmp_path) == 0
    assert json.loads((tmp_path / "small" / "results.json").read_text())["step"] == 6


def test_binary_digits_report_nats(tmp_path, capsys):
    settings = {"data.binarize": "sample", "model.likelihood": "bernoulli"}
    assert train(tmp_path, **settings) == 0
    record = json.loads((tmp_path / "small" / "results.json").read_text())
    nats, bits = record["test"]["nats_per_image"], record["test"]["bits_per_dim"]
    assert nats == pytest.approx(bits * 64 * np.log(2), rel=1e-6)
    assert "nats per image" in capsys.readouterr().out


def test_print_config_shows_everything_and_trains_nothing(tmp_path, capsys):
    assert train(tmp_path, "--print-config") == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["model"]["hidden_dim"] == 2
    assert config["training"]["optimizer"] == "adam"
    assert not list(tmp_path.iterdir())


def test_pixelcnnpp_is_initialized_where_it_is_made_and_only_there(tmp_path, monkeypatch):
    """Before training, which is not tried here."""

    def enough(*_):
        raise UserError("enough")

    seen, config = [], str(ROOT / "configs" / "digits_pixelcnnpp.yml")
    monkeypatch.setattr(PixelCNNPlusPlus, "initialize_from", lambda _, x, *more: seen.append(x))
    monkeypatch.setattr(Trainer, "fit", enough)
    small = {"data.source": "digits_grey", "data.image_size": 8, "runs_dir": tmp_path}
    sets = [text for key, value in small.items() for text in ("--set", f"{key}={value}")]
    assert exit_with(lambda: train_command.main(["--config", config, *sets])) == 2
    assert [batch.shape for batch in seen] == [(112, 8, 8, 1)]
    monkeypatch.setattr(experiment, "saved_steps", lambda _: [5])  # as if it went on
    assert exit_with(lambda: train_command.main(["--config", config, *sets])) == 2
    assert len(seen) == 1


def test_sample_takes_pixelcnnpp_in_sizes_that_it_can_have(tmp_path, capsys):
    model = PixelCNNPlusPlus(1, 2, 2, n_channels=1)
    model.build((None, None, None, 1))
    model.save(tmp_path / "m.keras")
    flags = ["--run", str(tmp_path / "m.keras"), "--n", "1", "--out", str(tmp_path / "a.png")]
    assert sample.main([*flags, "--size", "4"]) == 0
    assert exit_with(lambda: sample.main([*flags, "--size", "10"])) == 2
    error = capsys.readouterr().err
    assert "must be multiples of 4: 12x12, say" in error and error.count("\n") == 1


def test_a_run_is_locked_until_all_is_written_and_keeps_to_its_images(
    tmp_path, rng, monkeypatch, capsys
):
    honest, seen = Trainer.write_samples, []

    def write_samples(self, name):
        with pytest.raises(UserError, match="another process"), RunFolder(self.run.path).locked():
            pass
        seen.append(name)
        return honest(self, name)

    monkeypatch.setattr(Trainer, "write_samples", write_samples)
    images = rng.integers(256, size=(20, 8, 8)).astype(np.uint8)
    np.save(tmp_path / "x.npy", images)
    settings = {"data.source": tmp_path / "x.npy", "training.sample_every": 100}
    assert train(tmp_path, **settings) == 0
    assert seen == ["final"]
    with RunFolder(tmp_path / "small").locked():
        pass
    np.save(tmp_path / "x.npy", images ^ 1)  # the run is finished, but not with these
    assert train(tmp_path, **settings) == 2
    assert "was started with other images" in capsys.readouterr().err


def test_too_little_memory_is_one_line(tmp_path, monkeypatch, capsys):
    def too_much(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(Trainer, "initialize", too_much)
    assert train(tmp_path) == 2
    error = capsys.readouterr().err
    assert "do not fit memory; use smaller ones" in error and error.count("\n") == 1


def test_a_reader_that_goes_away_is_no_error():
    """As of ``main.py --print-config | true``: status 141, and not a word."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "main.py", "--config", "config.yml", "--print-config"]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, timeout=60)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


# The scripts


def test_sample_draws_a_sheet_and_arrays(runs, tmp_path, capsys):
    run = str(runs / "small")
    assert sample.main(["--run", run, "--n", "3", "--out", str(tmp_path / "a.png")]) == 0
    assert "3 images of 8x8x1, seed 0" in capsys.readouterr().out
    assert Image.open(tmp_path / "a.png").mode == "RGB"
    flags = ["--run", f"{run}/model.keras", "--size", "3x5", "--n", "2"]
    assert sample.main([*flags, "--out", str(tmp_path / "a.NPY")]) == 0
    assert np.load(tmp_path / "a.NPY").shape == (2, 3, 5, 1)


@pytest.mark.parametrize("part", ["lower", "right", "2,3,4x2", "mask.png"])
def test_complete_keeps_what_is_shown(part, runs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    mask = np.zeros((8, 8), np.uint8)
    mask[1:3] = 255
    Image.fromarray(mask).save("mask.png")
    drawn = []
    sheet = plots.completion_grid
    keep = lambda *a: drawn.append(a) or sheet(*a)  # noqa: E731
    monkeypatch.setattr(plots, "completion_grid", keep)
    flags = ["--run", str(runs / "small"), "--hide", part, "--n", "3", "--completions", "2"]
    assert complete.main([*flags, "--batch-size", "6"]) == 0
    assert "2 completions each of 3 image(s), seed 0: completions.png" in capsys.readouterr().out
    originals, hidden, completions, _ = drawn[0]
    assert completions.shape == (3, 2, 8, 8, 1)
    assert hidden.sum() == {"lower": 32, "right": 32, "2,3,4x2": 8, "mask.png": 16}[part]
    shown = completions[:, :, ~hidden]
    np.testing.assert_array_equal(shown, originals[:, None, ~hidden].repeat(2, axis=1))
    assert (completions[:, :, hidden] != originals[:, None, hidden]).any()
    assert Image.open("completions.png").size[0] > 200


def test_complete_takes_a_picture(runs, tmp_path, capsys):
    Image.new("L", (20, 30), 99).save(tmp_path / "a.png")
    flags = ["--run", str(runs / "small"), "--images", str(tmp_path / "a.png")]
    assert complete.main([*flags, "--seed", "-1", "--out", str(tmp_path / "c.png")]) == 0
    assert "4 completions each of 1 image(s)" in capsys.readouterr().out


@pytest.mark.parametrize("top", [1, 255])
@pytest.mark.parametrize("run", ["model.keras", ""])
def test_complete_takes_images_of_zeros_and_ones(run, top, tmp_path, monkeypatch):
    """As they are; others are cut at the middle, or as the run's config says."""
    model = PixelRNN(2, 2, 1, n_channels=1, likelihood="bernoulli")
    model.build((None, None, None, 1))
    model.save(tmp_path / "model.keras")
    config = "data: {source: digits_grey, binarize: sample}\nmodel: {likelihood: bernoulli}\n"
    (tmp_path / "config.yml").write_text(config)
    given = np.eye(4, dtype=np.uint8)[None]
    np.save(tmp_path / "a.npy", top * given)
    drawn = []
    sheet = plots.completion_grid
    keep = lambda *a: drawn.append(a) or sheet(*a)  # noqa: E731
    monkeypatch.setattr(plots, "completion_grid", keep)
    flags = ["--run", str(tmp_path / run), "--images", str(tmp_path / "a.npy")]
    assert complete.main([*flags, "--out", str(tmp_path / "c.png")]) == 0
    np.testing.assert_array_equal(drawn[0][0][..., 0], given)


@pytest.mark.parametrize(("kernel", "channels"), [("5", "3"), ("7", "1"), ("3x5", "4")])
def test_plot_masks_draws_a_picture(kernel, channels, tmp_path):
    out = tmp_path / "m.png"
    assert plot_masks.main(["--kernel", kernel, "--channels", channels, "--out", str(out)]) == 0
    picture = np.asarray(Image.open(out))
    assert picture.shape[0] > 200
    assert picture.std() > 20


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
    monkeypatch.setattr(benchmark, "alone", lambda *_: (1.0, 2.0))  # a process of its own
    small = ["--set", "model.hidden_dim=2", "--set", "model.n_layers=1", "--set", "model.out_dim=2"]
    sizes = ["--side", "6", "--sides", "4,8", "--batches", "2", "--batch", "2", "--rounds", "1"]
    out = tmp_path / "f.json"
    assert benchmark.main(["sample", *small, *sizes, "--json", str(out)]) == 0
    figures = json.loads(out.read_text())
    plain, raster = (figures[f"{name}_images_per_s"]["2"] for name in ("plain", "raster"))
    assert figures["ratio_to_plain"]["2"] == pytest.approx(raster / plain)
    assert set(figures["growth"]) == {"4", "8"}
    assert figures["plain_is_extrapolated"] is True
    assert "* extrapolated" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        train_command,
        sample,
        complete,
        evaluate,
        plot_masks,
        plot_receptive_field,
        benchmark,
        reproduce,
    ],
)
def test_help_has_examples(command, capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["--help"])
    assert stop.value.code == 0
    assert "examples:" in capsys.readouterr().out
