"""A folder of the zoo, made from a finished run."""

import dataclasses
import io
import json
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from experiments.commands import closest_config, command_of
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.data.conditions import condition_of, conditioned
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.data.pipeline import load_for
from pixelcnn_tf.likelihoods.base import scale_to
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.sampling.generate import generate_images
from pixelcnn_tf.scoring import score
from pixelcnn_tf.training.results import versions
from pixelcnn_tf.training.run_folder import RunFolder, load_model
from pixelcnn_tf.training.run_images import check_same_images
from pixelcnn_tf.utils.atomic_files import replacing, replacing_folder
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.visualization.grids import condition_grid, image_grid
from pixelcnn_tf.zoo.models import FOLDER, ZooModel, digest, find, zoo_models

#: The largest file of a model, and all files of the zoo, in bytes.
LARGEST_FILE, LARGEST_ZOO = 2_500_000, 12_000_000
#: By how much float16 may change the score, in the unit of the card.
LARGEST_CHANGE = 0.001
N_SAMPLES = 64


def add_run(
    folder: Path, name: str, texts: dict, n_images: int, seed: int, batch_size: int
) -> ZooModel:
    """Writes the folder of a model of the zoo, which replaces one of the same name.

    Args:
        folder: of a finished run, whose data are still there.
        name: of the model.
        texts: ``title``, ``description``, ``data``, ``licence`` and ``machine`` of the card; the
            last one may be None, for the number of cores that the run states.
        n_images: number of test images to install.
        seed: of the images of ``samples.png``.
        batch_size: images that are scored at once.

    Raises:
        UserError: the run is not finished, has plugins, or its images have changed; the files are
            too large, or float16 changes the score by more than ``LARGEST_CHANGE``.
    """
    run = RunFolder(folder)
    if not run.results.is_file() or not run.model.is_file():
        raise UserError(f"{folder}: holds no finished run (no results.json or no model.keras)")
    results = json.loads(run.results.read_text(encoding="utf-8"))
    config = load_config(run.config)
    if config.plugins:
        raise UserError(f"{folder}: needs plugins, which the zoo cannot install")
    model = load_model(run.model)
    images, nats = score_all(model, config, str(folder), batch_size)
    n_dims = images.test[0].size
    before, _ = mean_and_error(model, nats, n_dims)
    with replacing_folder(FOLDER / name) as new:
        write_in_half_precision(run.model, new / "model.keras")
        model = load_model(new / "model.keras")
        _, nats = score_all(model, config, str(folder), batch_size)
        mean, error = mean_and_error(model, nats, n_dims)
        if not abs(mean - before) <= LARGEST_CHANGE:
            raise UserError(
                f"{folder}: the score is {mean:.4f} with weights in float16 and {before:.4f} in "
                f"float32; must differ by at most {LARGEST_CHANGE}"
            )
        print(f"score with weights in float16 {mean:.5f}, in float32 {before:.5f}")
        positions = np.linspace(0, len(images.test) - 1, min(n_images, len(images.test)))
        positions = positions.round().astype(int)
        unit = model.likelihood.units[0]
        published = _published(config, name)
        card = ZooModel(
            name=name,
            **{**texts, "machine": texts["machine"] or _machine(results)},
            image_shape=images.test.shape[1:],
            n_values=model.likelihood.n_values,
            n_classes=model.n_classes,
            unit=unit,
            test=mean,
            standard_error=error,
            test_images=len(images.test),
            test_set=_test_set(config, len(images.test)),
            weights=results["used_parameters"],
            command=command_of(published, closest_config(published)),
            seed=config.seed,
            hours=round(results["training_seconds"] / 3600, 3),
            images_seen=results["images_seen"],
            positions=tuple(positions.tolist()),
            scores=tuple((nats[positions] * scale_to(unit, n_dims)).round(5).tolist()),
            samples_seed=seed,
            sha256=digest(new / "model.keras"),
            versions=versions(),
        )
        _write_images(images, positions, new / "images.npz")
        _write_samples(model, config, images, seed, new / "samples.png")
        (new / "config.yml").write_text(published.to_yaml(), encoding="utf-8")
        if run.images.is_file():
            shutil.copyfile(run.images, new / "images.txt")
        _write_card(card, new)
        _check_sizes(name, new)
    return find(name)


def command_for(card: ZooModel) -> str:
    """Returns the command that trains a model of the zoo with the config files of today."""
    config = load_config(card.folder / "config.yml")
    return command_of(config, closest_config(config))


def refresh_commands() -> None:
    """Writes the commands of all cards again, for config files that have changed since."""
    for card in zoo_models().values():
        _write_card(dataclasses.replace(card, command=command_for(card)), card.folder)


def score_all(
    model: PixelModel, config: Config, run: str, batch_size: int
) -> tuple[Images, np.ndarray]:
    """Returns the images of a run and the score of each of its test images, in nats.

    Raises:
        UserError: they are not those that the run was trained with.
    """
    images = load_for(config.data, model.n_classes)
    check_same_images(run, images, model.n_classes)
    condition = condition_of(images, "test")
    options = {"condition": condition, "batch_size": batch_size}
    return images, score(model, images.test, images.test_labels, **options)


