"""Draw which pixels reach the one in the centre, through the model that a config describes.

From gradients of the real model under several draws of its weights. Several configs are drawn side
by side: the stack of masked convolutions has a blind spot to the upper right, a gated one has none.

examples:
  python scripts/plot_receptive_field.py --config configs/mnist_binary_masked.yml
  python scripts/plot_receptive_field.py --config configs/mnist_binary_masked.yml \\
      --config configs/mnist_binary_gated.yml --set model.n_layers=4 --out fields.png
"""

from pixelcnn_tf.cli.parsing import Parser, size, whole_number
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--config", action="append", required=True, metavar="FILE", help="may be repeated"
    )
    parser.add_overrides()
    parser.add_argument(
        "--size", type=size, default=(28, 28), metavar="S or HxW", help="of the image (28)"
    )
    parser.add_argument(
        "--channel", type=whole_number, default=1, help="which colour of the centre, from 1 (1)"
    )
    parser.add_argument("--draws", type=whole_number, default=8, help="of the weights (8)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (0)")
    parser.add_argument("--out", default="receptive_field.png", metavar="FILE", help="a .png")
    args = parser.parse_args(argv)
    out = check_writable(args.out, ".png")
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: must be an integer from 0 up")
    configs = [load_config(path, args.overrides) for path in args.config]

    startup.import_tensorflow()
    from pixelcnn_tf.models.build import build_model
    from pixelcnn_tf.visualization.plots import receptive_field_panel, save_image
    from pixelcnn_tf.visualization.receptive_field import receptive_field

    startup.find_devices()
    fields = {}
    for config in progress("looking", len(configs), "model", configs):
        model = build_model(config)
        if args.channel > model.n_channels:
            raise UserError(
                f"--channel {args.channel}: {config.name} has {model.n_channels} colour(s) a pixel"
            )
        name = config.name if config.name not in fields else f"{config.name} ({len(fields) + 1})"
        fields[name] = receptive_field(model, args.size, args.channel - 1, args.draws, args.seed)
    save_image(receptive_field_panel(fields), out)
    counts = ", ".join(f"{name} {int((f.sum(-1) > 0).sum())}" for name, f in fields.items())
    print(f"pixels that reach the centre of {args.size[0]}x{args.size[1]}: {counts}: {out}")
    return 0
