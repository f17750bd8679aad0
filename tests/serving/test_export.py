"""Exported models give what Python gives, in a process that has TensorFlow and not this package."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from command_line import ROOT
from helpers import assert_same_but_for_ties, random_images, small_model, small_pixelcnn_pp

from pixelcnn_tf import UserError, complete_images, export_model, generate_images, score
from pixelcnn_tf.models import pixelcnn_pp
from pixelcnn_tf.serving import export
from pixelcnn_tf.serving.folder import DESCRIPTION
from pixelcnn_tf.serving.signatures import SIGNATURES

SETTINGS = {"temperature": 0.8, "top_p": 0.9}
PLAIN = {"temperature": 1.0, "top_p": 1.0}
SIZE = (4, 8)

#: Architecture, channels, likelihood, classes.
DEFAULT = [
    ("pixelcnn_pp", 1, "logistic-2", None),
    ("diagonal_bilstm", 1, "logistic-2", None),
    ("gated", 2, "bernoulli", 3),
    ("resblock", 3, "softmax-256", None),
]
SLOW = [
    ("pixelcnn_pp", 3, "logistic-2", 3),
    ("diagonal_bilstm", 3, "softmax-4", 3),
    ("row_lstm", 1, "softmax-4", None),
    ("row_lstm", 2, "bernoulli", 3),
    ("gated", 3, "logistic-2", None),
    ("gated", 1, "softmax-4", None),
    ("resblock", 3, "logistic-2", 3),
]
CASES = [*DEFAULT, *(pytest.param(case, marks=pytest.mark.slow) for case in SLOW)]


def tiny(pixel_layer="resblock", n_channels=1, likelihood="softmax-4", n_classes=None):
    sizes = {"n_layers": 1, "hidden_dim": 2, "out_dim": 2, "n_classes": n_classes}
    return small_model(n_channels, likelihood, pixel_layer=pixel_layer, **sizes)


def called(signature, **inputs):
    """Returns the output of a signature as an array."""
    kinds = {float: tf.float32, int: tf.int32}
    tensors = {name: tf.constant(x, kinds.get(type(x))) for name, x in inputs.items()}
    (output,) = signature(**tensors).values()
    return output.numpy()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_signatures_give_what_python_gives(case, rng, tmp_path, monkeypatch):
    architecture, n_channels, _, n_classes = case
    monkeypatch.setattr(pixelcnn_pp, "N_LEVELS", 1 if case in DEFAULT else 3)
    model = (
        small_pixelcnn_pp(n_channels, n_classes) if architecture == "pixelcnn_pp" else tiny(*case)
    )
    n_values = model.likelihood.n_values
    about = export_model(model, tmp_path / "m", SIZE, batch_sizes=[3], jit_compile=False)
    assert about == json.loads((tmp_path / "m" / DESCRIPTION).read_text())
    signatures = tf.saved_model.load(tmp_path / "m").signatures
    assert set(signatures) == set(SIGNATURES)
    labels = {} if n_classes is None else {"labels": np.arange(4, dtype=np.int32) % n_classes}

    def check(drawn, expected, seed, **settings):
        given = {"labels": labels.get("labels"), **settings}
        n_different = assert_same_but_for_ties(model, drawn, expected, seed, **given)
        assert n_different <= 1

    for height, width in (SIZE, (8, 4)):
        images = random_images(rng, 4, height, width, n_channels, n_values)
        log_prob = called(signatures["log_prob"], images=images, **labels)
        np.testing.assert_allclose(log_prob, -score(model, images, **labels), rtol=1e-5)

    drawn = called(signatures["sample"], n=4, seed=-7, **SETTINGS, **labels)
    check(drawn, generate_images(model, SIZE, 4, -7, **SETTINGS, **labels), -7, **SETTINGS)

    images = random_images(rng, 4, *SIZE, n_channels, n_values)
    hidden = rng.random(images.shape) < 0.5
    completed = called(signatures["complete"], images=images, known=~hidden, seed=3, **labels)
    check(completed, complete_images(model, images, hidden, 1, 3, **labels)[:, 0], 3)
    np.testing.assert_array_equal(completed[~hidden], images[~hidden])


@pytest.fixture(scope="module")
def by_class(tmp_path_factory):
    """A class-conditional model, and the signatures that were exported of it."""
    model, folder = tiny(n_classes=3), tmp_path_factory.mktemp("exported") / "m"
    export_model(model, folder, SIZE, batch_sizes=[4, 1], jit_compile=False)
    return model, tf.saved_model.load(folder).signatures


@pytest.mark.parametrize("n", [1, 2, 5, 6, 11])
def test_an_image_is_the_same_in_batches_of_any_size(n, by_class):
    model, signatures = by_class
    drawn = called(signatures["sample"], n=n, seed=5, labels=np.array([2], np.int32), **PLAIN)
    expected = generate_images(model, SIZE, n, 5, labels=2)
    assert_same_but_for_ties(model, drawn, expected, 5, labels=np.full(n, 2))


def test_each_image_may_have_its_own_settings(by_class):
    model, signatures = by_class
    labels = np.array([0, 1, 2], np.int32)
    temperatures, top_ps = np.float32([0.5, 1, 2]), np.float32([1, 0.7, 1])
    drawn = called(
        signatures["draw"],
        images=np.zeros((3, *SIZE, 1), np.uint8),
        known=np.zeros((1, *SIZE, 1), bool),
        seeds=np.int32([3, 3, 4]),
        indices=np.int32([2, 0, 1]),
        temperatures=temperatures,
        top_ps=top_ps,
        labels=labels,
    )
    for i, (seed, index) in enumerate([(3, 2), (3, 0), (4, 1)]):
        settings = {"temperature": float(temperatures[i]), "top_p": float(top_ps[i])}
        alone = generate_images(model, SIZE, 3, seed, labels=labels[i], **settings)
        np.testing.assert_array_equal(drawn[i], alone[index])


def test_one_label_and_one_mask_are_for_all_images(by_class, rng):
    _, signatures = by_class
    images, known = random_images(rng, 3, *SIZE, 1), rng.random((1, *SIZE, 1)) < 0.5
    one = called(signatures["complete"], images=images, known=known, seed=0, labels=np.int32([1]))
    each = called(
        signatures["complete"],
        images=images,
        known=known.repeat(3, axis=0),
        seed=0,
        labels=np.int32([1, 1, 1]),
    )
    np.testing.assert_array_equal(one, each)


IMAGES = {"images": np.zeros((2, *SIZE, 1), np.uint8), "labels": np.int32([0, 1])}
KNOWN = {"known": np.zeros((2, *SIZE, 1), bool), "seed": 0}
SAMPLE = {"n": 2, "seed": 0, "labels": np.int32([0]), **PLAIN}
WRONG = [
    ("sample", {**SAMPLE, "n": 0}, "n=0: must be from 1 up"),
    ("sample", {**SAMPLE, "n": -3}, "n=-3: must be from 1 up"),
    ("sample", {**SAMPLE, "temperature": 0.0}, "temperature: [0 0]; must be from 0.001 to 1000"),
    ("sample", {**SAMPLE, "temperature": np.nan}, "temperature: [nan nan]; must be"),
    ("sample", {**SAMPLE, "top_p": 1.5}, "top_p: [1.5 1.5]; must be from 1e-06 to 1"),
    ("sample", {**SAMPLE, "labels": np.int32([3])}, "labels: [3]; must be from 0 to 2"),
    ("sample", {**SAMPLE, "labels": np.int32([0, 1, 2])}, "labels: 3 for 2 images; must be one"),
    (
        "log_prob",
        {**IMAGES, "images": IMAGES["images"] + 4},
        "images: [4 4 4]; must be from 0 to 3",
    ),
    ("log_prob", {**IMAGES, "images": IMAGES["images"][:0]}, "images: none; must be at least one"),
    ("complete", {**IMAGES, **KNOWN, "known": np.zeros((3, *SIZE, 1), bool)}, "known: of shape [3"),
    ("complete", {**IMAGES, **KNOWN, "labels": np.int32([-1, 0])}, "labels: [-1]; must be from 0"),
]


@pytest.mark.parametrize(("name", "inputs", "words"), WRONG)
def test_wrong_inputs_are_refused_with_the_reason(name, inputs, words, by_class):
    with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(words)):
        called(by_class[1][name], **inputs)


def test_pixelcnn_pp_scores_images_of_odd_sides(rng, monkeypatch):
    """In a graph where the height and the width are not known."""
    monkeypatch.setattr(pixelcnn_pp, "N_LEVELS", 2)
    model, images = small_pixelcnn_pp(1), random_images(rng, 2, 5, 6, 1, 256)
    exported = export.ExportedModel(model, (3, 5), [2], jit_compile=False)
    got = called(exported.log_prob, images=images)
    np.testing.assert_allclose(got, -score(model, images, progress=False), rtol=1e-4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="0x4: both sides must be at least 1"):
        exported.log_prob(images=tf.zeros([1, 0, 4, 1], tf.uint8))


def test_compiled_by_xla(tmp_path, monkeypatch):
    """The sampler of the file is compiled, and draws what Python's draws."""
    monkeypatch.delenv("PIXELCNN_TF_XLA")
    model = tiny()
    assert export_model(model, tmp_path / "m", SIZE, batch_sizes=[2])["compiled"]
    assert b"_XlaMustCompile" in (tmp_path / "m" / "saved_model.pb").read_bytes()
    drawn = called(tf.saved_model.load(tmp_path / "m").signatures["sample"], n=3, seed=1, **PLAIN)
    assert_same_but_for_ties(model, drawn, generate_images(model, SIZE, 3, 1), 1)