def mean_and_error(model: PixelModel, nats: np.ndarray, n_dims: int) -> tuple[float, float]:
    """Returns the mean score and its standard error in the unit of the model."""
    scores = nats * scale_to(model.likelihood.units[0], n_dims)
    return round(scores.mean(), 5), round(scores.std(ddof=1) / len(scores) ** 0.5, 5)


def write_in_half_precision(source: Path, target: Path) -> None:
    """Copies a ``.keras`` file with its floating-point weights in float16, compressed. Keras reads
    them into variables of the dtype that they had.

    Raises:
        UserError: a weight is too large for float16.
    """
    with (
        zipfile.ZipFile(source) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new,
    ):
        for name in sorted(old.namelist()):
            content = old.read(name)
            if name.endswith(".h5"):
                content = _in_half_precision(content, str(source))
            new.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def _in_half_precision(content: bytes, where: str) -> bytes:
    written = io.BytesIO()
    with h5py.File(io.BytesIO(content), "r") as old, h5py.File(written, "w") as new:

        def copy(name: str, item) -> None:
            if isinstance(item, h5py.Group):
                made = new.require_group(name)
            else:
                values = item[()]
                if values.dtype.kind == "f":
                    if not np.abs(values).max(initial=0) <= np.finfo(np.float16).max:
                        raise UserError(f"{where}: has weights that are too large for float16")
                    values = values.astype(np.float16)
                made = new.create_dataset(name, data=values)
            for key, value in item.attrs.items():
                made.attrs[key] = value

        old.visititems(copy)
        for key, value in old.attrs.items():
            new.attrs[key] = value
    return written.getvalue()


def _write_card(card: ZooModel, folder: Path) -> None:
    values = {key: value for key, value in dataclasses.asdict(card).items() if key != "name"}
    with replacing(folder / "card.json") as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def _published(config: Config, name: str) -> Config:
    """Returns the config without the folders of this machine, of no use on another one."""
    named = {"source": Path(config.data.source).name}
    if config.data.condition_source is not None:
        named["condition_source"] = Path(config.data.condition_source).name
    data = config.data.model_copy(update=named)
    runs_dir = Config.model_fields["runs_dir"].default
    return config.model_copy(update={"name": name, "runs_dir": runs_dir, "data": data})


def _machine(results: dict) -> str:
    return number_of(results["cores"], "CPU core")


def _test_set(config: Config, n: int) -> str:
    how = {
        None: "",
        "threshold": ", binarized at half intensity",
        "sample": f", binarized once at random (data.seed {config.data.seed})",
        "dynamic": f", binarized once at random (data.seed {config.data.seed})",
    }[config.data.binarize]
    return f"the {number_of(n, 'test image')} of {Path(config.data.source).name}{how}"


def _write_images(images: Images, positions: np.ndarray, path: Path) -> None:
    arrays = {"x_test": images.test, "y_test": images.test_labels, "c_test": images.test_condition}
    chosen = {key: np.asarray(a[positions]) for key, a in arrays.items() if a is not None}
    np.savez_compressed(path, **chosen)


def _write_samples(
    model: PixelModel, config: Config, images: Images, seed: int, path: Path
) -> None:
    """Draws 64 images into a PNG file of greys or of a palette. Of a conditional model they are
    four for each of 16 conditions, and the test image of each condition is shown with them."""
    size, n_values = images.test.shape[1:3], model.likelihood.n_values
    colours = config.data.colours(n_values)
    labels = condition = given = None
    if model.condition_spec is not None:
        positions = np.linspace(0, len(images.test) - 1, N_SAMPLES // 4).round().astype(int)
        given = conditioned(images, "test", positions)
        condition = given.condition.repeat(4, axis=0)
        labels = None if given.labels is None else given.labels.repeat(4)
    elif model.n_classes is not None:
        labels = np.sort(np.arange(N_SAMPLES) % model.n_classes)
    drawn = generate_images(model, size, N_SAMPLES, seed, labels=labels, condition=condition)
    if given is None:
        grid = image_grid(drawn, n_values, 8, colours)
    else:
        assert model.condition_spec is not None
        drawn = drawn.reshape(-1, 4, *drawn.shape[1:])
        options = {"n_codes": model.condition_spec.n_codes, "colours": colours}
        grid = condition_grid(given.condition, drawn, given.images, n_values, **options)
    picture = Image.fromarray(grid)
    if (grid == grid[..., :1]).all():
        picture = picture.convert("L")
    n_colours = len(picture.getcolors(maxcolors=2**24) or [])
    if picture.mode == "RGB" or n_colours <= 16:  # fewer bits per pixel
        picture = picture.quantize(min(n_colours, 256))
    picture.save(path, format="PNG", optimize=True)


def _check_sizes(name: str, folder: Path) -> None:
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    for file, size in sizes.items():
        if size > LARGEST_FILE:
            raise UserError(f"{name}: {file} has {size:,} bytes; must be at most {LARGEST_FILE:,}")
    kept = [p for p in FOLDER.glob("[!.]*/*") if p.parent.name != name]
    total = sum(sizes.values()) + sum(path.stat().st_size for path in kept)
    if total > LARGEST_ZOO:
        raise UserError(
            f"{name}: the zoo would have {total:,} bytes; must be at most {LARGEST_ZOO:,}"
        )
