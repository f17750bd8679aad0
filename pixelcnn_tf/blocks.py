"""What ``PixelRNN`` stacks. A block keeps the shape and the order of its input."""

import keras

from pixelcnn_tf.errors import suggestion
from pixelcnn_tf.layers import PACKAGE, MaskedConv2D, PReLU
from pixelcnn_tf.masks import kernel_shape

VARIANTS = ("relu", "preactivation")


@keras.saving.register_keras_serializable(package=PACKAGE)
class PixelCNNResBlock(keras.layers.Layer):
    """The residual block of PixelCNN: 1x1 down to half the features, k x k, 1x1 back up,
    added to the input; every convolution masked type B.

    Args:
        kernel_size: of the middle convolution; odd side or odd ``(height, width)``.
        n_channels: colours a pixel.
        variant: ``'relu'`` puts a ReLU after each convolution; ``'preactivation'`` puts a
            PReLU before each (He et al. 2016, arXiv 1603.05027, figure 4e), which leaves
            the residual sum free to shrink as well as grow.

    Input and output: ``[batch, height, width, features]``, features a multiple of
    ``2 * n_channels``.

    Raises:
        ValueError: features that do not divide, an unknown variant, an even kernel.

    Source: arXiv 1601.06759, figure 5 (left) and section 3.3.
    """

    def __init__(
        self,
        kernel_size: int | tuple[int, int] = 3,
        n_channels: int = 3,
        variant: str = "relu",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if variant not in VARIANTS:
            raise ValueError(
                f"variant={variant!r}: must be 'relu' or 'preactivation'"
                f"{suggestion(str(variant), list(VARIANTS))}"
            )
        self.kernel_size = kernel_shape(kernel_size)
        self.n_channels = n_channels
        self.variant = variant

    def build(self, input_shape):
        features = input_shape[-1]
        if features % (2 * self.n_channels):
            raise ValueError(
                f"{self.name}: {features} input features; must be a multiple of "
                f"2 * n_channels = {2 * self.n_channels}"
            )
        convs, activations = [], []
        widths = [(features, 1), (features // 2, self.kernel_size), (features // 2, 1)]
        filters = [features // 2, features // 2, features]
        for name, (width, kernel_size), n in zip(
            ("down", "middle", "up"), widths, filters, strict=True
        ):
            conv = MaskedConv2D(
                n, kernel_size, n_channels=self.n_channels, name=name, dtype=self.dtype_policy
            )
            conv.build((*input_shape[:-1], width))
            convs.append(conv)
            if self.variant == "relu":
                activation = keras.layers.ReLU(name=f"relu_{name}", dtype=self.dtype_policy)
            else:
                activation = PReLU(self.n_channels, name=f"prelu_{name}", dtype=self.dtype_policy)
                activation.build((*input_shape[:-1], width))
            activations.append(activation)
        # Assigned when complete: TensorFlow does not see what is appended to a list later.
        self.convs, self.activations = convs, activations

    def call(self, inputs):
        x = inputs
        for conv, activation in zip(self.convs, self.activations, strict=True):
            x = activation(conv(x)) if self.variant == "relu" else conv(activation(x))
        return inputs + x

    def step(self, inputs, pixels):
        x = inputs
        for conv, activation in zip(self.convs, self.activations, strict=True):
            if self.variant == "relu":
                x = activation(conv.step(x, pixels))
            else:
                x = conv.step(activation.step(x, pixels), pixels)
        return inputs + x

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "n_channels": self.n_channels,
            "variant": self.variant,
        }


#: What ``model.pixel_layer`` in a config may name.
PIXEL_LAYERS = {"resblock": PixelCNNResBlock}
