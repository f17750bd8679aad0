"""Hide a part of real images and let a trained model complete them, several times each.

The image grid has one row per image: the original, the part that the model sees, and the
completions, as in figure 1 of the PixelRNN paper (arXiv 1601.06759).

examples:
  pixelcnn-tf complete --run runs/digits --out completions.png
  pixelcnn-tf complete --run runs/digits --hide right --n 4 --completions 6 --seed 3
  pixelcnn-tf complete --run runs/digits --hide 3,3,6x6
  pixelcnn-tf complete --run runs/mine --images photo.png --hide mask.png
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pixelcnn_tf.cli.conditions import add_condition, condition_for_images
from pixelcnn_tf.cli.parsing import Parser, check_label, check_run, label, size, whole_number
from pixelcnn_tf.config import registry
from pixelcnn_tf.config.conditions import PAIRED
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.plugins import load_plugins
from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.utils.progress import sampling_progress, say
from pixelcnn_tf.zoo.models import run_path

if TYPE_CHECKING:
    import numpy as np

COMMAND = "pixelcnn-tf complete"


def main(argv: list[str] | None = None, prog: str = COMMAND) -> int:
    """Runs the command with the given arguments and returns its exit status.

    Raises:
        UserError: a flag, the run or the images are wrong.

    Examples:
        >>> main(["--run", "none"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: --run none: no such run folder or .keras file
    """
    args = _arguments(argv, prog)
    load_plugins(args.plugins)
    out = check_writable(args.out, ".png")
    data = _data_config(args)
    if Path(args.hide).suffix and not Path(args.hide).is_file():
        raise UserError(f"--hide {args.hide}: no such file")

    startup.import_tensorflow()
    from pixelcnn_tf import complete_images, load_model
    from pixelcnn_tf.visualization.grids import completion_grid, save_image

    startup.find_devices()
    model = load_model(args.run)
    originals, labels = _originals(args, data, model)
    condition = _condition(args, data, model, originals)
    n, height, width, _ = originals.shape
    hidden = _hidden(args.hide, height, width)
    with sampling_progress(n * args.completions, (height, width)) as show:
        completions = complete_images(
            model,
            originals,
            hidden,
            args.completions,
            args.seed,
            labels,
            condition=condition,
            progress=show,
            temperature=args.temperature,
            top_p=args.top_p,
            batch_size=args.batch_size,
        )
    n_values = model.likelihood.n_values
    colours = data.colours(n_values)
    save_image(completion_grid(originals, hidden, completions, n_values, colours), out)
    of = number_of(n, "image")
    print(f"{args.completions} completions per image, {of}, seed {args.seed}: {out}")
    return 0


def _arguments(argv: list[str] | None, prog: str) -> argparse.Namespace:
    parser = Parser(__doc__, COMMAND, prog)
    parser.add_run()
    parser.add_argument(
        "--images",
        metavar="PATH",
        help="an image file, a folder, or a .npz or .npy file (default: the test set of the run)",
    )
    parser.add_argument(
        "--hide",
        default="lower",
        metavar="PART",
        help="the part to hide: lower, upper, left or right (half); a box TOP,LEFT,HEIGHTxWIDTH "
        "in pixels; or a mask file. Of an image, the opaque pixels are hidden or, if it has no "
        "transparent ones, the bright ones; of a .npy or .npz array, the True ones "
        "(default lower)",
    )
    parser.add_argument(
        "--n", type=whole_number, default=8, metavar="N", help="number of images (default 8)"
    )
    parser.add_argument(
        "--completions",
        type=whole_number,
        default=4,
        metavar="N",
        help="completions per image (default 4)",
    )
    parser.add_argument(
        "--out",
        default="completions.png",
        metavar="FILE",
        help="a .png file (default completions.png)",
    )
    parser.add_argument(
        "--size", type=size, metavar="S or HxW", help="resize image files to this size"
    )
    parser.add_argument(
        "--label",
        type=label,
        metavar="N",
        help="for a class-conditional model: the class of all images (default: their labels in "
        "the test set)",
    )
    add_condition(parser, "default: made from the images, or those of the test set")
    parser.add_sampling()
    parser.add_plugins()
    return parser.parse_args(argv)


def _hidden(part: str, height: int, width: int) -> "np.ndarray":
    """Returns the mask that ``--hide`` names: bool ``[height, width]``, True for hidden pixels."""
    from pixelcnn_tf.data.mask_files import read_mask
    from pixelcnn_tf.sampling.complete import check_hides_some, hidden_mask

    if not Path(part).is_file():
        return hidden_mask(part, height, width, "--hide")
    hidden = read_mask(part)
    if hidden.shape != (height, width):
        raise UserError(
            f"--hide {part}: is {hidden.shape[0]}x{hidden.shape[1]}; must be {height}x{width}, "
            "like the images"
        )
    check_hides_some(hidden, part, "--hide")
    if hidden.all():
        say(f"--hide {part}: hides every pixel; the completions are samples")
    return hidden


def _data_config(args) -> DataConfig:
    """Returns the data section of the run, with ``--size`` in it if images are resized."""
    config = run_path(args.run) / "config.yml"
    check_run(args.run)
    if config.is_file():
        data = load_config(config).data
    elif args.images is None:
        raise UserError(
            f"--run {args.run}: has no config.yml that states its test set; add --images"
        )
    else:
        data = DataConfig()
    source = registry.find("source", data.source)
    folder = Path(os.path.expanduser(data.source))
    resizes = source.facts.get("resizes") if source else folder.is_dir()
    if args.size and (args.images is not None or resizes):
        data = data.model_copy(update={"image_size": args.size})
    return data


def _originals(
    args: argparse.Namespace, data: DataConfig, model
) -> "tuple[np.ndarray, np.ndarray | None]":
    """Returns at most ``--n`` images, uint8 ``[n, height, width, channels]``.

    With them it returns their labels ``[n]``, or None if the model is not class-conditional.
    """
    import numpy as np

    if args.label is not None or args.images is not None:
        check_label(args.label, model.n_classes)
    images, labels = _given_images(args, data, model)
    source = args.images or data.source
    if args.size and images.shape[1:3] != args.size:
        raise UserError(
            f"--size: {source} has images of {images.shape[1]}x{images.shape[2]}; only digits and "
            "image files are resized"
        )
    if images.shape[-1] == 1 and model.n_channels == 3:
        images = images.repeat(3, axis=-1)
    if images.shape[-1] != model.n_channels:
        raise UserError(
            f"{source}: has {number_of(images.shape[-1], 'channel')}, the model has "
            f"{model.n_channels}; convert them"
        )
    n_values, largest = model.likelihood.n_values, images.max()
    if largest >= n_values:
        raise UserError(f"{source}: has values up to {largest}; must be 0 to {n_values - 1}")
    return images, labels if args.label is None else np.full(len(images), args.label)


def _given_images(args: argparse.Namespace, data: DataConfig, model):
    """Returns the images of ``--images``, or a part of the test set, and their labels if any."""
    import numpy as np

    from pixelcnn_tf.data.sources import load_all_images
    from pixelcnn_tf.training.run_images import load_run_images

    if args.images is not None:
        images = load_all_images(args.images, data, model.likelihood.n_values)[: args.n]
        if model.likelihood.n_values == 2 and images.max() > 1:
            images = (images >= 128).astype(np.uint8)
        return images, None
    n_classes = model.n_classes if args.label is None else None
    every = load_run_images(args.run, data, n_classes)
    chosen = _chosen(args, len(every.test))
    return every.test[chosen], None if every.test_labels is None else every.test_labels[chosen]


def _chosen(args: argparse.Namespace, n: int) -> "np.ndarray":
    """Returns the positions of the images of the test set of ``n``."""
    import numpy as np

    order = np.random.default_rng(args.seed % 2**32).permutation(n)
    return np.sort(order[: args.n])


def _condition(args: argparse.Namespace, data: DataConfig, model, images):
    """Returns the conditions of the images."""
    paired = model.condition_spec is not None and data.condition == PAIRED
    if paired and args.images is None and args.condition is None:
        from pixelcnn_tf.training.run_images import load_run_images

        condition = load_run_images(args.run, data, None).test_condition
        return condition[_chosen(args, len(condition))]  # type: ignore
    return condition_for_images(args.condition, data, model, images)
