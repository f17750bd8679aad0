"""Measure the tables and draw the figure of docs/masked_or_shifted.md: can shifted convolutions
replace masked ones?

Three models of binarized MNIST are compared. Their residual blocks differ only in the convolutions:
masked k x k; shifted, one stack; shifted, two stacks (a vertical one that feeds a horizontal one).
All have about the same number of weights.

parts:
  fields  receptive fields (docs/masked_or_shifted.png) and multiplications per pixel
  cost    a masked layer and the equivalent shifted pair; forward, training and sampling speed of
          the three models, with interleaved runs
  train   bits per dimension on the test images after equal training
  page    rewrite the tables of the page from docs/results_convolutions; the text is kept
  all     all four: about half an hour on two cores, most of it training

The results in docs/ were measured with the default settings, except --seed, on the first 3,000
test images. With other settings, --docs must name another folder, which gets a page of its own.
The same command continues stopped training after the last model that was scored.

examples:
  python -m experiments.masked_or_shifted fields
  python -m experiments.masked_or_shifted all --test-images 3000    or: --data mnist.npz
  python -m experiments.masked_or_shifted train --seed 1    one more run of each model; then: page
  python -m experiments.masked_or_shifted train --kernels 3 --minutes 5 --docs trial
"""

import argparse
import logging
import sys
from pathlib import Path

from benchmarks.measuring import make_folder, npz_file, print_table, typed_command
from experiments.masked_or_shifted.cost import cost
from experiments.masked_or_shifted.page import (
    CONTESTANTS,
    PAGE,
    check_page,
    copy_page,
    write_page,
    write_record,
)
from experiments.masked_or_shifted.training import load, train
from pixelcnn_tf.cli.parsing import Parser, exit_with, positive_number, whole_number
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
#: The parts that use a setting; all parts use --data and --docs.
USERS = {"kernels": "fields cost train", "images": "train", "minutes": "train"}
USERS |= dict.fromkeys(("layers", "weights", "batch", "seed"), "cost train")
USERS |= dict.fromkeys(("side", "features", "rounds"), "cost")


def main(argv: list[str] | None = None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    parts = ["fields", "cost", "train", "page"] if args.part == "all" else [args.part]
    _check(parser, args, parts)
    args.command = typed_command(__file__, argv, args.data)
    if parts != ["page"]:
        startup.import_tensorflow()
        logging.getLogger("tensorflow").setLevel("ERROR")  # it takes models for retracing
        startup.find_devices()
    if "train" in parts:
        args.loaded = load(args)  # before long work begins
        n = len(args.loaded[1].test)
        if args.docs.resolve() == DOCS and n != 3000:
            raise UserError(
                f"--test-images: the results in {DOCS.name} are for 3000, not {n}; give that or "
                "another --docs"
            )
    for part in parts:
        PARTS[part](args)
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m experiments.masked_or_shifted", description=__doc__)
    parser.add_argument(
        "part",
        choices=["fields", "cost", "train", "page", "all"],
        help="what to measure; see above",
    )
    add, whole = parser.add_argument, whole_number
    add(
        "--kernels",
        type=odd_numbers,
        default=[3, 5, 7],
        metavar="K,K",
        help="odd kernel sizes (3,5,7)",
    )
    add("--layers", type=whole, default=7, help="blocks per model (7)")
    add("--weights", type=whole, default=65_000, help="approximate number per model (65000)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--images", type=whole, default=20_000, help="training images for each model (20000)"
    )
    length.add_argument(
        "--minutes", type=positive_number, help="training time of each model, instead of --images"
    )
    add("--batch", type=whole, default=16, help="images per step (16)")
    add("--side", type=whole, default=28, help="cost: height and width of images (28)")
    add("--features", type=whole, default=64, help="cost: features of the single layer (64)")
    add("--rounds", type=whole, default=9, help="cost: repetitions (9)")
    add(
        "--data",
        metavar="FILE",
        type=npz_file,
        help="a .npz file with x_train and x_test, instead of downloading MNIST",
    )
    add("--test-images", type=whole, help="train: score only the first N test images (all)")
    add("--seed", type=int, default=0, help="of the weights and of the order of images (0)")
    add(
        "--docs",
        type=Path,
        default=DOCS,
        metavar="FOLDER",
        help="folder of the page, its figure and its results (docs)",
    )
    return parser


def _check(parser: Parser, args, parts: list[str]) -> None:
    """Raises UserError for flags that contradict each other; makes the folder and its page."""
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: must be an integer from 0 up")
    parser.refuse_unused(args, parts, {**USERS, "test_images": "train"})
    for name in [name for name in USERS if name != "seed" or parts != ["train"]]:
        if getattr(args, name) != parser.get_default(name) and args.docs.resolve() == DOCS:
            raise UserError(
                f"--{name}: the results in {DOCS.name} are for the default; give another --docs"
            )
    if args.part != "page":
        make_folder(args.docs)
        if not (args.docs / f"{PAGE}.md").exists():
            copy_page(DOCS, args.docs)
    if "page" in parts:
        check_page(args.docs)


def odd_numbers(text: str) -> list[int]:
    """Returns ``'3,5'`` as odd integers from 3 up, in ascending order; for ``type=``."""
    numbers = sorted({whole_number(part) for part in text.split(",")})
    if any(number < 3 or number % 2 == 0 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r}: must be odd integers from 3 up, as in 3,5,7")
    return numbers


def fields(args) -> None:
    """Draw receptive fields and count multiplications."""
    from experiments.masked_or_shifted.blocks import layer_products
    from experiments.masked_or_shifted.fields import count_fields, draw_fields
    from pixelcnn_tf.visualization.grids import save_image

    found, counts = count_fields(args.kernels)
    image = args.docs / f"{PAGE}.png"
    save_image(draw_fields(found, args.kernels), image)
    products = {str(kernel): layer_products(kernel) for kernel in args.kernels}
    write_record(args, "fields.json", {"pixels": counts, "products": products})
    rows = [
        [f"{kernel}x{kernel}, {layers}", *(counted[name] for name in CONTESTANTS)]
        for kernel, depths in counts.items()
        for layers, counted in depths.items()
    ]
    print_table("pixels in the receptive field", ["kernel, layers", *CONTESTANTS.values()], rows)
    print(f"written to {image}")


PARTS = {"fields": fields, "cost": cost, "train": train, "page": lambda args: write_page(args.docs)}

if __name__ == "__main__":
    sys.exit(exit_with(main))
