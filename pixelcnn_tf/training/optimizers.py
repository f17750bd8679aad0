"""Optimizers, learning rate schedules and averages of the weights, from Keras."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from pixelcnn_tf.config.training import TrainingConfig


def build_optimizer(training: TrainingConfig) -> keras.optimizers.Optimizer:
    """Returns the optimizer and learning rate schedule that a config describes.

    A cosine that ends with a time budget (``training.minutes``) is not a function of the step:
    ``Trainer.fit`` then sets the learning rate before each step, to ``rate_at``.

    Example:

    >>> training = pixelcnn_tf.config.schema.TrainingConfig(optimizer="sgd", learning_rate=0.5)
    >>> float(pixelcnn_tf.training.optimizers.build_optimizer(training).learning_rate)
    0.5
    """
    rate = training.learning_rate
    if training.schedule == "exponential":
        # As a half-life: a factor so near 1 at every step would drift in float32.
        span = max(1, round(math.log(0.5) / math.log(training.decay)))
        rate = keras.optimizers.schedules.ExponentialDecay(rate, span, training.decay**span)
    elif training.schedule == "cosine" and training.minutes is None:
        assert training.steps is not None  # one of both is set
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if training.warmup_steps else rate,
            training.steps - training.warmup_steps,
            warmup_target=rate if training.warmup_steps else None,
            warmup_steps=training.warmup_steps,
        )
    options = {"learning_rate": rate}
    if training.ema_decay is not None:
        options |= {"use_ema": True, "ema_momentum": training.ema_decay}
    return keras.optimizers.get({"class_name": training.optimizer, "config": options})


def rate_at(training: TrainingConfig, step: int, seconds: float) -> float:
    """Returns the learning rate of a cosine that reaches 0 with the time budget or with the last
    step, whichever comes first. The warm-up is linear over ``warmup_steps`` steps.

    Args:
        training: with ``minutes``.
        step: number of steps made.
        seconds: of training so far.

    Example:

    >>> training = pixelcnn_tf.config.schema.TrainingConfig(
    ...     minutes=2, learning_rate=0.1, schedule="cosine", warmup_steps=10
    ... )
    >>> rate_at = pixelcnn_tf.training.optimizers.rate_at
    >>> round(rate_at(training, step=5, seconds=0), 3), round(rate_at(training, 20, 60), 3)
    (0.05, 0.05)
    """
    assert training.minutes is not None
    spent = seconds / (60 * training.minutes)
    if training.steps is not None:
        spent = max(spent, step / training.steps)
    warm = min(1.0, step / training.warmup_steps) if training.warmup_steps else 1.0
    return training.learning_rate * warm * (1 + math.cos(math.pi * min(spent, 1.0))) / 2


def averages(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Returns the moving averages that a built optimizer keeps, one for each variable it was
    built with, in that order; none without ``use_ema``.

    They are zeros before the first step, where ``optimizer.iterations`` is 0.

    Example:

    >>> optimizer = keras.optimizers.SGD(use_ema=True)
    >>> optimizer.build([keras.Variable([1.0, 2.0])])
    >>> len(pixelcnn_tf.training.optimizers.averages(optimizer))
    1
    """
    inner: Any = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    # Not public, but Keras's own SwapEMAWeights has no other way to them either.
    return list(inner._model_variables_moving_average) if inner.use_ema else []


@contextlib.contextmanager
def restored(variables: list[keras.Variable]) -> Iterator[None]:
    """Restores the values of the variables after the ``with`` block, bit for bit, also after an
    exception.

    Example:

    >>> variable = keras.Variable(1.0)
    >>> with pixelcnn_tf.training.optimizers.restored([variable]):
    ...     _ = variable.assign(2.0)
    >>> float(variable.value)
    1.0
    """
    # Kept aside, on the host, rather than swapped with the averages by sums as Keras's
    # SwapEMAWeights does: that rounds, and training would continue from other weights.
    values = [variable.numpy() for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def already_summed(optimizer: keras.optimizers.Optimizer) -> Iterator[None]:
    """Within the ``with`` block, the optimizer takes the gradients that it is given for sums over
    all devices, which it would sum itself: once more, which costs as much as the first time.

    Example:

    >>> optimizer = keras.optimizers.SGD()
    >>> with pixelcnn_tf.training.optimizers.already_summed(optimizer):
    ...     optimizer._all_reduce_sum_gradients([(1.0, "weight")])
    [(1.0, 'weight')]
    """
    # Keras has no public way. A device at a time is traced, and may leave before another enters.
    inner: Any = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    vars(inner)["_all_reduce_sum_gradients"] = list
    try:
        yield
    finally:
        vars(inner).pop("_all_reduce_sum_gradients", None)


def has_averages(optimizer: keras.optimizers.Optimizer) -> bool:
    """Returns whether the optimizer keeps moving averages and has made a step.

    Example:

    >>> pixelcnn_tf.training.optimizers.has_averages(keras.optimizers.SGD())
    False
    """
    return bool(averages(optimizer)) and int(tf.convert_to_tensor(optimizer.iterations)) > 0
