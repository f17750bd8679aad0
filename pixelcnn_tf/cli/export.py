"""Write a trained model as a TensorFlow SavedModel, for programs that do not have this package.

Its signatures are log_prob, sample and complete, and draw, which servers use.

examples:
  pixelcnn-tf export --run runs/digits --out digits_model
  pixelcnn-tf export --run runs/digits --out digits_model --force    replace it
  pixelcnn-tf export --run model.keras --size 28 --batch-sizes 1,16 --out model
"""

import argparse

from pixelcnn_tf.cli.parsing import Parser, size, whole_number
from pixelcnn_tf.cli.sample import trained_size
from pixelcnn_tf.config.plugins import load_plugins
from pixelcnn_tf.serving.folder import check_folder
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.errors import number_of
from pixelcnn_tf.utils.progress import say

COMMAND = "pixelcnn-tf export"


def main(argv: list[str] | None = None, prog: str = COMMAND) -> int:
    """Runs the command with the given arguments and returns its exit status.

    Raises:
        UserError: a flag is wrong, there is no such run or model file, or the folder exists.

    Examples:
        >>> main(["--run", "none", "--out", "model"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: --run none: no such run folder ...
    """
    args = _arguments(argv, prog)
    load_plugins(args.plugins)
    out = check_folder(args.out, args.force)
    image_size = args.size or trained_size(args.run)

    startup.import_tensorflow()
    from pixelcnn_tf import export_model, load_model
    from pixelcnn_tf.models.inputs import refuse_condition

    startup.find_devices()
    model = load_model(args.run)
    refuse_condition(model, "export")
    say("tracing, and compiling for a test, takes up to a minute")
    about = export_model(model, out, image_size, args.batch_sizes, args.force)
    height, width, channels = *image_size, about["n_channels"]
    files = [path for path in out.rglob("*") if path.is_file()]
    batches = ", ".join(map(str, about["batch_sizes"]))
    print(f"log_prob                images of any size, {number_of(channels, 'channel')}")
    print(f"sample, complete, draw  images of {height}x{width}x{channels}, in batches of {batches}")
    how = "at the first use of each batch size" if about["compiled"] else "no"
    print(f"compiled by XLA         {how}")
    print(f"exported model          {out} ({sum(f.stat().st_size for f in files) / 1e6:,.1f} MB)")
    return 0


def _arguments(argv: list[str] | None, prog: str) -> argparse.Namespace:
    parser = Parser(__doc__, COMMAND, prog)
    parser.add_run()
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    parser.add_argument(
        "--force", action="store_true", help="replace an exported model in that folder"
    )
    parser.add_argument(
        "--size",
        type=size,
        metavar="S or HxW",
        help="size of the images that are drawn (default: the size of the training images)",
    )
    parser.add_argument(
        "--batch-sizes",
        type=_numbers,
        default=[1, 8, 64],
        metavar="N,N,...",
        help="the numbers of images that are drawn at once; other numbers are made up of these "
        "(default 1,8,64)",
    )
    parser.add_plugins()
    return parser.parse_args(argv)


def _numbers(text: str) -> list[int]:
    """Returns ``text`` as a list of integers from 1 up; an argparse ``type``."""
    return [whole_number(part) for part in text.split(",")]
