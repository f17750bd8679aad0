"""A small VQ-VAE in plain Keras: encoder, codebook and decoder.

Source: van den Oord, Vinyals and Kavukcuoglu 2017, arXiv 1711.00937, section 3. Departures: the
codebook is initialized with outputs of the encoder, and codes that no image uses are replaced by
such outputs from time to time in the first half of training, so that none is wasted.
"""

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.utils.values import dtype_for

PACKAGE = "examples.vq_vae"


@keras.saving.register_keras_serializable(package=PACKAGE)
class VectorQuantizer(keras.layers.Layer):
    """Replaces each vector by the nearest one of a codebook.

    The gradient of the outputs is passed to the inputs as it is (the straight-through estimator).
    The layer adds the last two terms of equation 3: one moves the codebook towards the inputs, the
    other, times ``beta``, commits the inputs to their codes.

    Args:
        n_codes: number of vectors in the codebook.
        beta: weight of the commitment loss; 0.25 in the paper.

    Input: ``[batch, height, width, features]``. Output: of the same shape.
    """

    def __init__(self, n_codes: int, beta: float = 0.25, **kwargs):
        super().__init__(**kwargs)
        self.n_codes, self.beta = n_codes, beta

    def build(self, input_shape):
        self.codebook = self.add_weight(
            name="codebook", shape=(self.n_codes, input_shape[-1]), initializer="uniform"
        )

    def call(self, inputs):
        nearest = self.vectors(self.codes(inputs))
        of_codebook = tf.reduce_mean((tf.stop_gradient(inputs) - nearest) ** 2)
        commitment = tf.reduce_mean((inputs - tf.stop_gradient(nearest)) ** 2)
        self.add_loss(of_codebook + self.beta * commitment)
        return inputs + tf.stop_gradient(nearest - inputs)

    def codes(self, inputs):
        """Returns the index of the nearest vector, int32 ``[batch, height, width]``."""
        book = tf.convert_to_tensor(self.codebook)
        # The squared distance without the squared input, which is the same for all codes.
        distances = tf.reduce_sum(book**2, axis=1) - 2 * tf.matmul(inputs, book, transpose_b=True)
        return tf.argmin(distances, axis=-1, output_type=tf.int32)

    def vectors(self, codes):
        """Returns the vectors of codes, ``[batch, height, width, features]``."""
        return tf.gather(tf.convert_to_tensor(self.codebook), codes)

    def get_config(self):
        return {**super().get_config(), "n_codes": self.n_codes, "beta": self.beta}


