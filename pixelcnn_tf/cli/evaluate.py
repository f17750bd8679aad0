"""Score a test set under a trained model, or compare two models on it.

Scores are negative log-likelihoods: bits per dimension and, for binary images, nats per image.
Lower is better.

examples:
  pixelcnn-tf evaluate --run runs/digits
  pixelcnn-tf evaluate --run runs/row_lstm --compare runs/masked    paired comparison
  pixelcnn-tf evaluate --run runs/mnist --set data.source=mine.npz    other images
  pixelcnn-tf evaluate --run runs/digits --out scores.csv    a line per image
"""

import argparse
import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pixelcnn_tf.cli.parsing import Parser, check_run_folder
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.plugins import load_plugins
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable, replacing
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.zoo.models import run_path

if TYPE_CHECKING:
    from pixelcnn_tf.data.images import Images
    from pixelcnn_tf.scoring import Comparison

COMMAND = "pixelcnn-tf evaluate"


def main(argv: list[str] | None = None, prog: str = COMMAND) -> int:
    """Runs the command with the given arguments and returns its exit status.

    Raises:
        UserError: a flag, a run folder or the images are wrong.

    Examples:
        >>> main(["--run", "none"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: --run none: not a run folder ...
    """
    args = _arguments(argv, prog)
    load_plugins(args.plugins)
    out = check_writable(args.out, ".csv", ".npy") if args.out else None
    config = load_config(run_path(args.run) / "config.yml", args.overrides)

    startup.import_tensorflow()
    from pixelcnn_tf.data.conditions import condition_of
    from pixelcnn_tf.likelihoods.base import format_report
    from pixelcnn_tf.scoring import compare, score
    from pixelcnn_tf.training.run_folder import load_model

    startup.use_one_thread_per_operation()
    startup.find_devices()
    model = load_model(args.run)
    other = load_model(args.against) if args.against else None
    images = _test_set(args, config, model, other)
    test, labels, condition = images.test, images.test_labels, condition_of(images, "test")
    n, n_dims = len(test), test[0].size
    if other is None:
        scores = score(model, test, labels, condition=condition, batch_size=args.batch_size)
        figures = format_report(model.likelihood.report(scores.mean(), n_dims))
        print(f"{config.data.source}: {figures} ({n:,} images)")
        _write(out, scores[None], labels, n_dims)
        return 0
    options = {"condition": condition, "batch_size": args.batch_size}
    result = compare(model, other, test, labels, **options)
    nats = result.nats_per_image
    own = format_report(model.likelihood.report(nats.mean_a, n_dims))
    others = format_report(other.likelihood.report(nats.mean_b, n_dims))
    print(f"{config.data.source}: {own} ({n:,} images)")
    print(f"{args.against}: {others}; {_verdict(args.run, model.likelihood.units[0], result)}")
    _write(out, result.scores, labels, n_dims)
    return 0


def _verdict(name: str, unit: str, result: "Comparison") -> str:
    """Returns the paired difference in words, from the point of view of the first model."""
    pair = getattr(result, unit)
    if pair.difference == pair.standard_error == 0:
        return f"{name} scores every image the same"
    than = "better" if pair.difference <= 0 else "worse"
    return (
        f"{name} is {than} by {abs(pair.difference):.4f} ± {pair.standard_error:.4f} "
        f"{unit.replace('_', ' ')} (mean and standard error of the paired differences)"
    )


def _write(path: Path | None, scores, labels, n_dims: int) -> None:
    """Writes nats per image ``[n_models, n_images]`` to a .npy file, or with more to a .csv file,
    one line per image; nothing without a path."""
    if path is None:
        return
    import numpy as np

    from pixelcnn_tf.likelihoods.base import scale_to

    with replacing(path) as temporary:
        if path.suffix.lower() == ".npy":
            with temporary.open("wb") as file:
                np.save(file, scores[0] if len(scores) == 1 else scores.T)
        else:
            columns: dict[str, Iterable] = {"image": range(scores.shape[1])}
            columns |= {} if labels is None else {"label": labels}
            for prefix, nats in zip(("", "compared_"), scores, strict=False):
                columns[f"{prefix}nats_per_image"] = [f"{value:.6f}" for value in nats]
                bits = nats * scale_to("bits_per_dim", n_dims)
                columns[f"{prefix}bits_per_dim"] = [f"{value:.6f}" for value in bits]
            with temporary.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(columns)
                writer.writerows(zip(*columns.values(), strict=True))
    print(f"scores of {scores.shape[1]:,} images: {path}")


