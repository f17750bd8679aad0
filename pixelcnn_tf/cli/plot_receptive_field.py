"""Draw which pixels influence the prediction of the central one, for the model of a config.

The plot shows gradients of the model, averaged over several random initializations. The plots of
several configs stand side by side: a stack of masked convolutions has a blind spot to the upper
right, a stack of gated blocks has none.

examples:
  pixelcnn-tf plot-receptive-field --config config.yml
  pixelcnn-tf plot-receptive-field --config masked.yml --config gated.yml --out fields.png
  pixelcnn-tf plot-receptive-field --config config.yml --set model.n_layers=4 --channel 3
"""

from pixelcnn_tf.cli.parsing import Parser, size, whole_number
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.utils.progress import progress

COMMAND = "pixelcnn-tf plot-receptive-field"


def main(argv: list[str] | None = None, prog: str = COMMAND) -> int:
    """Runs the command with the given arguments and returns its exit status.

    Raises:
        UserError: a flag or a config is wrong.

    Examples:
        >>> main(["--config", "config.yml", "--out", "a.pdf"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: a.pdf: must end in .png
    """
    parser = Parser(__doc__, COMMAND, prog)
    parser.add_argument(
        "--config",
        action="append",
        required=True,
        metavar="FILE",
        help="a YAML file; may be repeated",
    )
    parser.add_overrides()
    parser.add_plugins()
    parser.add_argument(
        "--size",
        type=size,
        default=(28, 28),
        metavar="S or HxW",
        help="image size (default 28)",
    )
    parser.add_argument(
        "--channel",
        type=whole_number,
        default=1,
        metavar="N",
        help="predicted channel of the central pixel, from 1 up (default 1)",
    )
    parser.add_argument(
        "--draws",
        type=whole_number,
        default=8,
        metavar="N",
        help="number of random initializations (default 8)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the initializations (default 0)"
    )
    parser.add_argument(
        "--out",
        default="receptive_field.png",
        metavar="FILE",
        help="a .png file (default receptive_field.png)",
    )
    args = parser.parse_args(argv)
    out = check_writable(args.out, ".png")
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: must be an integer from 0 up")
    configs = [load_config(path, args.overrides, args.plugins) for path in args.config]

    startup.import_tensorflow()
    from pixelcnn_tf.models.build import build_model
    from pixelcnn_tf.visualization.grids import save_image
    from pixelcnn_tf.visualization.plots import receptive_field_panel
    from pixelcnn_tf.visualization.receptive_field import receptive_field

    startup.find_devices()
    fields = {}
    for config in progress("measuring", len(configs), "model", configs):
        model = build_model(config)
        if args.channel > model.n_channels:
            raise UserError(
                f"--channel {args.channel}: {config.name} has "
                f"{number_of(model.n_channels, 'channel')} per pixel; must be at most "
                f"{model.n_channels}"
            )
        name = config.name if config.name not in fields else f"{config.name} ({len(fields) + 1})"
        fields[name] = receptive_field(model, args.size, args.channel - 1, args.draws, args.seed)
    save_image(receptive_field_panel(fields), out)
    counts = ", ".join(f"{name} {int((f.sum(-1) > 0).sum())}" for name, f in fields.items())
    height, width = args.size
    print(f"pixels that influence the centre of {height}x{width} images: {counts}: {out}")
    return 0
