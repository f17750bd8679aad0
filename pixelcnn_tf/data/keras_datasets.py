"""Data sets that Keras downloads."""

from pixelcnn_tf.config.data import DataConfig
from pixelcnn_tf.data.array_files import as_images, as_labels
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.utils.errors import UserError, first_line


def load_keras_dataset(data: DataConfig) -> Images:
    """Returns the training and test set of one of ``keras.datasets``, with labels.

    Args:
        data: the section of the config: ``data.source`` is the name of the data set, ``'mnist'``
            for example.

    Raises:
        UserError: it cannot be downloaded.

    Examples:
        >>> from unittest import mock
        >>> arrays = [(np.zeros([n, 28, 28], np.uint8), np.zeros([n], np.uint8)) for n in (6, 2)]
        >>> with mock.patch("keras.datasets.mnist.load_data", lambda: arrays):  # no download
        ...     images = load_keras_dataset(DataConfig(source="mnist"))
        >>> images.train.shape, images.test_labels
        ((6, 28, 28, 1), array([0, 0], dtype=int32))
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
