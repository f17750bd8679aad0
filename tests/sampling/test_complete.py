"""Completions, and the parts of an image that can be hidden by name."""

import numpy as np
import pytest
from helpers import random_images, small_model

from pixelcnn_tf import UserError, complete_images, generate_images
from pixelcnn_tf.sampling.complete import hidden_mask


@pytest.fixture(scope="module")
def model():
    return small_model(3, "softmax-4")


@pytest.mark.parametrize("shape", ["[h, w]", "[h, w, c]", "[n, h, w, c]"])
def test_completions_keep_what_is_not_hidden(shape, model, rng):
    images = random_images(rng, 2, 4, 6, 3)
    full = {"[h, w]": (4, 6), "[h, w, c]": (4, 6, 3), "[n, h, w, c]": (2, 4, 6, 3)}[shape]
    hidden = rng.random(full) < 0.5
    completions = complete_images(model, images, hidden, 3, seed=1)
    assert completions.shape == (2, 3, 4, 6, 3) and completions.dtype == np.uint8
    mask = np.broadcast_to(hidden[..., None] if hidden.ndim == 2 else hidden, images.shape)
    for i in range(3):
        np.testing.assert_array_equal(completions[:, i][~mask], images[~mask])
    assert (completions != images[:, None]).any()
    assert (completions[:, 0] != completions[:, 1]).any()


def test_completions_are_those_of_generate_images(model, rng):
    images = random_images(rng, 2, 4, 4, 3)
    completions = complete_images(model, images, "right", 2, 5, temperature=0.7)
    known = np.arange(4)[None].repeat(4, axis=0) < 2
    repeated = images.repeat(2, axis=0)
    expected = generate_images(
        model, 4, 4, 5, initial_images=repeated, known=known, temperature=0.7
    )
    np.testing.assert_array_equal(completions.reshape(4, 4, 4, 3), expected)


def test_completions_of_a_class_conditional_model(rng):
    model = small_model(1, "softmax-4", n_classes=2)
    images, labels = random_images(rng, 2, 4, 4, 1), np.array([0, 1])
    together = complete_images(model, images, "upper", 2, 0, labels)
    alone = complete_images(model, images, "upper", 2, 0, 1)
    np.testing.assert_array_equal(together[1], alone[1])
    assert (together[0] != alone[0]).any()
    with pytest.raises(UserError, match="labels: not given"):
        complete_images(model, images, "upper", 2, 0)


@pytest.mark.parametrize(
    ("part", "rows", "columns"),
    [
        ("lower", slice(2, 5), slice(0, 4)),
        ("upper", slice(0, 2), slice(0, 4)),
        ("left", slice(0, 5), slice(0, 2)),
        ("right", slice(0, 5), slice(2, 4)),
        ("1,2,3x2", slice(1, 4), slice(2, 4)),
        ("0,0,5X4", slice(0, 5), slice(0, 4)),
    ],
)
def test_parts_by_name(part, rows, columns):
    expected = np.zeros((5, 4), bool)
    expected[rows, columns] = True
    np.testing.assert_array_equal(hidden_mask(part, 5, 4), expected)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ("lowr", "hidden lowr: must be lower.*did you mean 'lower'"),
        ("1,2,3", "TOP,LEFT,HEIGHTxWIDTH"),
        ("1,2,-3x1", "TOP,LEFT,HEIGHTxWIDTH"),
        ("4,0,2x1", "reaches out of images of 5x4"),
        ("0,0,0x2", "hides no pixel of images of 5x4"),
    ],
)
def test_wrong_parts_are_refused(part, words):
    with pytest.raises(UserError, match=words):
        hidden_mask(part, 5, 4)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"hidden": np.zeros((4, 4))}, "hidden: must hold booleans, not float64"),
        ({"hidden": np.zeros((4, 5), bool)}, r"hidden \(4, 5\): must be \(4, 4\)"),
        ({"hidden": [[True], [True, False]]}, "hidden: must be an array"),
        ({"n_completions": 0}, "n_completions=0"),
        ({"n_completions": 1.5}, "n_completions=1.5"),
        ({"n_completions": 10**12}, "GB of memory"),
        ({"images": np.full((2, 4, 4, 3), 4)}, "from 0 to 3"),
        ({"images": np.zeros((4, 4, 3), int)}, "must be"),
        ({"seed": 2**40}, "32 bits"),
        ({"top_p": 0}, "top_p=0"),
        ({"labels": 1}, "not class-conditional"),
    ],
)
def test_wrong_arguments_are_refused(changed, words, model):
    arguments = {"images": np.zeros((2, 4, 4, 3), int), "hidden": "lower", "n_completions": 1}
    with pytest.raises(UserError, match=words):
        complete_images(model, **{**arguments, "seed": 0, **changed})
