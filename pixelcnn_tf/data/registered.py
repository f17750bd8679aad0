"""Registers the named data sources of this package, without TensorFlow."""

from pixelcnn_tf.config.registration import register_source

register_source(
    "digits",
    "pixelcnn_tf.data.digits:digits",
    summary="handwritten digits of scikit-learn, enlarged and in colour",
    channels=3,
    n_values=256,
    resizes=True,
)
register_source(
    "digits_grey",
    "pixelcnn_tf.data.digits:digits_grey",
    summary="handwritten digits of scikit-learn, greyscale, 8x8",
    channels=1,
    n_values=256,
)

#: The data sets that Keras downloads, and their numbers of channels.
_KERAS = {"mnist": 1, "fashion_mnist": 1, "cifar10": 3, "cifar100": 3}

for _name, _channels in _KERAS.items():
    register_source(
        _name,
        "pixelcnn_tf.data.keras_datasets:load_keras_dataset",
        summary="downloaded by Keras",
        channels=_channels,
        n_values=256,
    )
