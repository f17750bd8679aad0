"""A finished run becomes a model of the zoo, which scores as the run does."""

import h5py
import numpy as np
import pytest
from PIL import Image

from experiments import zoo, zoo_entry
from pixelcnn_tf import UserError, load_images, load_model, score, zoo_models
from pixelcnn_tf.zoo import models
from pixelcnn_tf.zoo.images import installed_images

TEXTS = {"title": "Digits", "description": "Small.", "data": "8x8", "licence": "free"}
TEXTS["machine"] = None


def test_the_commands_of_the_cards_train_with_their_configs():
    for card in zoo_models().values():
        assert card.command == zoo_entry.command_for(card), "run python -m experiments.zoo"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty zoo."""
    for module in (models, zoo_entry):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    return tmp_path


def test_a_run_is_added_and_checked(runs, folder, capsys):
    card = zoo_entry.add_run(runs / "small", "tiny", TEXTS, n_images=4, seed=3, batch_size=64)
    assert zoo_models() == {"tiny": card}
    run, added = load_model(runs / "small"), load_model("zoo:tiny")
    images = load_images("digits_grey")
    weights = [np.float32(np.float16(weight)) for weight in run.get_weights()]
    assert all(map(np.array_equal, weights, added.get_weights()))
    run.set_weights(weights)
    bits = score(run, images.test) / (np.log(2) * 64)
    assert card.unit == "bits_per_dim" and card.test_images == len(bits) == 180
    np.testing.assert_allclose([card.test, card.scores[3]], [bits.mean(), bits[-1]], atol=1e-5)
    np.testing.assert_allclose(card.standard_error, bits.std(ddof=1) / 180**0.5, atol=1e-5)
    assert card.positions == (0, 60, 119, 179)
    np.testing.assert_array_equal(installed_images(card).test, images.test[list(card.positions)])
    assert card.command.startswith("python main.py --config config.yml ")
    assert "training.steps=6" in card.command and str(runs) not in card.command
    with Image.open(folder / "tiny" / "samples.png") as grid:
        assert grid.mode in ("P", "L")

    capsys.readouterr()
    assert zoo.check(card, ".", batch_size=64)
    assert "the same" in capsys.readouterr().out
    object.__setattr__(card, "test", card.test + 0.01)
    assert not zoo.check(card, ".", batch_size=64)


def test_a_run_that_float16_changes_is_refused(runs, folder, monkeypatch):
    monkeypatch.setattr(zoo_entry, "LARGEST_CHANGE", -1)
    with pytest.raises(UserError, match="in float16 and"):
        zoo_entry.add_run(runs / "small", "tiny", TEXTS, n_images=4, seed=3, batch_size=64)
    assert list(folder.iterdir()) == []


def test_weights_that_are_too_large_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["large"] = np.array([1e6], np.float32)
    with pytest.raises(UserError, match="too large for float16"):
        zoo_entry._in_half_precision((tmp_path / "a.h5").read_bytes(), "a.h5")


@pytest.mark.parametrize("name", ["", "Tiny", "a-b", "../a"])
def test_wrong_names(name):
    with pytest.raises(UserError, match="--name"):
        zoo.main(["--add", "tests/fixtures/v0_1/run", "--name", name])
