"""Draw which colours and pixels a masked convolution sees, for types A and B.

examples:
  python scripts/plot_masks.py
  python scripts/plot_masks.py --kernel 7 --channels 1 --out masks.png
  python scripts/plot_masks.py --kernel 3x5
"""

from pixelcnn_tf.cli.parsing import Parser, size, whole_number
from pixelcnn_tf.utils.atomic_files import check_writable
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.visualization.plots import mask_panel, save_image


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("--kernel", type=size, default=(5, 5), metavar="S or HxW", help="odd (5)")
    parser.add_argument("--channels", type=whole_number, default=3, help="1 is greyscale (3)")
    parser.add_argument("--out", default="masks.png", metavar="FILE", help="a .png (masks.png)")
    args = parser.parse_args(argv)
    out = check_writable(args.out, ".png")
    height, width = args.kernel
    if height % 2 == 0 or width % 2 == 0:
        raise UserError(f"--kernel {height}x{width}: both sides must be odd (1, 3, 5, ...)")
    if args.channels * max(args.kernel) > 150:
        raise UserError("--channels times --kernel: must be at most 150, to be legible")
    save_image(mask_panel(args.kernel, args.channels), out)
    print(f"masks of a {height}x{width} kernel, {args.channels} channels: {out}")
    return 0
