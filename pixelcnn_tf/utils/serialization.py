"""The name under which Keras registers the classes of this package."""

#: The first part of registered names: ``'pixelcnn_tf>PixelRNN'``. Model files contain it.
PACKAGE = "pixelcnn_tf"
