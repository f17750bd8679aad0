"""The models of the zoo are what their cards say, and stand for runs wherever a run is named."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from experiments.zoo_entry import LARGEST_FILE, LARGEST_ZOO
from pixelcnn_tf import UserError, generate_images, load_config, load_model, score, zoo_models
from pixelcnn_tf.cli.main import main
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.likelihoods.base import scale_to
from pixelcnn_tf.training import run_folder
from pixelcnn_tf.zoo import models
from pixelcnn_tf.zoo.images import installed_images

CARDS = zoo_models()
FILES = {"card.json", "config.yml", "images.npz", "images.txt", "model.keras", "samples.png"}


def tree():
    return {str(path): path.stat().st_mtime_ns for path in sorted(models.FOLDER.rglob("*"))}


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """A working directory without data; nothing may be written to the package meanwhile."""
    monkeypatch.chdir(tmp_path)
    before = {path: time for path, time in tree().items() if "__pycache__" not in path}
    yield tmp_path
    after = {path: time for path, time in tree().items() if "__pycache__" not in path}
    assert before == after


@pytest.fixture(scope="module")
def loaded():
    """The models, each loaded once."""
    return {name: load_model(f"zoo:{name}") for name in CARDS}


@pytest.fixture
def kept(loaded, monkeypatch):
    """Commands get the loaded models, which have their graphs already."""
    models_at = {CARDS[name].folder / "model.keras": model for name, model in loaded.items()}
    monkeypatch.setattr(run_folder, "_load_keras", models_at.__getitem__)


def test_there_are_models():
    assert "mnist_binary" in CARDS


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_files(card):
    sizes = {path.name: path.stat().st_size for path in card.folder.iterdir()}
    assert set(sizes) == FILES
    assert max(sizes.values()) <= LARGEST_FILE
    models.check_digest(card.name)
    config = load_config(card.folder / "config.yml")
    assert config.name == card.name and not config.plugins
    assert not Path(config.data.source).is_absolute() and not Path(config.runs_dir).is_absolute()
    assert config.data.image_size == card.image_shape[:2]
    with Image.open(card.folder / "samples.png") as grid:
        assert grid.mode in ("P", "L") and sizes["samples.png"] < 100_000


def test_the_zoo_is_small():
    assert sum(path.stat().st_size for path in models.FOLDER.glob("*/*")) <= LARGEST_ZOO


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_installed_images_have_the_scores_of_the_card(card, loaded):
    model, images = loaded[card.name], installed_images(card)
    assert images.test.shape == (len(card.scores), *card.image_shape)
    assert model.count_params() >= card.weights > 0
    if model.condition_spec is not None:
        pytest.skip("conditions are made by the commands")
    nats = score(model, images.test, images.test_labels)
    scores = nats * scale_to(card.unit, images.test[0].size)
    np.testing.assert_allclose(scores, card.scores, atol=1e-3)
    # They are among the images of the mean of the card.
    spread = card.standard_error * card.test_images**0.5
    assert abs(scores.mean() - card.test) < 4 * spread / len(scores) ** 0.5


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_models_draw(card, loaded):
    model = loaded[card.name]
    if model.condition_spec is not None:
        pytest.skip("needs conditions")
    labels = None if card.n_classes is None else np.arange(2)
    images = generate_images(model, (8, 8), 2, seed=0, labels=labels)
    assert images.shape == (2, 8, 8, card.image_shape[2]) and images.max() < card.n_values
    assert {weight.dtype for weight in model.trainable_variables} == {"float32"}


def test_keras_loads_the_file_of_a_model():
    model = keras.models.load_model(CARDS["mnist_binary"].folder / "model.keras")
    assert model.count_params() >= CARDS["mnist_binary"].weights


@pytest.mark.parametrize("path", ["zoo:mnist_binry", "zoo:../zoo/mnist_binary", "zoo:"])
def test_an_unknown_name(path):
    with pytest.raises(UserError, match=r"no such model in the zoo.*\(pixelcnn-tf zoo lists them"):
        load_model(path)


@pytest.mark.parametrize(
    "command",
    [
        "sample",
        "complete",
        "evaluate",
        "score a.png",
        "compress a.png --out b.pxc",
        "decompress a.pxc --out b",
        "export --out saved",
        "evaluate --run zoo:mnist_binary --compare zoo:mnist_binry",
    ],
)
def test_commands_name_the_closest_model(command, empty_folder, capsys):
    for name in ("a.png", "a.pxc"):
        (empty_folder / name).write_bytes(b"")
    words = command.split()
    words += [] if "--compare" in words else ["--run", "zoo:mnist_binry"]
    assert exit_with(lambda: main(words)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "did you mean 'zoo:mnist_binary'?" in line
    assert len(list(empty_folder.iterdir())) == 2


def test_a_damaged_file_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "mnist_binary"
    folder.mkdir()
    for file in CARDS["mnist_binary"].folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(models, "FOLDER", tmp_path)
    models.check_digest("mnist_binary")
    content = bytearray((folder / "model.keras").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.keras").write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        load_model("zoo:mnist_binary")


def test_commands_work_without_the_data(empty_folder, kept, capsys):
    """On the installed images, with a note."""
    card, run = CARDS["mnist_binary"], ["--run", "zoo:mnist_binary"]
    assert main(["evaluate", *run, "--out", "scores.npy"]) == 0
    nats = np.load("scores.npy")
    np.testing.assert_allclose(nats, card.scores, atol=1e-3)
    shown = capsys.readouterr()
    assert f"({len(nats)} images)" in shown.out
    note = f"the {len(nats)} that zoo:mnist_binary comes with are used"
    assert f"mnist.npz is not in this folder; of its {card.test_images:,} test images, {note}" in (
        " ".join(shown.err.split())
    )
    image = installed_images(card).test[0, ..., 0]
    Image.fromarray(image * 255).save("digit.png")
    assert main(["score", "digit.png", *run, "--out", "scores.csv"]) == 0
    assert "test images of the run" in capsys.readouterr().out
    assert json.loads(Path("scores.json").read_text())["run"] == "zoo:mnist_binary"
    hidden = ["--n", "1", "--completions", "1", "--hide", "26,0,2x28"]
    assert main(["complete", *run, *hidden]) == 0
    assert main(["sample", *run, "--n", "1", "--size", "6"]) == 0
    assert {"completions.png", "sheet.png"} <= {path.name for path in empty_folder.iterdir()}
    # A file that is named but not there is an error all the same.
    missing = ["--set", "data.source=missing.npz"]
    assert exit_with(lambda: main(["evaluate", *run, *missing])) == 2


def test_the_codec_takes_a_model(empty_folder, kept):
    run = ["--run", "zoo:mnist_binary"]
    image = installed_images(CARDS["mnist_binary"]).test[:1, 6:14, 6:14]
    np.save("small.npy", image)
    assert main(["compress", "small.npy", *run, "--out", "small.pxc"]) == 0
    assert main(["decompress", "small.pxc", *run, "--out", "again.npy"]) == 0
    np.testing.assert_array_equal(np.load("again.npy"), image)


def test_the_list_and_the_cards_fit_100_columns(capsys):
    assert main(["zoo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(CARDS) and all(len(line) <= 100 for line in lines)
    for name, line in zip(CARDS, lines[1:], strict=True):
        assert line.startswith(f"{name} ")
        assert main(["zoo", name]) == 0
        card = capsys.readouterr().out
        assert f"pixelcnn-tf sample --run zoo:{name}" in card and CARDS[name].licence[:40] in card
    assert exit_with(lambda: main(["zoo", "mnist_binry"])) == 2
