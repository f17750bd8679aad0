"""Slow, obvious counterparts of what the package does fast."""

import functools
import io
import tarfile
import zipfile

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf import PixelCNNPlusPlus, Trainer
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.likelihoods.cumulative import nucleus
from pixelcnn_tf.models.blocks import GatedBlock, PixelCNNResBlock
from pixelcnn_tf.models.lstm_blocks import DiagonalBiLSTMBlock, RowLSTMBlock
from pixelcnn_tf.models.pixel_rnn import PixelRNN
from pixelcnn_tf.models.snail_blocks import SnailBlock
from pixelcnn_tf.sampling.uniforms import stateless_uniforms
from pixelcnn_tf.testing import draw_weights


def small_model(n_channels=3, likelihood="softmax-4", seed=0, pixel_layer=None, **options):
    """A tiny model, all of whose weights (masked entries and biases too) are drawn, so that
    nothing is hidden by a zero."""
    options = {"hidden_dim": 4, "out_dim": 4, "n_layers": 2, **options}
    if pixel_layer is not None:
        options["pixel_layer"] = pixel_layer
    model = PixelRNN(n_channels=n_channels, likelihood=likelihood, **options)
    model.build((None, None, None, n_channels))
    draw_weights(model, seed)
    return model


def small_pixelcnn_pp(
    n_channels=3, n_classes=None, seed=0, n_resnet=1, n_filters=4, n_mix=2, dropout=0.0, **options
):
    """A tiny PixelCNN++, all of whose weights are drawn."""
    sizes = n_resnet, n_filters, n_mix
    model = PixelCNNPlusPlus(*sizes, n_channels, n_classes, dropout=dropout, **options)
    model.build((None, None, None, n_channels))
    draw_weights(model, seed, 0.7)
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.path.endswith("gain"):
            weight.assign(0.7 * (0.5 + rng.random(weight.shape)))
    return model


def random_images(rng, n, height, width, channels, n_values=4):
    return rng.integers(n_values, size=(n, height, width, channels)).astype(np.uint8)


def conv2d_reference(x, kernel, bias):
    """Zero-padded cross-correlation in float64, one output pixel at a time.

    ``x`` is ``[batch, height, width, in]``, ``kernel`` ``[h, w, in, out]`` with its centre
    at ``(h // 2, w // 2)``.
    """
    n, height, width, _ = x.shape
    kh, kw, _, n_out = kernel.shape
    padded = np.pad(x.astype(np.float64), [(0, 0), (kh // 2,) * 2, (kw // 2,) * 2, (0, 0)])
    out = np.zeros((n, height, width, n_out))
    for row in range(height):
        for column in range(width):
            patch = padded[:, row : row + kh, column : column + kw]
            out[:, row, column] = np.einsum("nhwi,hwio->no", patch, kernel.astype(np.float64))
    return out + bias


def assert_same_but_for_ties(
    model, some, others, seed, labels=None, temperature=1, top_p=None, condition=None
):
    """Images that two samplers drew with one seed. Where the first difference of an image is, the
    uniform number lies on the border between two values, within float rounding, and what is drawn
    after it follows.

    Returns:
        how many images differ.
    """
    n, *shape = some.shape
    uniforms = stateless_uniforms(seed, 0, n, int(np.prod(shape))).numpy()
    differ = np.flatnonzero((some != others).any(axis=(1, 2, 3)))
    for i in differ:
        first = np.flatnonzero((some[i] != others[i]).ravel())[0]
        given = {} if labels is None else {"labels": np.asarray(labels)[i : i + 1]}
        given |= {} if condition is None else {"condition": condition[i : i + 1]}
        logits = tf.reshape(model(some[i : i + 1], **given), [-1, model.likelihood.n_params])
        p = model.likelihood.probabilities(logits[first][None]) ** (1 / temperature)
        p /= tf.reduce_sum(p)
        p = np.asarray(p if top_p is None else nucleus(p, top_p), np.float64)
        borders = np.cumsum(p / p.sum())
        assert np.abs(borders - uniforms[i, first]).min() < 1e-5, f"image {i}, sub-pixel {first}"
    return len(differ)


def small_config(tmp_path, **training):
    defaults = {"steps": 8, "batch_size": 4, "checkpoint_every": 2, "sample_every": 100}
    return Config.model_validate(
        {
            "name": "small",
            "runs_dir": str(tmp_path),
            "data": {"image_size": 4},
            "model": {
                "hidden_dim": 2,
                "out_dim": 2,
                "n_layers": 1,
                "n_channels": 3,
                "likelihood": "softmax-4",
            },
            "training": {**defaults, "log_every": 2, "eval_every": 4, **training},
            "sampling": {"n_images": 4},
        }
    )


def make_trainer(config, strategy=None):
    keras.utils.set_random_seed(config.seed)
    return Trainer.from_config(config, strategy=strategy)


def weights(trainer):
    return [w.numpy() for w in trainer.model.trainable_weights]


@functools.cache
def two_devices():
    """A strategy of two devices: one in each process, see ``make_strategy``."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


#: Every member of the family, as what ``PixelRNN`` takes for ``pixel_layer``.
FAMILY = {
    "resblock": functools.partial(PixelCNNResBlock, 3),
    "gated_1": functools.partial(GatedBlock, 1),
    "gated_3": functools.partial(GatedBlock, 3),
    "gated_5x3": functools.partial(GatedBlock, (5, 3)),
    "row_lstm_1": functools.partial(RowLSTMBlock, (1, 1)),
    "row_lstm_3": functools.partial(RowLSTMBlock, (1, 3)),
    "row_lstm_5": functools.partial(RowLSTMBlock, (1, 5)),
    "diagonal_bilstm": DiagonalBiLSTMBlock,
    "snail": functools.partial(
        SnailBlock, n_heads=2, key_features=4, value_features=6, n_residual=1
    ),
    "snail_2": functools.partial(SnailBlock, (3, 3), attention_every=2),
}


def family_model(member, n_channels, n_classes=None, dropout=0.0, **options):
    """A tiny model of two blocks, and keyword arguments with its labels for ``n`` images."""
    options = {"hidden_dim": 2, "out_dim": 2, **options}
    block = functools.partial(FAMILY[member], dropout=dropout)
    model = small_model(n_channels, pixel_layer=block, n_classes=n_classes, **options)

    def labels(n):
        return {} if n_classes is None else {"labels": np.arange(n) % n_classes}

    return model, labels


def check_config_round_trip(layer: keras.layers.Layer, rng):
    """A layer of two input features, made anew from its config, is the same with its weights."""
    config = keras.saving.serialize_keras_object(layer)
    twin = keras.saving.deserialize_keras_object(config)
    assert keras.saving.serialize_keras_object(twin) == config
    x = rng.normal(size=(1, 4, 4, 2)).astype("float32")
    layer(x), twin(x)
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(layer(x), twin(x))


def write_archive(path, files):
    """Writes a .zip or .tar file with the contents of each name."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return
    with tarfile.open(path, f"w:{path.suffix[1:].replace('tgz', 'gz').replace('tar', '')}") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
