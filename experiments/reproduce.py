"""Train a model for a given time, or on so many images, and measure it for docs/results.md.

Jobs: mnist_binary (models masked, gated, row_lstm, diagonal_bilstm; nats an image) and
cifar10_small (masked_softmax, masked, gated, plusplus; bits per dimension).

Evaluations and compiling do not count as training. The learning rate falls from the config's to 0
along a cosine over the given time or images, and what is measured is the running average of the
weights. Along the way it is scored on held-out training images (the curve); on the test images
only once, at the end. Figures, a sheet and the model go to
runs/reproduce_NAME.

examples:
  python -m experiments.reproduce mnist_binary --model gated --minutes 20
  python -m experiments.reproduce mnist_binary --model masked --images 20000 --data mnist.npz
  python -m experiments.reproduce mnist_binary --model gated --binarize dynamic
  python -m experiments.reproduce mnist_binary --model gated --minutes 1 --validate-only
  python -m experiments.reproduce mnist_binary --model gated --set model.n_classes=10 --name b
  python -m experiments.reproduce cifar10_small --model plusplus --data cifar10_3k.npz
  python -m experiments.reproduce mnist_binary --model gated --publish    into docs/results, too
  python -m experiments.reproduce mnist_binary --table    rewrites docs/results.md from docs/results
"""

import json
import re
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.measuring import (
    EVALUATION_BATCH,
    Average,
    make_folder,
    make_trainer,
    npz_file,
    train_steps,
    typed_command,
    used_weights,
)
from experiments.jobs import JOBS, Job
from experiments.results_table import write_table
from pixelcnn_tf.cli.parsing import Parser, exit_with, positive_number, whole_number
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.visualization.plots import completion_grid, image_grid, save_image

