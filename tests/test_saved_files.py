"""Model files, checkpoints and run folders of earlier versions load and give what they gave."""

import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers import assert_same_but_for_ties, make_trainer

from pixelcnn_tf import generate_images, load_config, load_images, load_model

FOLDER = Path(__file__).parent / "fixtures" / "v0_1"
MODELS = sorted(path.stem for path in FOLDER.glob("*.keras"))


def arrays(name):
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as saved:
        return dict(saved)


def load(name):
    saved = arrays(name)
    return keras.models.load_model(FOLDER / f"{name}.keras"), saved, saved.get("labels")


def all_but(*names):
    """All models; these are tested with the slow tests only."""
    return [pytest.param(name, marks=pytest.mark.slow if name in names else ()) for name in MODELS]


@pytest.mark.parametrize("name", MODELS)
def test_model_files_give_the_logits_that_they_gave(name):
    model, saved, labels = load(name)
    given = {} if labels is None else {"labels": labels}
    logits = model(saved["images"], **given)
    np.testing.assert_allclose(logits, saved["logits"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", all_but("pixelcnn_pp_grey"))
def test_model_files_give_the_samples_that_they_gave(name):
    model, saved, labels = load(name)
    samples = generate_images(model, 8, 4, seed=3, labels=labels, jit_compile=False)
    assert_same_but_for_ties(model, samples, saved["samples"], 3, labels)


@pytest.mark.parametrize("name", all_but("pixelcnn_pp", "pixelcnn_pp_grey"))
def test_model_files_give_the_completions_that_they_gave(name):
    model, saved, labels = load(name)
    known = np.arange(8)[:, None].repeat(8, axis=1) < 4
    given = {"labels": labels, "initial_images": saved["images"], "known": known}
    completions = generate_images(model, 8, 4, 4, jit_compile=False, **given)
    assert_same_but_for_ties(model, completions, saved["completions"], 4, labels)


def test_there_is_a_file_of_every_architecture():
    assert {"resblock_relu", "gated", "row_lstm", "diagonal_bilstm", "pixelcnn_pp"} <= set(MODELS)


def test_a_checkpoint_gives_the_logits_and_samples_that_it_gave():
    saved = arrays("run")
    model = load_model(FOLDER / "run")
    images = load_images("digits_grey").test[:4]
    np.testing.assert_allclose(model(images), saved["logits"], rtol=1e-5, atol=1e-5)
    samples = generate_images(model, 8, 4, seed=5)
    assert_same_but_for_ties(model, samples, saved["samples"], 5)


def test_a_run_goes_on_to_the_weights_of_an_unbroken_one(tmp_path):
    shutil.copytree(FOLDER / "run", tmp_path / "run")
    saved = arrays("run")
    overrides = [f"runs_dir={tmp_path}", "training.steps=8"]
    trainer = make_trainer(load_config(tmp_path / "run" / "config.yml", overrides))
    results = trainer.fit(load_images("digits_grey"))
    assert trainer.step == 8
    for i, weight in enumerate(trainer.model.trainable_weights):
        np.testing.assert_allclose(weight, saved[f"weight_{i}"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(results["bits_per_dim"], saved["bits_per_dim"], rtol=1e-5)
