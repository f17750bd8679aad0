"""Train, score and sample pixel-autoregressive image models.

examples:
  pixelcnn-tf init --out config.yml            write a commented config file
  pixelcnn-tf train --config config.yml           train the model that the file describes
  pixelcnn-tf sample --run runs/digits            draw images from the trained model
  pixelcnn-tf complete --run runs/digits          hide the lower halves of images, draw them again
  pixelcnn-tf sample --run zoo:mnist_binary       draw from a model of the zoo
  pixelcnn-tf evaluate --run runs/digits          score the test set
  pixelcnn-tf export --run runs/digits --out digits_model    write it for other programs

``pixelcnn-tf COMMAND --help`` lists the flags of a command, with examples.
"""

import argparse
import importlib
import sys

import pixelcnn_tf
from pixelcnn_tf.cli.parsing import Parser, exit_with
from pixelcnn_tf.utils.errors import UserError, suggestion

#: The commands and their help. Each of them is a module of this package.
COMMANDS = {
    "init": "write a commented config file for a data source",
    "train": "train the model that a config file describes",
    "sample": "draw images from a trained model",
    "complete": "complete images of which a part is hidden",
    "evaluate": "score a test set, or compare two models on it",
    "score": "score how unusual images are, and show where",
    "compress": "compress images without loss, with the probabilities of a model",
    "decompress": "decompress them",
    "zoo": "list the trained models that are installed with the package",
    "export": "write a model for programs without this package",
    "plot-masks": "draw the masks of a masked convolution",
    "plot-receptive-field": "draw which pixels a model sees",
}


def main(argv: list[str] | None = None) -> int:
    """Runs the sub-command that the first argument names.

    Args:
        argv: the arguments; by default those of the process.

    Returns:
        the exit status.

    Raises:
        UserError: there is no such command, or its flags are wrong.

    Examples:
        >>> main(["plot-masks", "--kernel", "4"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: --kernel 4x4: both sides must be odd (1, 3, 5, ...)
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in COMMANDS:
        module = importlib.import_module(f"pixelcnn_tf.cli.{argv[0].replace('-', '_')}")
        return module.main(argv[1:])
    if argv and not argv[0].startswith("-"):
        raise UserError(
            f"{argv[0]}: no such command; must be one of {', '.join(COMMANDS)}"
            f"{suggestion(argv[0], list(COMMANDS))}"
        )
    parser = Parser(__doc__, "pixelcnn-tf")
    parser.add_argument("--version", action="version", version=pixelcnn_tf.__version__)
    commands = parser.add_subparsers(
        title="commands", metavar="COMMAND", parser_class=argparse.ArgumentParser
    )
    for name, text in COMMANDS.items():
        commands.add_parser(name, help=text, add_help=False)
    parser.parse_args(argv)
    raise UserError(f"a command is missing; must be one of {', '.join(COMMANDS)}")


def run() -> int:
    """The entry point of ``pixelcnn-tf``: runs a command and returns its exit status.

    Example:
        >>> from unittest import mock
        >>> from pixelcnn_tf.cli.main import run
        >>> with mock.patch("sys.argv", ["pixelcnn-tf", "plot-masks", "--kernel", "4"]):
        ...     run()
        2
    """
    return exit_with(main)