ROOT = Path(__file__).resolve().parents[1]
MODELS = sorted({model for job in JOBS.values() for model in job.models})
RESULTS = ROOT / "docs" / "results"
#: Settings that are part of what is measured. Weights are averaged in their own way: see Average.
FIXED = ("data", "model=", "training=", "name", "seed", "deterministic")
FIXED += ("model.architecture", "model.pixel_layer", "model.likelihood", "model.n_mix")
FIXED += tuple(f"training.{name}" for name in ("schedule", "steps", "decay", "warmup", "ema_"))
#: Settings by which a row may be published under its usual name.
USUAL = ("model.n_classes=", "runs_dir=", "training.learning_rate=")
N_VALIDATION = 5000
SCORED_ON_THE_WAY = 1000  # of them


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("job", choices=sorted(JOBS), help="which table")
    parser.add_argument("--model", choices=MODELS, help="which row")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=positive_number, help="of training (20)")
    budget.add_argument("--images", type=whole_number, help="train on so many images instead")
    parser.add_argument(
        "--data",
        metavar="FILE",
        type=npz_file,
        help="a .npz file with x_train, x_test (and y_train, y_test), in place of the download",
    )
    parser.add_argument(
        "--test-images", type=whole_number, metavar="N", help="score the first N only (all)"
    )
    parser.add_argument(
        "--binarize", choices=("sample", "dynamic"), help="mnist_binary: static (sample) or dynamic"
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, order, binarization (0)")
    parser.add_argument("--validate-only", action="store_true", help="leave the test images alone")
    parser.add_argument("--name", help="what the results are called (by model and binarization)")
    parser.add_overrides()
    parser.add_argument(
        "--publish", action="store_true", help="also put the row into docs/results, for --table"
    )
    parser.add_argument("--table", action="store_true", help="only write the table and curves")
    args = parser.parse_args(argv)
    if args.table:
        unused = [name for name in vars(args) if name not in ("job", "table")]
        parser.refuse_unused(args, ["--table"], dict.fromkeys(unused, "a run"))
        write_table(RESULTS)
        return 0
    if args.validate_only and args.test_images:
        raise UserError("--test-images: with --validate-only no test image is scored")
    job = JOBS[args.job]
    if args.model not in job.models:
        given = args.model or "not given"
        raise UserError(f"--model: {given}; must be one of {', '.join(job.models)} for {args.job}")
    if args.binarize and not job.binarized:
        raise UserError(f"--binarize {args.binarize}: {args.job} has images of 256 values")
    if args.publish and args.validate_only:
        raise UserError("--publish: what is not scored on the test images is not published")
    if args.images is None:
        args.minutes = args.minutes or 20.0
    for override in args.overrides:
        if override.startswith(FIXED):
            raise UserError(
                f"--set {override}: fixed by what is measured; see --model, --data, --binarize, "
                "--seed, --name"
            )
    if args.name is not None and not re.fullmatch(r"[\w.-]{1,80}", args.name):
        raise UserError(
            f"--name {args.name!r}: must be letters, digits, '_', '-' or '.', at most 80"
        )
    unusual = [override for override in args.overrides if not override.startswith(USUAL)]
    if args.publish and unusual and not args.name:
        raise UserError(f"--publish with --set {unusual[0]}: give the row another --name")
    kind = ""
    overrides = [f"seed={args.seed}", f"data.seed={args.seed}"]
    if job.binarized:
        kind = "dynamic" if args.binarize == "dynamic" else "static"
        overrides.append(f"data.binarize={args.binarize or 'sample'}")
    overrides += ["training.schedule=constant", "training.warmup_steps=0", *args.overrides]
    if args.data:
        overrides.append(f"data.source={json.dumps(args.data)}")
    config = load_config(ROOT / "configs" / f"{args.job}_{args.model}.yml", overrides)
    by_class = "by_class" if config.model.n_classes is not None else ""
    budget = f"{args.images}_images" if args.images else f"{args.minutes:g}_minutes"
    seed = f"seed{args.seed}" if args.seed else ""
    parts = [args.job, args.model, by_class, kind, budget, seed]
    name = args.name or "_".join(filter(None, parts))
    config = config.model_copy(update={"name": f"reproduce_{name}"})
    places = [config.run_dir / "measured"] + [RESULTS / name] * args.publish
    command = typed_command(__file__, argv, args.data)
    if not args.validate_only:
        for folder in (config.run_dir.parent, *(place.parent for place in places[1:])):
            make_folder(folder)  # before long work begins
        for place in places[1:]:
            check_published(place.with_name(f"{place.name}.json"), command)
    startup.import_tensorflow()
    startup.find_devices()
    model, images, record = train(config, args, job)
    if args.validate_only:
        return 0
    record = {
        "name": name,
        "job": args.job,
        "model": args.model,
        "binarization": kind,
        "command": command,
        **record,
    }
    for place in places:
        with replacing(place.with_name(f"{place.name}.json")) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        print(f"written to {place}.json")
    sheets = {"": draw_samples(model, images, args.seed)}
    if not by_class:
        sheets["_completions"] = draw_completions(model, images, args.seed)
    for place in places:
        for ending, sheet in sheets.items():
            save_image(sheet, place.with_name(f"{place.name}{ending}.png"))
    print(f"pictures {' and '.join(f'{place}*.png' for place in places)}")
    return 0


def check_published(path: Path, command: str) -> None:
    """Raises UserError for a row that another command has published: settings that are not part
    of its name may differ."""
    if path.exists():
        old = json.loads(path.read_text(encoding="utf-8"))["command"]
        if old != command:
            raise UserError(f"{path}: was published by {old!r}; delete it, or give another --name")


def draw_samples(model, images, seed: int) -> np.ndarray:
    """40 images drawn from the model, or a row of 8 of each class, as one picture."""
    from pixelcnn_tf import generate_images

    n, columns, labels = 40, 10, None
    if model.n_classes is not None:
        n, columns, labels = 8 * model.n_classes, 8, np.arange(model.n_classes).repeat(8)
    drawn = generate_images(model, images.test.shape[1:3], n, seed, labels=labels)
    return image_grid(drawn, model.likelihood.n_values, columns)


def draw_completions(model, images, seed: int) -> np.ndarray:
    """Of 6 test images the lower half drawn anew 6 times, as one picture."""
    from pixelcnn_tf import generate_images

    originals = images.test[:6]
    n, height, width, _ = originals.shape
    hidden = np.zeros((height, width), bool)
    hidden[height // 2 :] = True
    given = originals.repeat(6, axis=0)
    drawn = generate_images(
        model, (height, width), 6 * n, seed, initial_images=given, known=~hidden
    )
    drawn = drawn.reshape(n, 6, *originals.shape[1:])
    return completion_grid(originals, hidden, drawn, model.likelihood.n_values)


def train(config: Config, args, job: Job) -> tuple:
    """Train and measure; the model, the images and what goes into the results file."""
    import keras

    from pixelcnn_tf.data.pipeline import get_dataset, load_for
    from pixelcnn_tf.likelihoods.base import scale_to
    from pixelcnn_tf.likelihoods.registry import get_likelihood
    from pixelcnn_tf.models.build import build_model
    from pixelcnn_tf.sampling.scheduler import cores
    from pixelcnn_tf.training.experiment import check_choice, check_values

    by_class = config.model.n_classes is not None
    images = load_for(config.data, config.model.n_classes)
    size = "x".join(map(str, images.train.shape[1:]))
    if images.train.shape[3] != job.n_channels:
        raise UserError(
            f"{config.data.source}: images of {size}; {args.job} is for {job.n_channels} colour(s)"
        )
    config = config.resolved(*images.train.shape[1:])
    likelihood = get_likelihood(config.model.likelihood)
    check_values(images, likelihood)
    check_choice(images, likelihood)
    training, validation = split(images, config.data.seed)
    keras.utils.set_random_seed(config.seed)
    model = build_model(config)
    trainer = make_trainer(config, model)
    trainer.initialize(training)
    average = Average(model)
    size, seed = config.training.batch_size, config.seed
    batches = get_dataset(training, "train", size, seed, labels=by_class)
    print(f"{used_weights(model):,} weights; {len(training.train):,} training images", flush=True)

    def score(part, n: int | None = None) -> float:
        part = part._replace(
            test=part.test[:n],
            test_labels=None if part.test_labels is None else part.test_labels[:n],
        )
        dataset = get_dataset(part, "test", EVALUATION_BATCH, labels=by_class)
        average.swap()
        figures = trainer.evaluate(dataset)
        average.swap()
        return figures[job.unit]

    curve, checks = [], next_check(0)
    scale = scale_to(job.unit, training.train[0].size)

    def show(nats: float) -> str:
        return f"{nats * scale:.2f} {job.shown}"

    for seen, seconds in train_steps(trainer, average, batches, args.images, args.minutes, show):
        if seen >= checks:
            checks = next_check(seen)
            curve.append([seen, round(seconds, 1), score(validation, SCORED_ON_THE_WAY)])
            tqdm.write(
                f"{seen:,} images, {seconds:,.0f} s: validation {curve[-1][2]:.3f} {job.shown}"
            )
    if not curve or curve[-1][0] < seen:
        curve.append([seen, round(seconds, 1), score(validation, SCORED_ON_THE_WAY)])
    last = score(validation)
    print(f"validation {last:.3f} {job.shown} after {seen:,} images")
    if args.validate_only:
        return model, images, {}
    test = score(images, args.test_images)
    print(f"test {test:.3f} {job.shown} after {seen:,} images, {seconds:,.0f} s")
    average.swap()
    # In the words of a config, what the learning rate did; the averaging has none.
    steps = {"schedule": "cosine", "steps": seen // size}
    schedule = config.training.model_copy(update=steps)
    config = config.model_copy(update={"training": schedule})
    old = trainer.run.set_aside()
    if old:
        print(f"the old run is now {old}")
    trainer.run.create(config)
    with replacing(trainer.run.model) as temporary:
        model.save(temporary)
    print(f"model {trainer.run.model}")
    published = config.model_dump(mode="json")
    if args.data:  # where it lies belongs to a machine
        published["data"]["source"] = Path(args.data).name
    record = {
        "weights": used_weights(model),
        "seed": config.seed,
        "batch_size": size,
        "minutes": args.minutes,
        "images": args.images,
        "seconds": round(seconds, 1),
        "images_seen": seen,
        "train_images": len(training.train),
        "test_images": len(images.test[: args.test_images]),
        "unit": job.unit,
        "test": test,
        "validation": last,
        "curve": curve,
        "cores": cores(),
        "config": published,
    }
    return model, images, record


def split(images, seed: int):
    """The training images less a validation part, and that part, binarized once, as what is
    scored in place of the test images."""
    rng = np.random.default_rng([seed, 3])
    held = np.zeros(len(images.train), bool)
    held[rng.choice(len(held), min(N_VALIDATION, len(held) // 10), replace=False)] = True
    labels = images.train_labels
    valid = images.train[held]
    if images.dynamic:
        valid = (255 * rng.random(valid.shape, np.float32) < valid).astype(np.uint8)
    training = images._replace(
        train=images.train[~held], train_labels=None if labels is None else labels[~held]
    )
    validation = images._replace(test=valid, test_labels=None if labels is None else labels[held])
    return training, validation


def next_check(seen: int) -> int:
    """When the curve gets its next point: 2500 images, and ever further apart."""
    at = 2500
    while at <= seen:
        at *= 2
    return at


if __name__ == "__main__":
    sys.exit(exit_with(main))
