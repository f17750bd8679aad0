"""The properties that all models must have, for every member of the family: no leak from the
future, incremental evaluation gives what ``call`` gives, both samplers draw the same images."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers import FAMILY, assert_same_but_for_ties, family_model, random_images

from pixelcnn_tf import GatedBlock, UserError, generate_images
from pixelcnn_tf.config import registry
from pixelcnn_tf.layers.lstm import RightDiagonalLSTMState
from pixelcnn_tf.layers.schedule import Schedule
from pixelcnn_tf.layers.shifted_conv import ShiftedConv2D
from pixelcnn_tf.models.pixel_rnn import PixelRNN
from pixelcnn_tf.sampling.generate import teacher_forced_logits
from pixelcnn_tf.testing import draw_weights, leaks
from pixelcnn_tf.visualization.receptive_field import receptive_field

MAIN = ["resblock", "gated_3", "row_lstm_3", "diagonal_bilstm", "snail"]
#: Odd and even; some are for the slow tests only.
SIZES = [(3, 5), (4, 6), (5, 4), (8, 8), (13, 9), (1, 1), (1, 7)]
ALL = [
    (member, c, n, skips, size)
    for member in FAMILY
    for c in (1, 3)
    for n in (None, 3)
    for skips in (False, True)
    for size in SIZES
]


def is_default(member, c, n, skips, size) -> bool:
    """Kernels of 3: in grey with labels in more rows than are active at once, in colour without
    labels, with skip connections, in few. The residual block: in colour with labels; without
    labels it has tests of its own (test_no_leak.py, test_incremental.py). Other kernels: once."""
    if member == "resblock":
        return (c, n, skips, size) == (3, 3, True, (3, 5))
    if member in MAIN:
        return (c, n, skips, size) in [(1, 3, False, (13, 9)), (3, None, True, (3, 5))]
    return (c, n, skips, size) == (3, 3, False, (4, 6))


#: The others are marked as slow.
CASES = [case if is_default(*case) else pytest.param(*case, marks=pytest.mark.slow) for case in ALL]
#: By default every main member once; the residual block and the gated one have tests of their own
#: (test_generate.py and test_condition.py).
SAMPLERS = [
    ("row_lstm_3", 3, None),
    ("diagonal_bilstm", 1, 3),
    ("snail", 3, 3),
]
SAMPLER_CASES = [
    case if case in SAMPLERS else pytest.param(*case, marks=pytest.mark.slow)
    for case in dict.fromkeys(case[:3] for case in ALL)
]
grid = pytest.mark.parametrize(("member", "n_channels", "n_classes", "skips", "size"), CASES)


def leaks_under_draws(model, labels, size, rng, draws=3):
    """Leaks under several draws of the weights, and how many permitted pairs moved."""
    count, moved = int(np.prod(size)) * model.n_channels + 1, 0
    given = {name: np.full(count, 1) for name in labels(1)}
    call = tf.function(lambda images: model(images, **given))
    for seed in range(draws):
        draw_weights(model, seed)
        found, moved_now = leaks(call, random_images(rng, 1, *size, model.n_channels), 4)
        moved += moved_now
        if found:
            break
    return found, moved


@grid
def test_no_leak(member, n_channels, n_classes, skips, size, rng):
    model, labels = family_model(member, n_channels, n_classes, skip_connections=skips)
    found, moved = leaks_under_draws(model, labels, size, rng)
    assert not found
    values = int(np.prod(size)) * n_channels
    assert moved > values or values == 1  # what may move does; a single value depends on nothing


def test_a_vertical_stack_that_is_not_shifted_is_noticed(rng, monkeypatch):
    model, labels = family_model("gated_3", 1)
    assert not leaks_under_draws(model, labels, (5, 4), rng)[0]
    call = ShiftedConv2D.call

    def unshifted(self, inputs):
        if self.mask_type == "A":
            inputs = tf.pad(inputs[:, 1:], [[0, 0], [0, 1], [0, 0], [0, 0]])
        return call(self, inputs)

    monkeypatch.setattr(ShiftedConv2D, "call", unshifted)
    assert leaks_under_draws(model, labels, (5, 4), rng)[0]


def test_a_map_from_the_right_that_is_not_shifted_down_is_noticed(rng, monkeypatch):
    model, labels = family_model("diagonal_bilstm", 1)
    call = RightDiagonalLSTMState.call

    def unshifted(self, gates):
        return tf.concat([call(self, gates)[:, 1:], gates[:, -1:, :, : self.units]], axis=1)

    monkeypatch.setattr(RightDiagonalLSTMState, "call", unshifted)
    assert leaks_under_draws(model, labels, (5, 4), rng)[0]


@grid
def test_incremental_evaluation_gives_what_call_gives(
    member, n_channels, n_classes, skips, size, rng
):
    model, labels = family_model(member, n_channels, n_classes, skip_connections=skips)
    images = random_images(rng, 2, *size, n_channels)
    logits = teacher_forced_logits(model, images, jit_compile=False, **labels(2))
    np.testing.assert_allclose(logits, model(images, **labels(2)), atol=1e-4)


@pytest.mark.parametrize(
    "member",
    ["gated_3", pytest.param("row_lstm_3", marks=pytest.mark.slow), "diagonal_bilstm", "snail"],
)
@pytest.mark.parametrize("size", [(1, 4), (4, 1)])
def test_incremental_evaluation_in_one_row_or_column(size, member, rng):
    model, _ = family_model(member, 1, n_layers=1)
    images = random_images(rng, 2, *size, 1)
    logits = teacher_forced_logits(model, images, jit_compile=False)
    np.testing.assert_allclose(logits, model(images), atol=1e-4)


@pytest.mark.parametrize(
    "member", [pytest.param(m, marks=pytest.mark.slow) for m in MAIN[1:3]] + MAIN[3:]
)
def test_incremental_evaluation_with_xla(member, rng):
    model, labels = family_model(member, 3, 3, n_layers=1)
    images = random_images(rng, 2, 5, 9, 3)
    logits = teacher_forced_logits(model, images, jit_compile=True, **labels(2))
    np.testing.assert_allclose(logits, model(images, **labels(2)), atol=1e-4)


@pytest.mark.parametrize(("member", "n_channels", "n_classes"), SAMPLER_CASES)
def test_both_samplers_draw_the_same_images(member, n_channels, n_classes, rng):
    """And leave alone what is known of two of them."""
    size = (3, 5) if n_classes else (4, 2)
    model, labels = family_model(member, n_channels, n_classes, n_layers=1)
    given = random_images(rng, 5, *size, n_channels)
    known = np.zeros(given.shape, bool)
    known[:2] = rng.random((*size, 1)) < 0.5
    options = {"initial_images": given, "known": known, **labels(5)}
    incremental = generate_images(model, size, 5, 0, **options)
    naive = generate_images(model, size, 5, 0, method="naive", **options)
    np.testing.assert_array_equal(incremental[known], given[known])
    assert (incremental[:2] != given[:2]).any()
    assert_same_but_for_ties(model, naive, incremental, 0, **labels(5))


def test_labels_stay_with_their_images_in_batches():
    model, labels = family_model("gated_3", 1, 3, n_layers=1)
    together = generate_images(model, 4, 5, 0, **labels(5))
    cut = generate_images(model, 4, 5, 0, batch_size=2, **labels(5))
    np.testing.assert_array_equal(cut, together)
    others = generate_images(model, 4, 5, 0, labels=1)
    np.testing.assert_array_equal(others[[1, 4]], together[[1, 4]])
    assert (others[[0, 2, 3]] != together[[0, 2, 3]]).any()


def test_memory_of_incremental_evaluation_grows_with_the_width_not_the_height():
    for member in FAMILY:
        if member.startswith("snail"):
            continue  # attention keeps the keys and values of all pixels
        model, _ = family_model(member, 1)

        def size(height, width, model=model):
            states = Schedule(model, 1, height, width).init_states()
            return sum(int(tf.size(state)) for state in tf.nest.flatten(states))

        assert size(64, 16) == size(16, 16)
        assert size(16, 64) <= 5 * size(16, 16)


@pytest.mark.parametrize(
    ("member", "n_classes"), [(m, i % 2 * 3 or None) for i, m in enumerate(FAMILY)]
)
def test_saved_models_come_back(member, n_classes, rng, tmp_path):
    model, labels = family_model(member, 3, n_classes, dropout=0.2)
    images = random_images(rng, 2, 4, 5, 3)
    model.save(tmp_path / "m.keras")
    twin = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(twin(images, **labels(2)), model(images, **labels(2)))
    assert [block.dropout for block in twin.blocks] == [0.2, 0.2]


@pytest.mark.parametrize("member", MAIN)
def test_every_weight_learns(member, rng):
    """No weight is left without a gradient."""
    model, labels = family_model(member, 3, 3)
    images = random_images(rng, 6, 4, 5, 3)
    with tf.GradientTape() as tape:
        loss = model.likelihood(images, model(images, **labels(6)))
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    assert all(g is not None and np.abs(g).max() > 0 for g in gradients)


@pytest.mark.parametrize("member", MAIN)
def test_dropout_acts_in_training_only(member, rng):
    model, labels = family_model(member, 1, 3, dropout=0.5)
    without, _ = family_model(member, 1, 3)
    images = random_images(rng, 2, 4, 5, 1)

    def logits(model, training):
        return model(images, **labels(2), training=training).numpy()

    np.testing.assert_array_equal(logits(model, False), logits(without, False))
    first, second = logits(model, True), logits(model, True)
    assert np.abs(first - logits(without, True)).max() > 1e-3
    assert np.abs(first - second).max() > 1e-3


@pytest.mark.parametrize("member", MAIN)
def test_of_its_own_pixel_a_colour_sees_those_before_it(member):
    model, _ = family_model(member, 3, hidden_dim=4, out_dim=8, n_layers=1)
    image = np.ones((1, 1, 1, 3), np.uint8)
    for earlier in range(3):
        changed = image.copy()
        changed[..., earlier] = 2
        difference = np.abs(model(changed) - model(image)).max(axis=-1)[0, 0, 0]
        assert (difference > 0).tolist() == [earlier < channel for channel in range(3)]


def test_fit_takes_images_and_labels(rng):
    _, labels = family_model("gated_3", 1, 3)
    model = PixelRNN(2, 2, 1, "gated", 1, "softmax-4", n_classes=3)  # not built yet
    images = random_images(rng, 6, 4, 5, 1)
    model.compile(loss=model.likelihood, optimizer="adam")
    before = model.evaluate((images, labels(6)["labels"]), images, verbose=0)
    model.fit((images, labels(6)["labels"]), images, epochs=3, verbose=0)
    assert model.evaluate((images, labels(6)["labels"]), images, verbose=0) < before


def seen_by(member, n_layers=2, size=(15, 17), **options):
    """(rows up, columns right) of the pixels that reach the centre."""
    model, _ = family_model(member, 1, n_layers=n_layers, **options)
    before = model.get_weights()
    reach = receptive_field(model, size)[..., 0] > 0
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    return {(size[0] // 2 - r, c - size[1] // 2) for r, c in np.argwhere(reach)}


def test_the_masked_stack_has_a_blind_spot_and_the_gated_stack_has_none():
    # 7x7 first, then two 3x3: five rows up and five columns to either side.
    everything = {(up, right) for up in range(1, 6) for right in range(-5, 6)}
    everything |= {(0, right) for right in range(-5, 0)}
    assert len(everything) == 60
    assert seen_by("gated_3") == everything
    # The first layer sees 3 columns to the right in any row, each later one a column for each row
    # that it goes up, so that k rows up (k < 5) what lies right of k + 2 and of 3 is blind.
    triangle = {(up, right) for up, right in everything if right > max(3, 2 + up)}
    assert triangle == {(1, 4), (1, 5), (2, 5)}
    assert seen_by("resblock") == everything - triangle


def test_the_lstms_see_a_triangle_and_everything():
    above = {(up, right) for up in range(1, 8) for right in range(-8, 9)}
    left = {(0, right) for right in range(-8, 0)}
    # The pixel at the end of the row above is in no feature of that row: the first layer leaves
    # out each pixel's own value, and nothing comes after it.
    assert seen_by("diagonal_bilstm") == (above | left) - {(1, 8)}
    row = seen_by("row_lstm_3", n_layers=1)
    # 3 to the right by the first layer, one more for each row up that the states go.
    assert {right for up, right in row if up == 1} == set(range(-5, 4))
    assert all((up, 2 + up) in row and (up, 3 + up) not in row for up in range(2, 5))


@pytest.fixture(scope="module")
def by_class():
    """A model of three classes, for what it refuses."""
    return family_model("resblock", 1, 3)[0]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (None, "labels: not given, and the model is class-conditional; must be .* from 0 to 2"),
        (3, "labels: 3 is none of the 3 classes"),
        ([0, -1], "labels: -1 is none of"),
        ([0, 1, 2], r"labels=int64 \(3,\): must be an integer from 0 to 2, or 2 of them"),
        (1.5, "labels=1.5"),
        (["a", "b"], "one per image"),
        ([[0], [1, 2]], "one per image"),
        (True, "labels=True"),
    ],
)
def test_wrong_labels_are_one_line(labels, words, by_class):
    with pytest.raises(UserError, match=words):
        generate_images(by_class, 3, 2, 0, labels=labels)


def test_labels_are_wanted_by_conditional_models_only(rng, by_class):
    images = random_images(rng, 2, 3, 3, 1)
    model, _ = family_model("resblock", 1)
    with pytest.raises(UserError, match="not class-conditional"):
        generate_images(model, 3, 2, 0, labels=1)
    with pytest.raises(ValueError, match="without classes takes none"):
        model(images, np.array([0, 1]))
    with pytest.raises(ValueError, match="labels: not given; must be integers from 0 to 2"):
        by_class(images)
    with pytest.raises(UserError, match="labels: not given"):
        teacher_forced_logits(by_class, images)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 3], "from 0 to 2"),
        ([0, -1], "from 0 to 2"),
        ([0, 2**32 + 1], "from 0 to 2"),
        ([0], "one per image"),
    ],
)
def test_the_model_refuses_labels_that_it_does_not_know(labels, words, rng, by_class):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        by_class(random_images(rng, 2, 3, 3, 1), np.array(labels))


def test_labels_may_be_a_column_but_not_floats(rng):
    model, _ = family_model("gated_3", 1, 3)
    images = random_images(rng, 2, 3, 3, 1)
    column = model(images, np.array([[1], [2]], np.uint8))
    np.testing.assert_array_equal(column, model(images, np.array([1, 2])))
    with pytest.raises(ValueError, match="float32; must be integers"):
        model(images, np.array([1.0, 2.0], np.float32))


def test_blocks_that_do_not_fit_the_model_are_named():
    with pytest.raises(ValueError, match="n_classes=None: the blocks have 5"):
        PixelRNN(2, 2, 1, GatedBlock(n_channels=1, n_classes=5), 1)
    with pytest.raises(ValueError, match="n_channels=1: the blocks have 3"):
        PixelRNN(2, 2, 1, GatedBlock(n_channels=3), 1)
    with pytest.raises(ValueError, match="pixel_layer=3: must be a block"):
        PixelRNN(2, 2, 1, 3, 1)


def test_configs_know_the_blocks_and_their_defaults():
    assert registry.names("block")[:5] == [
        "resblock",
        "gated",
        "row_lstm",
        "diagonal_bilstm",
        "snail",
    ]
    for entry in registry.entries("block"):
        made, defaults = entry.load()().get_config(), entry.settings().model_dump()
        assert {key: made[key] for key in defaults} == defaults


def test_unknown_blocks_are_named():
    with pytest.raises(
        ValueError, match="one of resblock, gated, row_lstm, diagonal_bilstm, snail"
    ):
        PixelRNN(pixel_layer="gatd")
