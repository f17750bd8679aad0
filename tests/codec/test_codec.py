"""Images are compressed and decompressed without loss, or it is said why not."""

import numpy as np
import pytest
import tensorflow as tf
from helpers import random_images, small_model, small_pixelcnn_pp

from pixelcnn_tf import UserError, decode, encode, generate_images, score
from pixelcnn_tf.codec import codec
from pixelcnn_tf.codec.batches import GroupCoder
from pixelcnn_tf.codec.container import CodedBatch, CodedGroup, read_container
from pixelcnn_tf.models.blocks import GatedBlock
from pixelcnn_tf.models.lstm_blocks import DiagonalBiLSTMBlock, RowLSTMBlock

MODELS = {
    "masked, softmax": lambda: small_model(),
    "masked, 256 values": lambda: small_model(likelihood="softmax-256"),
    "masked, mixture": lambda: small_model(n_channels=1, likelihood="logistic-2"),
    "masked, two values": lambda: small_model(n_channels=1, likelihood="bernoulli"),
    "gated": lambda: small_model(pixel_layer=GatedBlock),
    "row LSTM": lambda: small_model(n_channels=1, pixel_layer=RowLSTMBlock),
    "diagonal BiLSTM": lambda: small_model(n_channels=1, pixel_layer=DiagonalBiLSTMBlock),
    "PixelCNN++": small_pixelcnn_pp,
    "PixelCNN++, grey": lambda: small_pixelcnn_pp(n_channels=1),
}


def images_for(model, rng, *sizes):
    values = model.likelihood.n_values
    return [random_images(rng, 1, *size, model.n_channels, values)[0] for size in sizes]


def assert_same(some, others):
    assert len(some) == len(others)
    for a, b in zip(some, others, strict=True):
        assert a.dtype == b.dtype == np.uint8
        np.testing.assert_array_equal(a, b)


#: Every model is tried, some of them in the slow tests: tracing and compiling take seconds.
def some_fast(*fast):
    slow = pytest.mark.slow
    return [pytest.param(name, marks=[] if name in fast else slow) for name in MODELS]


@pytest.mark.parametrize("name", some_fast("masked, two values", "masked, mixture"))
def test_round_trip_compiled(name, rng, monkeypatch):
    monkeypatch.setenv("PIXELCNN_TF_XLA", "1")
    model = MODELS[name]()
    images = np.stack(images_for(model, rng, *[(9, 9)] * 3))
    data = encode(model, images, batch_size=2)
    assert read_container(data).compiled
    assert_same(decode(model, data), images)


@pytest.mark.parametrize("name", some_fast("masked, softmax", "diagonal BiLSTM"))
def test_round_trip_of_other_sizes(name, rng):
    model = MODELS[name]()
    images = images_for(model, rng, (1, 1), (3, 9), (7, 5), (1, 12), (6, 7), (3, 9), (8, 8))
    assert_same(decode(model, encode(model, images)), images)


@pytest.mark.parametrize("name", some_fast("PixelCNN++"))
def test_round_trip_of_tiles(name, rng):
    model = MODELS[name]()
    images = images_for(model, rng, (13, 10), (7, 16))
    assert_same(decode(model, encode(model, images, tile=8)), images)


@pytest.mark.parametrize("name", some_fast("masked, softmax"))
def test_constant_and_extreme_images(name):
    model = MODELS[name]()
    most = model.likelihood.n_values - 1
    images = np.zeros([3, 8, 8, model.n_channels], np.uint8)
    images[1] = most
    images[2, ::2] = most
    assert_same(decode(model, encode(model, images)), images)


