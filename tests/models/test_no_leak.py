"""No output may depend on its own sub-pixel or on a later one."""

import functools
import itertools

import numpy as np
import pytest
from helpers import random_images, small_model

from pixelcnn_tf import MaskedConv2D, PixelCNNResBlock
from pixelcnn_tf.testing import draw_weights, leaks

SIZES = [(5, 4), (3, 6)]
DRAWS = 8


def model_with(n_channels, kernel_size, variant, skip_connections):
    block = functools.partial(PixelCNNResBlock, kernel_size, variant=variant)
    return small_model(
        n_channels,
        pixel_layer=block,
        skip_connections=skip_connections,
        hidden_dim=2,
        out_dim=2,
        n_layers=2,
    )


def leaks_of_model(model, size, rng):
    """What ``leaks`` finds under several draws of the weights: a ReLU may hide a leak from
    one of them. Stops at the first that shows some."""
    moved = 0
    for seed in range(DRAWS):
        draw_weights(model, seed)
        images = random_images(rng, 1, *size, model.n_channels)
        found, moved_now = leaks(model, images, 4)
        moved += moved_now
        if found:
            break
    return found, moved


def model_cases():
    """Each kernel with each number of channels, in one variant; in the other as slow tests."""
    variants = ["relu", "preactivation"]
    for i, (n_channels, kernel_size) in enumerate(itertools.product([1, 3, 4], [3, 5, 7])):
        yield n_channels, kernel_size, variants[i % 2]
        yield pytest.param(n_channels, kernel_size, variants[1 - i % 2], marks=pytest.mark.slow)


@pytest.mark.parametrize(("n_channels", "kernel_size", "variant"), list(model_cases()))
def test_models(n_channels, kernel_size, variant, rng):
    # Skip connections and sizes in turn: each kernel, number of channels and variant meets both.
    skip_connections = bool((n_channels + kernel_size // 2 + (variant == "relu")) % 2)
    size = SIZES[(n_channels // 2 + kernel_size // 2) % 2]
    model = model_with(n_channels, kernel_size, variant, skip_connections)
    found, moved = leaks_of_model(model, size, rng)
    assert not found
    assert moved > DRAWS * np.prod(size) * n_channels  # what may move does


@pytest.mark.parametrize("mask_type", ["A", "B"])
@pytest.mark.parametrize("n_channels", [1, 3, 4])
@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7, (3, 5)])
def test_layers(kernel_size, n_channels, mask_type, rng):
    layer = MaskedConv2D(2 * n_channels, kernel_size, mask_type, n_channels)
    layer.build((None, None, None, n_channels))
    draw_weights(layer)
    images = random_images(rng, 2, 5, 4, n_channels)
    found, _ = leaks(lambda x: layer(x.astype("float32")), images, 4, strict=mask_type == "A")
    assert not found


@pytest.mark.parametrize("variant", ["relu", "preactivation"])
@pytest.mark.parametrize("n_channels", [1, 3, 4])
def test_blocks(variant, n_channels, rng):
    block = PixelCNNResBlock(3, n_channels, variant)
    block.build((None, None, None, 2 * n_channels))
    draw_weights(block)

    def function(images):
        return block(np.repeat(images.astype("float32"), 2, axis=-1))

    found, moved = leaks(function, random_images(rng, 2, 5, 4, n_channels), 4, strict=False)
    assert not found and moved


def closed_entries(model):
    """Every stored mask entry that is closed: (layer, index)."""
    layers = [layer for layer in model.incremental_layers() if isinstance(layer, MaskedConv2D)]
    return [(layer, tuple(where)) for layer in layers for where in np.argwhere(~layer.mask)]


def opened_cases():
    """By default one kernel of 1 and one of 3 channels; the others are slow tests."""
    default = [(1, 3, None, "relu"), (3, 3, 40, "preactivation")]
    cases = [(1, 3, None), (1, 5, None), (1, 7, None), (3, 3, 40), (4, 3, 40)]
    for case, variant in itertools.product(cases, ["relu", "preactivation"]):
        marks = () if (*case, variant) in default else pytest.mark.slow
        yield pytest.param(*case, variant, marks=marks)


@pytest.mark.parametrize(
    ("n_channels", "kernel_size", "n_entries", "variant"), list(opened_cases())
)
def test_opening_any_single_forbidden_entry_is_noticed(
    n_channels, kernel_size, n_entries, variant, rng
):
    """The property test has teeth: opened alone, any closed entry makes it fail. All entries
    for every kernel with 1 channel, else ``n_entries`` drawn at random."""
    model = model_with(n_channels, kernel_size, variant, skip_connections=True)
    entries = closed_entries(model)
    if n_entries:
        entries = [entries[i] for i in rng.choice(len(entries), n_entries, replace=False)]
    missed = []
    for layer, where in entries:
        layer.mask[where] = True
        found, _ = leaks_of_model(model, (3, 5), rng)
        layer.mask[where] = False
        if not found:
            missed.append((layer.path, where))
    assert entries
    assert not missed
    assert not leaks_of_model(model, (3, 5), rng)[0]
