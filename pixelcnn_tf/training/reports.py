"""The output of training: the progress bar, and what goes to TensorBoard."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow as tf
from tqdm import tqdm

from pixelcnn_tf.config.training import TrainingConfig
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.models.blocks import PixelCNNResBlock
from pixelcnn_tf.models.pixel_rnn import PixelRNN
from pixelcnn_tf.training.checkpoints import saved_steps
from pixelcnn_tf.training.clock import Window
from pixelcnn_tf.utils.errors import TrainingDiverged
from pixelcnn_tf.utils.progress import progress
from pixelcnn_tf.visualization.grids import image_grid
from pixelcnn_tf.visualization.plots import mask_panel

if TYPE_CHECKING:
    from pixelcnn_tf.training.trainer import Trainer


def progress_bar(training: TrainingConfig, step: int, seconds: float, hidden: bool = False) -> tqdm:
    """Returns the progress bar of a run: in seconds if it has a time budget, else in steps.

    Args:
        training: with the number of steps or minutes.
        step: number of steps made.
        seconds: of training so far.
        hidden: whether nothing is shown.

    Example:

    >>> from pixelcnn_tf.training import reports
    >>> training = pixelcnn_tf.config.TrainingConfig(steps=None, minutes=2)
    >>> with reports.progress_bar(training, step=5, seconds=30.0) as bar:
    ...     reports.update(bar, training, step=6, seconds=40.0)
    ...     bar.n, bar.total, bar.unit
    (40, 120, 's')
    """
    if training.minutes is None:
        total, unit, done = training.steps, "step", step
    else:
        total, unit, done = round(60 * training.minutes), "s", int(seconds)
    return progress("training", total, unit, initial=done, delay=0, leave=True, disable=hidden)


def update(bar: tqdm, training: TrainingConfig, step: int, seconds: float) -> None:
    """Advance the progress bar to the step or, with a time budget, to the second; see
    ``progress_bar``.

    Example:
        >>> from pixelcnn_tf.training import reports
        >>> training = pixelcnn_tf.config.TrainingConfig(steps=20)
        >>> with reports.progress_bar(training, step=0, seconds=0.0) as bar:
        ...     reports.update(bar, training, step=5, seconds=2.0)
        ...     bar.n, bar.total, bar.unit
        (5, 20, 'step')
    """
    done = step if training.minutes is None else min(int(seconds), bar.total)
    bar.update(done - bar.n)


def write_start(trainer: "Trainer", images: Images) -> None:
    """Write to TensorBoard what does not change during a run: real images, masks, the config.

    Example:
        >>> import tempfile
        >>> config = pixelcnn_tf.load_config("config.yml", ["runs_dir=" + tempfile.mkdtemp()])
        >>> trainer = pixelcnn_tf.Trainer.from_config(config)
        >>> images = pixelcnn_tf.load_images(config.data.source)
        >>> pixelcnn_tf.training.reports.write_start(trainer, images)
        >>> next(trainer.run.logs.rglob("*tfevents*")).stat().st_size > 1000
        True
    """
    real = images.test[: trainer.config.sampling.n_images]
    n_values = trainer.likelihood.n_values
    grid = image_grid(real, n_values, colours=trainer.config.data.colours(n_values))
    trainer.summaries.image("imgs", "real", grid, trainer.step)
    model = trainer.model
    block = model.blocks[0] if isinstance(model, PixelRNN) else None
    if isinstance(block, PixelCNNResBlock):  # the others use few masks or none
        masks = mask_panel(7, model.n_channels, block.kernel_size)
        trainer.summaries.image("imgs", "masks", masks, trainer.step)
    trainer.summaries.text("train", "config", trainer.config.to_yaml(), trainer.step)


def write_window(trainer: "Trainer", window: Window, bar: tqdm, n_dims: int) -> None:
    """Write the means since the last line of the log to TensorBoard and the progress bar.

    Raises:
        TrainingDiverged: a loss or a gradient norm of the window is not finite.

    Example:
        >>> import tempfile
        >>> config = pixelcnn_tf.load_config("config.yml", ["runs_dir=" + tempfile.mkdtemp()])
        >>> trainer = pixelcnn_tf.Trainer.from_config(config)
        >>> window = Window(config.training.batch_size, trainer.clock)
        >>> window.add(50.0 * config.training.batch_size, 0.5)  # 50 nats per image
        >>> with progress_bar(config.training, step=1, seconds=1.0) as bar:
        ...     write_window(trainer, window, bar, n_dims=64)
        ...     bar.postfix.split(",")[0]
        'bits/dim 1.127'
    """
    with naming_the_last_good_checkpoint(trainer.run.checkpoints):
        means = window.close(trainer.step)
    figures = trainer.likelihood.report(means.nats, n_dims)
    unit = trainer.likelihood.units[0]
    headline = f"{unit.replace('_per_', '/')} {figures[unit]:.3f}"
    bar.set_postfix_str(f"{headline}, {means.images_per_second:.0f} img/s", refresh=False)
    figures["learning_rate"] = float(tf.convert_to_tensor(trainer.optimizer.learning_rate))
    figures["gradient_norm"] = means.gradient_norm
    figures["images_per_second"] = means.images_per_second
    figures["waiting_for_data"] = means.waiting
    trainer.summaries.scalars("train", figures, trainer.step)


@contextlib.contextmanager
def naming_the_last_good_checkpoint(checkpoints: Path) -> Iterator[None]:
    """Within the ``with`` block, a ``TrainingDiverged`` is extended by the last good checkpoint
    and a remedy.

    Example:

    >>> from pathlib import Path
    >>> from pixelcnn_tf.training.reports import naming_the_last_good_checkpoint
    >>> from pixelcnn_tf.utils.errors import TrainingDiverged
    >>> with naming_the_last_good_checkpoint(Path("none")):
    ...     raise TrainingDiverged("the loss is not finite at step 7")
    Traceback (most recent call last):
        ...
    pixelcnn_tf.utils.errors.TrainingDiverged: the loss ...; none was saved: lower ...
    """
    try:
        yield
    except TrainingDiverged as error:
        steps = saved_steps(checkpoints)
        last = f"the last good checkpoint is of step {steps[0]}" if steps else "none was saved"
        raise TrainingDiverged(
            f"{error}; {last}: lower training.learning_rate (or training.clip_norm) and "
            "start with --fresh"
        ) from None