def test_labels_and_names_are_kept(rng):
    model = small_model(n_classes=7)
    images, labels = random_images(rng, 4, 5, 5, 3), [6, 0, 3, 3]
    data = encode(model, images, labels, names=["a", "b/c", "d", "\udcffe"])
    assert_same(decode(model, data), images)
    container = read_container(data)
    assert container.labels == labels
    assert container.names == ["a", "b/c", "d", "\udcffe"]  # a name that is not UTF-8
    # The label matters: other labels give other bytes.
    assert read_container(encode(model, images, 1)).groups[0].batches[0].words.tolist() != (
        container.groups[0].batches[0].words.tolist()
    )


@pytest.mark.parametrize(
    "likelihood, share", [("bernoulli", 0.02), ("softmax-256", 0.005), ("logistic-3", 0.005)]
)
def test_the_size_is_the_likelihood(likelihood, share):
    model = small_model(n_channels=1, likelihood=likelihood)
    images = generate_images(model, 16, 100, seed=0)
    bits = score(model, images, progress=False).sum() / np.log(2)
    batches = read_container(encode(model, images)).groups[0].batches
    coded = sum(64 * len(batch.streams) + 32 * len(batch.words) for batch in batches)
    assert 0.99 * bits < coded < (1 + share) * bits


def test_several_hundred_images(rng):
    model = small_model(n_channels=1, likelihood="bernoulli")
    images = random_images(rng, 300, 6, 6, 1, 2)
    done = []
    data = encode(model, images, progress=lambda *args: done.append(args))
    assert done[-1] == (10_800, 10_800) and done == sorted(done)
    assert_same(decode(model, data), images)


def test_another_model_is_refused(rng):
    images = random_images(rng, 2, 5, 5, 3)
    data = encode(small_model(), images)
    for other in (small_model(seed=1), small_model(n_layers=1), small_pixelcnn_pp()):
        with pytest.raises(UserError, match=r"^a\.pxc: was written with another model"):
            decode(other, data, name="a.pxc")


def test_other_floats_are_refused(rng, monkeypatch):
    """As if the machine rounded in another way: the weights differ, the digest does not."""
    images = random_images(rng, 4, 8, 8, 3)
    data = encode(small_model(), images)
    digest = read_container(data).digest
    monkeypatch.setattr(codec, "model_digest", lambda model: digest)
    with pytest.raises(
        UserError, match=r"a.pxc: cannot be decoded here: .*pixelcnn_tf \d.*cores \d"
    ):
        decode(small_model(seed=1), data, name="a.pxc")


def test_every_flipped_bit_and_every_truncation_of_a_small_file_is_refused(rng):
    model = small_model(n_channels=1, likelihood="bernoulli")
    data = encode(model, random_images(rng, 1, 4, 4, 1, 2))
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(UserError, match=r"damaged|is not a \.pxc"):
            decode(model, bytes(flipped))
    for length in range(len(data)):
        with pytest.raises(UserError, match=r"damaged|is not a \.pxc"):
            decode(model, data[:length])


@pytest.fixture(scope="module")
def model_and_data():
    model = small_model()
    return model, encode(model, random_images(np.random.default_rng(0), 20, 16, 16, 3))


@pytest.fixture
def encoded(model_and_data):
    """A model, and the contents of a file of 20 images of 16x16."""
    return model_and_data[0], read_container(model_and_data[1])


def test_edited_files_are_refused(rng, model_and_data):
    model, data = model_and_data
    for at in rng.integers(len(data), size=200):
        edited = bytearray(data)
        edited[at] ^= int(rng.integers(1, 256))
        with pytest.raises(UserError, match=r"damaged|is not a \.pxc"):
            decode(model, bytes(edited))


EMPTY_GROUP = CodedGroup(1, 1, [CodedBatch(0, np.array([1 << 32], np.uint64), np.array([]))])


