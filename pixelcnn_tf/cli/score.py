"""Score how unusual images are under a trained model, compared with the test images of its run.

Each image gets its bits per dimension, its z-score (standard deviations above the mean of the test
images) and its percentile among them. Simple images cost few bits whatever they show; --correct
takes that into account. Maps show which pixels are unusual.

examples:
  pixelcnn-tf score photo.png --run runs/digits
  pixelcnn-tf score pictures/ more.npz --run runs/digits --out scores.csv --maps maps
  pixelcnn-tf score pictures/ --run runs/digits --correct complexity
  pixelcnn-tf score pictures/ --run runs/mine --correct ratio --background runs/mine_background
"""

import argparse
import contextlib
import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

from pixelcnn_tf.cli.conditions import add_condition, condition_for_images
from pixelcnn_tf.cli.parsing import (
    Parser,
    check_images_exist,
    check_label,
    check_run_folder,
    label,
)
from pixelcnn_tf.config import registry
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.plugins import load_plugins
from pixelcnn_tf.config.schema import Config, DataConfig
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_folder, check_writable, filling, replacing
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.utils.progress import say
from pixelcnn_tf.zoo.models import run_path

if TYPE_CHECKING:
    from pixelcnn_tf.anomaly import AnomalyScores
    from pixelcnn_tf.data.paths import NamedImages

COMMAND = "pixelcnn-tf score"

#: The most images whose scores are printed.
MOST_ROWS = 40


def main(argv: list[str] | None = None, prog: str = COMMAND) -> int:
    """Runs the command with the given arguments and returns its exit status.

    Raises:
        UserError: a flag, a run or an image is wrong, or an output exists already.

    Examples:
        >>> main(["a.png", "--run", "none"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: --run none: not a run folder ...
    """
    args = _arguments(argv, prog)
    load_plugins(args.plugins)
    config = load_config(run_path(args.run) / "config.yml", args.overrides)
    _check_background_size(args, config)

    startup.import_tensorflow()
    import numpy as np

    from pixelcnn_tf.anomaly import anomaly_scores, surprise_maps
    from pixelcnn_tf.data.conditions import condition_of
    from pixelcnn_tf.training import run_images
    from pixelcnn_tf.training.run_folder import load_model
    from pixelcnn_tf.visualization.surprise import map_files, save_surprise_maps

    startup.find_devices()
    model = load_model(args.run)
    background = load_model(args.background) if args.background else None
    check_label(args.label, model.n_classes)
    own = run_images.load_run_images(args.run, config.data, model.n_classes)
    run_images.check_same_images(args.run, own, model.n_classes)
    images, names = _given_images(args, config, model, own.test.shape[1:])
    run_images.note_training_images(args.run, images, own.train)
    labels = None if args.label is None else np.full(len(images), args.label)
    condition = condition_for_images(args.condition, config.data, model, images)
    scores = anomaly_scores(
        model,
        images,
        own.test,
        labels,
        own.test_labels,
        condition=condition,
        reference_condition=condition_of(own, "test"),
        correct=args.correct,
        background=background,
        batch_size=args.batch_size,
    )
    columns = _columns(args.correct, names, scores)
    maps = None
    if args.maps:
        options = {"condition": condition, "batch_size": args.batch_size}
        maps = surprise_maps(model, images, labels, **options)
        files = map_files(names)
        columns["map"] = [str(Path(args.maps) / file) for file in files]
    with contextlib.ExitStack() as outputs:  # all of them, or none
        if args.out:
            record = _settings(args, config, len(own.test), scores)
            _write_csv(outputs.enter_context(replacing(args.out)), columns)
            path = outputs.enter_context(replacing(args.settings))
            path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        if maps is not None:
            folder = outputs.enter_context(filling(args.maps))
            titles = [
                f"{bits:.3f} bits per dim, z-score {z:+.1f}"
                for bits, z in zip(scores.bits_per_dim, scores.z_score, strict=True)
            ]
            n_values = model.likelihood.n_values
            colours = config.data.colours(n_values)
            save_surprise_maps(folder, files, np.asarray(images), maps, titles, n_values, colours)
    _print_table(columns, len(own.test))
    for path, what in ((args.out, "scores"), (args.maps, "surprise maps")):
        if path:
            print(f"{what} of {number_of(len(names), 'image')}: {path}")
    return 0