@keras.saving.register_keras_serializable(package=PACKAGE)
class VQVAE(keras.Model):
    """An autoencoder whose features are codes.

    Args:
        n_codes: number of codes.
        n_halvings: how often the encoder halves the height and the width.
        n_channels: channels of the images.
        features: length of a code's vector.
        filters: feature maps of the convolutions.

    Input: images scaled to [0, 1], ``[batch, height, width, n_channels]``.
    Output: their reconstructions, of the same shape.
    """

    def __init__(
        self,
        n_codes: int = 32,
        n_halvings: int = 1,
        n_channels: int = 1,
        features: int = 16,
        filters: int = 48,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.settings = {
            "n_codes": n_codes,
            "n_halvings": n_halvings,
            "n_channels": n_channels,
            "features": features,
            "filters": filters,
        }
        conv, options = keras.layers.Conv2D, {"padding": "same", "activation": "relu"}
        self.encoder = keras.Sequential(
            [
                *[conv(filters, 4, strides=2, **options) for _ in range(n_halvings)],
                conv(filters, 3, **options),
                conv(features, 1),
                keras.layers.BatchNormalization(scale=False, center=False),
            ]
        )
        self.quantizer = VectorQuantizer(n_codes)
        larger = keras.layers.Conv2DTranspose
        self.decoder = keras.Sequential(
            [
                conv(filters, 3, **options),
                *[larger(filters, 4, strides=2, **options) for _ in range(n_halvings)],
                conv(n_channels, 3, padding="same"),
            ]
        )

    def build(self, images_shape):
        features = self.settings["features"]
        self.encoder.build((None, None, None, images_shape[-1]))
        self.quantizer.build((None, None, None, features))
        self.decoder.build((None, None, None, features))
        self.built = True

    def call(self, images, training=False):
        features = self.encoder(images, training=training)
        return self.decoder(self.quantizer(features), training=training)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Returns the codes of uint8 images, ``[n, height, width, 1]`` of the smallest integer
        dtype that holds them all."""
        parts = [
            self.quantizer.codes(self.encoder(scaled(part), training=False)).numpy()
            for part in _batches(images)
        ]
        return np.concatenate(parts)[..., None].astype(dtype_for(self.settings["n_codes"]))

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """Returns the images of codes ``[n, height, width, 1]``, uint8 ``[n, height, width,
        n_channels]``."""
        parts = [
            self.decoder(self.quantizer.vectors(part[..., 0].astype(np.int32)), training=False)
            for part in _batches(codes)
        ]
        images = np.concatenate([np.asarray(part) for part in parts])
        return np.round(255 * np.clip(images, 0, 1)).astype(np.uint8)

    def get_config(self):
        return {**super().get_config(), **self.settings}


class UsedCodes(keras.callbacks.Callback):
    """Sets codes that no image uses to outputs of the encoder, several times during training.

    Args:
        images: uint8 images, from which the outputs are taken.
        steps: number of training steps; after half of them the codes stay.
        seed: decides which outputs.
        every: steps between two looks.
    """

    def __init__(self, images: np.ndarray, steps: int, seed: int, every: int = 50):
        super().__init__()
        self.rng = np.random.default_rng(seed)
        chosen = self.rng.choice(len(images), min(len(images), 500), replace=False)
        self.images, self.last, self.every = scaled(images[chosen]), steps // 2, every

    def on_train_batch_begin(self, batch, logs=None):
        if batch > self.last or batch % self.every:
            return
        quantizer = self.model.quantizer
        # With the statistics of this batch: at first the moving averages are not known.
        outputs = self.model.encoder(self.images, training=True)
        unused = np.ones(quantizer.n_codes, bool)
        if batch > 0:
            unused[np.unique(quantizer.codes(outputs))] = False
        vectors = np.reshape(outputs, [-1, outputs.shape[-1]])
        book = quantizer.codebook.numpy()
        book[unused] = vectors[self.rng.choice(len(vectors), int(unused.sum()))]
        quantizer.codebook.assign(book)


def train_vq_vae(images: np.ndarray, n_codes: int, n_halvings: int, steps: int, seed: int) -> VQVAE:
    """Returns a VQ-VAE trained on uint8 images ``[n, height, width, channels]``."""
    keras.utils.set_random_seed(seed)
    model = VQVAE(n_codes, n_halvings, images.shape[-1])
    model.build((None, *images.shape[1:]))
    data = tf.data.Dataset.from_tensor_slices(images).shuffle(len(images), seed=seed).repeat()
    data = data.batch(64).map(lambda x: (scaled(x),) * 2).take(steps).prefetch(2)
    # The variance of the data is the unit of the first term, as in the authors' code.
    variance = float(np.var(scaled(images[:10_000]).numpy()))
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
        loss="mse",
        loss_weights=1 / variance,
    )
    model.fit(data, epochs=1, shuffle=False, verbose=0, callbacks=[UsedCodes(images, steps, seed)])
    return model


def scaled(images) -> tf.Tensor:
    """Returns uint8 images, scaled to [0, 1]."""
    return tf.cast(images, tf.float32) / 255


def _batches(array: np.ndarray, size: int = 500) -> list[np.ndarray]:
    return [array[at : at + size] for at in range(0, len(array), size)]
