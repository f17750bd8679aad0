import functools

import keras
import numpy as np
import pytest
from helpers import random_images, small_model

from pixelcnn_tf import (
    MaskedConv2D,
    NLLMetric,
    PixelCNNResBlock,
    PixelRNN,
    UserError,
    build_model,
    get_dataset,
    load_config,
)
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.testing import draw_weights


@pytest.mark.parametrize("size", [(1, 1), (5, 8)])
@pytest.mark.parametrize(
    ("n_channels", "likelihood", "n_params"),
    [(3, "softmax-256", 256), (1, "bernoulli", 1), (4, "softmax-5", 5)],
)
def test_logits_have_a_set_of_parameters_for_every_sub_pixel(
    size, n_channels, likelihood, n_params, rng
):
    model = small_model(n_channels, likelihood)
    images = random_images(rng, 2, *size, n_channels, 2)
    logits = model(images)
    assert logits.shape == (2, *size, n_channels, n_params)
    assert logits.dtype == "float32"
    assert model.compute_output_shape(images.shape) == logits.shape


def test_layers_are_those_of_the_paper():
    model = PixelRNN(hidden_dim=5, out_dim=7, n_layers=3, skip_connections=True)
    model.build((None, None, None, 3))
    assert model.input_conv.kernel.shape == (4, 7, 3, 30)  # 7x7 less the rows that are masked
    assert model.input_conv.mask_type == "A"
    assert [block.convs[1].filters for block in model.blocks] == [15] * 3
    assert [conv.filters for conv in model.skips] == [30] * 3
    assert [conv.filters for conv in model.head] == [21, 21]
    assert model.output_conv.filters == 3 * 256
    later = [conv for block in model.blocks for conv in block.convs] + model.skips + model.head
    assert {conv.mask_type for conv in [*later, model.output_conv]} == {"B"}


def test_reference_model_has_the_known_number_of_weights():
    model = build_model(load_config("configs/cifar10_pixelcnn.yml"))
    convs = [layer for layer in model.incremental_layers() if isinstance(layer, MaskedConv2D)]
    whole = sum(
        int(np.prod([*conv.kernel_size, *conv.kernel.shape[2:]])) + conv.filters for conv in convs
    )
    assert whole == 1_212_288
    assert model.count_params() == 979_008


def test_skip_connections_add_what_each_block_gives(rng):
    with_skips = small_model(3, skip_connections=True)
    without = small_model(3)
    for conv in with_skips.skips:
        for weight in conv.weights:
            weight.assign(np.zeros(weight.shape))
    for a, b in zip(
        without.weights, [w for w in with_skips.weights if "skip" not in w.path], strict=True
    ):
        a.assign(b)
    images = random_images(rng, 2, 4, 5, 3)
    np.testing.assert_array_equal(with_skips(images), without(images))
    draw_weights(with_skips.skips[0], 1)
    assert (np.abs(with_skips(images) - without(images)) > 1e-3).any()


def test_images_are_scaled_to_one_around_zero():
    for name, top in [("softmax-256", 255), ("bernoulli", 1), ("softmax-5", 4)]:
        model = PixelRNN(2, 2, 1, n_channels=1, likelihood=name)
        scaled = model.scale(np.array([0, top], np.uint8)).numpy()
        np.testing.assert_allclose(scaled, [-1, 1], atol=1e-6)


BLOCKS = {
    "a name": "resblock",
    "a class": PixelCNNResBlock,
    "a function": functools.partial(PixelCNNResBlock, 5, variant="preactivation"),
    "a block to copy": PixelCNNResBlock((3, 5), 3, "preactivation"),
}


def test_blocks_that_differ_could_not_be_saved_and_are_refused():
    kernels = iter([3, 5])
    with pytest.raises(ValueError, match="must build blocks that differ in their names only"):
        PixelRNN(2, 2, 2, lambda **options: PixelCNNResBlock(next(kernels), **options))


@pytest.mark.parametrize("pixel_layer", BLOCKS.values(), ids=BLOCKS.keys())
@pytest.mark.parametrize("skip_connections", [False, True])
def test_keras_file_round_trip_is_identical(pixel_layer, skip_connections, tmp_path, rng):
    model = small_model(3, pixel_layer=pixel_layer, skip_connections=skip_connections)
    images = random_images(rng, 3, 5, 6, 3)
    model.save(tmp_path / "m.keras")
    twin = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(model(images), twin(images))
    assert [b.get_config() for b in twin.blocks] == [b.get_config() for b in model.blocks]
    assert twin.skip_connections == skip_connections


