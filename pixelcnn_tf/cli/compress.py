"""Compress images without loss, with the probabilities of a trained model.

The better the model predicts images of this kind, the smaller the file; decompress it with the same
model. Images of any sizes go into one file.

examples:
  pixelcnn-tf compress photos/ --run runs/photos --out photos.pxc
  pixelcnn-tf compress a.png b.png --run runs/photos --out two.pxc --stats
  pixelcnn-tf compress digits.npz --run runs/digits --out digits.pxc
  pixelcnn-tf compress large.png --run runs/photos --out large.pxc --tile 256
"""

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pixelcnn_tf.cli.conditions import data_of
from pixelcnn_tf.cli.parsing import Parser, check_images_exist, check_run, label, whole_number
from pixelcnn_tf.config.plugins import load_plugins
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable, replacing
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.utils.progress import pixel_progress, progress

if TYPE_CHECKING:
    import numpy as np

COMMAND = "pixelcnn-tf compress"


def main(argv: list[str] | None = None, prog: str = COMMAND) -> int:
    """Runs the command with the given arguments and returns its exit status.

    Raises:
        UserError: a flag, the run or an image is wrong.

    Examples:
        >>> main(["photo.png", "--run", "none", "--out", "a.pxc"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: photo.png: no such file or folder
    """
    args = _arguments(argv, prog)
    load_plugins(args.plugins)
    out = check_writable(args.out, ".pxc", force=args.force)
    check_images_exist(args.images)
    check_run(args.run)

    startup.import_tensorflow()
    import numpy as np

    from pixelcnn_tf.codec.codec import decode, encode
    from pixelcnn_tf.data.exact_images import read_exact
    from pixelcnn_tf.training.run_folder import load_model

    startup.find_devices()
    model = load_model(args.run)
    n_values = model.likelihood.n_values
    by_class = model.n_classes is not None and args.label is None
    found = read_exact(args.images, model.n_channels, n_values, by_class, data_of(args.run))
    labels = found.labels if args.label is None else args.label
    start = time.perf_counter()
    with pixel_progress("compressing") as show:
        data = encode(
            model,
            found.images,
            labels,
            names=found.names,
            tile=args.tile,
            batch_size=args.batch_size,
            progress=show,
        )
    seconds = time.perf_counter() - start
    if args.verify:
        with pixel_progress("verifying") as show:
            decoded = decode(model, data, progress=show)
        if not all(map(np.array_equal, found.images, decoded)):
            raise UserError(f"{out}: not written, because the images were not decoded exactly")
    with replacing(out) as temporary:
        temporary.write_bytes(data)
    n_dims = sum(image.size for image in found.images)
    n_bytes = sum(image.nbytes for image in found.images)
    print(
        f"{number_of(len(found.images), 'image')}, {n_bytes:,} bytes: {len(data):,} bytes, "
        f"{8 * len(data) / n_dims:.4f} bits per dim: {out}"
    )
    if args.stats:
        _print_stats(found.images, n_values, len(data), seconds)
    return 0


def _print_stats(images: "Sequence[np.ndarray]", n_values: int, n_bytes: int, seconds: float):
    """Prints size and time beside those of other formats, in which each image is a file."""
    from pixelcnn_tf.utils.image_formats import available, size_in

    rows = [("pixelcnn-tf", n_bytes, seconds)]
    for name in available():
        start = time.perf_counter()
        of_images = progress(f"writing {name}", len(images), "img", images)
        sizes = [size_in(name, image, n_values) for image in of_images]
        if None not in sizes:  # none is too large for the format
            rows.append((name, sum(size or 0 for size in sizes), time.perf_counter() - start))
    n_dims = sum(image.size for image in images)
    print(f"{'format':<12} {'bytes':>11} {'bits/dim':>8} {'seconds':>9}")
    for name, size, taken in rows:
        print(f"{name:<12} {size:>11,} {8 * size / n_dims:>8.4f} {taken:>9.2f}")
    if "JPEG XL" not in available():
        print("JPEG XL: pip install pillow-jxl-plugin")


def _arguments(argv: list[str] | None, prog: str) -> argparse.Namespace:
    parser = Parser(__doc__, COMMAND, prog)
    parser.add_argument(
        "images",
        nargs="+",
        metavar="IMAGES",
        help="image files and folders of image files of any sizes; or one other file of images, "
        "such as .npy or .npz, of which the test images are taken if it has some",
    )
    parser.add_run()
    parser.add_argument("--out", required=True, metavar="FILE", help="the .pxc file to write")
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    parser.add_argument(
        "--stats",
        action="store_true",
        help="also print size and time beside PNG, WebP and JPEG XL (where Pillow has them)",
    )
    parser.add_argument(
        "--tile",
        type=whole_number,
        metavar="N",
        help="cut images into tiles of at most NxN pixels (N from 8 up), coded separately: more "
        "cores for one large image, at the cost of some bits",
    )
    parser.add_argument(
        "--batch-size",
        type=whole_number,
        metavar="N",
        help="images that are coded at once (default: chosen for speed, within the memory)",
    )
    parser.add_argument(
        "--label",
        type=label,
        metavar="N",
        help="for a class-conditional model: the class of all images (default: their labels in "
        "the array file)",
    )
    parser.add_argument(
        "--verify", action="store_true", help="decompress and compare before the file is written"
    )
    parser.add_plugins()
    args = parser.parse_args(argv)
    if args.label == "all":
        raise UserError("--label all: must be one class")
    if args.tile is not None and args.tile < 8:
        raise UserError(f"--tile {args.tile}: must be an integer from 8 up")
    return args
