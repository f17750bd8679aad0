"""Draw which channels and pixels a masked convolution sees, for mask types A and B.

examples:
  pixelcnn-tf plot-masks
  pixelcnn-tf plot-masks --kernel 7 --channels 1 --out masks.png
  pixelcnn-tf plot-masks --kernel 3x5
"""

from pixelcnn_tf.cli.parsing import Parser, size, whole_number
from pixelcnn_tf.utils.atomic_files import check_writable
from pixelcnn_tf.utils.errors import UserError, number_of

COMMAND = "pixelcnn-tf plot-masks"


def main(argv: list[str] | None = None, prog: str = COMMAND) -> int:
    """Runs the command with the given arguments and returns its exit status.

    Raises:
        UserError: a flag is wrong.

    Examples:
        >>> main(["--channels", "0"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: argument --channels: '0': must be an integer ...
    """
    parser = Parser(__doc__, COMMAND, prog)
    parser.add_argument(
        "--kernel",
        type=size,
        default=(5, 5),
        metavar="S or HxW",
        help="kernel size, odd (default 5)",
    )
    parser.add_argument(
        "--channels",
        type=whole_number,
        default=3,
        metavar="N",
        help="channels per pixel, 1 for greyscale (default 3)",
    )
    parser.add_argument(
        "--out", default="masks.png", metavar="FILE", help="a .png file (default masks.png)"
    )
    args = parser.parse_args(argv)
    out = check_writable(args.out, ".png")
    height, width = args.kernel
    if height % 2 == 0 or width % 2 == 0:
        raise UserError(f"--kernel {height}x{width}: both sides must be odd (1, 3, 5, ...)")
    if args.channels * max(args.kernel) > 150:
        raise UserError("--channels times --kernel: must be at most 150, for a legible plot")

    from pixelcnn_tf.visualization.grids import save_image
    from pixelcnn_tf.visualization.plots import mask_panel

    save_image(mask_panel(args.kernel, args.channels), out)
    print(f"masks of a {height}x{width} kernel, {number_of(args.channels, 'channel')}: {out}")
    return 0
