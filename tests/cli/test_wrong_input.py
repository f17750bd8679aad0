"""One line for everything that is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import wrong_plugins
from command_line import ROOT, flags
from PIL import Image

from benchmarks import __main__ as benchmark
from experiments import results_table
from pixelcnn_tf import PixelRNN
from pixelcnn_tf.cli import (
    complete,
    evaluate,
    export,
    init,
    plot_masks,
    plot_receptive_field,
    sample,
    score,
)
from pixelcnn_tf.cli import main as pixelcnn_tf_command
from pixelcnn_tf.cli import train as train_command
from pixelcnn_tf.cli.parsing import exit_with


def tree(folder):
    return {str(p): p.stat().st_mtime_ns for p in sorted(Path(folder).rglob("*"))}


# Wrong input: (command, flags, words of the one line)

RUN = "{runs}/small"
GREY = "{tmp}/grey.npz"
RATIO = [GREY, "--run", RUN, "--correct", "ratio", "--background"]
RGB = ["{new}", "--set", "data.source={tmp}/rgb.npy"]
LSTM = ["{new}", "--set", "model.pixel_layer=row_lstm", "--set", "model.variant=null"]
PLUS_DIGITS = ["--config", str(ROOT / "configs" / "digits_pixelcnn_pp.yml"), "--set"]
DIAGONAL = ["{new}", "--set", "model.pixel_layer=diagonal_bilstm", "--set", "model.variant=null"]
WRONG = [
    (train_command, [], "--config"),
    (train_command, ["--config"], "expected one argument"),
    (train_command, ["--config", "none.yml"], "none.yml: no such file"),
    (train_command, ["--config", "{tmp}"], "cannot be read"),
    (train_command, ["--config", "config.yml", "--steps", "3"], "unrecognized arguments: --steps"),
    (train_command, ["--config", "config.yml", "--set", "training.stps=3"], "did you mean 'steps'"),
    (train_command, ["{new}", "--confg", "x.yml"], "did you mean '--config'"),
    (train_command, ["{new}", "--set", "trainng.steps=3"], "error: --set trainng: "),
    (train_command, ["--config", "config.yml", "--set", "x"], "KEY=VALUE"),
    (train_command, ["{new}", "--set", "training.steps=0"], "training.steps: 0"),
    (train_command, ["{new}", "--set", "training.ema_decay=1"], "training.ema_decay: 1"),
    (train_command, ["{new}", "--set", "data.source=mnst"], "did you mean 'mnist'"),
    (
        train_command,
        ["{new}", "--set", "data.source={tmp}/words.txt"],
        "words.txt: 1 image, of which data.test_share 0.1 leaves none",
    ),
    (train_command, ["{new}", "--set", "data.source={tmp}/float.npy"], "holds float64"),
    (train_command, ["{new}", "--set", "data.source={tmp}/empty"], "no images"),
    (train_command, ["{new}", "--set", "data.source={tmp}/broken"], "not a readable image"),
    (
        train_command,
        ["{new}", "--set", "data.source={tmp}/mixed", "--set", "data.image_size=null"],
        "set data.image_size",
    ),
    (train_command, ["{new}", "--set", "data.image_size=9"], "holds images of [8, 8]"),
    (train_command, ["{new}", "--set", "model.n_channels=3"], "model.n_channels: 3"),
    (train_command, ["{new}", "--set", "model.likelihood=softmax-4"], "has values from 0 to 3"),
    (train_command, ["{new}", "--set", "model.likelihood=bernoulli"], "set data.binarize"),
    (train_command, ["{new}", "--set", "model.likelihood=logistic-0"], "K mixtures from 1 to 100"),
    (
        train_command,
        [*RGB, "--set", "data.image_size=null", "--set", "model.likelihood=logistic-2"],
        "go up to 0 only; choose 'bernoulli'",
    ),
    (train_command, [*RGB, "--set", "data.image_size=null"], "go up to 0 only; choose 'bernoulli'"),
    (
        train_command,
        ["{new}", "--set", "data.binarize=sample"],
        "'softmax-256' does not fit; must be 'bernoulli'",
    ),
    (train_command, ["{new}", "--set", "model.kernel_size=2"], "must be odd"),
    (train_command, ["{new}", "--set", "runs_dir={tmp}/words.txt"], "words.txt"),
    (train_command, ["{new}", "--set", "name=other", "--set", "runs_dir={tmp}"], "no run"),
    (
        train_command,
        ["{new}", "--set", "name=other", "--set", "runs_dir={tmp}", "--fresh"],
        "holds files but no run",
    ),
    (train_command, ["{old}", "--set", "seed=5"], "another config (seed: 0 there, 5 here)"),
    (sample, [], "--run"),
    (sample, ["--run", "{tmp}/none", "--out", "{tmp}/s.png"], "no such run"),
    (sample, ["--run", "{tmp}/empty", "--size", "4", "--out", "{tmp}/s.png"], "no run"),
    (
        sample,
        ["--run", "{tmp}/words.txt", "--size", "4", "--out", "{tmp}/s.png"],
        "is not a Keras model file",
    ),
    (sample, ["--run", "{tmp}/bad.keras", "--size", "4", "--out", "{tmp}/s.png"], "bad.keras"),
    (sample, ["--run", RUN, "--n", "0"], "'0': must be an integer from 1"),
    (sample, ["--run", RUN, "--n", "many"], "'many'"),
    (sample, ["--run", RUN, "--seed", "1.5"], "--seed"),
    (sample, ["--run", RUN, "--seed", "99999999999", "--out", "{tmp}/s.png"], "32 bits"),
    (sample, ["--run", RUN, "--temperature", "0"], "'0': must be a number above 0"),
    (sample, ["--run", RUN, "--size", "0"], "'0': must be a side"),
    (sample, ["--run", RUN, "--size", "3x4x5"], "'3x4x5'"),
    (sample, ["--run", RUN, "--out", "{tmp}/none/s.png"], "there is no folder"),
    (sample, ["--run", RUN, "--out", "{tmp}/s.txt"], "has no data.alphabet"),
    (sample, ["--run", RUN, "--out", "{tmp}/s.jpg"], "must end in .png or .npy"),
    (sample, ["--run", RUN, "--out", "{tmp}"], "is a folder"),
    (sample, ["--run", RUN + "/model.keras", "--out", "{tmp}/s.png"], "add --size"),
    (sample, ["--run", RUN, "--top-p", "0", "--out", "{tmp}/s.png"], "'0'"),
    (sample, ["--run", RUN, "--top-p", "1.5"], "'1.5': must be a number from"),
    (sample, ["--run", RUN, "--batch-size", "0"], "'0'"),
    (
        sample,
        ["--run", RUN, "--n", "9999999", "--batch-size", "9999999", "--out", "{tmp}/s.png"],
        "GB of memory",
    ),
    (sample, ["--run", RUN, "--size", "9999999", "--out", "{tmp}/s.png"], "GB of memory"),
    (complete, ["--run", "{tmp}/none", "--out", "{tmp}/c.png"], "--run {tmp}/none: no such run"),
    (complete, ["--run", RUN + "/model.keras", "--out", "{tmp}/c.png"], "add --images"),
    (complete, ["--run", RUN, "--out", "{tmp}/c.npy"], "must end in .png"),
    (complete, ["--run", RUN, "--hide", "lowr", "--out", "{tmp}/c.png"], "did you mean 'lower'"),
    (complete, ["--run", RUN, "--hide", "1,2,3", "--out", "{tmp}/c.png"], "TOP,LEFT,HEIGHTxWIDTH"),
    (complete, ["--run", RUN, "--hide", "6,0,3x2", "--out", "{tmp}/c.png"], "reaches out"),
    (complete, ["--run", RUN, "--hide", "0,0,0x2", "--out", "{tmp}/c.png"], "hides no pixel"),
    (complete, ["--run", RUN, "--hide", "{tmp}/mixed/9.png", "--out", "{tmp}/c.png"], "is 9x9"),
    (complete, ["--run", RUN, "--images", "{tmp}/words.txt"], "words.txt: must be images"),
    (complete, ["--run", RUN, "--hide", "{tmp}/words.txt", "--out", "{tmp}/c.png"], "words.txt"),
    (complete, ["--run", RUN, "--images", "{tmp}/none.png", "--out", "{tmp}/c.png"], "no such"),
    (
        complete,
        ["--run", RUN, "--images", "{tmp}/broken", "--out", "{tmp}/c.png"],
        "not a readable",
    ),
    (complete, ["--run", RUN, "--images", "{tmp}/rgb.npy", "--out", "{tmp}/c.png"], "3 channel"),
    (complete, ["--run", RUN, "--seed", "x"], "--seed"),
    (
        complete,
        ["--run", RUN, "--size", "16", "--out", "{tmp}/c.png"],
        "--size: digits_grey has images of 8x8; only digits and image files are resized",
    ),
    (complete, ["--run", RUN, "--hide", "{tmp}/no.png", "--out", "{tmp}/c.png"], "no such file"),
    (complete, ["--run", RUN, "--completions", "1" + "0" * 20, "--out", "{tmp}/c.png"], "GB of"),
    (sample, ["--run", RUN, "--format", "jpg"], "invalid choice: 'jpg'"),
    (sample, ["--run", RUN, "--format", "gif", "--out", "{tmp}/s.png"], "must end in .gif"),
    (export, [], "--run"),
    (export, ["--run", RUN], "--out"),
    (export, ["--run", "{tmp}/none", "--out", "{tmp}/m"], "--run {tmp}/none: no such run"),
    (export, ["--run", "{tmp}/empty", "--out", "{tmp}/m"], "empty: no such run"),
    (export, ["--run", RUN + "/model.keras", "--out", "{tmp}/m"], "add --size"),
    (
        export,
        ["--run", "{tmp}/bad.keras", "--size", "4", "--out", "{tmp}/m"],
        "bad.keras",
    ),
    (export, ["--run", RUN, "--out", "{tmp}/mixed"], "mixed: exists already; use --force"),
    (export, ["--run", RUN, "--out", "{tmp}/mixed", "--force"], "holds no exported model"),
    (export, ["--run", RUN, "--out", "{tmp}/words.txt", "--force"], "holds no exported model"),
    (export, ["--run", RUN, "--out", "{tmp}/none/m"], "there is no folder"),
    (export, ["--run", RUN, "--out", "/proc/m"], "/proc/m: cannot be written"),
    (export, ["--run", RUN, "--out", "{tmp}/m", "--size", "0"], "'0': must be a side"),
    (export, ["--run", RUN, "--out", "{tmp}/m", "--batch-sizes", "1,x"], "'x': must be an"),
    (benchmark, ["sample", "--batches", "1,x"], "'x'"),
    (train_command, [*PLUS_DIGITS, "model.n_mix=0"], "model.n_mix: 0"),
    (train_command, [*PLUS_DIGITS, "data.binarize=sample"], "'pixelcnn_pp' is for 256 values"),
    (
        train_command,
        [*PLUS_DIGITS, "model.likelihood=softmax-256"],
        "has 'logistic-5'; leave it out",
    ),
    (
        train_command,
        ["--config", "config.yml", "--set", "model.architecture=pixelcnn_pp"],
        "has no pixel_l",
    ),
    (evaluate, ["--run", "{tmp}/none"], "not a run folder"),
    (evaluate, ["--run", "{tmp}/empty"], "not a run folder"),
    (evaluate, ["--run", RUN, "--against", "{tmp}/none"], "none: not a run folder"),
    (evaluate, ["--run", RUN, "--batch-size", "-1"], "'-1'"),
    (
        evaluate,
        ["--run", RUN, "--set", "model.n_layers=3"],
        "only settings of the section data",
    ),
    (evaluate, ["--run", RUN, "--set", "data.source={tmp}/rgb.npy"], "of 3 channels; must be 1"),
    (plot_masks, ["--kernel", "4", "--out", "{tmp}/m.png"], "--kernel 4x4: both sides must be odd"),
    (plot_masks, ["--kernel", "x"], "'x': must be a side"),
    (plot_masks, ["--channels", "0"], "'0'"),
    (plot_masks, ["--channels", "40", "--out", "{tmp}/m.png"], "at most 150"),
    (plot_masks, ["--out", "{tmp}/m.jpg"], "must end in .png"),
    (train_command, ["{new}", "--set", "model.pixel_layer=gatd"], "did you mean 'gated'"),
    (
        train_command,
        ["{new}", "--set", "model.pixel_layer=lstm"],
        "one of resblock, gated, row_lstm, diagonal_bilstm, snail",
    ),
    (train_command, [*LSTM, "--set", "model.kernel_size=3"], "has one row; must be [1, 3]"),
    (train_command, [*DIAGONAL, "--set", "model.kernel_size=3"], "'diagonal_bilstm' has none"),
    (train_command, [*LSTM, "--set", "model.kernel_size=[1, 4]"], "must be odd"),
    (train_command, LSTM[:3], "variant 'preactivation' is for pixel_layer 'resblock'"),
    (train_command, ["{new}", "--set", "model.dropout=1"], "model.dropout: 1"),
    (train_command, ["{new}", "--set", "model.n_classes=0"], "model.n_classes: 0"),
    (train_command, ["{new}", "--set", "model.n_classes=7"], "labels from 0 to 9"),
    (
        train_command,
        [*RGB, "--set", "data.image_size=null", "--set", "model.n_classes=2"],
        "has no labels",
    ),
    (sample, ["--run", RUN, "--label", "1", "--out", "{tmp}/s.png"], "not class-conditional"),
    (sample, ["--run", RUN, "--label", "one"], "'one': must be an integer from 0 up, or 'all'"),
    (complete, ["--run", RUN, "--label", "1", "--out", "{tmp}/c.png"], "not class-conditional"),
    (plot_receptive_field, [], "--config"),
    (plot_receptive_field, ["--config", "none.yml"], "no such file"),
    (plot_receptive_field, ["--config", "config.yml", "--out", "a.pdf"], "must end in .png"),
    (
        plot_receptive_field,
        ["--config", "config.yml", "--channel", "4", "--out", "{tmp}/r.png"],
        "--channel 4: digits has 3 channels per pixel",
    ),
    (pixelcnn_tf_command, [], "a command is missing; must be one of init, train"),
    (pixelcnn_tf_command, ["tran"], "tran: no such command"),
    (pixelcnn_tf_command, ["smaple", "--run", RUN], "did you mean 'sample'"),
    (pixelcnn_tf_command, ["--run", RUN], "argument COMMAND: invalid choice"),
    (pixelcnn_tf_command, ["plot-masks", "--kernel", "4"], "--kernel 4x4"),
    (init, ["--source", "mnst"], "did you mean 'mnist'"),
    (init, ["--source", "{tmp}/none", "--out", "{tmp}/c.yml"], "must be a file, a folder"),
    (init, ["--architecture", "pixelcnn", "--out", "{tmp}/c.yml"], "did you mean 'pixelcnn_pp'"),
    (init, ["--block", "gatd", "--out", "{tmp}/c.yml"], "did you mean 'gated'"),
    (
        init,
        ["--architecture", "pixelcnn_pp", "--block", "gated", "--out", "{tmp}/c.yml"],
        "is not a stack of blocks; leave it out",
    ),
    (init, ["--out", "config.yml"], "config.yml: exists already; use --force"),
    (init, ["--out", "{tmp}/c.txt"], "must end in .yml or .yaml"),
    (init, ["--out", "{tmp}/none/c.yml"], "there is no folder"),
    (evaluate, ["--run", RUN, "--compare", "{tmp}/none"], "--compare {tmp}/none: not a run folder"),
    (evaluate, ["--run", RUN, "--out", "{tmp}/s.txt"], "must end in .csv or .npy"),
    (evaluate, ["--run", RUN, "--out", "{tmp}/none/s.csv"], "there is no folder"),
    (results_table, ["--add"], "expected one argument"),
    (results_table, ["--add", "none"], "none: holds no finished run"),
    (results_table, ["--add", "{tmp}/other"], "holds no finished run (no results.json)"),
    (results_table, ["--add", RUN], "has no validation scores; set data.validation_share"),
    (results_table, ["--name", "x"], "--name: has no effect without --add"),
    (results_table, ["--add", RUN, "--name", "../x"], "--name '../x': must be letters"),
    (results_table, ["mnist_binary"], "unrecognized arguments: mnist_binary"),
    (results_table, ["--publish"], "unrecognized arguments: --publish"),
    (train_command, ["{new}", "--set", "training.minutes=0"], "training.minutes: 0"),
    (train_command, ["{new}", "--set", "training.minutes=-3"], "training.minutes: -3"),
    (train_command, ["{new}", "--set", "training.minutes=soon"], "training.minutes: 'soon'"),
    (train_command, ["{new}", "--set", "training.minuts=3"], "did you mean 'minutes'"),
    (train_command, ["{new}", "--set", "training.steps=null"], "unless training.minutes is set"),
    (
        train_command,
        ["{new}", "--set", "training.minutes=1", "--set", "deterministic=true"],
        "deterministic: true is not possible with training.minutes",
    ),
    (train_command, ["{new}", "--set", "data.validation_share=0"], "data.validation_share: 0"),
    (train_command, ["{new}", "--set", "data.validation_share=1"], "data.validation_share: 1"),
    (
        train_command,
        ["{new}", "--set", "data.source={tmp}/grey.npz", "--set", "data.validation_share=0.99"],
        "of which data.validation_share 0.99 leaves none for training",
    ),
    (train_command, ["{old}", "--set", "training.minutes=9"], "training.minutes: None there, 9.0"),
    (
        train_command,
        ["{old}", "--set", "data.validation_share=0.5"],
        "data.validation_share: None there, 0.5 here",
    ),
    (benchmark, [], "job"),
    (benchmark, ["fly"], "invalid choice: 'fly'"),
    (benchmark, ["train", "--json", "{tmp}/none/f.json"], "there is no folder"),
    (benchmark, ["train", "--batch", "0"], "'0'"),
    (benchmark, ["tfp", "--config", "configs/cifar10_pixelcnn.yml"], "architecture 'pixel_rnn'"),
    (benchmark, ["tfp", "--side", "10"], "--side 10: must be a multiple of 4"),
    (benchmark, ["tfp", "--set", "model.n_classes=10"], "n_classes 10"),
    (benchmark, ["family", "--set", "model.n_classes=10"], "n_classes 10"),
    (
        benchmark,
        ["colour", "--set", "model.hidden_dim=4"],
        "pixelcnn_pp.yml with --set: model: architecture 'pixelcnn_pp' has no hidden_dim",
    ),
    (
        benchmark,
        ["conv", "--config", "configs/cifar10_pixelcnn_pp_small.yml"],
        "must have pixel_layer",
    ),
    *(
        (train_command, ["{new}", "--plugin", f"{{tmp}}/{name}.py"], wrong_plugins.words_of(name))
        for name in wrong_plugins.WRONG_PLUGINS
    ),
    (train_command, ["{new}", "--plugin", "none.py"], "none.py: no such file; name it with"),
    (train_command, ["{new}", "--plugin", "{tmp}/words.txt"], "words.txt: must be a Python file"),
    (train_command, ["{new}", "--plugin", "{tmp}/empty"], "empty: must be a Python file"),
    (train_command, ["{new}", "--plugin"], "expected one argument"),
    (train_command, ["{new}", "--set", "plugins=[none.py]"], "none.py: no such file"),
    (train_command, ["{new}", "--set", "plugins=none.py"], "plugins: 'none.py' must be a list"),
    (train_command, ["{new}", "--set", "plugins=[3]"], "plugins: 3 must be text"),
    (sample, ["--run", RUN, "--plugin", "{tmp}/exception.py"], "exception.py"),
    (complete, ["--run", RUN, "--plugin", "none.py"], "none.py: no such file"),
    (evaluate, ["--run", RUN, "--plugin", "none.py"], "none.py: no such file"),
    (init, ["--plugin", "none.py"], "none.py: no such file"),
    (init, ["--block", "silu"], "--block silu: must be one of resblock, gated"),
    (train_command, ["{new}", "--set", "model.architecture=pixel_rn"], "did you mean 'pixel_rnn'"),
    (train_command, ["{new}", "--set", "model.n_mix=3"], "'pixel_rnn' has no n_mix; leave out"),
    (train_command, ["{new}", "--set", "model.n_layer=3"], "did you mean 'n_layers'"),
    (score, ["--run", RUN], "the following arguments are required: IMAGES"),
    (score, [GREY], "the following arguments are required: --run"),
    (score, [GREY, "--run", "{tmp}/none"], "--run {tmp}/none: not a run folder"),
    (score, [GREY, "--model", "{tmp}/empty"], "not a run folder"),
    (score, [GREY, "--run", RUN + "/model.keras"], "not a run folder"),
    (score, [GREY, "--run", RUN, "--set", "model.n_layers=3"], "only settings of the section data"),
    (score, [GREY, "--run", RUN, "--label", "1"], "not class-conditional"),
    (score, [GREY, "--run", RUN, "--batch-size", "0"], "'0'"),
    (score, ["{tmp}/none.png", "--run", RUN], "{tmp}/none.png: no such file"),
    (score, ["{tmp}/words.txt", "--run", RUN], "words.txt: must be images; levels as text need"),
    (score, ["{tmp}/broken/a.png", "--run", RUN], "a.png: not a readable image"),
    (score, ["{tmp}/empty", "--run", RUN], "empty: no images in this folder"),
    (score, ["{tmp}/float.npy", "--run", RUN], "holds float64"),
    (score, ["{tmp}/mixed/9.png", "--run", RUN], "9.png: is 9x9; must be 8x8, like the test"),
    (score, ["{tmp}/rgb.npy", "--run", RUN], "rgb.npy: has images of 9x8; must be 8x8"),
    (score, ["{tmp}/rgb8.npy", "--run", RUN], "rgb8.npy: has 3 channels; must have 1"),
    (score, [GREY, "{tmp}/mixed", "--run", RUN], "9.png: is 9x9"),
    (score, [GREY, "--run", RUN, "--correct", "size"], "invalid choice: 'size'"),
    (score, [GREY, "--run", RUN, "--correct", "ratio"], "--background: is missing"),
    (score, [GREY, "--run", RUN, "--background", RUN], "no effect without --correct ratio"),
    (score, [*RATIO, "{tmp}/none"], "--background {tmp}/none: no such run folder"),
    (score, [*RATIO, "{tmp}/empty"], "empty: no run in this folder"),
    (score, [*RATIO, "{tmp}/large"], "large: its images have size 12x12; must be 8x8"),
    (score, [*RATIO, "{tmp}/colour"], "colour: its images have channels 3; must be 1"),
    (score, [*RATIO, "{tmp}/colour.keras"], "background: has 3 channels per pixel; must have 1"),
    (score, [GREY, "--run", RUN, "--out", "{tmp}/s.txt"], "s.txt: must end in .csv"),
    (score, [GREY, "--run", RUN, "--out", "{tmp}/none/s.csv"], "there is no folder"),
    (score, [GREY, "--run", RUN, "--out", "{tmp}/old.csv"], "old.csv: exists already; use --force"),
    (score, [GREY, "--run", RUN, "--out", "{tmp}/old2.csv"], "old2.json: exists already"),
    (score, [GREY, "--run", RUN, "--maps", "{tmp}/none/maps"], "there is no folder"),
    (score, [GREY, "--run", RUN, "--maps", "{tmp}/words.txt"], "is a file; must be a folder"),
    (score, [GREY, "--run", RUN, "--maps", "{tmp}/mixed"], "mixed: holds files already; use --for"),
]


@pytest.fixture(scope="module")
def wrong_files(tmp_path_factory):
    """A folder of files that are not what they should be."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "words.txt").write_text("words")
    (folder / "bad.keras").write_bytes(b"PK\x05\x06" + bytes(18))  # an empty zip
    np.save(folder / "float.npy", np.zeros((9, 8, 8)))
    np.save(folder / "rgb.npy", np.zeros((9, 9, 8, 3), np.uint8))
    grey = np.zeros((9, 8, 8), np.uint8)
    np.savez(folder / "grey.npz", x_train=grey, x_test=grey)
    np.save(folder / "rgb8.npy", np.zeros((9, 8, 8, 3), np.uint8))
    for name in ("old.csv", "old2.json"):
        (folder / name).write_text("scores")
    for name, data in (("large", "image_size: 12"), ("colour", "source: digits, image_size: 8")):
        (folder / name).mkdir()
        channels = 3 if name == "colour" else 1
        text = f"data: {{{data}, mutation_rate: 0.1}}\nmodel: {{n_channels: {channels}}}\n"
        (folder / name / "config.yml").write_text(text)
    colour = PixelRNN(2, 2, n_layers=1)
    colour.build((None, None, None, 3))
    colour.save(folder / "colour.keras")
    for name in ("empty", "broken", "mixed", "other"):
        (folder / name).mkdir()
    (folder / "broken" / "a.png").write_text("no image")
    (folder / "other" / "thesis.txt").write_text("years of work")
    for side in (8, 9):
        Image.new("L", (side, side)).save(folder / "mixed" / f"{side}.png")
    wrong_plugins.write_all(folder)
    return folder


@pytest.mark.parametrize(("command", "arguments", "words"), WRONG)
def test_wrong_input_gets_one_line_status_2_and_writes_nothing(
    command, arguments, words, runs, wrong_files, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(ROOT)
    typed = []
    for argument in arguments:
        if argument in ("{new}", "{old}"):
            typed += flags(tmp_path if argument == "{new}" else runs)
        else:
            typed.append(argument.format(runs=runs, tmp=wrong_files))
    before = tree(wrong_files), tree(runs), tree(tmp_path), {p.name for p in ROOT.iterdir()}
    assert exit_with(lambda: command.main(typed)) == 2
    after = tree(wrong_files), tree(runs), tree(tmp_path), {p.name for p in ROOT.iterdir()}
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
    assert words.replace("{tmp}", str(wrong_files)) in lines[0]
    assert before == after


@pytest.mark.parametrize(
    "arguments",
    [
        ["main.py", "--config", "none.yml"],
        ["main.py", "--config", "config.yml", "--set", "model.n_layers=-1"],
        ["scripts/sample.py", "--run", "nowhere"],
        ["scripts/plot_masks.py", "--kernel", "4"],
    ],
)
def test_wrong_input_in_a_process_of_its_own(arguments):
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
