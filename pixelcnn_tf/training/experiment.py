"""From a config to a trained model, with everything a run leaves behind."""

import functools
import json
import shlex
import shutil
import sys
import time
from pathlib import Path

import keras
import tensorflow as tf

from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.data.image_folders import folder_classes
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.data.pipeline import load_for
from pixelcnn_tf.likelihoods.base import Likelihood, format_report
from pixelcnn_tf.likelihoods.logistic_mixture import LogisticMixture
from pixelcnn_tf.likelihoods.registry import get_likelihood
from pixelcnn_tf.models.build import build_model
from pixelcnn_tf.sampling.scheduler import memory_errors
from pixelcnn_tf.training.checkpoints import saved_steps
from pixelcnn_tf.training.optimizers import build_optimizer
from pixelcnn_tf.training.run_folder import RunFolder
from pixelcnn_tf.training.signals import Interrupted
from pixelcnn_tf.training.trainer import Trainer
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError


def run_experiment(config: Config, fresh: bool = False) -> int:
    """Train, evaluate, sample and save as ``config`` says; the exit status.

    Prints where everything lies. 130, 143 or 129 after Ctrl-C, SIGTERM or SIGHUP, with the state
    saved.

    Raises:
        UserError: something in the config, the data or the run folder is wrong, and nothing
            was written; or, once training has begun, as ``Trainer.fit``.
        OSError: a file cannot be written.
    """
    started = time.perf_counter()
    run = RunFolder(config.run_dir)
    images = load_for(config.data, config.model.n_classes)
    names = folder_classes(config.data) if config.model.n_classes is not None else None
    config = config.resolved(*images.train.shape[1:], names)
    likelihood = get_likelihood(config.model.likelihood)
    check_values(images, likelihood)
    check_choice(images, likelihood)
    run.check(config, fresh)
    if not fresh and run.finished_step() == config.training.steps:
        if run.images.exists():
            run.check_images(*images[:4])
        print(f"{run.path} is trained already (--fresh trains it anew)")
        _print_results(run, json.loads(run.results.read_text(encoding="utf-8")))
        return 0

    startup.find_devices()
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = make_strategy()
    with strategy.scope():
        model = build_model(config)
        optimizer = build_optimizer(config.training)
    trainer = Trainer(config, model, model.likelihood, optimizer, run.path, strategy)
    trainer.check_samples(images)

    old = run.set_aside() if fresh else None
    if old:
        print(f"the old run is now {old}")
    _print_header(config, images, model, strategy)
    batch = config.training.batch_size
    try:
        with memory_errors((batch, *images.train.shape[1:]), batch):
            if not saved_steps(run.checkpoints):
                trainer.initialize(images)
            run.make()
            with trainer.run.locked():  # until all is written
                record = _train_and_save(trainer, images, started)
    except Interrupted as stop:
        how = "the same command without --fresh" if fresh else "the same command"
        print(
            f"stopped at step {stop.step} of {config.training.steps} and saved in {run.path}; "
            f"{how} goes on from here",
            file=sys.stderr,
        )
        return 128 + stop.signum
    _print_results(run, record)
    return 0


def _train_and_save(trainer: Trainer, images: Images, started: float) -> dict:
    """Train, then write the model, the last sheet and, at the end, the results, which it
    returns."""
    run = trainer.run
    results = trainer.fit(images)
    with trainer.averaged_weights(), replacing(run.model) as temporary:
        trainer.model.save(temporary)
    trainer.write_samples("final")
    record = {
        "step": trainer.step,
        "test": results,
        "test_images": len(images.test),
        "seconds": round(time.perf_counter() - started, 1),
    }
    with replacing(run.results) as temporary:
        temporary.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def check_values(images: Images, likelihood: Likelihood) -> None:
    """Make sure that the likelihood can give a probability to every image.

    Raises:
        UserError: a value beyond those that the likelihood counts.
    """
    n_values, largest = likelihood.n_values, _largest(images)
    if largest >= n_values:
        cure = "set data.binarize" if n_values == 2 else "choose 'softmax-256'"
        raise UserError(
            f"model.likelihood: {likelihood.name} knows values up to {n_values - 1}, the images go "
            f"up to {largest}; {cure}"
        )


def check_choice(images: Images, likelihood: Likelihood) -> None:
    """Make sure that a likelihood is of use for images to be trained on.

    Raises:
        UserError: 256 values for images of zeros and ones; logistics for images of a few values
            at the dark end, of which a softmax makes better use.
    """
    largest, mixture = _largest(images), isinstance(likelihood, LogisticMixture)
    if likelihood.n_values == 256 and largest < (16 if mixture else 2):
        name = f"logistic-{likelihood.n_mixtures}" if mixture else "softmax-256"
        cure = "'bernoulli'" if largest < 2 else f"'softmax-{largest + 1}'"
        raise UserError(
            f"model.likelihood: {name} is for values up to 255, the images go up to {largest} "
            f"only; choose {cure}{', with model.architecture pixel_rnn' * mixture}"
        )


def _largest(images: Images) -> int:
    """The largest value that a model sees."""
    # With images.dynamic the training images are intensities; zeros and ones are drawn of them.
    parts = [images.test] if images.dynamic else [images.train, images.test]
    return max(int(part.max()) for part in parts)


@functools.cache
def make_strategy() -> tf.distribute.Strategy:
    """All GPUs of this machine if there is more than one, else the default.

    The same object at each call: every ``MirroredStrategy`` numbers its collectives from 100, and
    TensorFlow takes the equal numbers of two strategies in one process for the same collective
    ("Shape mismatch in the collective instance 100").
    """
    if len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _print_header(config: Config, images: Images, model, strategy) -> None:
    height, width, channels = images.train.shape[1:]
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    n = strategy.num_replicas_in_sync
    names = config.data.class_names
    if names:
        listed = ", ".join(f"{label} {name}" for label, name in enumerate(names))
        print(f"{len(names)} of model.n_classes {config.model.n_classes} classes: {listed}")
    print(
        f"{config.data.source}: {len(images.train):,} training and {len(images.test):,} test "
        f"images of {height}x{width}x{channels}\n"
        f"model: {model.count_params():,} weights, {config.model.likelihood}, "
        f"on {n} {devices[0].device_type}{'s' if n > 1 else ''}",
        flush=True,
    )


def _print_results(run: RunFolder, record: dict) -> None:
    """One line each for the likelihood and where everything lies."""
    counted = f"({record['test_images']:,} images, step {record['step']:,})"
    print(f"test         {format_report(record['test'])}  {counted}")
    print(f"samples      {run.samples / 'final.png'}")
    print(f"model        {run.model}")
    print(f"TensorBoard  {_tensorboard()} --logdir {shlex.quote(str(run.logs))}")


def _tensorboard() -> str:
    """The command as it works here, also where the virtual environment is not activated."""
    if shutil.which("tensorboard"):
        return "tensorboard"
    beside = Path(sys.executable).with_name("tensorboard")
    near = beside.relative_to(Path.cwd()) if beside.is_relative_to(Path.cwd()) else beside
    return shlex.quote(str(near))