def test_tensorflow_sees_every_weight_for_export(tmp_path):
    import tensorflow as tf

    model = small_model(3, skip_connections=True)
    archive = keras.export.ExportArchive()
    archive.track(model)
    shape = tf.TensorSpec((None, 5, 4, 3), "uint8")
    archive.add_endpoint("logits", lambda images: model(images), [shape])
    archive.write_out(tmp_path / "exported")
    images = np.arange(60, dtype=np.uint8).reshape(1, 5, 4, 3) % 4
    loaded = tf.saved_model.load(tmp_path / "exported")
    np.testing.assert_allclose(loaded.logits(images), model(images), atol=1e-5)


def test_the_fit_route_with_keras_callbacks(tmp_path, rng):
    """compile, fit, evaluate, TensorBoard, ModelCheckpoint; then the file, compiled."""
    images = (rng.random((64, 6, 6, 1)) < 0.2).astype(np.uint8)
    model = PixelRNN(4, 4, 2, n_channels=1, likelihood="bernoulli")
    metrics = [NLLMetric(model.likelihood), NLLMetric(model.likelihood, "nats_per_image")]
    model.compile("nadam", loss=model.likelihood, metrics=metrics)
    callbacks = [
        keras.callbacks.TensorBoard(tmp_path / "logs"),
        keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", monitor="val_loss"),
    ]
    before = model.evaluate(images, images, verbose=0, return_dict=True)
    history = model.fit(
        images, images, validation_data=(images, images), epochs=8, verbose=0, callbacks=callbacks
    )
    after = model.evaluate(images, images, verbose=0, return_dict=True)
    assert after["nats_per_image"] < before["nats_per_image"]
    assert after["bits_per_dim"] == pytest.approx(after["loss"], rel=1e-5)
    assert after["nats_per_image"] == pytest.approx(
        after["bits_per_dim"] * 36 * np.log(2), rel=1e-5
    )
    assert len(history.history["val_bits_per_dim"]) == 8
    assert list((tmp_path / "logs").rglob("events.*"))
    twin = keras.models.load_model(tmp_path / "best.keras")
    assert twin.evaluate(images, images, verbose=0, return_dict=True) == pytest.approx(after)


def test_fit_takes_the_datasets_too():
    model = PixelRNN(2, 2, 1)
    model.compile("adam", loss=model.likelihood)
    dataset = get_dataset("digits", "train", 8).map(lambda x: (x, x))
    model.fit(dataset, steps_per_epoch=2, verbose=0, shuffle=False)


def test_summary_reads_well(capsys):
    model = small_model()
    model.summary()
    text = capsys.readouterr().out
    for name in ("input_conv", "block_1", "block_2", "head_1", "output_conv"):
        assert name in text
    assert "?" not in text


def test_build_model_takes_channels_from_the_source():
    for source, channels in [("digits", 3), ("digits_grey", 1), ("cifar10", 3)]:
        config = Config.model_validate({"data": {"source": source}})
        assert build_model(config).n_channels == channels
    config = Config.model_validate({"data": {"source": "my.npz"}})
    with pytest.raises(UserError, match=r"model\.n_channels: not set"):
        build_model(config)
    config = Config.model_validate({"data": {"source": "my.npz"}, "model": {"n_channels": 2}})
    assert build_model(config).n_channels == 2


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: PixelRNN(hidden_dim=0), "hidden_dim=0"),
        (lambda: PixelRNN(n_layers=0), "n_layers=0"),
        (lambda: PixelRNN(out_dim=1.5), "out_dim=1.5"),
        (lambda: PixelRNN(n_channels=0), "n_channels=0"),
        (lambda: PixelRNN(pixel_layer="resblok"), "did you mean 'resblock'"),
        (lambda: PixelRNN(likelihood="softmx"), "did you mean 'softmax-256'"),
        (lambda: PixelRNN(2, 2, 1)(np.zeros((1, 4, 4, 1), np.uint8)), "images of 1 channels"),
    ],
)
def test_wrong_arguments_are_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
