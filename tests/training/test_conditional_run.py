"""Runs of conditional models, and of levels, from Python."""

import numpy as np
import tensorflow as tf
from helpers import make_trainer, small_config, weights

from pixelcnn_tf import load_config, load_images, load_model
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.data.level_files import as_text
from pixelcnn_tf.visualization.grids import condition_grid


def with_settings(config, data, model):
    values = config.model_dump()
    values["data"].update(data)
    values["model"].update(model)
    return Config.model_validate(values)


def images_in_tensorboard(folder, tag):
    """Yields the step and the pixels of each image."""
    for file in sorted(folder.rglob("*tfevents*")):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                if value.tag == tag:
                    yield event.step, tf.io.decode_png(value.tensor.string_val[2]).numpy()


def test_a_conditional_run_resumes_as_if_unbroken_and_shows_its_conditions(
    tmp_path, images, blank_samples
):
    images = images._replace(condition="down2")
    ends = []
    for name, stops in [("straight", [4]), ("broken", [2, 4])]:
        for steps in stops:
            config = small_config(tmp_path / name, steps=steps, sample_every=3)
            trainer = make_trainer(with_settings(config, {"condition": "down2"}, {}))
            trainer.fit(images)
        ends.append(weights(trainer))
    for straight, broken in zip(*ends, strict=True):
        np.testing.assert_allclose(straight, broken, atol=1e-6)
    assert any("condition" in w.path for w in trainer.model.trainable_weights)
    small = images.test[:1].reshape(1, 2, 2, 2, 2, 3).mean(axis=(2, 4))
    black = np.zeros([1, 4, 4, 4, 3], np.uint8)
    condition = np.floor(small + 0.5).astype(np.uint8)
    [(step, shown)] = images_in_tensorboard(tmp_path / "broken" / "small" / "logs", "generated")
    assert step == 3
    np.testing.assert_array_equal(shown, condition_grid(condition, black, images.test[:1], 4))


def test_fit_records_the_characters_of_levels(tmp_path, rng, blank_samples):
    levels = tmp_path / "levels.txt"
    levels.write_text(as_text(rng.integers(3, size=(20, 4, 4, 1)), "#.é"), encoding="utf-8")
    data = {"source": str(levels), "image_size": None}
    model = {"likelihood": "softmax-3", "n_channels": 1}
    trainer = make_trainer(with_settings(small_config(tmp_path, steps=1), data, model))
    trainer.fit(load_images(str(levels)))
    recorded = load_config(trainer.run.config).data
    # The model was made before the alphabet was known.
    assert (recorded.alphabet, recorded.values) == ("#.é", "ordered")
    assert load_model(trainer.run.path).embedding is None