def _arguments(argv: list[str] | None, prog: str) -> argparse.Namespace:
    """Returns the parsed flags, checked as far as that needs no TensorFlow.

    ``args.settings`` is the path of the settings beside the scores.
    """
    parser = Parser(__doc__, COMMAND, prog)
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="image files, folders or archives of them, or .npz or .npy files",
    )
    parser.add_run(
        "a run folder, or zoo:NAME: its model scores the images, and its test images are compared"
    )
    parser.add_argument(
        "--correct",
        choices=("complexity", "ratio"),
        help="subtract the bits of a general lossless coder, the smaller one of PNG and WebP "
        "(complexity), or those of another model (ratio, with --background)",
    )
    parser.add_argument(
        "--background",
        metavar="PATH",
        help="for --correct ratio: a run folder or .keras file, whose model was trained on the "
        "same images with data.mutation_rate",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="also write the scores to a .csv file, a line per image, with the settings in a "
        ".json file of the same name",
    )
    parser.add_argument(
        "--maps",
        metavar="FOLDER",
        help="draw the bits of every pixel as a heat map beside each image, with one colour scale "
        "for all of them, as .png files in this folder",
    )
    parser.add_argument(
        "--label",
        type=label,
        metavar="N",
        help="for a class-conditional model: the class of all images",
    )
    add_condition(parser, "default: made from the images")
    parser.add_scoring_batch()
    parser.add_argument(
        "--force", action="store_true", help="overwrite --out, and files in --maps, if they exist"
    )
    parser.add_overrides(
        "a setting of the section data: where the images of the run are now, or how image files "
        "are read, as in data.sixteen_bit=scale"
    )
    parser.add_plugins()
    args = parser.parse_args(argv)
    parser.refuse_overrides_except_data(args.overrides)
    check_run_folder(args.run)
    if args.correct == "ratio" and args.background is None:
        raise UserError(
            "--background: is missing; --correct ratio needs the run folder of a model that was "
            "trained with data.mutation_rate"
        )
    if args.correct != "ratio" and args.background is not None:
        raise UserError("--background: has no effect without --correct ratio")
    if args.background and not run_path(args.background).exists():
        raise UserError(f"--background {args.background}: no such run folder or .keras file")
    check_images_exist(args.images)
    args.settings = None
    if args.out:
        args.out = check_writable(args.out, ".csv", force=args.force)
        args.settings = check_writable(args.out.with_suffix(".json"), force=args.force)
    if args.maps:
        check_folder(args.maps, args.force)
    return args


def _check_background_size(args: argparse.Namespace, config: Config) -> None:
    """Raises UserError if the run of ``--background`` had images of another size or number of
    channels; prints a note if it had no noise."""
    if args.background is None or not (run_path(args.background) / "config.yml").is_file():
        return
    import numpy as np

    other = load_config(run_path(args.background) / "config.yml")
    for what, its, own in (
        ("size", other.data.image_size, config.data.image_size),
        ("channels", other.model.n_channels, config.model.n_channels),
    ):
        if own and its and own != its:
            its, own = ("x".join(map(str, np.atleast_1d(value))) for value in (its, own))
            raise UserError(
                f"--background {args.background}: its images have {what} {its}; must be {own}, "
                f"as those of {args.run}"
            )
    if other.data.mutation_rate is None:
        say(f"--background {args.background}: was trained without data.mutation_rate")


