"""Training of the compared models with equal settings."""

import json
import sys
import tempfile
import zlib
from pathlib import Path

from benchmarks.measuring import make_trainer
from experiments.masked_or_shifted.page import CONTESTANTS, RESULTS, write_record
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "mnist_binary_pixelcnn.yml"
#: Test images are scored once, at the end, and no samples are drawn.
NEVER = 10**9


def training_config(args) -> Config:
    """Returns the config with which all models are trained, except for its model: that of the
    masked PixelCNN of docs/results.md."""
    overrides = [f"seed={args.seed}", "data.seed=0"]  # one set of test images
    overrides += ["data.validation_share=null", f"training.batch_size={args.batch}"]
    if args.minutes:
        overrides.append(f"training.minutes={args.minutes}")
    else:
        steps = -(-args.images // args.batch)
        overrides += ["training.minutes=null", f"training.steps={steps}"]
        if steps < 5000:
            overrides.append("training.ema_decay=0.99")
    overrides += [f"training.{name}_every={NEVER}" for name in ("eval", "sample", "checkpoint")]
    if args.data:
        overrides.append(f"data.source={json.dumps(args.data)}")
    return load_config(CONFIG, overrides)


def load(args) -> tuple:
    """Returns the resolved config and the images."""
    from pixelcnn_tf.data.pipeline import load_for
    from pixelcnn_tf.likelihoods.registry import get_likelihood
    from pixelcnn_tf.training.experiment import check_values

    config = training_config(args)
    images = load_for(config.data, None)
    images = images._replace(test=images.test[: args.test_images])
    if images.train.shape[3] != 1:
        raise UserError(
            f"--data {args.data}: has {images.train.shape[3]} channels; must be images of one"
        )
    check_values(images, get_likelihood("bernoulli"))
    return config.resolved(*images.train.shape[1:]), images


def train(args) -> None:
    """Measure bits per dimension after equal training. If the command is stopped, the results so
    far stay in a separate file, from which the same command continues."""
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
                    print(f"  already measured ({part})", flush=True)
                    continue
                figures = train_one(config, name, kernel, images, args)
                print(
                    f"  test {figures['bits_per_dim']:.4f} bits per dim after "
                    f"{figures['images_seen']:,} images, {figures['seconds']:.0f} s",
                    flush=True,
                )
                results.setdefault(str(kernel), {})[name] = figures
                write_record(args, part.name, {**record, "results": results})
    except KeyboardInterrupt:
        if results:
            print(
                f"{part}: the same command continues after the models in this file", file=sys.stderr
            )
        raise
    results = {str(kernel): results[str(kernel)] for kernel in args.kernels}
    write_record(args, file, {**record, "results": results})
    part.unlink(missing_ok=True)


def measured_before(part: Path, record: dict) -> dict:
    """Returns the results that a stopped command with the settings of ``record`` has left in its
    file; empty if there is no such file."""
    try:
        before = json.loads(part.read_text(encoding="utf-8"))
        same = all(before[name] == value for name, value in record.items())
        return before["results"] if same else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def train_one(config: Config, name: str, kernel: int, images, args) -> dict:
    """Train one model; returns the scores of the averaged weights on the test images."""
    import keras

    from experiments.masked_or_shifted.blocks import contestant_model
    from pixelcnn_tf.training.results import used_parameters
    from pixelcnn_tf.training.signals import Interrupted

    keras.utils.set_random_seed(args.seed)
    model = contestant_model(name, kernel, args.weights, args.layers)
    weights = used_parameters(model)
    print(f"  {weights:,} weights", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(config, model, Path(folder) / "run")
        try:
            scores = trainer.fit(images)
        except Interrupted:  # a model that is not finished is trained from scratch
            raise KeyboardInterrupt from None
    seen, seconds = trainer.step * config.training.batch_size, trainer.clock.seconds
    return {"weights": weights, "images_seen": seen, "seconds": round(seconds, 1), **scores}
