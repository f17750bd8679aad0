"""Which pixels a model looks at."""

import numpy as np
import tensorflow as tf

from pixelcnn_tf.sampling.generate import check_size


def receptive_field(
    model, image_size: tuple[int, int], channel: int = 0, n_draws: int = 8, seed: int = 0
) -> np.ndarray:
    """How much each sub-pixel of an image moves the logits of one in its centre, from gradients
    under several draws of the weights (one draw may hide a path behind a ReLU). The weights of
    the model are afterwards what they were.

    Args:
        model: a built ``PixelRNN`` or ``PixelCNNPlusPlus``.
        image_size: (height, width); the centre is (height // 2, width // 2).
        channel: the colour in the centre.
        n_draws: of weights, each with an image of its own.
        seed: of all draws.

    Returns:
        float64 ``[height, width, channels]``, the mean size of the gradient; exactly 0 where
        nothing reaches the centre.

    Raises:
        UserError: a size that the model cannot take.
    """
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
            # The sum of all logits would cancel what they share.
            direction = rng.normal(size=model.likelihood.n_params).astype(np.float32)
            total += np.abs(gradient(tf.constant(image), direction)[0].numpy())
    finally:
        model.set_weights(kept)
    return total / n_draws


def _drawn(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if not np.issubdtype(values.dtype, np.floating):
        return values  # the state of a random generator
    fan_in = max(1, int(np.prod(values.shape[:-1])))
    return (rng.normal(size=values.shape) * (2 / fan_in) ** 0.5).astype(values.dtype)
