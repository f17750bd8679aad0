"""The ``train`` command after its flags: from a config to a trained model."""

import contextlib
import sys
import time

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.config.plugins import errors_in_plugins
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.data.conditions import condition_shape
from pixelcnn_tf.data.images import ImageArray, Images
from pixelcnn_tf.data.paths import path_classes
from pixelcnn_tf.data.pipeline import load_for
from pixelcnn_tf.likelihoods.base import Likelihood
from pixelcnn_tf.likelihoods.logistic_mixture import LogisticMixture
from pixelcnn_tf.likelihoods.registry import get_likelihood
from pixelcnn_tf.models.build import build_model
from pixelcnn_tf.sampling.generate import supports_incremental, teacher_forced_logits
from pixelcnn_tf.sampling.scheduler import memory_errors
from pixelcnn_tf.training.checkpoints import saved_steps
from pixelcnn_tf.training.cluster import Cluster
from pixelcnn_tf.training.results import print_results, write_results
from pixelcnn_tf.training.run_folder import RunFolder
from pixelcnn_tf.training.signals import Interrupted
from pixelcnn_tf.training.strategies import make_strategy
from pixelcnn_tf.training.trainer import Trainer
from pixelcnn_tf.training.worker_checks import check_same_run, check_shared
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError, WorkerLost
from pixelcnn_tf.utils.progress import say
from pixelcnn_tf.utils.workers import workers_for


def run_experiment(config: Config, fresh: bool = False) -> int:
    """Train, evaluate, sample and save as ``config`` says; returns the exit status.

    Prints where everything is. After Ctrl-C, SIGTERM or SIGHUP
    the state is saved, and the status is 130, 143 or 129.

    Args:
        config: from ``load_config``.
        fresh: whether to rename a run that is in the run folder and start from scratch.

    Raises:
        UserError: something in the config, the data or the run folder is wrong, or workers differ
            in them, and nothing was written; or, once training has begun, as ``Trainer.fit``.
        OSError: a file cannot be written.

    Example:

    >>> config = pixelcnn_tf.load_config("config.yml", ["data.source=none.npz"])
    >>> pixelcnn_tf.training.experiment.run_experiment(config)
    Traceback (most recent call last):
        ...
    pixelcnn_tf.utils.errors.UserError: data.source: 'none.npz' must be a file, a folder, or ...
    """
    started = time.perf_counter()
    strategy = None
    if workers_for(config.strategy):  # they meet before anything else uses TensorFlow
        strategy = make_strategy(config.strategy)
    cluster = Cluster(strategy or tf.distribute.get_strategy())
    with cluster.joint_errors():
        images = load_for(config.data, config.model.n_classes)
        names = path_classes(config.data) if config.model.n_classes is not None else None
        height, width, channels = images.train.shape[1:]
        largest = largest_values(images)
        most = max(largest.values())
        known = most, condition_shape(images), images.alphabet
        config = config.resolved(height, width, channels, names, *known)
        likelihood = get_likelihood(config.model.likelihood, config.model.n_values)
        check_values(images, likelihood, config.data.source, largest)
        check_condition(images, config)
        check_choice(most, likelihood)
    check_same_run(cluster, config, images, fresh)
    run = RunFolder(config.run_dir)
    finished = False
    with contextlib.ExitStack() as stack:
        with cluster.joint_errors():
            if cluster.is_chief:
                if config.plugins and (fresh or not run.finished(config)):
                    _try_plugins(config, images)
                stack.enter_context(run.opened(config, fresh, images.arrays()))
                finished = not fresh and run.finished(config)
                if finished and run.images.exists():
                    run.check_images(*images.arrays())
        check_shared(cluster, run)
        if cluster.broadcast(finished):
            if cluster.is_chief:
                _note_what_is_missing(run)
                print(f"{run.path} is already trained (--fresh trains it from scratch)")
        elif status := _train(config, run, images, fresh, started, strategy):
            return status
        if cluster.is_chief:
            print_results(run)
        # The chief may end last, but not first. Once it has finished, nothing can be lost.
        with contextlib.suppress(*[WorkerLost] * cluster.is_chief):
            cluster.all_gather("done")
    return 0


