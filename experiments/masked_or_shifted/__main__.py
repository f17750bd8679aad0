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
import json
import logging
import sys
import zlib
from pathlib import Path

import numpy as np

from benchmarks.measuring import (
    EVALUATION_BATCH,
    Average,
    make_folder,
    make_trainer,
    npz_file,
    print_table,
    take_turns,
    train_steps,
    typed_command,
    used_weights,
    warm,
)
from experiments.masked_or_shifted.page import (
    CONTESTANTS,
    PAGE,
    RESULTS,
    check_page,
    copy_page,
    write_page,
)
from pixelcnn_tf.cli.parsing import Parser, exit_with, positive_number, whole_number
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "mnist_binary_masked.yml"
DOCS = ROOT / "docs"
#: Which parts have a use for a setting; all but --data and --docs.
USERS = {"kernels": "fields cost train", "images": "train", "minutes": "train"}
USERS |= dict.fromkeys(("layers", "weights", "batch", "seed"), "cost train")
USERS |= dict.fromkeys(("side", "features", "rounds"), "cost")


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "part", choices=["fields", "cost", "train", "page", "all"], help="see above"
    )
    parser.add_argument(
        "--kernels", type=odd_numbers, default=[3, 5, 7], metavar="K,K", help="odd sides (3,5,7)"
    )
    parser.add_argument("--layers", type=whole_number, default=7, help="blocks of a model (7)")
    parser.add_argument(
        "--weights", type=whole_number, default=65_000, help="of a model, about (65000)"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--images", type=whole_number, default=20_000, help="of training for each model (20000)"
    )
    length.add_argument(
        "--minutes", type=positive_number, help="of training for each model, rather than images"
    )
    parser.add_argument("--batch", type=whole_number, default=16, help="images at once (16)")
    parser.add_argument("--side", type=whole_number, default=28, help="cost: of images (28)")
    parser.add_argument(
        "--features", type=whole_number, default=64, help="cost: of the layer and its twin (64)"
    )
    parser.add_argument("--rounds", type=whole_number, default=9, help="cost: turns of each (9)")
    parser.add_argument(
        "--data",
        metavar="FILE",
        type=npz_file,
        help="a .npz file with x_train and x_test, in place of the download of MNIST",
    )
    parser.add_argument(
        "--test-images", type=whole_number, help="train: score only so many, the first ones (all)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights and order (0)")
    parser.add_argument(
        "--docs",
        type=Path,
        default=DOCS,
        metavar="FOLDER",
        help="where the page and its figures are (docs)",
    )
    args = parser.parse_args(argv)
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: must be an integer from 0 up")
    parts = ["fields", "cost", "train", "page"] if args.part == "all" else [args.part]
    parser.refuse_unused(args, parts, {**USERS, "test_images": "train"})
    for name in [name for name in USERS if name != "seed" or parts != ["train"]]:
        if getattr(args, name) != parser.get_default(name) and args.docs.resolve() == DOCS:
            raise UserError(
                f"--{name}: the figures in {DOCS.name} are of the usual one; give another --docs"
            )
    if args.part != "page":
        make_folder(args.docs)
        if not (args.docs / f"{PAGE}.md").exists():
            copy_page(DOCS, args.docs)
    if "page" in parts:
        check_page(args.docs)
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


def odd_numbers(text: str) -> list[int]:
    """For ``type=``: ``'3,5'`` as odd integers from 3 up, in rising order."""
    numbers = sorted({whole_number(part) for part in text.split(",")})
    if any(number < 3 or number % 2 == 0 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r}: must be odd integers from 3 up, as in 3,5,7")
    return numbers


def keep(args, name: str, record: dict) -> None:
    """Write a results file, ``name`` in the folder of results."""
    from pixelcnn_tf.sampling.scheduler import cores

    folder = args.docs / RESULTS
    folder.mkdir(exist_ok=True)
    record = {"command": args.command, "cores": cores(), **record}
    with replacing(folder / name) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def fields(args) -> None:
    """Receptive fields and arithmetic."""
    from experiments.masked_or_shifted.blocks import layer_products
    from experiments.masked_or_shifted.fields import count_fields, draw_fields
    from pixelcnn_tf.visualization.plots import save_image

    found, counts = count_fields(args.kernels)
    picture = args.docs / f"{PAGE}.png"
    save_image(draw_fields(found, args.kernels), picture)
    products = {str(kernel): layer_products(kernel) for kernel in args.kernels}
    keep(args, "fields.json", {"pixels": counts, "products": products})
    rows = [
        [f"{kernel}x{kernel}, {layers}", *(counted[name] for name in CONTESTANTS)]
        for kernel, depths in counts.items()
        for layers, counted in depths.items()
    ]
    print_table("pixels seen", ["kernel, layers", *CONTESTANTS.values()], rows)
    print(f"written to {picture}")


