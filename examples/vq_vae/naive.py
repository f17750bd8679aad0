"""Sampling as tutorials do it: one ``model.predict`` for every code."""

import numpy as np

import pixelcnn_tf
from pixelcnn_tf.utils.values import dtype_for


def naive_samples(
    model: pixelcnn_tf.PixelModel,
    size: tuple[int, int],
    n: int,
    seed: int,
    labels: np.ndarray | None = None,
) -> np.ndarray:
    """Returns grids of codes ``[n, height, width, 1]``, drawn as in the example "Vector-Quantized
    Variational Autoencoders" of keras.io: for every code, the whole model is evaluated on the whole
    image again, and all of its outputs but one are thrown away."""
    rng = np.random.default_rng(seed)
    images = np.zeros([n, *size, 1], dtype_for(model.likelihood.n_values))
    inputs = images if labels is None else (images, labels)
    for row in range(size[0]):
        for column in range(size[1]):
            logits = model.predict(inputs, verbose=0)[:, row, column, 0]
            # The largest of logits with Gumbel noise is a draw from their softmax.
            images[:, row, column, 0] = np.argmax(logits + rng.gumbel(size=logits.shape), axis=-1)
    return images
