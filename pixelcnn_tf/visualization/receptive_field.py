"""The receptive field of a model, measured with gradients."""

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.models.inputs import check_model
from pixelcnn_tf.utils.errors import UserError


def receptive_field(
    model: keras.Model,
    image_size: tuple[int, int],
    channel: int = 0,
    n_draws: int = 8,
    seed: int = 0,
) -> np.ndarray:
    """Measures the influence of each sub-pixel of an image on the prediction of a central one.

    The influence is the absolute gradient of the logits of the centre, averaged over several draws
    of weights and images, because a ReLU may hide a path in a single draw. The weights of the model
    are restored afterwards.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        image_size: (height, width); the centre is (height // 2, width // 2).
        channel: the predicted channel of the centre.
        n_draws: number of draws of the weights, each with its own image.
        seed: the seed of all draws.

    Returns:
        float64 ``[height, width, channels]``; exactly 0 where a sub-pixel has no influence.

    Raises:
        UserError: the model embeds the values.

    Example: the prediction of a pixel depends on its left neighbour, not on itself.

    >>> model = pixelcnn_tf.PixelRNN(2, 2, 1, n_channels=1, likelihood="bernoulli")
    >>> field = pixelcnn_tf.receptive_field(model, (9, 9), n_draws=2)
    >>> field.shape
    (9, 9, 1)
    >>> bool(field[4, 4, 0] == 0), bool(field[4, 3, 0] > 0)
    (True, True)
    """
    check_model(model)
    if getattr(model, "embedding", None) is not None:
        raise UserError(
            "model: has input 'embedding', through which the influence of a value has no gradient; "
            "must have 'value'"
        )
    rng = np.random.default_rng(seed)
    height, width = image_size
    shape = (1, height, width, model.n_channels)
    given = {} if model.n_classes is None else {"labels": tf.zeros([1], tf.int32)}
    if model.condition_spec is not None:
        given["condition"] = tf.zeros([1, *model.condition_spec.shape_for(height, width)], tf.int32)

    @tf.function(autograph=False)
    def gradient(image, direction):
        with tf.GradientTape() as tape:
            tape.watch(image)
            logits = model(image, **given)[0, height // 2, width // 2, channel]
            output = tf.reduce_sum(logits * direction)
        return tape.gradient(output, image)

    kept = model.get_weights()
    total = np.zeros(shape[1:])
    try:
        for _ in range(n_draws):
            model.set_weights([_drawn(values, rng) for values in kept])
            image = rng.integers(model.likelihood.n_values, size=shape).astype(np.float32)
            # In a sum with equal weights, the common part of the logits would cancel.
            direction = rng.normal(size=model.likelihood.n_params).astype(np.float32)
            total += np.abs(gradient(tf.constant(image), direction)[0].numpy())
    finally:
        model.set_weights(kept)
    return total / n_draws


def _drawn(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns random values for a weight, scaled to preserve the variance of activations."""
    if not np.issubdtype(values.dtype, np.floating):
        return values  # the state of a random generator
    fan_in = max(1, int(np.prod(values.shape[:-1])))
    return (rng.normal(size=values.shape) * (2 / fan_in) ** 0.5).astype(values.dtype)
