"""The receptive field of a model, measured with gradients."""

import numpy as np
import tensorflow as tf

from pixelcnn_tf.models.inputs import check_model, check_size


def receptive_field(
    model, image_size: tuple[int, int], channel: int = 0, n_draws: int = 8, seed: int = 0
) -> np.ndarray:
    """Measures how strongly each sub-pixel of an image influences the prediction of one in the
    centre.

    The influence is the absolute gradient of the centre's logits, averaged over several random
    weights and images, since with a single draw a ReLU may hide a path. The weights of the model
    are restored afterwards.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        image_size: (height, width); the centre is (height // 2, width // 2).
        channel: the channel of the centre that is predicted.
        n_draws: number of draws of weights, each with an image of its own.
        seed: the seed of all draws.

    Returns:
        float64 ``[height, width, channels]``; exactly 0 where a sub-pixel has no influence.

    Raises:
        UserError: a size that the model cannot take.

    Example: the prediction of a pixel depends on its left neighbour, not on itself.

    >>> model = pixelcnn_tf.PixelRNN(2, 2, 1, n_channels=1, likelihood="bernoulli")
    >>> field = pixelcnn_tf.receptive_field(model, (9, 9), n_draws=2)
    >>> field.shape
    (9, 9, 1)
    >>> bool(field[4, 4, 0] == 0), bool(field[4, 3, 0] > 0)
    (True, True)
    """
    check_model(model)
    check_size(model, *image_size)
    rng = np.random.default_rng(seed)
    height, width = image_size
    shape = (1, height, width, model.n_channels)
    labels = {} if model.n_classes is None else {"labels": tf.zeros([1], tf.int32)}

    @tf.function(autograph=False)
    def gradient(image, direction):
        with tf.GradientTape() as tape:
            tape.watch(image)
            logits = model(image, **labels)[0, height // 2, width // 2, channel]
            output = tf.reduce_sum(logits * direction)
        return tape.gradient(output, image)

    kept = model.get_weights()
    total = np.zeros(shape[1:])
    try:
        for _ in range(n_draws):
            model.set_weights([_drawn(values, rng) for values in kept])
            image = rng.uniform(0, model.likelihood.n_values - 1, shape).astype(np.float32)
            # In the plain sum of all logits their common part would cancel.
            direction = rng.normal(size=model.likelihood.n_params).astype(np.float32)
            total += np.abs(gradient(tf.constant(image), direction)[0].numpy())
    finally:
        model.set_weights(kept)
    return total / n_draws


def _drawn(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random values for a weight, of the scale that keeps activations as they are."""
    if not np.issubdtype(values.dtype, np.floating):
        return values  # the state of a random generator
    fan_in = max(1, int(np.prod(values.shape[:-1])))
    return (rng.normal(size=values.shape) * (2 / fan_in) ** 0.5).astype(values.dtype)
