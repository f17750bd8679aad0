"""Trains a VQ-VAE, and a prior over its codes with pixelcnn_tf, and draws images.

The encoder and the decoder are plain Keras (examples/vq_vae/model.py); the prior is any model of
this package (examples/vq_vae/prior.yml). By default the images are the digits of scikit-learn,
which need no download.

examples:
  python -m examples.vq_vae
  python -m examples.vq_vae --data mnist.npz --out runs/vq_vae_mnist --steps 2000
  python -m examples.vq_vae --codes 64 --out runs/vq_vae_64 --set model.n_layers=8

The same command goes on with what is in --out already: a trained VQ-VAE, a prior in training.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pixelcnn_tf.cli.parsing import Parser, exit_with, seed, whole_number
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable, replacing
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.values import MOST_VALUES

FOLDER = Path(__file__).resolve().parent

#: Images in each row of the picture, and rows of samples.
COLUMNS, ROWS = 20, 4

#: Repetitions of the comparison of speeds.
ROUNDS = 3


def main(argv: list[str] | None = None) -> int:
    """Runs the example and returns the exit status."""
    args = _arguments(argv)
    out = Path(args.out)
    if not 2 <= args.codes <= MOST_VALUES:
        raise UserError(f"--codes {args.codes}: must be an integer from 2 to {MOST_VALUES:,}")
    prior_of = [f"data.source={out / 'codes.npz'}", f"model.likelihood=softmax-{args.codes}"]
    overrides = [*args.overrides, "name=prior", f"runs_dir={out}", *prior_of, f"seed={args.seed}"]
    config = load_config(args.prior, overrides)
    picture = check_writable(args.picture, ".png") if args.picture else out / "vq_vae.png"

    startup.import_tensorflow()
    startup.find_devices()
    from pixelcnn_tf import generate_images, load_images, load_model
    from pixelcnn_tf.training.experiment import run_experiment

    images = load_images(args.data, labels=True)
    if images.train.dtype != np.uint8:
        raise UserError(f"--data {args.data}: must be 8-bit images, not {images.train.dtype}")
    labels, n_classes = images.train_labels, config.model.n_classes
    if n_classes is not None:  # a prior by class, if there are classes
        n_classes = None if labels is None else int(labels.max()) + 1
        config = load_config(args.prior, [*overrides, f"model.n_classes={n_classes or 'null'}"])
    settings = {"data": args.data, "codes": args.codes, "steps": args.steps, "seed": args.seed}
    vq_vae = _vq_vae(images.train, out, settings)
    train, test = vq_vae.encode(images.train), vq_vae.encode(images.test)
    with replacing(out / "codes.npz") as temporary, temporary.open("wb") as file:
        classes = {} if labels is None else {"y_train": labels, "y_test": images.test_labels}
        np.savez(file, x_train=train, x_test=test, **classes)
    reconstructions = vq_vae.decode(test)
    print(_report(images.test, reconstructions, train, args.codes))

    if status := run_experiment(config):
        return status
    prior = load_model(str(out / "prior"))
    size = train.shape[1], train.shape[2]
    n, wanted = COLUMNS * ROWS, None
    if n_classes is not None:  # the columns of the picture are the classes, in order
        wanted = np.arange(n) % COLUMNS * n_classes // COLUMNS
    samples = vq_vae.decode(generate_images(prior, size, n, args.seed, labels=wanted))
    _compare_speed(prior, size, n, wanted)
    _draw(images.test, reconstructions, samples, picture)
    print(f"images, reconstructions and samples: {picture}")
    return 0


def _arguments(argv: list[str] | None):
    parser = Parser(__doc__, "python -m examples.vq_vae")
    parser.add_argument(
        "--data",
        default="digits_grey",
        metavar="SOURCE",
        help="images, as data.source of a config: a name, or the path of a .npz file, for example "
        "(digits_grey)",
    )
    parser.add_argument(
        "--out", default="runs/vq_vae", metavar="FOLDER", help="the results (runs/vq_vae)"
    )
    parser.add_argument(
        "--picture", metavar="FILE", help="the .png file to draw (vq_vae.png in --out)"
    )
    parser.add_argument("--codes", type=whole_number, default=32, help="size of the codebook (32)")
    parser.add_argument(
        "--steps", type=whole_number, default=1000, help="training steps of the VQ-VAE (1000)"
    )
    parser.add_argument(
        "--prior",
        default=str(FOLDER / "prior.yml"),
        metavar="FILE",
        help="the config of the prior (examples/vq_vae/prior.yml)",
    )
    parser.add_argument("--seed", type=seed, default=0, help="the seed of everything (0)")
    parser.add_overrides("a setting of the prior, as in training.steps=400")
    return parser.parse_args(argv)


def _vq_vae(images: np.ndarray, out: Path, settings: dict):
    """Returns the trained VQ-VAE of the folder, or trains it.

    Raises:
        UserError: sides that cannot be halved, or the folder holds one with other settings.
    """
    import keras

    from examples.vq_vae.model import train_vq_vae

    height, width = images.shape[1:3]
    n_halvings = 1 if min(height, width) < 16 else 2
    if height % 2**n_halvings or width % 2**n_halvings:
        raise UserError(
            f"--data {settings['data']}: has images of {height}x{width}; both sides must be "
            f"multiples of {2**n_halvings}, because the encoder halves them"
        )
    file, record = out / "vq_vae.keras", out / "vq_vae.json"
    if file.exists() and record.exists():
        found = json.loads(record.read_text(encoding="utf-8"))
        if found != settings:
            raise UserError(
                f"--out {out}: holds a VQ-VAE with other settings ({found} there, {settings} "
                "here); choose another folder"
            )
        return keras.models.load_model(file, compile=False)
    out.mkdir(parents=True, exist_ok=True)
    print(f"training the VQ-VAE on {len(images):,} images of {height}x{width}", flush=True)
    model = train_vq_vae(images, settings["codes"], n_halvings, settings["steps"], settings["seed"])
    with replacing(file) as temporary:
        model.save(temporary)
    with replacing(record) as temporary:
        temporary.write_text(json.dumps(settings) + "\n", encoding="utf-8")
    return model


def _report(images: np.ndarray, reconstructions: np.ndarray, codes: np.ndarray, n: int) -> str:
    """Returns a line on the VQ-VAE: its error, and the codes that it uses."""
    error = np.mean((images / 255 - reconstructions / 255) ** 2) / np.var(images / 255)
    shares = np.bincount(codes.ravel(), minlength=n) / codes.size
    used = shares[shares > 0]
    perplexity = np.exp(-(used * np.log(used)).sum())
    return (
        f"VQ-VAE: squared error of the test images {error:.1%} of their variance; {len(used)} of "
        f"{n} codes used, perplexity {perplexity:.1f}"
    )


def _compare_speed(prior, size: tuple[int, int], n: int, labels: np.ndarray | None) -> None:
    """Prints how many grids of codes are drawn per second: incrementally, and with one ``predict``
    per code. Both are called before, so that no compilation counts."""
    from examples.vq_vae.naive import naive_samples
    from pixelcnn_tf import generate_images

    ours = _images_per_second(lambda seed: generate_images(prior, size, n, seed, labels=labels), n)
    naive = _images_per_second(lambda seed: naive_samples(prior, size, n, seed, labels), n)
    print(
        f"{n} grids of {size[0]}x{size[1]} codes: {ours:,.0f} images/s incrementally, {naive:,.1f} "
        f"with one predict per code ({ours / naive:,.0f} times as fast)"
    )


def _images_per_second(draw: Callable[[int], np.ndarray], n: int) -> float:
    """Returns the median rate of several calls, after one that is not counted."""
    seconds = []
    for number in range(ROUNDS + 1):
        start = time.perf_counter()
        draw(number)
        seconds.append(time.perf_counter() - start)
    return n / float(np.median(seconds[1:]))


def _draw(real: np.ndarray, reconstructions: np.ndarray, samples: np.ndarray, path: Path) -> None:
    """Draws the picture."""
    from matplotlib.figure import Figure

    from pixelcnn_tf.visualization.grids import image_grid, save_image
    from pixelcnn_tf.visualization.plots import figure_pixels

    parts = {
        "test images": real[:COLUMNS],
        "reconstructions": reconstructions[:COLUMNS],
        "samples": samples,
    }
    grids = [image_grid(images, columns=COLUMNS) for images in parts.values()]
    heights = [len(grid) for grid in grids]
    inches = 8, 8 * sum(heights) / grids[0].shape[1] + 0.9
    figure = Figure(figsize=inches, dpi=100, layout="constrained")
    axes = figure.subplots(len(grids), 1, height_ratios=heights)
    for axis, title, grid in zip(axes, parts, grids, strict=True):
        axis.imshow(grid)
        axis.set_title(title, fontsize=9, loc="left")
        axis.set_axis_off()
    save_image(figure_pixels(figure), path)


if __name__ == "__main__":
    sys.exit(exit_with(main))