def cost(args) -> None:
    """Times: one layer and its twin, and the models."""
    import keras

    keras.utils.set_random_seed(args.seed)
    keep(
        args,
        "cost.json",
        {
            **{
                name: getattr(args, name)
                for name in ("batch", "side", "features", "layers", "rounds")
            },
            "twins": _twins(args),
            "models": _models(args),
        },
    )


def _twins(args) -> dict:
    """A masked layer, cropped and masked, against the two shifted ones that it equals."""
    import tensorflow as tf

    from experiments.masked_or_shifted.blocks import products_of
    from pixelcnn_tf.layers.conversion import masked_to_shifted
    from pixelcnn_tf.layers.masked_conv import MaskedConv2D

    def timed(layers):
        def call(x):
            return tf.add_n([layer(x) for layer in layers])

        def gradients(x):
            kernels = [layer.kernel.value for layer in layers]
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(call(x) ** 2)
            return tf.add_n([tf.reduce_sum(g) for g in tape.gradient(loss, [x, *kernels])])

        forward = tf.function(lambda x: tf.reduce_sum(call(x)), autograph=False)
        both = tf.function(gradients, autograph=False)
        return {"forward": lambda: float(forward(x)), "training": lambda: float(both(x))}

    rng = np.random.default_rng(args.seed)
    shape = (args.batch, args.side, args.side, args.features)
    x = tf.constant(rng.normal(size=shape).astype(np.float32))
    ways, figures = {}, {}
    for kernel in args.kernels:
        masked = MaskedConv2D(args.features, kernel, "B", n_channels=1)
        masked.build(shape)
        twin = masked_to_shifted(masked)
        difference = float(tf.reduce_max(tf.abs(masked(x) - twin[0](x) - twin[1](x))))
        largest = float(tf.reduce_max(tf.abs(masked(x))))
        figures[str(kernel)] = {"difference": difference, "largest": largest}
        for name, layers in {"masked": [masked], "twin": twin}.items():
            figures[str(kernel)][f"{name}_products"] = sum(map(products_of, layers))
            for what, way in timed(layers).items():
                ways[kernel, f"{name}_{what}_ms"] = way
    for (kernel, name), seconds in take_turns(ways, args.rounds).items():
        figures[str(kernel)][name] = 1e3 * seconds
    print_table(
        f"a masked layer of {args.features} features, and its two-part shifted twin",
        ["kernel", "difference", "masked ms", "twin ms", "both ways: masked ms", "twin ms"],
        [
            [f"{kernel}x{kernel}", f["difference"]]
            + [f[f"{n}_{w}_ms"] for w in ("forward", "training") for n in ("masked", "twin")]
            for kernel, f in figures.items()
        ],
    )
    return figures


def _models(args) -> dict:
    """A forward pass, a training step and sampling of each model, all in turn."""
    import tensorflow as tf

    from experiments.masked_or_shifted.blocks import contestant_model, hidden_for, products_of
    from pixelcnn_tf import generate_images
    from pixelcnn_tf.visualization.receptive_field import receptive_field

    side, batch = args.side, args.batch
    images = np.random.default_rng(args.seed).integers(2, size=(batch, side, side, 1))
    images = tf.constant(images, tf.uint8)
    config = training_config(args).resolved(side, side, 1)
    ways: dict = {"forward": {}, "train": {}, "sample": {}}
    figures: dict = {}
    both = [(kernel, name) for kernel in args.kernels for name in CONTESTANTS]
    for kernel, name in progress("preparing", len(both), "model", both):
        model = contestant_model(name, kernel, args.weights, args.layers)
        field = receptive_field(model, (side, side), n_draws=4, seed=args.seed)
        figures.setdefault(str(kernel), {})[name] = {
            "hidden_dim": hidden_for(name, kernel, args.weights, args.layers),
            "weights": used_weights(model),
            "products": products_of(model),
            "pixels_seen": int((field > 0).sum()),
        }
        trainer, forward = make_trainer(config, model), tf.function(model, autograph=False)
        ways["forward"][kernel, name] = lambda f=forward: f(images)[0, 0, 0, 0, 0].numpy()
        ways["train"][kernel, name] = lambda t=trainer: float(t.train_step(images)[0])
        ways["sample"][kernel, name] = warm(lambda m=model: generate_images(m, side, batch, 0))
    for what, turns in ways.items():
        self_timed = turns if what == "sample" else ()
        for (kernel, name), seconds in take_turns(turns, args.rounds, self_timed).items():
            figures[str(kernel)][name][f"{what}_images_per_s"] = batch / seconds
    print_table(
        f"models of {args.layers} blocks, images of {side}x{side} a second, {batch} at once",
        ["model", "weights", "forward/s", "train/s", "sample/s"],
        [
            [f"{kernel}x{kernel} {CONTESTANTS[name]}", f"{f['weights']:,}"]
            + [f[f"{what}_images_per_s"] for what in ways]
            for kernel, models in figures.items()
            for name, f in models.items()
        ],
    )
    return figures


