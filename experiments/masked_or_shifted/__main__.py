"""Can shifted convolutions replace masked ones? The figures and tables of
docs/masked_or_shifted.md, for several kernels.

Three models of binarized MNIST, one colour a pixel, whose residual blocks differ in nothing but
their convolutions: masked k x k; shifted, one stack; shifted, two stacks (a vertical one that
feeds a horizontal one). All have about the same number of weights.

parts:
  fields  which pixels each stack sees (docs/masked_or_shifted.png), and the arithmetic
  cost    a masked layer against its two-part shifted twin; forward, training and sampling time of
          the three, as ratios in one run, taken in turns
  train   bits per dimension on the test images after equal training
  page    writes the tables of the page anew from docs/results_convolutions; its text stays
  all     the four, about half an hour on two cores, most of it training

What is in docs was measured with the usual settings (but for --seed), on the first 3,000 test
images: with others, --docs must name another folder, which gets a page of its own. Training that is
stopped goes on after the models that it has scored.

examples:
  python -m experiments.masked_or_shifted fields
  python -m experiments.masked_or_shifted all --test-images 3000    or: --data mnist.npz
  python -m experiments.masked_or_shifted train --seed 1    a further row of figures; then: page
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
        logging.getLogger("tensorflow").setLevel("ERROR")  # it takes many models for retracings
        startup.find_devices()
    if "train" in parts:
        args.loaded = load(args)  # before long work begins
        n = len(args.loaded[1].test)
        if args.docs.resolve() == DOCS and n != 3000:
            raise UserError(
                f"--test-images: the figures in {DOCS.name} are of 3000, not {n}; give that or "
                "another --docs"
            )
    for part in parts:
        PARTS[part](args)
    return 0


def _parser() -> Parser:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "part", choices=["fields", "cost", "train", "page", "all"], help="see above"
    )
    add, whole = parser.add_argument, whole_number
    add("--kernels", type=odd_numbers, default=[3, 5, 7], metavar="K,K", help="odd sides (3,5,7)")
    add("--layers", type=whole, default=7, help="blocks per model (7)")
    add("--weights", type=whole, default=65_000, help="per model, about (65000)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--images", type=whole, default=20_000, help="of training for each model (20000)"
    )
    length.add_argument(
        "--minutes", type=positive_number, help="of training for each model, in place of images"
    )
    add("--batch", type=whole, default=16, help="images per step (16)")
    add("--side", type=whole, default=28, help="cost: of images (28)")
    add("--features", type=whole, default=64, help="cost: of the layer and its twin (64)")
    add("--rounds", type=whole, default=9, help="cost: repetitions (9)")
    add(
        "--data",
        metavar="FILE",
        type=npz_file,
        help="a .npz file with x_train and x_test, in place of the download of MNIST",
    )
    add("--test-images", type=whole, help="train: score only the first N test images (all)")
    add("--seed", type=int, default=0, help="of weights and order (0)")
    add(
        "--docs",
        type=Path,
        default=DOCS,
        metavar="FOLDER",
        help="of the page and its figures (docs)",
    )
    return parser


def _check(parser: Parser, args, parts: list[str]) -> None:
    """Raises UserError for flags that do not go together; makes the folder and its page."""
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: must be an integer from 0 up")
    parser.refuse_unused(args, parts, {**USERS, "test_images": "train"})
    for name in [name for name in USERS if name != "seed" or parts != ["train"]]:
        if getattr(args, name) != parser.get_default(name) and args.docs.resolve() == DOCS:
            raise UserError(
                f"--{name}: the figures in {DOCS.name} are of the default; give another --docs"
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
    from pixelcnn_tf.visualization.plots import save_image

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
    print_table("pixels seen", ["kernel, layers", *CONTESTANTS.values()], rows)
    print(f"written to {image}")


PARTS = {"fields": fields, "cost": cost, "train": train, "page": lambda args: write_page(args.docs)}

if __name__ == "__main__":
    sys.exit(exit_with(main))
