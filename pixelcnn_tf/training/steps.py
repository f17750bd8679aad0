"""Training and evaluation steps of a model, on one device or many."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.config.training import TrainingConfig
from pixelcnn_tf.data.pipeline import filled_up
from pixelcnn_tf.likelihoods.base import Likelihood, scale_to
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.keras_data import present
from pixelcnn_tf.models.parts import in_parts
from pixelcnn_tf.training.cluster import Cluster
from pixelcnn_tf.training.optimizers import already_summed, averages, has_averages, restored
from pixelcnn_tf.training.signals import DeferredSignals
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress

#: Many small gradients travel as one, which is faster.
_COMMUNICATION = tf.distribute.experimental.CommunicationOptions(bytes_per_pack=32 << 20)


class Steps:
    """A model, its likelihood and its optimizer, and the steps that train and evaluate them.

    Args:
        training: batch size, clipping and averaging of a config.
        model, likelihood, optimizer, strategy: as in ``Trainer``.

    Attributes:
        cluster: the workers of the strategy, a ``Cluster``.

    Raises:
        UserError: the batch size does not divide by the number of devices, or the optimizer
            keeps no averages where the config asks for them.

    Example:

    >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> images = np.zeros([4, 6, 6, 1], np.uint8)
    >>> _ = model(images)
    >>> training = pixelcnn_tf.config.schema.TrainingConfig(batch_size=4)
    >>> steps = pixelcnn_tf.training.steps.Steps(
    ...     training, model, model.likelihood, keras.optimizers.Adam()
    ... )
    >>> nats, gradient_norm = steps.train_step(images)
    >>> sorted(steps.evaluate(tf.data.Dataset.from_tensor_slices(images).batch(3)))
    ['bits_per_dim', 'nats_per_image']
    """

    def __init__(
        self,
        training: TrainingConfig,
        model: PixelModel,
        likelihood: Likelihood,
        optimizer: keras.optimizers.Optimizer,
        strategy: tf.distribute.Strategy | None = None,
    ):
        self.model = model
        self.likelihood = likelihood
        self.optimizer = optimizer
        self.strategy = strategy or tf.distribute.get_strategy()
        self.cluster = Cluster(self.strategy)
        self._batch_size = training.batch_size
        self._clip_norm = training.clip_norm
        n = self.strategy.num_replicas_in_sync
        if training.batch_size % n:
            raise UserError(
                f"training.batch_size: {training.batch_size} does not divide by the {n} devices; "
                f"must be a multiple of {n}"
            )
        with self.strategy.scope():
            optimizer.build(model.trainable_variables)
        if training.ema_decay is not None and not averages(optimizer):
            raise UserError(
                f"training.ema_decay: {training.ema_decay}, but the optimizer keeps no averages; "
                "make it with use_ema=True, or with build_optimizer(config.training)"
            )
        self._signals = DeferredSignals()
        self._replaced = False

    # Each step takes a global batch of uint8 images [batch, height, width, channels], and
    # int32 labels [batch] for a class-conditional model and conditions for a conditional one,
    # already distributed to the devices by the strategy.

    def given(self, batch) -> dict[str, tf.Tensor]:
        """Returns the parts of a batch of ``get_dataset`` by their names: ``images``, and
        ``labels`` and ``condition`` for a model that takes them."""
        names = ["images"]
        names += ["labels"] * (self.model.n_classes is not None)
        names += ["condition"] * (self.model.condition_spec is not None)
        return dict(zip(names, tf.nest.flatten(batch), strict=True))

    def run_model(self, images, labels=None, training: bool = False, condition=None):
        """Returns logits ``[batch, height, width, channels, n_params]`` and the negative
        log-likelihood in nats per image ``[batch]``, both float32."""
        given = present(labels=labels, condition=condition)
        logits = self.model(images, training=training, **given)
        return logits, self.likelihood.nll(images, logits)

    @tf.function
    def train_step(self, images, labels=None, condition=None):
        """Update the weights once. The loss is bits per dimension.

        Returns:
            the sum of nats over the batch, and the global norm of the gradient before
            clipping; float32 scalars.
        """
        return self._over_devices(self._replica_train_step, images, labels, condition)

    @tf.function
    def valid_step(self, images, counted, labels=None, condition=None):
        """Returns the sum of nats over the images whose ``counted`` (float32 ``[batch]``) is 1
        rather than 0, float32 scalar."""
        parts = images, counted, labels, condition
        return self._over_devices(self._replica_valid_step, *parts)[0]

    def _over_devices(self, step, *arguments):
        """Returns the results of a step, which are the same on all devices."""
        results = self.strategy.run(step, args=arguments)
        return [self.strategy.experimental_local_results(part)[0] for part in results]

    def _sum(self, values: list[tf.Tensor]) -> list[tf.Tensor]:
        """Within a step, returns the sums over all devices."""
        if self.strategy.num_replicas_in_sync == 1:
            return values
        context: Any = tf.distribute.get_replica_context()
        return context.all_reduce("SUM", values, _COMMUNICATION)

    def _spread(self, batch):
        """Returns a batch, split in equal parts for the devices."""
        n = self.strategy.num_replicas_in_sync
        if n == 1:
            return batch
        parts = tf.split(batch, n)
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )

    def _replica_train_step(self, images, labels, condition):
        n_replicas = self.strategy.num_replicas_in_sync
        n_dims = tf.cast(tf.reduce_prod(tf.shape(images)[1:]), tf.float32)
        scale = scale_to("bits_per_dim", n_dims) / self._batch_size
        weights = self.model.trainable_weights
        with tf.GradientTape() as tape:
            parts = in_parts(self._nats_and_losses, images, labels, condition)
            all_nats, losses = zip(*parts, strict=True)
            nats = tf.add_n(all_nats)
            loss = nats * scale + tf.add_n(losses) / (n_replicas * len(parts))
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        # The norm that is clipped is that of the whole batch, on one device or many.
        nats, *gradients = self._sum([nats, *gradients])
        norm = tf.linalg.global_norm(gradients)
        if self._clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self._clip_norm, norm)
        with already_summed(self.optimizer):
            self.optimizer.apply(gradients, weights)
        return nats, norm

    def _nats_and_losses(self, images, labels, condition):
        """The sum of nats over a part of a batch, and of the model's own losses."""
        nats = tf.reduce_sum(self.model.nll(images, labels, True, condition=condition))
        return nats, tf.add_n(self.model.losses) if self.model.losses else tf.zeros([])

    def _replica_valid_step(self, images, counted, labels, condition):
        def of_part(images, counted, labels, condition):
            nats = self.model.nll(images, labels, condition=condition)
            return tf.reduce_sum(nats * counted)

        parts = in_parts(of_part, images, counted, labels, condition)
        return self._sum([tf.add_n(parts)])

    def check_interrupted(self) -> None:
        """Within ``Trainer.interruptible``, ends it if a signal has come. With several workers, all
        must stop at the same step, which ``Trainer.fit`` takes care of."""
        if self.cluster.n_workers == 1:
            self._signals.check()

    # Whole data sets.

    @contextlib.contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Within the ``with`` block the model has the moving averages of its weights, if the
        optimizer keeps any and a step has been made. Afterwards it has its own weights again, bit
        for bit, also after an exception. May be nested; do not train or save checkpoints in it.

            with trainer.averaged_weights():
                trainer.model.save("model.keras")
        """
        if self._replaced or not has_averages(self.optimizer):
            yield
            return
        with self._replacing_weights():
            self.optimizer.finalize_variable_values(self.model.trainable_variables)
            yield

    @contextlib.contextmanager
    def _replacing_weights(self) -> Iterator[None]:
        with restored(self.model.weights):
            self._replaced = True
            try:
                yield
            finally:
                self._replaced = False

    def evaluate(self, dataset: tf.data.Dataset) -> dict[str, float]:
        """Returns the mean score over every image of ``dataset``, whatever its batches are, with
        the averaged weights if there are any.

        Args:
            dataset: of images, or also of labels and conditions for a model that takes them, as
                from ``get_dataset``.

        Returns:
            ``{'bits_per_dim': ...}`` and the other units of the likelihood.

        Raises:
            UserError: the dataset holds no image, or has labels or conditions that the model does
                not take, or the reverse.
        """
        try:
            image_spec = self.given(dataset.element_spec)["images"]
        except ValueError:
            raise UserError(
                "evaluate: a class-conditional model needs a dataset of images and labels, "
                "any other one of images: get_dataset(..., labels=True or False); a conditional "
                "one also needs condition=True"
            ) from None
        n_dims = int(np.prod(image_spec.shape[1:]))
        n_replicas = self.strategy.num_replicas_in_sync
        total, count, full = 0.0, 0, 0
        size = int(dataset.cardinality())
        hidden = not self.cluster.is_chief
        total_batches = size if size > 0 else None
        bar = progress("evaluating", total_batches, "batch", dataset, disable=hidden)
        with self.averaged_weights():
            for batch in bar:
                self.check_interrupted()
                given = self.given(batch)
                # Smaller batches are padded with images that do not count: one compiled shape,
                # and no device without an image (which some operations do not support).
                n = len(given["images"])
                full = max(full, -(-n // n_replicas) * n_replicas)
                given["counted"] = tf.ones([n])
                parts = {name: self._spread(filled_up(p, full)) for name, p in given.items()}
                with self.cluster.naming_lost_workers():
                    total += float(self.valid_step(**parts))
                count += n
        if not count:
            raise UserError("evaluate: the dataset holds no image")
        return self.likelihood.report(total / count, n_dims)
