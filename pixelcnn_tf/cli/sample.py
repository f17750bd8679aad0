"""Draw images from a trained model into a grid (.png), an array (.npy), an animation (.gif), or the
text of levels (.txt).

A grid shows the values scaled to 8 bits; with --format png16 it is a .png file of 16 bits per
channel, which holds the values as they are.

The animation shows how the pixels of the grid become known, in the order of the sampler. Levels are
the images of a run that was trained on levels (data.alphabet).

examples:
  pixelcnn-tf sample --run runs/digits --n 64 --out samples.png
  pixelcnn-tf sample --run runs/digits --n 16 --seed 7 --temperature 0.9 --top-p 0.95
  pixelcnn-tf sample --run runs/by_class --label 7 --n 16
  pixelcnn-tf sample --run runs/by_class --label all    one row per class
  pixelcnn-tf sample --run model.keras --size 12 --n 4 --out four.npy
  pixelcnn-tf sample --run runs/digits --n 24 --format gif
  pixelcnn-tf sample --run runs/levels_gated_pixelcnn --n 5 --out levels.txt
  pixelcnn-tf sample --run runs/colors --split test --n 8 --draws 4    conditions of test images
  pixelcnn-tf sample --run runs/colors --condition grey.png --draws 6

The grid of a conditional model has one row per condition: the condition, the images that are drawn
for it, and the image that it belongs to, if that is known.
"""

import argparse
from typing import TYPE_CHECKING

from pixelcnn_tf.cli.conditions import (
    add_condition,
    check_unconditional,
    data_of,
    held_out,
    note_fewer,
    read_conditions,
)
from pixelcnn_tf.cli.parsing import Parser, label, size, whole_number
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.plugins import load_plugins
from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable, replacing
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.utils.progress import sampling_progress
from pixelcnn_tf.zoo.models import run_path

if TYPE_CHECKING:
    import numpy as np

    from pixelcnn_tf.data.conditions import Conditioned

COMMAND = "pixelcnn-tf sample"
FORMATS = ("png", "npy", "gif", "txt", "png16")


def main(argv: list[str] | None = None, prog: str = COMMAND) -> int:
    """Runs the command with the given arguments and returns its exit status.

    Raises:
        UserError: a flag is wrong, or there is no such run or model file.

    Examples:
        >>> main(["--run", "none"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: --run none: no such run folder ...
    """
    args = _arguments(argv, prog)
    load_plugins(args.plugins)
    formats = [args.format.removesuffix("16")] if args.format else FORMATS[:-1]
    endings = [f".{name}" for name in formats]
    out = check_writable(args.out or f"sheet{endings[0]}", *endings)
    if out.suffix.lower() == ".gif":  # grids and arrays are overwritten, as they always were
        check_writable(out, force=args.force)
    image_size = args.size or trained_size(args.run)
    data = data_of(args.run)
    if out.suffix.lower() == ".txt" and data.alphabet is None:
        raise UserError(
            f"--out {out}: the config of --run {args.run} has no data.alphabet, the characters of "
            "levels; must end in .png, .npy or .gif"
        )

    startup.import_tensorflow()
    import numpy as np

    from pixelcnn_tf.data.level_files import as_text
    from pixelcnn_tf.sampling.generate import generate_images
    from pixelcnn_tf.training.run_folder import load_model
    from pixelcnn_tf.visualization.animation import save_sampling
    from pixelcnn_tf.visualization.grids import arranged, condition_grid, image_grid, save_image

    startup.find_devices()
    model = load_model(args.run)
    n_values = model.likelihood.n_values
    colours = data.colours(n_values)
    given = _conditions(args, data, model, image_size)
    n, labels = _number_and_labels(args, model.n_classes, given)
    condition = None if given is None else given.condition.repeat(args.draws, axis=0)
    if args.label == "all" and args.columns is None and model.n_classes is not None:
        args.columns = n // model.n_classes
    with sampling_progress(n, image_size) as show:
        images = generate_images(
            model,
            image_size,
            n,
            args.seed,
            temperature=args.temperature,
            top_p=args.top_p,
            batch_size=args.batch_size,
            progress=show,
            labels=labels,
            condition=condition,
        )
    if out.suffix.lower() == ".npy":
        with replacing(out) as temporary, temporary.open("wb") as file:
            np.save(file, images)
    elif out.suffix.lower() == ".txt":
        with replacing(out) as temporary:
            temporary.write_text(as_text(images, str(data.alphabet)), encoding="utf-8")
    elif out.suffix.lower() == ".gif":
        save_sampling(model, images, out, args.columns, colours)
    elif args.format == "png16":
        save_image(arranged(images.astype(np.uint16), n_values - 1, args.columns), out)
    elif given is not None and model.condition_spec is not None:
        drawn = images.reshape(len(given.condition), args.draws, *images.shape[1:])
        options = {"n_codes": model.condition_spec.n_codes, "colours": colours}
        save_image(condition_grid(given.condition, drawn, given.images, n_values, **options), out)
    else:
        save_image(image_grid(images, n_values, args.columns, colours), out)
    height, width, channels = images.shape[1:]
    print(f"{number_of(n, 'image')} of {height}x{width}x{channels}, seed {args.seed}: {out}")
    return 0


