"""List the trained models that are installed with the package, or show the card of one.

The score is the mean negative log-likelihood of the test images and its standard error, in nats per
image or bits per dimension; lower is better. Wherever a command takes a run, it takes zoo:NAME.

examples:
  pixelcnn-tf zoo
  pixelcnn-tf zoo mnist_binary
  pixelcnn-tf sample --run zoo:mnist_binary --n 16 --out digits.png
  pixelcnn-tf complete --run zoo:mnist_binary --hide lower
"""

import textwrap

from pixelcnn_tf.cli.parsing import Parser
from pixelcnn_tf.utils.errors import number_of
from pixelcnn_tf.zoo.models import PREFIX, ZooModel, find, zoo_models

COMMAND = "pixelcnn-tf zoo"
#: Of a line, in characters.
WIDTH = 100
UNITS = {"nats_per_image": "nats", "bits_per_dim": "bits/dim"}


def main(argv: list[str] | None = None, prog: str = COMMAND) -> int:
    """Runs the command with the given arguments and returns its exit status.

    Raises:
        UserError: there is no such model.

    Examples:
        >>> main(["mnist_binry"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: zoo:mnist_binry: no such model in the zoo; did you ...
    """
    parser = Parser(__doc__, COMMAND, prog)
    parser.add_argument("name", nargs="?", metavar="NAME", help="show the card of this model")
    args = parser.parse_args(argv)
    if args.name is not None:
        print("\n".join(_card(find(args.name))))
        return 0
    rows = [_row(card) for card in zoo_models().values()]
    heads = ("model", "title", "images", "score", "", "test", "weights", "MB", "hours")
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for row in [heads, *rows]:
        cells = [
            text.ljust(width) if i in (0, 1, 2, 4) else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
    return 0


def _row(card: ZooModel) -> tuple[str, ...]:
    return (
        card.name,
        textwrap.shorten(card.title, 22, placeholder="..."),
        card.size,
        card.score,
        UNITS[card.unit],
        f"{card.test_images:,}",
        f"{card.weights:,}",
        f"{card.megabytes:.1f}",
        f"{card.hours:.1f}",
    )


def _card(card: ZooModel) -> list[str]:
    """Returns the lines of a card."""
    classes = f", {card.n_classes} classes" if card.n_classes is not None else ""
    fields = {
        "images": f"{card.size}, {card.n_values:,} values{classes}",
        "score": f"{card.score} {card.unit_name}, mean and standard error of {card.test_set}",
        "weights": f"{card.weights:,}, {card.megabytes:.2f} MB",
        "trained": f"{card.hours:.2f} hours on {card.machine}, {card.images_seen:,} images seen",
        "command": f"{card.command}  (seed {card.seed})",
        "data": card.data,
        "terms of use": card.licence,
        "installed": f"{number_of(len(card.scores), 'test image')}, samples.png and config.yml in "
        f"{card.folder}",
        "scored with": ", ".join(f"{name} {of}" for name, of in card.versions.items()),
        "try": f"pixelcnn-tf sample --run {PREFIX}{card.name}"
        + (" --label all" if card.n_classes is not None else ""),
    }
    lines = [f"{PREFIX}{card.name}: {card.title}", *textwrap.wrap(card.description, WIDTH), ""]
    for name, text in fields.items():
        wrapped = textwrap.wrap(text, WIDTH - 14, break_long_words=False, break_on_hyphens=False)
        lines += [f"{name if i == 0 else '':<14}{part}" for i, part in enumerate(wrapped)]
    return lines
