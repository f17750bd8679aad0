"""The base class of masked and shifted convolutions."""

from typing import Any

import keras
import tensorflow as tf

from pixelcnn_tf.layers.incremental import IncrementalLayer


class CausalConv2D(IncrementalLayer, keras.layers.Layer):
    """The base class of masked and shifted convolutions.

    Args:
        filters: number of output feature maps.
        mask_type: ``'A'`` (the first layer) or ``'B'`` (all others).
        activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer,
            bias_regularizer: as in ``keras.layers.Conv2D``.

    Example:
        >>> from pixelcnn_tf.layers.causal_conv import CausalConv2D
        >>> isinstance(pixelcnn_tf.MaskedConv2D(6, kernel_size=3), CausalConv2D)
        True
        >>> isinstance(pixelcnn_tf.ShiftedConv2D(6, (2, 3), direction="down"), CausalConv2D)
        True
    """

    #: ``(height, width)``.
    kernel_size: tuple[int, int]

    #: Whether Keras casts the kernel to the compute dtype.
    autocast_kernel = True

    def __init__(
        self,
        filters: int,
        mask_type: str = "B",
        activation=None,
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        kernel_regularizer=None,
        bias_regularizer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = filters
        self.mask_type = mask_type
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer: Any = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.input_spec = keras.layers.InputSpec(ndim=4)

    def add_kernel(self, shape, initializer, features: int) -> None:
        """Makes the weights, for ``features`` input features."""
        self.kernel = self.add_weight(
            name="kernel",
            shape=shape,
            initializer=initializer,
            regularizer=self.kernel_regularizer,
            autocast=self.autocast_kernel,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.filters,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
            )
        self.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: features})

    def known_features(self, input_shape) -> int:
        """Returns the number of input features; ValueError if it is not known."""
        if input_shape[-1] is None:
            raise ValueError(f"{self.name}: the number of input features must be known")
        return input_shape[-1]

    def bias_or_zeros(self, dtype):
        """Returns the bias, or zeros, ``[filters]``."""
        return tf.cast(self.bias, dtype) if self.use_bias else tf.zeros([self.filters], dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "mask_type": self.mask_type,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
        }
