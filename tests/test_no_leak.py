"""No output may depend on its own sub-pixel or on a later one."""

import functools
import itertools

import numpy as np
import pytest
from helpers import draw_weights, leaks, random_images, small_model

from pixelcnn_tf import MaskedConv2D, PixelCNNResBlock

SIZES = [(5, 4), (4, 7)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n_channels", [1, 3, 4])
@pytest.mark.parametrize("kernel_size", [3, 5, 7])
@pytest.mark.parametrize("variant", ["relu", "preactivation"])
@pytest.mark.parametrize("skip_connections", [False, True])
def test_models(size, n_channels, kernel_size, variant, skip_connections, rng):
    block = functools.partial(PixelCNNResBlock, kernel_size, variant=variant)
    model = small_model(n_channels, pixel_layer=block, skip_connections=skip_connections)
    found, moved = leaks(model, random_images(rng, 2, *size, n_channels), 4)
    assert not found
    assert moved > 0.25 * np.prod(size) * n_channels  # what may move does


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


def masked_layers(model):
    return [layer for layer in model._flatten_layers() if isinstance(layer, MaskedConv2D)]


@pytest.mark.parametrize("variant", ["relu", "preactivation"])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_opening_any_single_forbidden_entry_is_noticed(n_channels, variant, rng):
    """The property test has teeth: every stored mask entry that is closed, opened alone."""
    block = functools.partial(PixelCNNResBlock, 3, variant=variant)
    model = small_model(
        n_channels, pixel_layer=block, hidden_dim=1, out_dim=1, n_layers=1, skip_connections=True
    )
    images = random_images(rng, 3, 3, 5, n_channels)
    assert not leaks(model, images, 4)[0]
    missed, opened = [], 0
    for layer in masked_layers(model):
        for where in np.argwhere(~layer.mask):
            layer.mask[tuple(where)] = True
            opened += 1
            found = any(
                leaks(model, images[i : i + 1], 4)[0] for i in range(len(images))
            ) or _noticed_with_other_weights(model, images)
            layer.mask[tuple(where)] = False
            if not found:
                missed.append((layer.path, tuple(where)))
    assert opened == (123 if n_channels == 3 else 9)
    assert not missed
    assert not leaks(model, images, 4)[0]


def _noticed_with_other_weights(model, images):
    """A leak may hide behind a ReLU for one draw of the weights, not for several."""
    kept = model.get_weights()
    found = False
    for seed in itertools.islice(itertools.count(1), 5):
        draw_weights(model, seed)
        found = bool(leaks(model, images, 4)[0])
        if found:
            break
    model.set_weights(kept)
    return found
