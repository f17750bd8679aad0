"""Hide a part of real images and let a trained model fill it in, several times.

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

import numpy as np

from pixelcnn_tf.cli.parsing import Parser, label, size, whole_number
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable
from pixelcnn_tf.utils.errors import UserError, suggestion
from pixelcnn_tf.utils.progress import sampling_progress

COMMAND = "pixelcnn-tf complete"

HALVES = ("lower", "upper", "left", "right")


def main(argv: list[str] | None = None, prog: str = COMMAND) -> int:
    """Runs the command with the given arguments and returns its exit status.

    Raises:
        UserError: a flag, a run or the images are wrong.

    Example:

    >>> main(["--run", "none"])
    Traceback (most recent call last):
    pixelcnn_tf.utils.errors.UserError: --run none: no such run folder or .keras file
    """
    args = _arguments(argv, prog)
    out = check_writable(args.out, ".png")
    data = _data_config(args)
    if Path(args.hide).suffix and not Path(args.hide).is_file():
        raise UserError(f"--hide {args.hide}: no such file")

    startup.import_tensorflow()
    from pixelcnn_tf import generate_images, load_model
    from pixelcnn_tf.sampling.scheduler import cut
    from pixelcnn_tf.visualization.plots import completion_grid, save_image

    startup.find_devices()
    model = load_model(args.run)
    originals, labels = _originals(args, data, model)
    n, height, width, _ = originals.shape
    hidden = hidden_part(args.hide, height, width)
    cut(model, (n * args.completions, *originals.shape[1:]), "raster", args.batch_size)  # fits?
    with sampling_progress(n * args.completions, (height, width)) as show:
        completions = generate_images(
            model,
            (height, width),
            n * args.completions,
            args.seed,
            initial_images=originals.repeat(args.completions, axis=0),
            known=~hidden,
            temperature=args.temperature,
            top_p=args.top_p,
            batch_size=args.batch_size,
            progress=show,
            labels=None if labels is None else labels.repeat(args.completions),
        )
    completions = completions.reshape(n, args.completions, *originals.shape[1:])
    sheet = completion_grid(originals, hidden, completions, model.likelihood.n_values)
    save_image(sheet, out)
    print(f"{args.completions} completions each of {n} image(s), seed {args.seed}: {out}")
    return 0


def _arguments(argv: list[str] | None, prog: str) -> argparse.Namespace:
    parser = Parser(__doc__, COMMAND, prog)
    parser.add_argument("--run", required=True, metavar="PATH", help="a run folder or .keras file")
    parser.add_argument(
        "--images",
        metavar="PATH",
        help="an image file, a folder, or a .npz or .npy file (default: the test set of the run)",
    )
    parser.add_argument(
        "--hide",
        default="lower",
        metavar="PART",
        help="lower, upper, left or right half; a box TOP,LEFT,HEIGHTxWIDTH in pixels; or an "
        "image file whose bright pixels are hidden (default lower)",
    )
    parser.add_argument(
        "--n", type=whole_number, default=8, metavar="N", help="how many images (default 8)"
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
        help="for a class-conditional model: the class of all images (default: the labels of the "
        "test set)",
    )
    parser.add_sampling()
    return parser.parse_args(argv)


def hidden_part(text: str, height: int, width: int) -> np.ndarray:
    """What ``--hide`` says: boolean ``[height, width]``, True where hidden.

    Raises:
        UserError: no such part, a box outside of the image, a mask of another size.
    """
    hidden = np.zeros((height, width), bool)
    if text in HALVES:
        rows = {"lower": slice(height // 2, None), "upper": slice(height // 2)}
        columns = {"left": slice(width // 2), "right": slice(width // 2, None)}
        hidden[rows.get(text, slice(None)), columns.get(text, slice(None))] = True
    elif Path(text).is_file():
        from pixelcnn_tf.data.sources import load_pictures

        masks = load_pictures(text, DataConfig())
        if len(masks) > 1:
            raise UserError(f"--hide {text}: holds {len(masks)} images; must be one")
        mask = masks[0].mean(axis=-1)
        if mask.shape != hidden.shape:
            raise UserError(
                f"--hide {text}: is {mask.shape[0]}x{mask.shape[1]}; must be {height}x{width} as "
                "the images are"
            )
        hidden = mask >= 128
    else:
        hidden[_box(text, height, width)] = True
    if not hidden.any():
        raise UserError(f"--hide {text}: hides no pixel of images of {height}x{width}")
    return hidden


def _box(text: str, height: int, width: int) -> tuple[slice, slice]:
    parts = text.lower().replace("x", ",").split(",")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() for part in parts):
        raise UserError(
            f"--hide {text}: must be {', '.join(HALVES)}, a box TOP,LEFT,HEIGHTxWIDTH, or the "
            f"file of a mask{suggestion(text, HALVES)}"
        )
    top, left, tall, wide = map(int, parts)
    if top + tall > height or left + wide > width:
        raise UserError(f"--hide {text}: reaches out of images of {height}x{width}")
    return slice(top, top + tall), slice(left, left + wide)


def _data_config(args) -> DataConfig:
    """The data section of the run, with ``--size`` in it where images are resized."""
    config = Path(args.run) / "config.yml"
    if not Path(args.run).exists():
        raise UserError(f"--run {args.run}: no such run folder or .keras file")
    if config.is_file():
        data = load_config(config).data
    elif args.images is None:
        raise UserError(
            f"--run {args.run}: has no config.yml that tells its test set; give --images"
        )
    else:
        data = DataConfig()
    folder = Path(os.path.expanduser(data.source)).is_dir()
    if args.size and (args.images is not None or folder or data.source == "digits"):
        data = data.model_copy(update={"image_size": args.size})
    return data


def _originals(args, data: DataConfig, model) -> tuple[np.ndarray, np.ndarray | None]:
    """At most ``--n`` images, uint8 ``[n, height, width, channels]``, and, for a
    class-conditional model, their labels ``[n]``."""
    from pixelcnn_tf.data.images import Images
    from pixelcnn_tf.data.pipeline import load_for
    from pixelcnn_tf.data.sources import load_pictures
    from pixelcnn_tf.training.experiment import check_values

    by_class, labels = model.n_classes is not None, None
    if args.label is not None and not by_class:
        raise UserError(f"--label {args.label}: the model is not class-conditional; leave it out")
    own_labels = args.label is None and args.images is None
    if by_class and not own_labels and args.label not in range(model.n_classes):
        raise UserError(
            f"--label {args.label or 'not given'}: the model is class-conditional; must be a class "
            f"from 0 to {model.n_classes - 1}"
        )
    if args.images is None:
        every = load_for(data, model.n_classes if own_labels else None)
        images = every.test
        chosen = np.random.default_rng(args.seed % 2**32).permutation(len(images))[: args.n]
        chosen.sort()
        images = images[chosen]
        labels = every.test_labels[chosen] if every.test_labels is not None else None
    else:
        images = load_pictures(args.images, data)[: args.n]
        if model.likelihood.n_values == 2 and images.max() > 1:
            images = (images >= 128).astype(np.uint8)
    if args.size and images.shape[1:3] != args.size:
        raise UserError(
            f"--size: {args.images or data.source} holds images of "
            f"{images.shape[1]}x{images.shape[2]}; only pictures are resized"
        )
    if images.shape[-1] == 1 and model.n_channels == 3:
        images = images.repeat(3, axis=-1)
    if images.shape[-1] != model.n_channels:
        raise UserError(
            f"{args.images or data.source}: has {images.shape[-1]} channel(s), the model "
            f"{model.n_channels}; convert them"
        )
    check_values(Images(images, images), model.likelihood)
    return images, np.full(len(images), args.label) if args.label is not None else labels