def _arguments(argv: list[str] | None, prog: str) -> argparse.Namespace:
    """Returns the parsed flags; ``args.given`` contains the settings that ``--set`` changes."""
    parser = Parser(__doc__, COMMAND, prog)
    parser.add_argument("--run", required=True, metavar="PATH", help="a run folder, or zoo:NAME")
    parser.add_argument(
        "--compare",
        dest="against",
        metavar="PATH",
        help="another run folder, or zoo:NAME: also report the paired difference, on the test "
        "images of --run",
    )
    parser.add_argument("--against", help=argparse.SUPPRESS)  # its name before 0.2.0
    parser.add_scoring_batch()
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="also write the score of every image: a .csv file with a line per image (its place "
        "in the test set, its label if any, nats, bits), or a .npy file of nats, float64 [n] "
        "([n, 2] with --compare)",
    )
    parser.add_overrides("a setting of the section data, as in data.source=mine.npz")
    parser.add_plugins()
    args = parser.parse_args(argv)
    parser.refuse_overrides_except_data(args.overrides)
    for flag, run in (("--run", args.run), ("--compare", args.against)):
        if run:
            check_run_folder(run, flag)
    args.given = {override.partition("=")[0] for override in args.overrides}
    if "data.source" in args.given and "data.image_size" not in args.given:
        args.overrides.append("data.image_size=null")  # the size of the new images
    return args


def _test_set(args: argparse.Namespace, config: Config, model, other) -> "Images":
    """Returns the images to score.

    Raises:
        UserError: as ``load_images``; or the classes or channels do not fit the models.
    """
    from pixelcnn_tf.data.sources import check_bits
    from pixelcnn_tf.training.run_images import (
        check_same_images,
        load_run_images,
        note_training_images,
    )

    classes = {m.n_classes for m in (model, other) if m is not None} - {None}
    if len(classes) > 1:
        raise UserError(
            f"--compare {args.against}: has {other.n_classes} classes, {args.run} has "
            f"{model.n_classes}; must be equal"
        )
    config = _with_condition(args, config, model, other)
    hold_out = not _is_new_data(args.run, config, args.given)
    images = load_run_images(args.run, config.data, next(iter(classes), None), hold_out)
    if not args.given - _SPLIT:
        advice = "restore them, or score other images with --set data.source=PATH"
        none = {"train_condition": None, "test_condition": None, "validation_condition": None}
        own = images._replace(**none) if model.condition_spec is None else images
        check_same_images(args.run, own, model.n_classes, advice)
    elif not hold_out:
        note_training_images(args.run, images.test)
    channels = images.test.shape[-1]
    if channels != model.n_channels:
        raise UserError(
            f"data.source: {config.data.source!r} has images of "
            f"{number_of(channels, 'channel')}; must be {model.n_channels}, like the training "
            f"images of {args.run}"
        )
    n_values, largest = model.likelihood.n_values, int(images.test.max())
    if "data.source" in args.given:
        check_bits(images.test, config.data.source, config.data, n_values)
    if largest >= n_values:
        raise UserError(
            f"data.source: {config.data.source!r} has images with values up to {largest}; must be "
            f"0 to {n_values - 1}, like the training images of {args.run}"
        )
    if other is not None and other.n_channels != channels:
        raise UserError(
            f"--compare {args.against}: is for images of "
            f"{number_of(other.n_channels, 'channel')}; those of {args.run} have {channels}"
        )
    return images


def _with_condition(args: argparse.Namespace, config: Config, model, other) -> Config:
    """Returns the config with the condition of the models; that of ``--compare`` if only that one
    is conditional.

    Raises:
        UserError: their conditions differ.
    """
    if other is None or other.condition_spec is None:
        return config
    others = load_config(run_path(args.against) / "config.yml").data
    own = config.data
    if model.condition_spec is None:
        update = {"condition": others.condition, "condition_source": others.condition_source}
        return config.model_copy(update={"data": own.model_copy(update=update)})
    if own.condition != others.condition:
        raise UserError(
            f"--compare {args.against}: has data.condition {others.condition!r}, {args.run} has "
            f"{own.condition!r}; must be equal"
        )
    return config


#: Settings that change which images are in the test set, or nothing.
_SPLIT = {"data.test_share", "data.validation_share", "data.seed", "data.cache_gb"}


def _is_new_data(run: str, config: Config, given: set[str]) -> bool:
    """Returns whether none of the images were used for training, so that all can be scored."""
    from pixelcnn_tf.data.sources import load_images
    from pixelcnn_tf.training.run_folder import RunFolder

    if "data.source" not in given or "data.test_share" in given:
        return False
    own = load_config(run_path(run) / "config.yml").data.source
    if Path(own).expanduser().resolve() == Path(config.data.source).expanduser().resolve():
        return False
    try:
        images = load_images(config.data, labels=config.model.n_classes is not None)
    except UserError:  # a single image, which cannot be held out; other errors are raised later
        return True
    return not RunFolder(run).has_images(*images.arrays())