@pytest.mark.parametrize(
    "change, words",
    [
        ({"n_images": 10**9}, "would take .* GB of memory"),
        ({"sizes": [(10**5, 10**5)]}, "would take .* GB of memory"),
        (
            {"n_images": 1, "sizes": [(9999, 9999)], "groups": [EMPTY_GROUP]},
            "too short for its images",
        ),
        ({"n_images": 2}, "batches do not fit"),
        ({"tile": 1}, "tiles of 1x1"),
        ({"n_classes": 1, "n_images": 10**9}, "would take .* GB of memory"),
        (
            {"size_of": np.zeros(1), "sizes": [(1, 1), (1, 2)], "n_images": 2**62},
            "do not fit memory",
        ),
        ({"tile": 8}, "batches do not fit"),
        ({"n_classes": 5, "labels": [0] * 20}, "channels or classes do not fit"),
        ({"n_channels": 1}, "channels or classes do not fit"),
        ({"groups": []}, "too short|batches do not fit"),
    ],
)
def test_impossible_files_are_refused_before_they_take_memory(change, words, encoded):
    model, container = encoded
    for name, value in change.items():
        setattr(container, name, value)
    with pytest.raises(UserError, match=words):
        decode(model, container.to_bytes())


def test_too_many_words_or_streams(encoded):
    model, container = encoded
    batch = container.groups[0].batches[0]
    batch.words = np.zeros(10**6, np.uint32)
    with pytest.raises(UserError, match="cannot be decoded here"):
        decode(model, container.to_bytes())
    batch.words, batch.streams = np.zeros(0, np.uint32), np.zeros(300, np.uint64)
    container.groups[0].n_streams = 300
    with pytest.raises(UserError, match="too many streams"):
        decode(model, container.to_bytes())


def test_xla_refuses_in_the_middle(rng, monkeypatch):
    """Every group is then coded without, which the file says."""
    monkeypatch.setenv("PIXELCNN_TF_XLA", "1")
    model, made = small_model(n_channels=1, likelihood="bernoulli"), []
    run = GroupCoder.run

    def refused(coder, *arguments):
        made.append(coder._compiled)
        if len(made) == 2:
            raise tf.errors.UnimplementedError(None, None, "no such kernel")
        return run(coder, *arguments)

    monkeypatch.setattr(GroupCoder, "run", refused)
    images = images_for(model, rng, (3, 4), (4, 3))
    with pytest.warns(UserWarning, match="no such kernel"):
        data = encode(model, images)
    assert made == [True, True, False, False] and not read_container(data).compiled
    assert_same(decode(model, data), images)


def test_a_batch_size_takes_no_memory(encoded):
    model, container = encoded
    container.groups[0].batch_size = 10**12
    with pytest.raises(UserError, match="batches do not fit"):
        decode(model, container.to_bytes())


@pytest.mark.parametrize(
    "images, options, words",
    [
        ([], {}, "there are none"),
        (3, {}, "must be an array"),
        (np.zeros([2, 5, 5, 1], np.uint8), {}, "must be (n, height, width, 3)"),
        (np.zeros([2, 0, 5, 3], np.uint8), {}, "must be (n, height, width, 3)"),
        (np.full([2, 5, 5, 3], 4), {}, "integers from 0 to 3"),
        ([np.zeros([5, 5, 3]), np.zeros([5, 5])], {}, "must be (n, height, width, 3)"),
        (np.zeros([2, 5, 5, 3], np.uint8), {"names": ["a"]}, "names: 1 for 2 images"),
        (np.zeros([2, 5, 5, 3], np.uint8), {"names": ["a", "a"]}, "names: must differ"),
        (np.zeros([2, 5, 5, 3], np.uint8), {"tile": 4}, "tile=4: must be an integer from 8 up"),
        (np.zeros([2, 5, 5, 3], np.uint8), {"labels": 3}, "not class-conditional"),
        (np.zeros([2, 5, 5, 3], np.uint8), {"batch_size": 0}, "batch_size=0"),
    ],
)
def test_wrong_images(images, options, words, model_and_data):
    with pytest.raises(UserError) as caught:
        encode(model_and_data[0], images, **options)
    assert words in str(caught.value)
