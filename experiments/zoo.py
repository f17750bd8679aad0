"""Add a finished run to the zoo, the trained models that are installed with the package, or check
those that are there.

--add writes the folder pixelcnn_tf/zoo/NAME, and docs/zoo.md: the weights in float16, the scores of
all test images of the run, 64 images, and a few of the test images. Texts that are not given are
those of the model of this name, which is replaced. --check scores all test images again. In any
case, the commands of the cards are written again, for config files that have changed.

examples:
  python -m experiments.zoo --add runs/mnist_binary_snail --name mnist_binary
  python -m experiments.zoo --check --in data
  python -m experiments.zoo    only write the commands and docs/zoo.md
"""

import sys
from pathlib import Path

import numpy as np

from docs.generate import zoo as page
from experiments.zoo_entry import add_run, mean_and_error, refresh_commands, score_all
from pixelcnn_tf.cli.parsing import Parser, check_run_folder, exit_with, seed, whole_number
from pixelcnn_tf.config import registry
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.training.run_folder import RunFolder, load_model
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.zoo.images import installed_images
from pixelcnn_tf.zoo.models import PREFIX, ZooModel, find, zoo_models

#: What ``--add`` takes as text; the limits keep the table and the card readable.
TEXTS = {
    "title": (30, "a few words, for the table"),
    "description": (200, "a sentence"),
    "data": (200, "what the images are, and who made them"),
    "licence": (200, "the terms of their use"),
    "machine": (80, "what the model was trained on, in words"),
}


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="python -m experiments.zoo", description=__doc__)
    job = parser.add_mutually_exclusive_group()
    job.add_argument("--add", metavar="RUN", help="the folder of a finished run")
    job.add_argument("--check", action="store_true", help="compare the models with their cards")
    parser.add_argument("--name", help="--add: of the model; --check: only this one")
    for name, (length, help) in TEXTS.items():
        parser.add_argument(f"--{name}", help=f"--add: {help}; at most {length} characters")
    parser.add_argument(
        "--images", type=whole_number, default=16, metavar="N", help="test images to install (16)"
    )
    parser.add_argument("--seed", type=seed, default=0, help="--add: of the 64 images (0)")
    parser.add_argument(
        "--in", dest="folder", default=".", metavar="FOLDER", help="--check: where the data are (.)"
    )
    parser.add_scoring_batch()
    args = parser.parse_args(argv)
    if args.add:
        check_run_folder(args.add, "--add")
        texts = _texts(args)
        startup.import_tensorflow()
        startup.find_devices()
        card = add_run(Path(args.add), args.name, texts, args.images, args.seed, args.batch_size)
        print(f"{card.folder}: {card.test:.4f} ± {card.standard_error:.4f} {card.unit}")
    elif args.check:
        chosen = [find(args.name)] if args.name else list(zoo_models().values())
        startup.import_tensorflow()
        startup.find_devices()
        wrong = [card.name for card in chosen if not check(card, args.folder, args.batch_size)]
        if wrong:
            raise UserError(f"--check: other scores than those of the card: {', '.join(wrong)}")
    refresh_commands()
    page.write()
    return 0


def _texts(args) -> dict[str, str]:
    """Returns the texts of a card, those of the model that is replaced where none is given.

    Raises:
        UserError: one is missing or too long, or the name is wrong.
    """
    name = args.name or ""
    if not name.isidentifier() or not name.isascii() or name != name.lower() or len(name) > 24:
        raise UserError(f"--name {name!r}: must be lower-case letters, digits and _, at most 24")
    old = zoo_models().get(name)
    texts = {}
    for key, (length, what) in TEXTS.items():
        text = getattr(args, key) or (getattr(old, key) if old else None)
        if text is None and key != "machine":
            raise UserError(f"--{key}: is missing; must be {what}")
        if text is not None and (len(text) > length or "\n" in text):
            raise UserError(f"--{key}: has {len(text)} characters; must be {length} on one line")
        texts[key] = text
    texts["machine"] = args.machine  # of this run, not of the one before
    return texts


def check(card: ZooModel, folder: str, batch_size: int) -> bool:
    """Scores all test images of a model again, prints the score, and returns whether it is that of
    the card. Data that are not there are left out, with a note."""
    run = f"{PREFIX}{card.name}"
    config = load_config(RunFolder(run).config)
    if registry.find("source", config.data.source) is None:
        source = Path(folder) / config.data.source
        if not source.exists():
            print(f"{card.name}: not checked, there is no {source}")
            return True
        config = load_config(RunFolder(run).config, [f"data.source={source}"])
    model = load_model(run)
    images, nats = score_all(model, config, run, batch_size)
    mean, error = mean_and_error(model, nats, images.test[0].size)
    installed = installed_images(card)
    same = np.array_equal(np.asarray(images.test[list(card.positions)]), installed.test)
    good = same and abs(mean - card.test) <= 1e-3
    print(
        f"{card.name}: {mean:.4f} ± {error:.4f} {card.unit} of {len(images.test):,} images; card "
        f"{card.test:.4f}: {'the same' if good else 'not the same'}"
    )
    return good


if __name__ == "__main__":
    sys.exit(exit_with(main))