def training_config(args) -> Config:
    """How all models are trained: as those of docs/results.md."""
    overrides = [f"seed={args.seed}", "training.schedule=constant", "training.warmup_steps=0"]
    overrides += ["data.seed=0", f"training.batch_size={args.batch}"]  # one set of test images
    if args.data:
        overrides.append(f"data.source={json.dumps(args.data)}")
    return load_config(CONFIG, overrides)


def load(args) -> tuple:
    """The config for the images, and the images."""
    from pixelcnn_tf.data.pipeline import load_for
    from pixelcnn_tf.likelihoods.registry import get_likelihood
    from pixelcnn_tf.training.experiment import check_values

    config = training_config(args)
    images = load_for(config.data, None)
    images = images._replace(test=images.test[: args.test_images])
    if images.train.shape[3] != 1:
        raise UserError(f"--data {args.data}: has several colours; must be images of one")
    check_values(images, get_likelihood("bernoulli"))
    return config.resolved(*images.train.shape[1:]), images


def train(args) -> None:
    """Bits per dimension after equal training. What was measured when the command is stopped
    lies in a file of its own, and the same command goes on from there."""
    config, images = args.loaded
    record = {
        **{name: getattr(args, name) for name in ("seed", "layers", "weights", "batch")},
        "images": None if args.minutes else args.images,
        "minutes": args.minutes,
        "learning_rate": config.training.learning_rate,
        "test_images": len(images.test),
        "checksums": [f"{zlib.crc32(part):08x}" for part in images[:2]],
    }
    file = f"train_seed{args.seed}.json"
    part = args.docs / RESULTS / f"{file}.part"
    results = measured_before(part, record)
    try:
        for kernel in args.kernels:
            for name, title in CONTESTANTS.items():
                print(f"{kernel}x{kernel} {title}", flush=True)
                if name in results.get(str(kernel), {}):
                    print(f"  measured before ({part})", flush=True)
                    continue
                figures = train_one(config, name, kernel, images, args)
                print(
                    f"  test {figures['bits_per_dim']:.4f} bits per dim after "
                    f"{figures['images_seen']:,} images, {figures['seconds']:.0f} s",
                    flush=True,
                )
                results.setdefault(str(kernel), {})[name] = figures
                keep(args, part.name, {**record, "results": results})
    except KeyboardInterrupt:
        if results:
            print(f"{part}: the same command goes on after what it holds", file=sys.stderr)
        raise
    results = {str(kernel): results[str(kernel)] for kernel in args.kernels}
    keep(args, file, {**record, "results": results})
    part.unlink(missing_ok=True)


def measured_before(part: Path, record: dict) -> dict:
    """The results of a file that a stopped run with the settings of ``record`` left; none if
    there is no such file."""
    try:
        before = json.loads(part.read_text(encoding="utf-8"))
        same = all(before[name] == value for name, value in record.items())
        return before["results"] if same else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def train_one(config: Config, name: str, kernel: int, images, args) -> dict:
    """Train a contestant for so many images, or minutes; the running average of its weights on
    the test images, which are looked at this once."""
    import keras

    from experiments.masked_or_shifted.blocks import contestant_model
    from pixelcnn_tf.data.pipeline import get_dataset

    keras.utils.set_random_seed(args.seed)
    model = contestant_model(name, kernel, args.weights, args.layers)
    weights = used_weights(model)
    print(f"  {weights:,} weights", flush=True)
    trainer, average = make_trainer(config, model), Average(model)
    batches = get_dataset(images, "train", args.batch, args.seed)
    images_to_see = None if args.minutes else args.images
    for done in train_steps(trainer, average, batches, images_to_see, args.minutes):
        seen, seconds = done
    average.swap()
    scores = trainer.evaluate(get_dataset(images, "test", EVALUATION_BATCH))
    return {"weights": weights, "images_seen": seen, "seconds": round(seconds, 1), **scores}


PARTS = {"fields": fields, "cost": cost, "train": train, "page": lambda args: write_page(args.docs)}

if __name__ == "__main__":
    sys.exit(exit_with(main))
