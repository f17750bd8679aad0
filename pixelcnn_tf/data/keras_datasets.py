"""Data sets that Keras downloads."""

from pixelcnn_tf.config.data import DataConfig
from pixelcnn_tf.data.array_files import as_images, as_labels
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.utils.errors import UserError, first_line


def load_keras_dataset(data: DataConfig) -> Images:
    """Returns the images and labels of ``keras.datasets``, training and test set.

    Args:
        data: ``data.source`` is the name of the data set, ``'mnist'`` for example.

    Raises:
        UserError: it cannot be downloaded.

    Examples:
        >>> from pixelcnn_tf.data.keras_datasets import load_keras_dataset
        >>> load_keras_dataset(pixelcnn_tf.DataConfig(source="mnist"))  # doctest: +SKIP
    """
    import keras

    name = data.source
    try:
        parts = getattr(keras.datasets, name).load_data()
    except Exception as error:
        raise UserError(
            f"data.source: {name!r} could not be downloaded ({first_line(error)}); connect to a "
            "network, or name a .npz file with x_train and x_test in data.source"
        ) from None
    train, test = (as_images(x, name) for x, _ in parts)
    labels = [None if y is None else as_labels(y, name, len(x)) for x, y in parts]
    return Images(train, test, labels[0], labels[1])