def _note_what_is_missing(run: RunFolder) -> None:
    """Print which files of a finished run were deleted, if that has consequences."""
    if not run.images.exists():
        say(
            f"{run.images} is missing: nobody can tell any more whether these are the images of "
            "the run"
        )
    if not saved_steps(run.checkpoints):
        say(f"{run.checkpoints} holds no checkpoint: the run cannot be made longer")


def _try_plugins(config: Config, images: Images) -> None:
    """Evaluate the model on one image, all pixels at once and incrementally, so that a mistake in
    a plugin is reported before anything is written."""
    startup.find_devices()
    by_class = config.model.n_classes is not None
    given = {"labels": np.asarray(images.train_labels)[:1]} if by_class else {}
    with errors_in_plugins(config.plugins):
        model = build_model(config)
        first, spec, side = images.train[:1], model.condition_spec, 4
        if spec is not None:  # zeros are codes as well as values
            given["condition"] = np.zeros([1, *spec.shape_for(*first.shape[1:3])], np.uint8)
            side = -(-side // spec.factor) * spec.factor
        model.likelihood(first, model(first, **given))
        if supports_incremental(model):
            part = first[:, :side, :side]
            if spec is not None:
                given["condition"] = np.zeros([1, *spec.shape_for(*part.shape[1:3])], np.uint8)
            teacher_forced_logits(model, part, False, **given)


def _train(
    config: Config,
    run: RunFolder,
    images: Images,
    fresh: bool,
    started: float,
    strategy: tf.distribute.Strategy | None,
) -> int:
    """Make and train the model; returns the exit status."""
    strategy = strategy or make_strategy(config.strategy)
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    trainer = Trainer.from_config(config, run, strategy)
    model, cluster = trainer.model, trainer.cluster
    is_new = True
    with cluster.joint_errors():
        if cluster.is_chief:
            trainer.check_room(images)
            old = run.set_aside() if fresh else None
            if old:
                print(f"the old run is now {old}")
            is_new = not saved_steps(run.checkpoints)
            _print_header(config, images, model, trainer)
        else:
            print(f"training; {cluster.workers.name_of(0)} reports the progress", flush=True)
    batch = config.training.batch_size
    try:
        with memory_errors((batch, *images.train.shape[1:]), batch), trainer.interruptible():
            if cluster.broadcast(is_new):
                trainer.initialize(images)
                trainer.check_interrupted()
            test = trainer.fit(images)
            if cluster.is_chief:
                with trainer.best_weights():
                    with replacing(run.model) as temporary:
                        model.save(temporary)
                    trainer.check_interrupted()
                    trainer.write_samples("final")
                write_results(trainer, images, test, time.perf_counter() - started)
    except Interrupted as stop:
        if cluster.is_chief:  # which has saved
            _print_stopped(trainer, stop, fresh)
        return 128 + stop.signum
    return 0


def _print_stopped(trainer: Trainer, stop: Interrupted, fresh: bool) -> None:
    training = trainer.config.training
    of = f" of {training.steps}" if training.steps else ""
    if training.minutes is not None:
        of += f", after {trainer.clock.seconds / 60:.1f} of {training.minutes:g} minutes,"
    how = "the same command without --fresh" if fresh else "the same command"
    if not saved_steps(trainer.run.checkpoints):
        print("stopped before the first step; the same command starts again", file=sys.stderr)
        return
    print(
        f"stopped at step {stop.step}{of} and saved in {trainer.run.path}; {how} continues from "
        "there",
        file=sys.stderr,
    )


def check_values(
    images: Images,
    likelihood: Likelihood,
    source: str = "the source",
    largest: dict[str, int] | None = None,
) -> None:
    """Make sure that the likelihood assigns a probability to every image.

    Args:
        images: those to be trained on and scored.
        likelihood: of the model.
        source: where they come from, for the error message.
        largest: their ``largest_values``, if these are known.

    Raises:
        UserError: there is a value that the likelihood does not have.

    Example:

    >>> images = pixelcnn_tf.load_images("digits_grey")
    >>> likelihood = pixelcnn_tf.get_likelihood("softmax-256")
    >>> pixelcnn_tf.training.experiment.check_values(images, likelihood)
    """
    n_values = likelihood.n_values
    for name, most in (largest or largest_values(images)).items():
        if most < n_values:
            continue
        cure = f"choose 'softmax-{max(256, most + 1)}'"
        if n_values == 2:
            cure = "set data.binarize"
        elif isinstance(likelihood, LogisticMixture):
            cure = f"set model.n_values={1 << most.bit_length()}, or leave it out"
        part = _parts(images)[name]
        least = min(int(part[i : i + 256].min()) for i in range(0, len(part), 256))
        raise UserError(
            f"model.likelihood: {likelihood.name} has values from 0 to {n_values - 1}, the {name} "
            f"images of {source} go from {least} to {most}; {cure}"
        )


def check_condition(images: Images, config: Config) -> None:
    """Make sure that the conditions of images have values that the model takes.

    Args:
        images: those to be trained on and scored.
        config: of the run.

    Raises:
        UserError: a condition has a value that is no code, or is above 255 without codes.

    Example:

    >>> config = pixelcnn_tf.Config()
    >>> images = pixelcnn_tf.load_images("digits_grey")
    >>> pixelcnn_tf.training.experiment.check_condition(images, config)
    """
    parts = [images.train_condition, images.test_condition, images.validation_condition]
    largest = max([0, *(int(part.max()) for part in parts if part is not None)])
    n_values = config.model.n_condition_codes or 256
    if largest >= n_values:
        raise UserError(
            f"model.n_condition_codes: {config.model.n_condition_codes}, but the conditions go up "
            f"to {largest}; must be at least {largest + 1}"
        )


def check_choice(largest: int, likelihood: Likelihood) -> None:
    """Make sure that a likelihood suits the images to be trained on.

    Args:
        largest: the largest value of the images to be trained on and scored.
        likelihood: of the model.

    Raises:
        UserError: 256 values for images of zeros and ones; logistics for images of few values,
            all small, which a softmax fits better.

    Example:

    >>> likelihood = pixelcnn_tf.get_likelihood("softmax-256")
    >>> pixelcnn_tf.training.experiment.check_choice(255, likelihood)
    """
    name, mixture = "softmax-256", False
    if isinstance(likelihood, LogisticMixture):
        name, mixture = f"logistic-{likelihood.n_mixtures}", True
    if likelihood.n_values == 256 and largest < (16 if mixture else 2):
        cure = "'bernoulli'" if largest < 2 else f"'softmax-{largest + 1}'"
        raise UserError(
            f"model.likelihood: {name} is for values up to 255, the images go up to {largest} "
            f"only; choose {cure}{', with model.architecture pixel_rnn' * mixture}"
        )


def largest_values(images: Images) -> dict[str, int]:
    """Returns the largest value that a model is trained on or scores, of each set.

    Example:
        >>> pixelcnn_tf.training.experiment.largest_values(pixelcnn_tf.load_images("digits_grey"))
        {'training': 255, 'test': 255}
    """
    return {name: int(part.max()) for name, part in _parts(images).items()}


def _parts(images: Images) -> dict[str, ImageArray]:
    """Returns the images that a model is trained on or scores, by the names of the sets."""
    # With images.dynamic the training images are intensities; zeros and ones are drawn from them.
    parts = {"training": images.train, "test": images.test, "validation": images.validation}
    return {
        name: part
        for name, part in parts.items()
        if part is not None and not (images.dynamic and name == "training")
    }


def _print_header(config: Config, images: Images, model, trainer: Trainer) -> None:
    height, width, channels = images.train.shape[1:]
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    n, n_workers = trainer.strategy.num_replicas_in_sync, trainer.cluster.n_workers
    names = config.data.class_names
    parts = [f"{len(images.train):,} training"]
    if images.validation is not None:
        parts.append(f"{len(images.validation):,} validation")
    if names:
        listed = ", ".join(f"{label} {name}" for label, name in enumerate(names))
        print(f"{len(names)} of model.n_classes {config.model.n_classes} classes: {listed}")
    print(
        f"{config.data.source}: {', '.join(parts)} and {len(images.test):,} test "
        f"images of {height}x{width}x{channels}\n"
        f"model: {model.count_params():,} weights, {config.model.likelihood}, "
        f"on {n} {devices[0].device_type}{'s' if n > 1 else ''}"
        f"{f' of {n_workers} workers' if n_workers > 1 else ''}",
        flush=True,
    )
