"""Write a commented config file for a data source.

examples:
  pixelcnn-tf init                                        handwritten digits: config.yml
  pixelcnn-tf init --source mnist --out mnist.yml
  pixelcnn-tf init --source photos/ --block gated         a folder of images
  pixelcnn-tf init --source cifar10 --architecture pixelcnn_pp --out pixelcnn_pp.yml
"""

import os
import shlex
from pathlib import Path

from pixelcnn_tf.cli.parsing import Parser
from pixelcnn_tf.config import config_template, registry
from pixelcnn_tf.config.data import TFDS
from pixelcnn_tf.config.plugins import load_plugins
from pixelcnn_tf.utils.atomic_files import check_writable, replacing
from pixelcnn_tf.utils.errors import UserError, suggestion

COMMAND = "pixelcnn-tf init"


def main(argv: list[str] | None = None, prog: str = COMMAND) -> int:
    """Runs the command with the given arguments and returns its exit status.

    Raises:
        UserError: a flag is wrong, or the file exists and there is no ``--force``.

    Examples:
        >>> main(["--source", "mnst"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: --source mnst: ...; did you mean 'mnist'?
    """
    sources = registry.names("source")
    architectures, blocks = registry.names("model"), registry.names("block")
    parser = Parser(__doc__, COMMAND, prog)
    parser.add_argument(
        "--source",
        default="digits",
        help=f"{', '.join(sources)}; or a path: a .npz or .npy file of integer images, a folder or "
        "an archive of images, or the files of MNIST or CIFAR (default digits)",
    )
    parser.add_argument(
        "--architecture",
        default="pixel_rnn",
        metavar="NAME",
        help=f"{' or '.join(architectures)} (default pixel_rnn)",
    )
    parser.add_argument(
        "--block",
        metavar="NAME",
        help=f"the block that pixel_rnn stacks: {', '.join(blocks)} (default resblock)",
    )
    parser.add_argument(
        "--out",
        default="config.yml",
        metavar="FILE",
        help="the file to write (default config.yml)",
    )
    parser.add_plugins()
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    args = parser.parse_args(argv)
    plugins = load_plugins(args.plugins)
    sources = registry.names("source")
    architectures, blocks = registry.names("model"), registry.names("block")
    _check_name("--architecture", args.architecture, architectures)
    if args.block is not None:
        _check_name("--block", args.block, blocks)
        if "pixel_layer" not in registry.get("model", args.architecture).settings.model_fields:
            raise UserError(
                f"--block {args.block}: architecture {args.architecture!r} is not a stack of "
                "blocks; leave it out"
            )
    known = args.source in sources or args.source.startswith(TFDS)
    if not known and not Path(os.path.expanduser(args.source)).exists():
        raise UserError(
            f"--source {args.source}: must be a file, a folder, or one of "
            f"{', '.join(sources)}{suggestion(args.source, sources)}"
        )
    output = check_writable(args.out, ".yml", ".yaml")
    if output.exists() and not args.force:
        raise UserError(f"{output}: exists already; use --force to overwrite it, or another --out")
    text = config_template(
        args.source,
        args.architecture,
        args.block or "resblock",
        plugins=[os.path.relpath(plugin, output.parent) for plugin in plugins],
    )
    with replacing(output) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"wrote {output}; to train: pixelcnn-tf train --config {shlex.quote(str(output))}")
    return 0


def _check_name(flag: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise UserError(
            f"{flag} {name}: must be one of {', '.join(known)}{suggestion(name, known)}"
        )
