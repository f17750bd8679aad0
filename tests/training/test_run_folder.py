"""Run folders: what may be trained in one."""

import numpy as np
import pytest
from helpers import make_trainer, small_config

from pixelcnn_tf import UserError
from pixelcnn_tf.training.run_folder import RunFolder


def test_a_run_goes_on_with_its_own_images_only(finished, tmp_path, images):
    """A single additional image could move test images into training."""
    finished(steps=4)
    more = images._replace(train=np.concatenate([images.train, images.train[:1]]))
    for others in (more, images._replace(test=images.test ^ 1)):
        with pytest.raises(
            UserError, match="was started with other images or labels; restore them"
        ):
            make_trainer(small_config(tmp_path, steps=5)).fit(others)
    make_trainer(small_config(tmp_path, steps=5)).fit(images)


@pytest.mark.parametrize("name", ["lr[1]", "a*", "a?"])
def test_names_that_tensorflow_takes_for_patterns_are_refused(name, tmp_path):
    config = small_config(tmp_path).model_copy(update={"name": name})
    with pytest.raises(UserError, match="must be a path without"):
        make_trainer(config)
    assert not list(tmp_path.iterdir())


def test_what_a_kill_leaves_before_there_is_a_config_is_no_obstacle(tmp_path):
    run = make_trainer(small_config(tmp_path)).run
    run.make()
    (run.path / ".config.17.yml").write_text("name: sm")
    run.images.write_text("")
    run.check(small_config(tmp_path))
    (run.path / "mine.txt").write_text("")
    with pytest.raises(UserError, match="holds files but no run"):
        run.check(small_config(tmp_path))


def test_a_run_goes_on_when_its_images_have_moved(finished, tmp_path, images):
    config = finished(steps=4)

    def moved(**data):
        longer = config.model_copy(update={"training": config.training.model_copy(update=more)})
        return longer.model_copy(update={"data": config.data.model_copy(update=data)})

    more = {"steps": 5}
    source = {"source": str(tmp_path / "elsewhere.npz"), "train_key": "images"}
    with pytest.raises(UserError, match=r"data\.source: digits there.* may move .* are others"):
        make_trainer(moved(**source)).fit(images._replace(test=images.test ^ 1))
    with pytest.raises(UserError, match=r"another config \(data\.binarize: None there"):
        make_trainer(moved(**source, binarize="dynamic")).fit(images)
    with pytest.raises(
        UserError, match=r"another config \(data\.mutation_rate: None there, 0\.1 here"
    ):
        make_trainer(moved(**source, mutation_rate=0.1)).fit(images)
    trainer = make_trainer(moved(**source))
    trainer.fit(images)
    assert trainer.step == 5
    assert "elsewhere.npz" in trainer.run.config.read_text()


def test_other_validation_images_are_noticed(tmp_path):
    run, sets = RunFolder(tmp_path), [np.full((2, 3, 3, 1), i, np.uint8) for i in range(4)]
    labels = (None, None)
    run.check_images(*sets[:2], *labels, sets[2], None)
    assert run.has_images(*sets[:2], *labels, sets[2], None)
    assert not run.has_images(*sets[:2], *labels, sets[3], None)
    with pytest.raises(UserError, match="was started with other images"):
        run.check_images(*sets[:2], *labels, sets[3], None)
    run.images.write_text(" ".join(run.images.read_text().split()[:2]) + "\n")  # as before
    assert run.has_images(*sets[:2], *labels, sets[3], None)


def test_a_renamed_run_goes_on(finished, tmp_path, images):
    finished(steps=4).run_dir.rename(tmp_path / "renamed")
    config = small_config(tmp_path, steps=5).model_copy(update={"name": "renamed"})
    trainer = make_trainer(config)
    trainer.fit(images)
    assert trainer.step == 5