def _given_images(
    args: argparse.Namespace, config: Config, model, shape: tuple[int, int, int]
) -> "NamedImages":
    """Returns the images of all paths, uint8 ``[n, height, width, channels]``, and their names.

    Raises:
        UserError: as ``load_named_images``; or other than ``shape``, or other values than those of
            the model.
    """
    import numpy as np

    from pixelcnn_tf.data.paths import NamedImages
    from pixelcnn_tf.data.sources import load_named_images

    data = _data_config(args, config.data)
    parts, names = [], []
    for path in args.images:
        images, new = load_named_images(path, data, model.likelihood.n_values)
        if images.shape[1:3] != shape[:2]:
            raise UserError(
                f"{path}: {'is' if len(images) == 1 else 'has images of'} "
                f"{images.shape[1]}x{images.shape[2]}; must be {shape[0]}x{shape[1]}, like the "
                f"test images of {args.run}; resize, or let --set "
                f"data.image_size=[{shape[0]},{shape[1]}] resize image files"
            )
        if images.shape[3] == 1 and shape[2] == 3:
            images = np.asarray(images).repeat(3, axis=-1)
        if images.shape[3] != shape[2]:
            raise UserError(
                f"{path}: has {number_of(images.shape[3], 'channel')}; must have {shape[2]}, like "
                f"the test images of {args.run}"
            )
        if model.likelihood.n_values == 2 and images.max() > 1:
            images = (np.asarray(images) >= 128).astype(np.uint8)
        if images.max() >= model.likelihood.n_values:
            raise UserError(
                f"{path}: has values up to {images.max()}; must be 0 to "
                f"{model.likelihood.n_values - 1}, like those of {args.run}"
            )
        parts.append(images)
        names += new
    return NamedImages(np.concatenate([np.asarray(part) for part in parts]), names)


def _data_config(args: argparse.Namespace, data: DataConfig) -> DataConfig:
    """Returns how to read the images: as those of the run. Image files are resized only where
    those of the run were, or if ``--set`` says so: resizing changes how surprising they are."""
    if any(override.startswith("data.image_size=") for override in args.overrides):
        return data
    from pixelcnn_tf.data.array_files import ARRAY_ENDINGS

    arrays = Path(data.source).suffix.lower() in ARRAY_ENDINGS
    if registry.find("source", data.source) or arrays:
        return data.model_copy(update={"image_size": None})
    return data


def _columns(correct: str | None, names: list[str], scores: "AnomalyScores") -> dict[str, list]:
    """Returns the columns of the table, by name."""
    columns: dict[str, list] = {"image": names, "bits_per_dim": scores.bits_per_dim.tolist()}
    if correct:
        source = "complexity" if correct == "complexity" else "background"
        columns[source] = scores.subtracted.tolist()
        columns["corrected"] = scores.score.tolist()
    columns["z_score"], columns["percentile"] = scores.z_score.tolist(), scores.percentile.tolist()
    return columns


def _print_table(columns: dict[str, list], n_reference: int) -> None:
    """Prints the columns, of at most ``MOST_ROWS`` images."""
    n = len(columns["image"])
    rows = list(range(n))
    if n > MOST_ROWS:
        rows = sorted(rows, key=lambda i: -columns["z_score"][i])[:MOST_ROWS]
        print(f"the {MOST_ROWS} of {n:,} images with the highest z-scores; --out writes all")
    shown = {name: values for name, values in columns.items() if name != "map"}
    lines = [[name.replace("_", " ") for name in shown]]
    digits = {"z_score": 2, "percentile": 1}
    for i in rows:
        numbers = [f"{v[i]:.{digits.get(k, 4)}f}" for k, v in shown.items() if k != "image"]
        lines.append([str(columns["image"][i]), *numbers])
    widths = [max(len(line[j]) for line in lines) for j in range(len(shown))]
    for line in lines:
        first, *rest = [
            text.ljust(width) if j == 0 else text.rjust(width)
            for j, (text, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join([first, *rest]))
    print(f"z-scores and percentiles among {number_of(n_reference, 'test image')} of the run")


def _write_csv(path: Path, columns: dict[str, list]) -> None:
    texts = [
        [value if isinstance(value, str) else f"{value:.6f}" for value in column]
        for column in columns.values()
    ]
    # Names of files need not be UTF-8.
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*texts, strict=True))


def _settings(
    args: argparse.Namespace, config: Config, n_reference: int, scores: "AnomalyScores"
) -> dict:
    """Returns what the scores depend on."""
    from pixelcnn_tf.anomaly import CODERS
    from pixelcnn_tf.training.results import versions

    return {
        "images": args.images,
        "run": args.run,
        "correct": args.correct,
        "coders": CODERS if args.correct == "complexity" else None,
        "background": args.background,
        "label": args.label,
        "condition": args.condition,
        "data": config.data.model_dump(mode="json"),
        "test_images": n_reference,
        "mean": scores.mean,
        "standard_deviation": scores.standard_deviation,
        "versions": versions(),
    }
