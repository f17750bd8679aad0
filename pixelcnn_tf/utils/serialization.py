"""The name under which Keras registers the classes of this package."""

#: The first part of registered names, which model files contain: ``'pixelcnn_tf>PixelRNN'``.
PACKAGE = "pixelcnn_tf"
