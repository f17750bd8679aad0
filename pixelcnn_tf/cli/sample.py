"""Draw a sheet of images from a trained model.

examples:
  python scripts/sample.py --run runs/digits --n 64 --out sheet.png
  python scripts/sample.py --run runs/digits --n 16 --seed 7 --temperature 0.9 --top-p 0.95
  python scripts/sample.py --run runs/by_class --label 7 --n 16
  python scripts/sample.py --run runs/by_class --label all    a row for each class
  python scripts/sample.py --run model.keras --size 12 --n 4 --out four.npy
"""

from pathlib import Path

import numpy as np

from pixelcnn_tf.cli.parsing import Parser, label, size, whole_number
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable, replacing
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import sampling_progress


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("--run", required=True, metavar="PATH", help="run folder or .keras file")
    parser.add_argument(
        "--n", type=whole_number, help="how many images (64); with --label all, of each class (8)"
    )
    parser.add_argument(
        "--label",
        type=label,
        metavar="N or all",
        help="what a class-conditional model is to draw: a class, from 0 up, or a row of each",
    )
    parser.add_argument(
        "--out", default="sheet.png", metavar="FILE", help="a .png, or a .npy array"
    )
    parser.add_sampling()
    parser.add_argument("--size", type=size, metavar="S or HxW", help="that of the training images")
    parser.add_argument("--columns", type=whole_number, help="images a row")
    args = parser.parse_args(argv)
    out = check_writable(args.out, ".png", ".npy")
    image_size = args.size or _trained_size(Path(args.run))

    startup.import_tensorflow()
    from pixelcnn_tf import generate_images, load_model
    from pixelcnn_tf.visualization.plots import image_grid, save_image

    startup.find_devices()
    model = load_model(args.run)
    n, labels = _wanted(args, model.n_classes)
    if args.label == "all" and args.columns is None:
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
        )
    if out.suffix.lower() == ".npy":
        with replacing(out) as temporary, temporary.open("wb") as file:
            np.save(file, images)
    else:
        save_image(image_grid(images, model.likelihood.n_values, args.columns), out)
    height, width, channels = images.shape[1:]
    print(f"{n} images of {height}x{width}x{channels}, seed {args.seed}: {out}")
    return 0


def _wanted(args, n_classes: int | None) -> tuple[int, np.ndarray | None]:
    """How many images, and their labels.

    Raises:
        UserError: a label that the model does not know, or none where it needs one.
    """
    if n_classes is None:
        if args.label is not None:
            raise UserError(
                f"--label {args.label}: the model is not class-conditional; leave it out"
            )
        return args.n or 64, None
    if args.label is None:
        raise UserError(
            "--label: not given, and the model is class-conditional; must be a class from 0 to "
            f"{n_classes - 1}, or all"
        )
    if args.label == "all":
        n = args.n or 8
        return n * n_classes, np.arange(n_classes).repeat(n)
    if args.label >= n_classes:
        raise UserError(
            f"--label {args.label}: the model knows {n_classes} classes; must be from 0 to "
            f"{n_classes - 1}, or all"
        )
    return args.n or 64, np.asarray(args.label)


def _trained_size(run: Path) -> tuple[int, int]:
    """The image size in a run's config."""
    config = run / "config.yml"
    if run.is_dir() and config.exists():
        image_size = load_config(config).data.image_size
        if image_size:
            return image_size
    if not run.exists() or (run.suffix != ".keras" and not config.exists()):
        raise UserError(f"--run {run}: no such run folder (with a config.yml in it) or .keras file")
    raise UserError(f"--run {run}: has no config.yml that tells the image size; give --size")
