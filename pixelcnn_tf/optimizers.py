"""Optimizers and learning rate schedules, from Keras."""

import math

import keras

from pixelcnn_tf.config import TrainingConfig


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
    return keras.optimizers.get(
        {"class_name": training.optimizer, "config": {"learning_rate": rate}}
    )
