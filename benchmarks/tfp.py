"""The benchmark of PixelCNN++ in this package and in TensorFlow Probability.

TensorFlow Probability is not needed for anything else. It takes the layers of its
networks from ``tf_keras`` (Keras 2), which runs in the same process as Keras 3.
"""

import time
from collections.abc import Callable
from types import ModuleType

import numpy as np

from benchmarks.measuring import (
    channels_of,
    interleave,
    make_trainer,
    print_table,
    random_model,
    warmed,
    with_batch,
)
from benchmarks.models import nats
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.utils.errors import UserError


def tfp(config: Config, args) -> dict:
    """Measure a training step with Adam, scoring and sampling, of two PixelCNN++ with the same
    hyperparameters, on random images."""
    import tensorflow as tf

    from pixelcnn_tf import generate_images
    from pixelcnn_tf.training.results import used_parameters

    _check(config)
    probability, tf_keras = _packages()
    side, batch = args.side, args.batch
    n_channels = channels_of(config)
    same = {"optimizer": "adam", "schedule": "constant", "decay": 1.0, "warmup_steps": 0}
    same |= {"clip_norm": None, "ema_decay": None}
    config = with_batch(config, batch, **same).resolved(side, side, n_channels)
    images = np.random.default_rng(0).integers(256, size=(batch, side, side, n_channels))
    images = tf.constant(images, tf.uint8)

    model = random_model(config)
    model.initialize_from(images)
    trainer = make_trainer(config, model)
    score = nats(model)
    theirs = _PixelCNN(probability, tf_keras, config, images)
    runs = {
        "train": {"ours": lambda: float(trainer.train_step(images)[0]), "theirs": theirs.train},
        "score": {"ours": lambda: score(images).numpy(), "theirs": theirs.score},
        "sample": {
            "ours": warmed(lambda: generate_images(model, side, batch, 0)),
            "theirs": theirs.seconds_to_sample(whole=args.whole_naive),
        },
    }
    seconds = {
        what: interleave(pair, args.rounds, self_timed=pair if what == "sample" else ())
        for what, pair in runs.items()
    }
    counts = {"ours": (model.count_params(), used_parameters(model)), "theirs": theirs.weights()}
    figures = {}
    for who, (weights, used) in counts.items():
        figures[who] = {"weights": weights, "used_weights": used}
        for what in seconds:
            figures[who][f"{what}_images_per_s"] = batch / seconds[what][who]
    ratios = {what: seconds[what]["theirs"] / seconds[what]["ours"] for what in seconds}
    m = config.model
    print_table(
        f"PixelCNN++, n_resnet {m.n_resnet}, n_filters {m.n_filters}, n_mix {m.n_mix}, dropout "
        f"{m.dropout:g}; {side}x{side}x{n_channels}, {batch} per batch, images per second",
        ["library", "weights", "not masked", "train/s", "score/s", "sample/s"],
        [
            _row("pixelcnn_tf", figures["ours"]),
            _row(f"TensorFlow Probability {probability.__version__}*", figures["theirs"]),
            ["ratio", "", "", *ratios.values()],
        ],
    )
    print(
        "* its sampler run to the end"
        if args.whole_naive
        else f"* sampling: one iteration of its loop, which runs the network on whole images for "
        f"every pixel, times {side * side + 1:,} iterations"
    )
    extrapolated = not args.whole_naive
    return {**figures, "ratios": ratios, "their_sampling_is_extrapolated": extrapolated}


def _row(name: str, figures: dict) -> list:
    weights, used, *speeds = figures.values()
    return [name, f"{weights:,}", f"{used:,}", *speeds]


def _packages() -> tuple[ModuleType, ModuleType]:
    """Returns TensorFlow Probability and the version of Keras that it uses."""
    try:
        import tensorflow_probability
        import tf_keras
    except ImportError as error:  # a missing package, or one that this TensorFlow is too new for
        raise UserError(
            f"tfp: {error}: pip install tensorflow-probability tf-keras (nothing else needs them)"
        ) from None
    return tensorflow_probability, tf_keras


def _check(config: Config) -> None:
    """Raises UserError for settings that TensorFlow Probability does not have."""
    wrong = {
        f"architecture {config.model.architecture!r}": config.model.architecture != "pixelcnn_pp",
        f"precision {config.precision!r}": config.precision != "float32",
    }
    for what, is_wrong in wrong.items():
        if is_wrong:
            raise UserError(f"tfp: {what}; must be 'pixelcnn_pp' in float32")


class _PixelCNN:
    """The measured functions of ``tfp.distributions.PixelCNN``.

    Args:
        probability, tf_keras: the packages.
        config: hyperparameters, learning rate, size and channels.
        images: the batch that initializes the weights, and that is trained on and scored.
    """

    def __init__(
        self, probability: ModuleType, tf_keras: ModuleType, config: Config, images
    ) -> None:
        import tensorflow as tf

        m = config.model
        self.images = tf.cast(images, tf.float32)
        self.distribution = probability.distributions.PixelCNN(
            image_shape=images.shape[1:],
            num_resnet=m.n_resnet,
            num_hierarchies=3,
            num_filters=m.n_filters,
            num_logistic_mix=m.n_mix,
            dropout_p=m.dropout,
        )
        self.distribution.log_prob(self.images)  # initializes the weights from these images
        optimizer = tf_keras.optimizers.Adam(config.training.learning_rate)
        optimizer.build(self.distribution.trainable_variables)

        def step(x):
            weights = self.distribution.trainable_variables
            with tf.GradientTape() as tape:
                loss = -tf.reduce_mean(self.distribution.log_prob(x, training=True))
            # The constraints of the weights, which keep masked-out ones at 0, need the optimizer.
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return loss

        def score(x):
            return self.distribution.log_prob(x, training=False)

        self._step = tf.function(step, autograph=False)
        self._score = tf.function(score, autograph=False)

    def train(self) -> None:
        self._step(self.images).numpy()

    def score(self) -> None:
        self._score(self.images).numpy()

    def weights(self) -> tuple[int, int]:
        """Returns the number of weights, and the number excluding masked-out ones."""
        import tensorflow as tf

        weights = self.distribution.trainable_variables
        ones = [tf.ones_like(weight) for weight in weights]
        kept = [w.constraint(x) if w.constraint else x for w, x in zip(weights, ones, strict=True)]
        return tuple(sum(int(tf.reduce_sum(x)) for x in part) for part in (ones, kept))

    def seconds_to_sample(self, whole: bool) -> Callable[[], float]:
        """Returns a function that measures the seconds that its sampler takes for a batch.

        The sampler is a loop of one iteration per pixel, and one before it. Each runs the network
        on whole images and draws every pixel, so that all iterations take equally long; unless
        ``whole``, three of them are timed.
        """
        import tensorflow as tf

        n, height, width, _ = self.images.shape
        if whole:
            sample = tf.function(lambda: self.distribution.sample(n), autograph=False)
            return warmed(lambda: sample().numpy())

        def iterate(x):
            return self.distribution._sample_channels(*self.distribution.network(x, training=False))

        iteration, n_timed = tf.function(iterate, autograph=False), 3

        def measure() -> float:
            x = iteration(self.images / 127.5 - 1)
            start = time.perf_counter()
            for _ in range(n_timed):
                x = iteration(x)
            x.numpy()
            return (time.perf_counter() - start) / n_timed * (height * width + 1)

        return measure
