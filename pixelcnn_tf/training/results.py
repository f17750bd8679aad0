"""The results of a run: ``results.json``, and the lines that the terminal shows at the end."""

import json
import platform
import shlex
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.data.images import Images
from pixelcnn_tf.layers.incremental import layers_of
from pixelcnn_tf.layers.masked_conv import MaskedConv2D
from pixelcnn_tf.likelihoods.base import format_report
from pixelcnn_tf.training.run_folder import RunFolder
from pixelcnn_tf.training.trainer import Trainer
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.machine import cores


def used_parameters(model: keras.Model) -> int:
    """Returns the number of parameters of a model, excluding masked-out weights.

    Example:

    >>> model = pixelcnn_tf.PixelRNN(4, 4, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> _ = model(np.zeros([1, 6, 6, 1], np.uint8))
    >>> pixelcnn_tf.training.results.used_parameters(model) < model.count_params()
    True
    """
    layers = layers_of(model.layers)
    masks = [layer.mask for layer in layers if isinstance(layer, MaskedConv2D)]
    return model.count_params() - sum(int((~mask).sum()) for mask in masks)


def write_results(trainer: Trainer, images: Images, test: dict[str, float], seconds: float) -> dict:
    """Write ``results.json``, atomically; returns the record.

    ``step`` and ``training_seconds`` are those of the whole run; ``seconds`` are those of the
    last command, including loading, compiling, evaluations and samples. ``curve`` holds the
    scores during training on the set that ``curve_images`` names: ``validation`` or ``test``.

    Args:
        trainer: after ``fit``.
        images: those of the run.
        test: the result of ``fit``.
        seconds: of the command.

    Example:
        >>> import tempfile
        >>> config = pixelcnn_tf.load_config("config.yml", ["runs_dir=" + tempfile.mkdtemp()])
        >>> trainer = pixelcnn_tf.Trainer.from_config(config)
        >>> images = pixelcnn_tf.load_images(config.data.source)
        >>> trainer.run.path.mkdir()
        >>> test = {"bits_per_dim": 3.5, "nats_per_image": 155.3}  # as ``trainer.fit`` returns
        >>> record = pixelcnn_tf.training.results.write_results(trainer, images, test, seconds=60.0)
        >>> record["test"]["bits_per_dim"], trainer.run.results.name
        (3.5, 'results.json')
    """
    training, model = trainer.config.training, trainer.model
    record = {
        "step": trainer.step,
        "steps": training.steps,
        "minutes": training.minutes,
        "test": test,
        "test_images": len(images.test),
    }
    if images.validation is not None:
        best = trainer.curve.best or {}
        record["validation"] = {unit: best.get(unit) for unit in test}
        record["validation_images"] = len(images.validation)
        record["best_step"] = best.get("step")
    record |= {
        "curve_images": "test" if images.validation is None else "validation",
        "curve": trainer.curve.points,
        "seconds": round(seconds, 1),
        "training_seconds": round(trainer.clock.seconds, 1),
        "images_seen": trainer.step * training.batch_size,
        "train_images": len(images.train),
        "parameters": model.count_params(),
        "used_parameters": used_parameters(model),
        "cores": cores(),
        "devices": trainer.strategy.num_replicas_in_sync,
        "versions": versions(),
    }
    with replacing(trainer.run.results) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


def versions() -> dict[str, str]:
    """Returns the versions of this package, of Python and of the libraries that compute results.

    Example:

    >>> from pixelcnn_tf.training.results import versions
    >>> versions()["pixelcnn_tf"] == pixelcnn_tf.__version__
    True
    """
    import pixelcnn_tf

    return {
        "pixelcnn_tf": pixelcnn_tf.__version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def print_results(run: RunFolder) -> None:
    """Print the scores of a finished run and the paths of its files, one per line.

    Example:

    >>> import json, pathlib, tempfile
    >>> run = pixelcnn_tf.training.run_folder.RunFolder(tempfile.mkdtemp())
    >>> record = {"test": {"bits_per_dim": 3.5}, "test_images": 100, "step": 2000}
    >>> _ = run.results.write_text(json.dumps(record))
    >>> pixelcnn_tf.training.results.print_results(run)  # doctest: +ELLIPSIS
    test         3.5000 bits per dim  (100 images, step 2,000)
    samples      ...
    model        ...
    TensorBoard  ...
    """
    record = json.loads(run.results.read_text(encoding="utf-8"))
    counted, best = f"({record['test_images']:,} images, step {record['step']:,})", ""
    if "validation" in record:
        best = f"({record['validation_images']:,} images, step {record['best_step']:,}, the best)"
        print(f"validation   {format_report(record['validation'])}  {best}")
        counted = f"({record['test_images']:,} images, step {record['best_step']:,})"
    print(f"test         {format_report(record['test'])}  {counted}")
    print(f"samples      {run.samples / 'final.png'}")
    print(f"model        {run.model}")
    print(f"TensorBoard  {_tensorboard()} --logdir {shlex.quote(str(run.logs))}")


def _tensorboard() -> str:
    """Returns the command as it works here, also where the environment is not activated."""
    if shutil.which("tensorboard"):
        return "tensorboard"
    path = Path(sys.executable).with_name("tensorboard")
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return shlex.quote(str(path))