def _arguments(argv: list[str] | None, prog: str) -> argparse.Namespace:
    parser = Parser(__doc__, COMMAND, prog)
    parser.add_run()
    parser.add_argument(
        "--n",
        type=whole_number,
        metavar="N",
        help="number of images (default 64); with --label all, per class (default 8); of a "
        "conditional model, number of conditions (default 8)",
    )
    parser.add_argument(
        "--label",
        type=label,
        metavar="N or all",
        help="for a class-conditional model: the class to draw, from 0 up, or all",
    )
    add_condition(parser, "or --split")
    parser.add_argument(
        "--split",
        choices=("test", "validation", "train"),
        help="for a conditional model: draw for the conditions of images of this set of the run",
    )
    parser.add_argument(
        "--draws",
        type=whole_number,
        metavar="N",
        help="for a conditional model: images per condition (default 4)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="a .png image grid, a .npy array, a .gif animation or a .txt file of levels (default "
        "sheet.png)",
    )
    parser.add_argument(
        "--format", choices=FORMATS, help="the format (default: the ending of --out)"
    )
    parser.add_argument(
        "--force", action="store_true", help="overwrite an animation that exists already"
    )
    parser.add_sampling()
    parser.add_plugins()
    parser.add_argument(
        "--size",
        type=size,
        metavar="S or HxW",
        help="image size (default: the size of the training images)",
    )
    parser.add_argument(
        "--columns", type=whole_number, metavar="N", help="images per row of the grid"
    )
    return parser.parse_args(argv)


def _conditions(
    args: argparse.Namespace, data: DataConfig, model, image_size
) -> "Conditioned | None":
    """Returns the conditions to draw for, and sets ``args.draws``; None for a model without.

    Raises:
        UserError: there are none, or the model takes none; as ``read_conditions``.
    """
    if model.condition_spec is None:
        check_unconditional(args, "condition", "split", "draws")
        return None
    if (args.condition is None) == (args.split is None):
        both = "not both" if args.condition is not None else "such as --split test"
        raise UserError(f"--condition, --split: the model is conditional; give one of them, {both}")
    args.draws = args.draws or 4
    if args.columns is None:
        args.columns = args.draws
    if args.split is not None:
        return held_out(args, model)
    found = read_conditions(args.condition, data, model, image_size)
    note_fewer(args.n, len(found.condition), f"--condition {args.condition}")
    n = args.n or 8
    images = None if found.images is None else found.images[:n]
    return found._replace(condition=found.condition[:n], images=images)


def _number_and_labels(
    args: argparse.Namespace, n_classes: int | None, given: "Conditioned | None"
) -> "tuple[int, np.ndarray | None]":
    """Returns the number of images to draw, and their labels.

    Raises:
        UserError: the model has no such class, or it is class-conditional and there is no label.
    """
    import numpy as np

    if given is not None:
        n = len(given.condition) * args.draws
        if n_classes is None or args.label is not None or given.labels is None:
            if args.label == "all":
                raise UserError("--label all: the model is conditional; must be one class")
            args = argparse.Namespace(**{**vars(args), "n": n})
        else:
            return n, given.labels.repeat(args.draws)
    if n_classes is None:
        if args.label is not None:
            raise UserError(
                f"--label {args.label}: the model is not class-conditional; leave it out"
            )
        return args.n or 64, None
    if args.label is None:
        raise UserError(
            "--label: is missing, but the model is class-conditional; must be a class from 0 to "
            f"{n_classes - 1}, or all"
        )
    if args.label == "all":
        n = args.n or 8
        return n * n_classes, np.arange(n_classes).repeat(n)
    if args.label >= n_classes:
        raise UserError(
            f"--label {args.label}: the model has {n_classes} classes; must be from 0 to "
            f"{n_classes - 1}, or all"
        )
    return args.n or 64, np.asarray(args.label)


def trained_size(run: str) -> tuple[int, int]:
    """Returns the image size in the config of a run.

    Raises:
        UserError: there is no such run, or its config does not state the size.

    Examples:
        >>> trained_size("none")
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: --run none: no such run folder ...
    """
    path = run_path(run)
    config = path / "config.yml"
    if path.is_dir() and config.exists():
        image_size = load_config(config).data.image_size
        if image_size:
            return image_size
    if not path.exists() or (path.suffix != ".keras" and not config.exists()):
        raise UserError(f"--run {run}: no such run folder (with a config.yml in it) or .keras file")
    raise UserError(f"--run {run}: has no config.yml that states the image size; add --size")
