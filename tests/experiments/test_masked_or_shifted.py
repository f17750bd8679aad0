"""-m experiments.masked_or_shifted: the contestants, their fields, arithmetic and the command."""

import functools
import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf
from command_line import ROOT
from helpers import assert_same_but_for_ties, random_images, small_model
from PIL import Image

from experiments.masked_or_shifted import __main__ as compare_convolutions
from experiments.masked_or_shifted import blocks, fields, training
from pixelcnn_tf import MaskedConv2D, generate_images, masked_to_shifted
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.sampling.generate import teacher_forced_logits
from pixelcnn_tf.testing import leaks
from pixelcnn_tf.training.results import used_parameters
from pixelcnn_tf.visualization.receptive_field import receptive_field

PAGE = ROOT / "docs" / "masked_or_shifted.md"
NEW = ["single", "two"]


def model_of(contestant, kernel=3, **options):
    block = functools.partial(blocks.BLOCKS[contestant], kernel)
    return small_model(1, pixel_layer=block, **options)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("contestant", NEW)
def test_no_leak(contestant, kernel, rng):
    model = model_of(contestant, kernel)
    images = random_images(rng, 2, 4, 5, 1)
    found, moved = leaks(model, images, 4)
    assert not found
    assert moved > 2 * 20


@pytest.mark.parametrize("size", [(8, 13), pytest.param((1, 7), marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("contestant", "kernel"),
    [("single", 5), ("two", 3), pytest.param("two", 7, marks=pytest.mark.slow)],
)
def test_incremental_evaluation_gives_what_call_gives(contestant, kernel, size, rng):
    model = model_of(contestant, kernel)
    images = random_images(rng, 2, *size, 1)
    logits = teacher_forced_logits(model, images, jit_compile=False)
    np.testing.assert_allclose(logits, model(images), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("contestant", ["single", pytest.param("two", marks=pytest.mark.slow)])
def test_both_samplers_draw_the_same_images(contestant):
    model = model_of(contestant, n_layers=1)
    incremental = generate_images(model, (3, 5), 5, 0)
    naive = generate_images(model, (3, 5), 5, 0, method="naive")
    assert_same_but_for_ties(model, naive, incremental, 0)


@pytest.mark.parametrize("contestant", NEW)
def test_several_channels_are_refused(contestant):
    with pytest.raises(ValueError, match="n_channels=3: must be 1"):
        blocks.BLOCKS[contestant](3, n_channels=3)


@pytest.mark.parametrize("contestant", blocks.BLOCKS)
def test_every_weight_learns(contestant, rng):
    model = model_of(contestant)
    images = random_images(rng, 6, 4, 5, 1)
    with tf.GradientTape() as tape:
        loss = model.likelihood(images, model(images))
    gradients = tape.gradient(loss, [w.value for w in model.trainable_weights])
    assert all(g is not None and np.abs(g).max() > 0 for g in gradients)


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_arithmetic_is_what_the_kernels_have(kernel):
    hidden = 3
    for contestant in blocks.BLOCKS:
        model = model_of(contestant, kernel, hidden_dim=hidden)
        formula = blocks.block_products(contestant, kernel, hidden)
        assert formula == blocks.products_of(model.blocks[0])
    formula = blocks.layer_products(kernel)
    masked = MaskedConv2D(2, kernel, "B", 1)
    masked.build((None, None, None, 3))
    assert formula["masked"] * 6 == blocks.products_of(masked)
    assert formula["kept"] * 6 == masked.mask.sum()
    assert formula["kept"] * 6 == sum(map(blocks.products_of, masked_to_shifted(masked)))
    assert formula["whole"] == kernel**2


def test_all_have_about_as_many_weights():
    for contestant in blocks.BLOCKS:
        for kernel in (3, 5, 7):
            hidden = blocks.hidden_for(contestant, kernel, 65_000, 7)
            weights = blocks.weights_for(contestant, kernel, hidden, 7)
            assert weights == pytest.approx(65_000, rel=0.06)
        model = blocks.contestant_model(contestant, 5, 20_000, 2)
        hidden = model.hidden_dim
        assert used_parameters(model) == blocks.weights_for(contestant, 5, hidden, 2)


@pytest.mark.parametrize(
    ("contestant", "options", "counts"),
    [
        ("masked", {}, {1: 4, 3: 21, 8: 116}),
        ("single", {}, {1: 2, 3: 12, 8: 72}),
        ("single", {"masked_first": True}, {1: 4, 3: 18, 8: 88}),
        ("two", {}, {1: 4, 3: 24, 8: 144}),
    ],
)
def test_how_many_pixels_are_seen(contestant, options, counts):
    for layers, count in counts.items():
        seen = fields.field(fields.STACKS[contestant], 3, layers, **options)
        assert seen.sum() == count
        assert not (seen & ~fields.field(fields.two_stacks, 3, layers)).any()


@pytest.mark.parametrize("kernel", [5, 7])
def test_two_stacks_see_all_that_is_within_reach(kernel):
    for layers in (1, 2, 3):
        reach = layers * (kernel // 2)
        assert fields.field(fields.two_stacks, kernel, layers).sum() == 2 * reach * (reach + 1)


def test_only_masked_layers_order_the_channels_of_a_pixel():
    masked = fields.field(fields.masked_stack, 3, 2, channels=3, channel=1)
    shifted = fields.field(fields.two_stacks, 3, 2, channels=3, channel=1)
    centre = len(masked) // 2
    assert masked[centre, centre].tolist() == [True, False, False]
    assert shifted[centre, centre].tolist() == [False, False, False]


def test_the_contestants_see_what_their_stacks_see():
    """The blocks, after the 7x7 input layer, against convolutions alone."""
    side = 15
    for contestant in blocks.BLOCKS:
        model = model_of(contestant, hidden_dim=4)
        seen = receptive_field(model, (side, side), n_draws=4)[..., 0] > 0
        centre = side // 2
        assert seen[centre].sum() == 5 and seen[: centre + 1].sum() == seen.sum()
        right = {"masked": 5, "single": 3, "two": 5}[contestant]
        assert np.argwhere(seen)[:, 1].max() - centre == right
        assert seen[centre - 1].sum() == 6 + {"masked": 3, "single": 3, "two": 5}[contestant]


def test_python_of_the_page_says_the_truth(rng):
    names = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)[0], names)
    x = rng.normal(size=(1, 6, 7, 64)).astype("float32")
    np.testing.assert_allclose(
        names["masked"](x), names["vertical"](x) + names["horizontal"](x), atol=1e-4
    )


def test_the_published_tables_are_what_their_records_give(tmp_path):
    shutil.copytree(PAGE.parent / "results_convolutions", tmp_path / "results_convolutions")
    shutil.copy(PAGE, tmp_path)
    assert compare_convolutions.main(["page", "--docs", str(tmp_path)]) == 0
    assert (tmp_path / PAGE.name).read_text() == PAGE.read_text()


# The command

QUICK = {"kernels": 3, "layers": 1, "weights": 1500, "images": 8, "batch": 4, "side": 6}
QUICK |= {"rounds": 1, "features": 4}


@pytest.fixture
def place(tmp_path, rng):
    """A folder with images."""
    images = rng.integers(256, size=(24, 6, 6)).astype(np.uint8)
    np.savez(tmp_path / "images.npz", x_train=images[:16], x_test=images[16:])
    return tmp_path


def flags(place, part, **settings):
    settings = {**QUICK, **settings}
    used = compare_convolutions.USERS
    settings = {k: v for k, v in settings.items() if part == "all" or part in used[k].split()}
    settings |= {"docs": place, "data": place / "images.npz"}
    given = {f"--{key}": str(value) for key, value in settings.items() if value is not None}
    return [part, *(text for pair in given.items() for text in pair)]


@pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")
@pytest.mark.slow
def test_everything_from_end_to_end(place, monkeypatch, capsys):
    monkeypatch.setattr(fields, "DEPTHS", (1, 8))
    train_one = training.train_one

    def train_eagerly(*arguments):  # two steps take less time than compiling them
        tf.config.run_functions_eagerly(True)
        try:
            return train_one(*arguments)
        finally:
            tf.config.run_functions_eagerly(False)

    monkeypatch.setattr(training, "train_one", train_eagerly)
    before = PAGE.read_text()
    assert compare_convolutions.main(flags(place, "all")) == 0
    assert Image.open(place / "masked_or_shifted.png").size[0] > 800
    record = json.loads((place / "results_convolutions" / "train_seed0.json").read_text())
    assert list(record["results"]["3"]) == list(blocks.BLOCKS)
    assert all(f["images_seen"] == 8 for f in record["results"]["3"].values())
    assert str(place / "images.npz") not in record["command"]
    twins = json.loads((place / "results_convolutions" / "cost.json").read_text())["twins"]["3"]
    assert twins["difference"] < 1e-5 * max(1, twins["largest"])

    page = (place / "masked_or_shifted.md").read_text()
    text = functools.partial(
        re.sub, r"(<!-- table: \w+ -->\n).*?<!-- end -->", r"\1", flags=re.DOTALL
    )
    assert text(page).endswith(text(before))  # what is written by hand stays
    assert "tables were measured with other settings" in page and "(not measured)" not in page
    assert "| 3x3 | 8 | 116 | 72 | 88 | 144 |" in page and "| 7x7 |" not in page
    assert "| 3x3 | 9 | 6 | 5 | 4 | 9 |" in page
    assert "After 8 images of training, on 8 test images; one seed." in page

    # Another seed joins, of equal training only.
    record["results"]["3"]["two"]["bits_per_dim"] += 0.5
    other = place / "results_convolutions" / "train_seed1.json"
    other.write_text(json.dumps({**record, "seed": 1}))
    assert compare_convolutions.main(flags(place, "page")) == 0
    assert (
        "mean (minimum to maximum) over the seeds" in (place / "masked_or_shifted.md").read_text()
    )
    other.write_text(json.dumps({**record, "seed": 1, "images": 4}))
    assert exit_with(lambda: compare_convolutions.main(flags(place, "page"))) == 2
    assert "has images 4, train_seed0.json 8; must be the same" in capsys.readouterr().err
    other.write_text(json.dumps({**record, "seed": 1, "weights": 9}))
    assert exit_with(lambda: compare_convolutions.main(flags(place, "page"))) == 2
    assert "has weights 9, train_seed0.json 1500" in capsys.readouterr().err


def test_stopped_training_goes_on(place, monkeypatch, capsys):
    trained, stop_after = [], 1

    def train_one(config, name, kernel, images, args):
        if len(trained) == stop_after:
            raise KeyboardInterrupt
        trained.append(name)
        figures = {"bits_per_dim": 0.5, "nats_per_image": 9.0, "seconds": 1.0}
        return {"weights": 5, "images_seen": args.images, **figures}

    def files():
        return [file.name for file in (place / "results_convolutions").iterdir()]

    monkeypatch.setattr(training, "train_one", train_one)
    argv = flags(place, "train")
    assert exit_with(lambda: compare_convolutions.main(argv)) == 130
    assert "the same command continues" in capsys.readouterr().err
    assert files() == ["train_seed0.json.part"]
    stop_after = None
    assert compare_convolutions.main(argv) == 0
    assert trained == list(blocks.BLOCKS)
    assert files() == ["train_seed0.json"]
    assert compare_convolutions.main(["page", "--docs", str(place)]) == 0
    page = (place / "masked_or_shifted.md").read_text()
    assert page.count("(not measured)") == 4 and "After 8 images" in page
    # What is left by a run of other settings is of no use.
    trained, stop_after = [], 1
    assert exit_with(lambda: compare_convolutions.main(argv)) == 130
    trained, stop_after = [], None
    assert compare_convolutions.main([*argv, "--test-images", "4"]) == 0
    assert trained == list(blocks.BLOCKS)
    record = json.loads((place / "results_convolutions" / "train_seed0.json").read_text())
    assert record["test_images"] == 4


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["feilds"], "invalid choice: 'feilds'"),
        (["fields", "--kernels", "3,4"], "'3,4': must be odd integers from 3 up"),
        (["fields", "--kernels", "1"], "'1': must be odd"),
        (["fields", "--docs", "README.md"], "README.md: cannot be created: File exists"),
        (["page", "--docs", "tests"], "--docs tests: holds no masked_or_shifted.md"),
        (["train", "--images", "0"], "'0': must be an integer from 1 up"),
        (["train", "--images", "5", "--minutes", "1"], "not allowed with argument"),
        (["train", "--data", "none.npz"], "'none.npz': must be a .npz file"),
        (["train", "--kernels", "3,x"], "'x': must be an integer from 1 up"),
        (["train", "--seed", "-1"], "--seed -1: must be an integer from 0 up"),
        (["train", "--rounds", "2"], "--rounds: train does not use it; it is for cost"),
        (["page", "--kernels", "3"], "--kernels: page does not use it; it is for fields cost"),
        (["train", "--images", "320"], "--images: the results in docs are for the default; give"),
        (["cost", "--seed", "1"], "--seed: the results in docs are for the default; give"),
    ],
)
def test_wrong_flags_are_one_line(argv, words, monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert exit_with(lambda: compare_convolutions.main(argv)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and words in error


def test_figures_of_other_test_images_are_not_put_into_docs(place, monkeypatch, capsys):
    monkeypatch.setattr(compare_convolutions, "DOCS", place)
    argv = ["train", "--docs", str(place), "--data", str(place / "images.npz")]
    (place / "masked_or_shifted.md").write_text(PAGE.read_text())
    assert exit_with(lambda: compare_convolutions.main(argv)) == 2
    assert "are for 3000, not 8; give that or another --docs" in capsys.readouterr().err


def test_images_of_several_channels_are_refused(tmp_path, rng, capsys):
    images = rng.integers(256, size=(8, 6, 6, 3)).astype(np.uint8)
    np.savez(tmp_path / "images.npz", x_train=images, x_test=images)
    assert exit_with(lambda: compare_convolutions.main(flags(tmp_path, "train"))) == 2
    assert "has 3 channels; must be images of one" in capsys.readouterr().err


def test_a_page_without_places_or_results_is_told_so(tmp_path, capsys):
    page = tmp_path / "masked_or_shifted.md"
    argv = ["page", "--docs", str(tmp_path)]
    page.write_text("nothing")
    assert exit_with(lambda: compare_convolutions.main(argv)) == 2
    assert "has no <!-- table: twins -->" in capsys.readouterr().err
    shutil.copy(PAGE, page)
    assert exit_with(lambda: compare_convolutions.main(argv)) == 2
    assert "holds no results" in capsys.readouterr().err
