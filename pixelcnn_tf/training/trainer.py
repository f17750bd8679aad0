"""Trainer: the resumable training loop, with checkpoints, scores and samples."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf
from tqdm import tqdm

from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.data.conditions import condition_shape
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.data.pipeline import get_dataset, reading_errors
from pixelcnn_tf.likelihoods.base import Likelihood
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.build import build_model
from pixelcnn_tf.training import reports
from pixelcnn_tf.training.checkpoints import Checkpoints
from pixelcnn_tf.training.clock import Clock, Window
from pixelcnn_tf.training.cluster import StopAgreement
from pixelcnn_tf.training.curve import Curve
from pixelcnn_tf.training.optimizers import build_optimizer, rate_at
from pixelcnn_tf.training.run_folder import RunFolder, load_model
from pixelcnn_tf.training.samples import Sampling
from pixelcnn_tf.training.signals import DeferredSignals, Interrupted, StopRequested
from pixelcnn_tf.training.tensorboard import Summaries
from pixelcnn_tf.utils.atomic_files import replacing


class Trainer(Sampling):
    """Trains a model as a config says, resumably, and records its progress.

    With ``training.ema_decay``, or an optimizer made with ``use_ema=True``, evaluation and
    samples use the moving averages of the weights; see ``averaged_weights``. Of several workers,
    which must all make the same calls, only the chief (``cluster.is_chief``) writes files.

    Args:
        config: from ``load_config``; ``training`` and ``sampling`` are used here.
        model: a built ``PixelRNN`` or ``PixelCNNPlusPlus``.
        likelihood: the interpretation of its outputs, ``model.likelihood``.
        optimizer: a Keras optimizer, ``optimizers.build_optimizer(config.training)``.
        run_dir: the folder of checkpoints, logs and samples; ``config.run_dir`` if not given.
        strategy: a ``tf.distribute`` strategy; model and optimizer must have been made
            under its ``scope()``. The default one, on one device, if not given.

    Raises:
        UserError: the batch size does not divide by the number of devices, or the optimizer
            keeps no averages where the config asks for them.

    Attributes:
        step: number of training steps made.
        curve: the scores during training, a ``Curve``.
        clock: the seconds of training, a ``Clock``.

    Example:

    >>> import tempfile
    >>> config = pixelcnn_tf.config.schema.Config.model_validate(
    ...     {
    ...         "runs_dir": tempfile.mkdtemp(),
    ...         "model": {"hidden_dim": 2, "out_dim": 2, "n_layers": 1, "n_channels": 3},
    ...         "training": {"steps": 2, "batch_size": 2},
    ...     }
    ... )
    >>> trainer = pixelcnn_tf.Trainer.from_config(config)
    >>> logits, nats = trainer.run_model(np.zeros([1, 6, 6, 3], np.uint8))
    >>> logits.shape, nats.shape
    (TensorShape([1, 6, 6, 3, 256]), TensorShape([1]))
    """

    def __init__(
        self,
        config: Config,
        model: PixelModel,
        likelihood: Likelihood,
        optimizer: keras.optimizers.Optimizer,
        run_dir: str | Path | RunFolder | None = None,
        strategy: tf.distribute.Strategy | None = None,
    ):
        super().__init__(config.training, model, likelihood, optimizer, strategy)
        self.config = config
        run = run_dir or config.run_dir
        self.run = run if isinstance(run, RunFolder) else RunFolder(run)
        self.checkpoints = Checkpoints(
            self.run.checkpoints, model, optimizer, config.training.keep_checkpoints
        )
        self.step = 0
        self._deferring = False
        self._agreement = StopAgreement(self.cluster)
        self.clock = Clock()
        is_chief = self.cluster.is_chief
        self.curve = Curve(self.run.curve if is_chief else None, likelihood.units[0])
        self.summaries = Summaries(self.run.logs if is_chief else None)

    @classmethod
    def from_config(
        cls,
        config: Config,
        run_dir: str | Path | RunFolder | None = None,
        strategy: tf.distribute.Strategy | None = None,
    ) -> "Trainer":
        """Returns a trainer with the model and the optimizer of a config, made in the scope of
        ``strategy``; arguments as those of the class.

        Raises:
            UserError: as ``build_model``.
        """
        with strategy.scope() if strategy else contextlib.nullcontext():
            model = build_model(config)
            optimizer = build_optimizer(config.training)
        return cls(config, model, model.likelihood, optimizer, run_dir, strategy)

    def fit(self, images: Images) -> dict[str, float]:
        """Train to ``training.steps`` or for ``training.minutes``, from the latest checkpoint if
        there is one.

        Writes the resolved config into the run folder, then checkpoints, scalars and images as
        often as the config says. Scores during training are of the validation images if there
        are any, else of the test images. The characters of levels are recorded in the config; a
        model that is made before they are known takes their values as ordered.

        Returns:
            the result of ``evaluate`` on the test images after the last step, with the weights
            of ``best_weights``.

        Raises:
            Interrupted: Ctrl-C, SIGTERM or SIGHUP came; the state was saved first.
            OSError: a file cannot be written; the state was saved first, if possible.
            TrainingDiverged: loss, gradient or a weight is not finite; the last good
                checkpoint stays the latest.
            UserError: the run folder holds something else, was started with other images, or has
                no checkpoint that can be read; the samples do not fit the memory.
            WorkerLost: another worker ended or cannot be reached.
        """
        height, width, channels = images.train.shape[1:]
        data, alphabet = self.config.data, images.alphabet or self.config.data.alphabet
        known = data.image_size, self.config.model.n_channels, data.alphabet
        if known != ((height, width), channels, alphabet):
            # Without them, the model was made for ordered values; levels are codes by default.
            data = data.model_copy(update={"values": data.values or "ordered"})
            config = self.config.model_copy(update={"data": data})
            found = {"condition": condition_shape(images), "alphabet": alphabet}
            self.config = config.resolved(height, width, channels, **found)
        self.show(images)
        with contextlib.ExitStack() as stack:
            with self.cluster.joint_errors():
                if self.cluster.is_chief:
                    self.check_room(images)
                    stack.enter_context(self.run.opened(self.config, images=images.arrays()))
                    self.run.check_images(*images.arrays())
                    self.run.create(self.config)
            stack.enter_context(reading_errors(images))
            stack.enter_context(self.interruptible())
            return self._fit(images)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within the ``with`` block, Ctrl-C, SIGTERM and SIGHUP take effect where the state is
        saved or nothing is lost: as ``Interrupted``. May be nested."""
        if self._deferring:
            yield
            return
        self._deferring = True
        with DeferredSignals() as self._signals:
            try:
                yield
                self.check_interrupted()
            except StopRequested:
                raise Interrupted(self.step, self._signals.signum or 0) from None
            finally:
                self._signals, self._deferring = DeferredSignals(), False

    def _fit(self, images: Images) -> dict[str, float]:
        self._restore()
        if not self._is_last():
            results = self._train(images)
        elif images.validation is None or self.curve.last_step < self.step:
            results = self._score(images)
        if images.validation is not None:  # the test images are scored once, at the end
            with self.best_weights():
                results = self.evaluate(self._dataset(images, "test"))
            self.summaries.scalars("test", results, self.step)
        return results

    def _restore(self) -> None:
        """Take the latest checkpoint, which the chief reads, and the scores up to there."""
        with self.cluster.joint_errors():
            if self.cluster.is_chief:
                self.step = self.checkpoints.restore()
                self.curve.restore(self.step)
        state = self.step, self.checkpoints.seconds, self.curve.points
        self.step, seconds, self.curve.points = self.cluster.broadcast(state)
        self.cluster.broadcast_variables([*self.model.variables, *self.optimizer.variables])
        self.clock = Clock(seconds)
        self._agreement = StopAgreement(self.cluster, seconds)

    def _is_last(self) -> bool:
        """Returns whether training ends with this step."""
        t = self.config.training
        steps_made = t.steps is not None and self.step >= t.steps
        return steps_made or (t.minutes is not None and self._seconds() >= 60 * t.minutes)

    def _seconds(self) -> float:
        """Returns the seconds of training: for several workers, those of the chief lately."""
        return self.clock.seconds if self.cluster.n_workers == 1 else self._agreement.seconds

    def _train(self, images: Images) -> dict[str, float]:
        """Train to the end; returns the last scores."""
        t = self.config.training
        batches = self._training_batches(images)
        if self.step == 0 and self.cluster.is_chief:
            reports.write_start(self, images)
        window = Window(t.batch_size, self.clock)
        results: dict[str, float] = {}
        last = False
        hidden = not self.cluster.is_chief
        with reports.progress_bar(t, self.step, self.clock.seconds, hidden) as bar:
            try:
                while not last:
                    self._agreement.check(self._signals, self.step, self.clock)
                    if t.minutes is not None and t.schedule == "cosine":
                        self.optimizer.learning_rate = rate_at(t, self.step, self._seconds())
                    with self.cluster.naming_lost_workers():
                        with window.waiting():
                            batch = next(batches)
                        window.add(*self.train_step(**self.given(batch)))
                        self.step += 1
                        if t.minutes is not None:
                            window.wait()
                        last = self._is_last()
                        results = self._after_step(window, bar, images, last)
                self._agreement.check(self._signals, self.step, self.clock, now=True)
            # OSError: | tee that is gone, a full disk; OpError: images that cannot be read.
            except (StopRequested, OSError, tf.errors.OpError):
                self._save(window)
                raise
        return results

    def _after_step(self, window: Window, bar: tqdm, images: Images, last: bool) -> dict:
        """Write what is due at this step; at the last one everything but the samples is.

        Returns:
            the scores, where they were due.
        """
        t = self.config.training
        results = {}
        if last or self.step % t.log_every == 0:
            reports.write_window(self, window, bar, math.prod(images.train.shape[1:]))
        if not self.clock.running:  # the first step compiles: it does not count
            bar.unpause()
            window.start_clock()
        reports.update(bar, t, self.step, self.clock.seconds)
        if last or self.step % t.checkpoint_every == 0:
            self._save(window)
        with self.clock.paused():
            if last or self.step % t.eval_every == 0:
                results = self._score(images)
            if not last and self.step % t.sample_every == 0 and self.cluster.is_chief:
                self.write_samples(f"step_{self.step:06d}")
        return results

    def _score(self, images: Images) -> dict[str, float]:
        """Add a point to the curve: of the validation images if there are any, else of the test
        images. Keep the averaged weights of the best validation score."""
        part = "test" if images.validation is None else "validation"
        results = self.evaluate(self._dataset(images, part))
        self.summaries.scalars(part, results, self.step)
        best = self.curve.add(self.step, self.clock.seconds, results)
        if best and part == "validation" and self.cluster.is_chief:
            with self.averaged_weights(), replacing(self.run.best) as temporary:
                self.model.save(temporary)
        return results

    def _save(self, window: Window) -> None:
        with reports.naming_the_last_good_checkpoint(self.run.checkpoints):
            with self.cluster.naming_lost_workers():
                window.check(self.step)  # waits for the steps so far: they count as training
            if self.cluster.is_chief:
                with self.clock.paused():
                    self.checkpoints.save(self.step, self.clock.seconds)

    def _training_batches(self, images: Images) -> Iterator:
        """Returns the batches from the current step on. A worker reads its own share of each, and
        a device gets its share of that."""
        size, seed = self.config.training.batch_size, self.config.seed
        n_devices = self.strategy.num_replicas_in_sync

        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)

        def share(context: tf.distribute.InputContext) -> tf.data.Dataset:
            part, n_parts = context.input_pipeline_id, context.num_input_pipelines
            options = {"part": part, "n_parts": n_parts, **self._wanted}
            own = get_dataset(images, "train", size, seed, self.step, **options)
            if n_parts == n_devices:
                return own
            return own.rebatch(size // n_devices).apply(endless)  # which rebatch does not know

        return iter(self.strategy.distribute_datasets_from_function(share))

    @property
    def _wanted(self) -> dict[str, bool]:
        """What ``get_dataset`` returns with the images."""
        model = self.model
        return {
            "labels": model.n_classes is not None,
            "condition": model.condition_spec is not None,
        }

    def _dataset(self, images: Images, split: str, seed: int = 0, start_step: int = 0):
        size = self.config.training.batch_size
        return get_dataset(images, split, size, seed, start_step, **self._wanted)

    def initialize(self, images: Images) -> None:
        """Initialize the weights of a new model from training images, if its architecture asks
        for that (PixelCNN++). Call it before ``fit``, which takes the weights as they are."""
        if self.model.n_initial_images:
            first = self._dataset(images, "train", self.config.seed)
            enough = -(-self.model.n_initial_images // self.config.training.batch_size)
            batches = [self.given(batch) for batch in first.take(enough)]
            parts = {name: tf.concat([b[name] for b in batches], 0) for name in batches[0]}
            self.model.initialize_from(**parts)

    # Weights and samples.

    @contextlib.contextmanager
    def best_weights(self) -> Iterator[None]:
        """Like ``averaged_weights``, but with those of the best validation score, where there are
        validation images and the last score is not the best."""
        best = self._best_earlier()
        if best is None:
            with self.averaged_weights():
                yield
            return
        values = load_model(self.run.best).get_weights()
        with self._replacing_weights():
            self.model.set_weights(values)
            yield

    def _best_earlier(self) -> dict | None:
        """Returns the point of the curve whose weights are in ``best.keras``, unless they are
        those that the model has."""
        best = self.curve.best
        if best is None or best["step"] == self.step:
            return None
        return best if self.run.best.exists() else None
