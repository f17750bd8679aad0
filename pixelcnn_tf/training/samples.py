"""Samples of a model in training, and the memory that they need."""

from pathlib import Path

import numpy as np

from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.data.conditions import Conditioned, conditioned
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.sampling.generate import generate_images, supports_incremental
from pixelcnn_tf.sampling.scheduler import plan_batches
from pixelcnn_tf.sampling.settings import SamplingSettings
from pixelcnn_tf.training.run_folder import RunFolder
from pixelcnn_tf.training.steps import Steps
from pixelcnn_tf.training.tensorboard import Summaries
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.machine import memory
from pixelcnn_tf.utils.progress import sampling_progress
from pixelcnn_tf.visualization.grids import condition_grid, image_grid, save_image

#: Samples per condition in the grids of a conditional model.
DRAWS = 4


class Sampling(Steps):
    """Draws the samples of a run, and writes them into its folder and to TensorBoard.

    Attributes:
        config: of the run.
        run: its ``RunFolder``.
        step: number of training steps made.
        summaries: its ``Summaries``.
        shown: for a conditional model: the conditions of ``show`` and their images and labels.

    Example:

    >>> config = pixelcnn_tf.config.schema.Config.model_validate(
    ...     {
    ...         "data": {"image_size": [6, 6]},
    ...         "model": {"hidden_dim": 2, "out_dim": 2, "n_layers": 1, "n_channels": 1},
    ...     }
    ... )
    >>> pixelcnn_tf.Trainer.from_config(config).create_image_samples(n_images=3).shape
    (3, 6, 6, 1)
    """

    config: Config
    run: RunFolder
    step: int
    summaries: Summaries
    shown: Conditioned | None = None

    def show(self, images: Images) -> None:
        """Chooses the conditions of the samples of a conditional model: those of the first
        validation images or, without any, of the first test images. Each gets ``DRAWS`` samples.
        """
        if self.model.condition_spec is None:
            return
        split = "test" if images.validation is None else "validation"
        n = max(1, self.config.sampling.n_images // DRAWS)
        n = min(n, len(getattr(images, split)))
        self.shown = conditioned(images, split, np.arange(n))

    def create_image_samples(
        self, n_images: int | None = None, seed: int | None = None
    ) -> np.ndarray:
        """Draw images from the model, with the averaged weights if there are any, of the size in
        the config; those of a class-conditional model are divided evenly among its classes, in
        order; those of a conditional model among the conditions of ``show``, whose labels they
        have.

        Args:
            n_images: ``sampling.n_images`` if not given.
            seed: the seed of the config if not given.

        Returns:
            integers ``[n_images, height, width, channels]``, as ``generate_images``.
        """
        image_size = self.config.data.image_size
        if image_size is None:
            raise UserError("data.image_size: not known before fit; set it in the config")
        n_images = n_images or self.config.sampling.n_images
        n_classes = self.model.n_classes
        labels = None if n_classes is None else np.arange(n_images) * n_classes // n_images
        condition = None
        if self.model.condition_spec is not None:
            if self.shown is None:
                raise UserError("samples of a conditional model: call show(images) first")
            which = np.arange(n_images) * len(self.shown.condition) // n_images
            condition = self.shown.condition[which]
            labels = None if n_classes is None else np.asarray(self.shown.labels)[which]
        with sampling_progress(n_images, image_size) as show, self.averaged_weights():

            def between(done: int, total: int) -> None:
                self.check_interrupted()
                show(done, total)

            return generate_images(
                self.model,
                image_size,
                n_images,
                self.config.seed if seed is None else seed,
                labels=labels,
                condition=condition,
                settings=self._sampling_settings(),
                progress=between,
            )

    def write_samples(self, name: str) -> Path:
        """Draw images; write them to TensorBoard and ``samples/NAME.png``; returns its path."""
        n_values = self.likelihood.n_values
        colours, spec = self.config.data.colours(n_values), self.model.condition_spec
        if self.shown is None or spec is None:
            grid = image_grid(self.create_image_samples(), n_values, colours=colours)
        else:
            condition, images = self.shown.condition, np.asarray(self.shown.images)
            drawn = self.create_image_samples(len(images) * DRAWS)
            drawn = drawn.reshape(len(images), DRAWS, *images.shape[1:])
            grid = condition_grid(condition, drawn, images, n_values, spec.n_codes, colours)
        self.summaries.image("imgs", "generated", grid, self.step)
        self.run.samples.mkdir(parents=True, exist_ok=True)
        path = self.run.samples / f"{name}.png"
        save_image(grid, path)
        return path

    def check_room(self, images: Images) -> None:
        """Raises UserError if the outputs of a training step, or the samples, of the size of these
        images, do not fit the memory."""
        height, width, channels = images.train.shape[1:]
        batch = self.config.training.batch_size // self.cluster.n_workers
        needed = 3 * self.model.output_bytes((batch, height, width, channels))  # and gradients
        if needed > memory():
            raise UserError(
                f"training.batch_size: the outputs for {batch} images of "
                f"{height}x{width}x{channels} need {needed / 1e9:,.1f} GB of memory, of "
                f"{memory() / 1e9:,.1f} GB here; lower it"
            )
        shape = self.config.sampling.n_images, height, width, channels
        plan_batches(self.model, shape, self._sampling_settings())

    def _sampling_settings(self) -> SamplingSettings:
        sampling = self.config.sampling
        method = "incremental" if supports_incremental(self.model) else "naive"
        return SamplingSettings(sampling.temperature, sampling.top_p, method)
