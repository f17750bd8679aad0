"""Trainer: steps, evaluation, checkpoints, TensorBoard."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.data.pipeline import filled_up, get_dataset
from pixelcnn_tf.likelihoods.base import Likelihood, scale_to
from pixelcnn_tf.models.blocks import PixelCNNResBlock
from pixelcnn_tf.models.inputs import check_size
from pixelcnn_tf.sampling.generate import generate_images, supports_incremental
from pixelcnn_tf.sampling.scheduler import plan_batches
from pixelcnn_tf.sampling.settings import SamplingSettings
from pixelcnn_tf.training.checkpoints import Checkpoints, saved_steps
from pixelcnn_tf.training.optimizers import averages
from pixelcnn_tf.training.run_folder import RunFolder
from pixelcnn_tf.training.signals import Interrupted, PutOff, StopAsked
from pixelcnn_tf.training.tensorboard import Summaries, Window
from pixelcnn_tf.utils.errors import TrainingDiverged, UserError
from pixelcnn_tf.utils.progress import progress, sampling_progress
from pixelcnn_tf.visualization.plots import image_grid, mask_panel, save_image

#: What ``model.initialize_from`` is given at least.
INITIAL_IMAGES = 100


class Trainer:
    """Trains a model as a config says, resumably, and writes down how it goes.

    With ``training.ema_decay``, or an optimizer made with ``use_ema=True``, evaluation and
    samples are those of the moving averages of the weights; see ``averaged_weights``.

    Args:
        config: from ``load_config``; ``training`` and ``sampling`` are used here.
        model: a built ``PixelRNN`` or ``PixelCNNPlusPlus``.
        likelihood: what its outputs mean, ``model.likelihood``.
        optimizer: a Keras optimizer, ``optimizers.build_optimizer(config.training)``.
        run_dir: where checkpoints, logs and sheets go; ``config.run_dir`` if not given.
        strategy: a ``tf.distribute`` strategy; model and optimizer must have been made
            under its ``scope()``. The default one, on one device, if not given.

    Raises:
        UserError: the batch size does not divide by the number of devices, or the optimizer
            keeps no averages where the config asks for them.
    """

    def __init__(
        self,
        config: Config,
        model,
        likelihood: Likelihood,
        optimizer: keras.optimizers.Optimizer,
        run_dir: str | Path | None = None,
        strategy: tf.distribute.Strategy | None = None,
    ):
        self.config = config
        self.model = model
        self.likelihood = likelihood
        self.optimizer = optimizer
        self.strategy = strategy or tf.distribute.get_strategy()
        self.run = RunFolder(run_dir or config.run_dir)
        n = self.strategy.num_replicas_in_sync
        if config.training.batch_size % n:
            raise UserError(
                f"training.batch_size: {config.training.batch_size} does not divide by the "
                f"{n} devices; must be a multiple of {n}"
            )
        with self.strategy.scope():
            optimizer.build(model.trainable_variables)
        if config.training.ema_decay is not None and not averages(optimizer):
            raise UserError(
                f"training.ema_decay: {config.training.ema_decay}, but the optimizer keeps no "
                "averages; make it with use_ema=True, or with build_optimizer(config.training)"
            )
        self.checkpoints = Checkpoints(
            self.run.checkpoints, model, optimizer, config.training.keep_checkpoints
        )
        self.step = 0
        self._put_off = PutOff()
        self.summaries = Summaries(self.run.logs)

    # Steps. Each takes a global batch of uint8 images [batch, height, width, channels], and
    # int32 labels [batch] for a class-conditional model, already spread over the devices by
    # the strategy.

    def run_model(self, images, labels=None, training: bool = False):
        """Logits ``[batch, height, width, channels, n_params]`` and negative
        log-likelihood in nats an image ``[batch]``, both float32."""
        given = {} if labels is None else {"labels": labels}
        logits = self.model(images, training=training, **given)
        return logits, self.likelihood.nll(images, logits)

    @tf.function
    def train_step(self, images, labels=None):
        """One update of the weights. The loss is bits per dimension.

        Returns:
            sum of nats over the batch, and the global norm of the gradient before
            clipping; float32 scalars.
        """
        return self._over_devices(self._replica_train_step, images, labels)

    @tf.function
    def valid_step(self, images, counted, labels=None):
        """Sum of nats over the images whose ``counted`` (float32 ``[batch]``) is 1 rather
        than 0, float32 scalar."""
        return self._over_devices(self._replica_valid_step, images, counted, labels)[0]

    def _over_devices(self, step, *arguments):
        results = self.strategy.run(step, args=arguments)
        return [self.strategy.reduce("SUM", part, axis=None) for part in results]

    def _spread(self, batch):
        """A batch, cut in equal parts for the devices."""
        n = self.strategy.num_replicas_in_sync
        if n == 1:
            return batch
        parts = tf.split(batch, n)
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )

    def _replica_train_step(self, images, labels):
        n_replicas = self.strategy.num_replicas_in_sync
        n_dims = tf.cast(tf.reduce_prod(tf.shape(images)[1:]), tf.float32)
        scale = scale_to("bits_per_dim", n_dims) / self.config.training.batch_size
        weights = self.model.trainable_weights
        with tf.GradientTape() as tape:
            nats = tf.reduce_sum(self.run_model(images, labels, training=True)[1])
            loss = nats * scale
            if self.model.losses:
                loss += tf.add_n(self.model.losses) / n_replicas
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        if n_replicas > 1:
            # The optimizer sums over devices again, hence the division: this way the norm
            # that is clipped is that of the whole batch, on one device or many.
            replica = tf.distribute.get_replica_context()
            gradients = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        norm = tf.linalg.global_norm(gradients)
        if self.config.training.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.config.training.clip_norm, norm)
        self.optimizer.apply([g / n_replicas for g in gradients], weights)
        return nats, norm / n_replicas

    def _replica_valid_step(self, images, counted, labels):
        nats = self.run_model(images, labels, training=False)[1]
        return (tf.reduce_sum(nats * counted),)

    # Whole jobs.

    @contextlib.contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Within the ``with`` block the model has the moving averages of its weights, if the
        optimizer keeps any and a step has been made; afterwards its weights again, to the bit,
        however the block is left. May be nested; must not be trained or checkpointed in.

            with trainer.averaged_weights():
                trainer.model.save("model.keras")
        """
        optimizer = self.optimizer
        if not averages(optimizer) or int(tf.convert_to_tensor(optimizer.iterations)) == 0:
            yield
            return
        # Kept aside, on the host, rather than swapped with the averages by sums as Keras's
        # SwapEMAWeights does: that rounds, and training would go on a little off.
        weights = self.model.trainable_variables
        plain = [weight.numpy() for weight in weights]
        try:
            optimizer.finalize_variable_values(weights)
            yield
        finally:
            for weight, value in zip(weights, plain, strict=True):
                weight.assign(value)

    def evaluate(self, dataset: tf.data.Dataset) -> dict[str, float]:
        """The mean over every image of ``dataset``, exact whatever its batches are, with the
        averaged weights if there are any.

        Args:
            dataset: of images, or of images and labels for a class-conditional model, as from
                ``get_dataset``.

        Returns:
            ``{'bits_per_dim': ...}`` and the other units of the likelihood.

        Raises:
            UserError: the dataset holds no image, or labels where the model has no classes, or
                none where it has.
        """
        image_spec, *label_spec = tf.nest.flatten(dataset.element_spec)
        if bool(label_spec) != (self.model.n_classes is not None):
            raise UserError(
                "evaluate: a class-conditional model needs a dataset of images and labels, "
                "any other one of images: get_dataset(..., labels=True or False)"
            )
        check_size(self.model, *image_spec.shape[1:3])
        n_dims = int(np.prod(image_spec.shape[1:]))
        n_replicas = self.strategy.num_replicas_in_sync
        total, count, full = 0.0, 0, 0
        size = int(dataset.cardinality())
        bar = progress("evaluating", size if size > 0 else None, "batch", dataset)
        with self.averaged_weights():
            for batch in bar:
                self._put_off.check()
                images, *labels = tf.nest.flatten(batch)
                # Smaller batches are filled up with images that do not count: one compiled
                # shape, and no device left without an image (which some operations do not bear).
                n = len(images)
                full = max(full, -(-n // n_replicas) * n_replicas)
                parts = [filled_up(part, full) for part in (images, tf.ones([n]), *labels)]
                total += float(self.valid_step(*map(self._spread, parts)))
                count += n
        if not count:
            raise UserError("evaluate: the dataset holds no image")
        return self.likelihood.report(total / count, n_dims)

    def create_image_samples(self, n_images: int | None = None, seed: int | None = None):
        """Draw images from the model as it stands, with the averaged weights if there are any,
        of the size that the config knows; those of a class-conditional model are spread evenly
        over its classes, in order.

        Returns:
            uint8 ``[n_images, height, width, channels]``.
        """
        image_size = self.config.data.image_size
        if image_size is None:
            raise UserError("data.image_size: not known before fit; set it in the config")
        sampling = self.config.sampling
        n_images = n_images or sampling.n_images
        n_classes = self.model.n_classes
        labels = None if n_classes is None else np.arange(n_images) * n_classes // n_images
        with sampling_progress(n_images, image_size) as show, self.averaged_weights():

            def between(done: int, total: int) -> None:
                self._put_off.check()
                show(done, total)

            return generate_images(
                self.model,
                image_size,
                n_images,
                self.config.seed if seed is None else seed,
                labels=labels,
                settings=self._sampling_settings(),
                progress=between,
            )

    def _sampling_settings(self) -> SamplingSettings:
        sampling = self.config.sampling
        method = "incremental" if supports_incremental(self.model) else "naive"
        return SamplingSettings(sampling.temperature, sampling.top_p, method)

    def fit(self, images: Images) -> dict[str, float]:
        """Train to ``training.steps``, from the newest checkpoint if there is one.

        Writes the resolved config into the run folder, then checkpoints, scalars and
        pictures as often as the config says.

        Returns:
            the result of ``evaluate`` on the test images after the last step.

        Raises:
            Interrupted: Ctrl-C, SIGTERM or SIGHUP came; the state was saved first.
            OSError: a file cannot be written; the state was saved first, if it could be.
            TrainingDiverged: loss, gradient or a weight is not finite; the last good
                checkpoint stays the newest.
            UserError: the run folder holds something else, was begun with other images, or holds
                no checkpoint that can be read; a sheet of samples that does not fit the memory.
        """
        self.config = self.config.resolved(*images.train.shape[1:])
        self.run.check(self.config)
        self.check_samples(images)
        self.run.make()
        with self.run.locked():
            self.run.check(self.config)  # again: another process may have been there
            self.run.check_images(*images[:4])
            self.run.create(self.config)
            return self._fit(images)

    def _fit(self, images: Images) -> dict[str, float]:
        t = self.config.training
        self.step = self.checkpoints.restore()
        if self.step >= t.steps:
            results = self.evaluate(self._dataset(images, "test"))
            self.summaries.scalars("test", results, self.step)
            return results
        dataset = self._dataset(images, "train", self.config.seed, self.step)
        batches = iter(self.strategy.experimental_distribute_dataset(dataset))
        if self.step == 0:
            self._write_once(images)
        window = Window(images.train[0].size, t.batch_size)
        bar = progress("training", t.steps, "step", initial=self.step, delay=0, leave=True)
        results: dict[str, float] = {}
        with PutOff() as self._put_off, bar:
            try:
                while self.step < t.steps:
                    self._put_off.check()
                    window.add(*self.train_step(*tf.nest.flatten(next(batches))))
                    self.step += 1
                    results = self._after_step(window, bar, images)
                self._put_off.check()
            except (StopAsked, OSError) as stop:  # OSError: | tee that is gone, a full disk
                self._save(window)
                if isinstance(stop, StopAsked):
                    raise Interrupted(self.step, self._put_off.signum) from None
                raise
            finally:
                self._put_off = PutOff()
        return results

    def check_samples(self, images: Images) -> None:
        """Raises UserError if a sheet of samples of their size does not fit the memory."""
        sheet = (self.config.sampling.n_images, *images.train.shape[1:])
        plan_batches(self.model, sheet, self._sampling_settings())

    def initialize(self, images: Images) -> None:
        """Show some training images to a new model that sets its first weights by them
        (PixelCNN++); before ``fit``, which takes the weights as they are."""
        if hasattr(self.model, "initialize_from"):
            first = self._dataset(images, "train", self.config.seed)
            enough = -(-INITIAL_IMAGES // self.config.training.batch_size)
            batches = [tf.nest.flatten(batch) for batch in first.take(enough)]
            self.model.initialize_from(*(tf.concat(part, 0) for part in zip(*batches, strict=True)))

    def _after_step(self, window: Window, bar: tqdm, images: Images) -> dict[str, float]:
        """Write what is due at this step; at the last one all but the samples are."""
        t = self.config.training
        last = self.step == t.steps
        results = {}
        if last or self.step % t.log_every == 0:
            self._write_window(window, bar)
        if bar.n == bar.initial:  # the first step compiles: no measure of speed and time left
            bar.unpause()
            window.restart_clock()
        bar.update()
        if last or self.step % t.checkpoint_every == 0:
            self._save(window)
        with window.paused():
            if last or self.step % t.eval_every == 0:
                results = self.evaluate(self._dataset(images, "test"))
                self.summaries.scalars("test", results, self.step)
            if not last and self.step % t.sample_every == 0:
                self.write_samples(f"step_{self.step:06d}")
        return results

    def write_samples(self, name: str) -> Path:
        """Draw images; put them into TensorBoard and ``samples/NAME.png``; its path."""
        sheet = image_grid(self.create_image_samples(), self.likelihood.n_values)
        self.summaries.image("imgs", "generated", sheet, self.step)
        self.run.samples.mkdir(parents=True, exist_ok=True)
        path = self.run.samples / f"{name}.png"
        save_image(sheet, path)
        return path

    def _dataset(self, images: Images, split: str, seed: int = 0, start_step: int = 0):
        labels = self.model.n_classes is not None
        size = self.config.training.batch_size
        return get_dataset(images, split, size, seed, start_step, labels=labels)

    def _save(self, window: Window) -> None:
        with self._naming_the_last_good_checkpoint():
            window.check(self.step)  # waits for the steps so far: they count as training
            with window.paused():
                self.checkpoints.save(self.step)

    # TensorBoard.

    def _write_once(self, images: Images) -> None:
        """What does not change during a run: real images, masks, the config."""
        real = images.test[: self.config.sampling.n_images]
        sheet = image_grid(real, self.likelihood.n_values)
        self.summaries.image("imgs", "real", sheet, self.step)
        blocks = getattr(self.model, "blocks", [None])
        if isinstance(blocks[0], PixelCNNResBlock):  # the others use few or none
            masks = mask_panel(7, self.model.n_channels, blocks[0].kernel_size)
            self.summaries.image("imgs", "masks", masks, self.step)
        self.summaries.text("train", "config", self.config.to_yaml(), self.step)

    def _write_window(self, window: Window, bar: tqdm) -> None:
        with self._naming_the_last_good_checkpoint():
            means = window.close(self.step)
        figures = self.likelihood.report(means.nats, window.n_dims)
        unit = self.likelihood.units[0]
        headline = f"{unit.replace('_per_', '/')} {figures[unit]:.3f}"
        bar.set_postfix_str(f"{headline}, {means.images_per_second:.0f} img/s", refresh=False)
        figures["learning_rate"] = float(tf.convert_to_tensor(self.optimizer.learning_rate))
        figures["gradient_norm"] = means.gradient_norm
        figures["images_per_second"] = means.images_per_second
        self.summaries.scalars("train", figures, self.step)

    @contextlib.contextmanager
    def _naming_the_last_good_checkpoint(self):
        try:
            yield
        except TrainingDiverged as error:
            steps = saved_steps(self.run.checkpoints)
            last = f"the last good checkpoint is of step {steps[0]}" if steps else "none was saved"
            raise TrainingDiverged(
                f"{error}; {last}: lower training.learning_rate (or training.clip_norm) and "
                "start with --fresh"
            ) from None