@pytest.mark.slow
def test_what_xla_cannot_compile_is_exported_without(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("PIXELCNN_TF_XLA")
    model = tiny()
    draw = model.likelihood.draw

    def draw_and_print(logits, *args):
        with tf.control_dependencies([tf.print("drawing", output_stream="file:///dev/null")]):
            return draw(tf.identity(logits), *args)

    monkeypatch.setattr(model.likelihood, "draw", draw_and_print)
    assert not export_model(model, tmp_path / "m", SIZE, batch_sizes=[1])["compiled"]
    assert "exported without XLA" in capsys.readouterr().err
    drawn = called(tf.saved_model.load(tmp_path / "m").signatures["sample"], n=2, seed=0, **PLAIN)
    assert drawn.shape == (2, *SIZE, 1)


def test_the_example_of_the_page_runs_without_this_package(tmp_path):
    model = tiny(n_channels=3)
    export_model(model, tmp_path / "digits_model", 12, batch_sizes=[2], jit_compile=False)
    text = (ROOT / "docs" / "serving.md").read_text()
    (block,) = re.findall(r"^```python\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    script = (
        "import sys\nsys.modules['pixelcnn_tf'] = None  # importing it fails\n" + block + "\n"
        "import numpy\nnumpy.savez('out.npz', drawn=drawn, log_prob=log_prob, filled=filled)\n"
    )
    (tmp_path / "script.py").write_text(script)
    command = [sys.executable, "-W", "ignore", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    given = np.load(tmp_path / "out.npz")
    drawn = generate_images(model, 12, 4, 0)
    assert_same_but_for_ties(model, given["drawn"], drawn, 0)
    np.testing.assert_allclose(given["log_prob"], -score(model, given["drawn"]), rtol=1e-5)
    filled = complete_images(model, given["drawn"], "lower", 1, 1)[:, 0]
    assert_same_but_for_ties(model, given["filled"], filled, 1)


def test_nothing_is_overwritten_unless_asked_for_and_nothing_is_half_written(tmp_path, monkeypatch):
    model = tiny()
    exported = export.ExportedModel(model, SIZE, [1], False)  # traced once
    monkeypatch.setattr(export, "ExportedModel", lambda *_: exported)

    def write(name="m", **options):
        export_model(model, tmp_path / name, SIZE, [1], jit_compile=False, **options)

    def files():
        return {str(p.relative_to(tmp_path)): p.stat().st_mtime_ns for p in tmp_path.rglob("*")}

    def save(_, path, *__):
        Path(path, "saved_model.pb").write_text("a model")

    def full_disk(*arguments):
        save(*arguments)
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    monkeypatch.setattr(tf.saved_model, "save", save)
    write()
    before = files()
    assert set(before) == {"m", "m/saved_model.pb", "m/assets.extra", f"m/{DESCRIPTION}"}
    with pytest.raises(UserError, match="m: exists already; use --force to replace it"):
        write()
    with monkeypatch.context() as patched:
        patched.setattr(tf.saved_model, "save", full_disk)
        for name in ("m", "other"):
            with pytest.raises(UserError, match="cannot be written: No space left on device"):
                write(name, force=True)
    assert files() == before
    write(force=True)
    assert set(files()) == set(before) and files() != before
    (tmp_path / "thesis").mkdir()
    with pytest.raises(UserError, match="thesis: holds no exported model, and is not replaced"):
        write("thesis", force=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image_size": 0}, "image_size=0: must be a positive integer"),
        ({"batch_sizes": []}, "batch_sizes=[]: must be a list of integers from 1 up"),
        ({"batch_sizes": [0]}, "batch_sizes=[0]: must be"),
        ({"path": "none/m"}, "none/m: there is no folder none; create it first"),
        ({"path": "/dev/null/m"}, "/dev/null/m: there is no folder /dev/null"),
    ],
)
def test_wrong_arguments(options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=re.escape(words)):
        export_model(tiny(), **{"path": "m", "image_size": 4, **options})
    assert list(tmp_path.iterdir()) == []
