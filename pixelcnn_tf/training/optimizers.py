"""Optimizers, learning rate schedules and averages of the weights, from Keras."""

import math

import keras

from pixelcnn_tf.config.schema import TrainingConfig


def build_optimizer(training: TrainingConfig) -> keras.optimizers.Optimizer:
    """The optimizer and learning rate schedule that a config describes."""
    rate = training.learning_rate
    if training.schedule == "exponential":
        # As a half-life: a factor so near 1 at every step would drift in float32.
        span = max(1, round(math.log(0.5) / math.log(training.decay)))
        rate = keras.optimizers.schedules.ExponentialDecay(rate, span, training.decay**span)
    elif training.schedule == "cosine":
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


def averages(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """The moving averages that a built optimizer keeps, one for each variable it was built
    with, in that order; none without ``use_ema``.

    Zeros before the first step, where ``optimizer.iterations`` is 0.
    """
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    # Not public, but Keras's own SwapEMAWeights has no other way to them either.
    return list(optimizer._model_variables_moving_average) if optimizer.use_ema else []
