"""The residual blocks that -m experiments.masked_or_shifted compares, for images of one channel.

They differ only in their convolutions: k x k masked; shifted, in one stack that ends at the current
pixel; shifted, in two stacks.
"""

import keras
import numpy as np

from pixelcnn_tf.layers.gated import TwoStackInput, VerticalToHorizontal
from pixelcnn_tf.layers.incremental import LookaheadLayer, layers_of
from pixelcnn_tf.layers.masked_conv import MaskedConv2D
from pixelcnn_tf.layers.masks import kernel_shape
from pixelcnn_tf.layers.pointwise import PReLU
from pixelcnn_tf.layers.shifted_conv import ShiftedConv2D
from pixelcnn_tf.models.blocks import Block, PixelCNNResBlock
from pixelcnn_tf.models.pixel_rnn import PixelRNN

OUT_DIM = 32  # features of the output layers
INPUT_KERNEL = 7  # of every PixelRNN


def _check_one_channel(n_channels: int) -> None:
    if n_channels != 1:
        raise ValueError(
            f"n_channels={n_channels}: must be 1; shifted convolutions do not order channels"
        )


class ShiftedBlock(PixelCNNResBlock):
    """A ``PixelCNNResBlock`` with shifted convolutions, which end at the current row and column.
    Its 1x1 convolutions equal masked ones, for one channel.

    The input layer is masked, so that it also looks to the upper right: the output of a single
    shifted kernel of type A would not depend on the column above the pixel.

    Args:
        kernel_size: odd k; the kernel has ``k // 2 + 1`` rows and columns.
        n_channels: 1.
    """

    def __init__(self, kernel_size: int | tuple[int, int] = 3, n_channels: int = 1, **kwargs):
        _check_one_channel(n_channels)
        super().__init__(kernel_size, n_channels, **kwargs)

    def make_conv(self, name, features, filters, kernel_size=1):
        rows, columns = (side // 2 + 1 for side in kernel_shape(kernel_size))
        return self.make(ShiftedConv2D, name, features, filters, (rows, columns), "down_right")


class Wait(LookaheadLayer, keras.layers.Layer):
    """The identity. In incremental evaluation, it delays features that were computed ahead until
    the layers whose output is added to them have reached the same pixel.

    Args:
        steps: how far these layers reach to the right, in columns.
    """

    def __init__(self, steps: int, **kwargs):
        super().__init__(**kwargs)
        self.steps = steps

    def build(self, input_shape):
        self.features = input_shape[-1]
        self.built = True

    def call(self, inputs):
        return inputs

    def init_state(self, schedule):
        return schedule.ring_buffer(0, self.steps + 1, self.features, self.compute_dtype)

    def advance(self, x, pixels):
        layer_state = pixels[self]
        ready = pixels.ahead(layer_state.lookahead + self.steps)
        layer_state.state = ready.write(layer_state.state, x)
        [outputs] = pixels.ahead(layer_state.lookahead).read(layer_state.state, [(0, 0)])
        return outputs


class TwoStackBlock(Block):
    """The residual block in two stacks: a vertical one for all rows above, and a horizontal one for
    the pixels to the left in the current row, which a 1x1 convolution feeds from the vertical one.

    Args:
        kernel_size: odd k; the vertical kernel has ``k // 2 + 1`` rows of k columns (the input
            layer excludes the current row), the horizontal one is 1 x ``k // 2 + 1``.
        n_channels: 1.

    Input and output: a pair of features, vertical and horizontal. Without classes and dropout.

    Source: the stacks of arXiv 1606.05328, figure 2, without gates, and with a residual connection
    in both, as in arXiv 1701.05517, section 2.3.
    """

    features_per_channel = 2

    def __init__(self, kernel_size: int = 3, n_channels: int = 1, **kwargs):
        _check_one_channel(n_channels)
        super().__init__(n_channels, **kwargs)
        self.kernel_size = kernel_size

    def input_layer(self, filters, kernel_size, **options):
        return TwoStackInput(filters, kernel_size, self.n_channels, **options)

    def build(self, inputs_shape, labels_shape=None):
        features = inputs_shape[0][-1] if isinstance(inputs_shape[0], tuple) else inputs_shape[-1]
        self.check_features(features)
        half, reach = features // 2, self.kernel_size // 2
        kernels = {"down": (reach + 1, self.kernel_size), "down_right": (1, reach + 1)}

        def stack(direction):
            widths = {"in": (features, half, 1), "out": (half, features, 1)}
            widths["middle"] = (half, half, kernels[direction])
            convs = {
                part: self.make(ShiftedConv2D, f"{direction}_{part}", *width, direction)
                for part, width in widths.items()
            }
            prelus = {
                part: self.make(PReLU, f"{direction}_prelu_{part}", n_in, self.n_channels)
                for part, (n_in, _, _) in widths.items()
            }
            return convs, prelus

        self.above, self.above_prelus = stack("down")
        self.left, self.left_prelus = stack("down_right")
        self.wait = self.make(Wait, "wait", features, reach)
        self.join_prelu = self.make(PReLU, "prelu_join", features, self.n_channels)
        self.join = self.make(VerticalToHorizontal, "join", features, half, self.n_channels)

    def call(self, inputs, labels=None, training=False):
        above, left = inputs
        x, prelus = above, self.above_prelus
        for part in ("in", "middle", "out"):
            x = self.above[part](prelus[part](x))
        above = above + x
        x, prelus = left, self.left_prelus
        for part in ("in", "middle"):
            x = self.left[part](prelus[part](x))
        x = x + self.join(self.join_prelu(above))
        return above, left + self.left["out"](prelus["out"](x))

    def lookahead_layers(self):
        return [*(self.above[part] for part in ("in", "middle", "out")), self.wait, self.join]

    def advance(self, above, pixels):
        x, prelus = above, self.above_prelus
        for part in ("in", "middle", "out"):
            x = self.above[part].advance(prelus[part].step(x, pixels), pixels)
        above = self.wait.advance(above, pixels) + x
        self.join.advance(self.join_prelu.step(above, pixels), pixels)
        return above

    def step(self, left, pixels):
        x, prelus = left, self.left_prelus
        for part in ("in", "middle"):
            x = self.left[part].step(prelus[part].step(x, pixels), pixels)
        x = x + self.join.step(None, pixels)
        return left + self.left["out"].step(prelus["out"].step(x, pixels), pixels)

    def get_config(self):
        return {**super().get_config(), "kernel_size": self.kernel_size}


#: Functions that return a block of a contestant, for a kernel size.
BLOCKS = {
    "masked": lambda k, **options: PixelCNNResBlock(k, variant="preactivation", **options),
    "single": lambda k, **options: ShiftedBlock(k, variant="preactivation", **options),
    "two": lambda k, **options: TwoStackBlock(k, **options),
}


def layer_products(kernel: int) -> dict[str, int]:
    """Returns the multiplications per pixel of one convolution, for each pair of an input and an
    output feature: the number of entries of its kernel."""
    up = kernel // 2
    return {
        "whole": kernel**2,  # masked, as in most libraries: the whole kernel times its mask
        "masked": (up + 1) * kernel,  # as in this package: the lower rows are cropped
        "kept": up * kernel + up + 1,  # unmasked entries; also the equivalent shifted pair
        "single": (up + 1) ** 2,
        "two": (up + 1) * kernel + (up + 1) + 1,  # vertical, horizontal, the 1x1 between them
    }


#: The other multiplications of a block, per ``hidden**2``: two 1x1 convolutions per stack, between
#: all features and half of them; the one between the stacks takes all features, and
#: ``layer_products`` counts only half of them.
AROUND = {"masked": 4, "single": 4, "two": 9}


def block_products(contestant: str, kernel: int, hidden: int) -> int:
    """Returns the multiplications per pixel of one block of ``2 * hidden`` features, whose k x k
    convolution has ``hidden`` features."""
    return hidden**2 * (AROUND[contestant] + layer_products(kernel)[contestant])


def weights_for(contestant: str, kernel: int, hidden: int, layers: int) -> int:
    """Returns the number of weights of the model, excluding masked-out ones."""
    products = layer_products(kernel)
    masked_out = products["masked"] - products["kept"] if contestant == "masked" else 0
    # Biases and slopes: eight times half the features in each stack, three times in the join.
    linear, stacks = (19, 2) if contestant == "two" else (8, 1)
    block = block_products(contestant, kernel, hidden) - masked_out * hidden**2 + linear * hidden
    first = 2 * hidden * (INPUT_KERNEL**2 // 2 + stacks)
    head = (2 * hidden + 1) * OUT_DIM + (OUT_DIM + 1) * OUT_DIM + OUT_DIM + 1
    return first + layers * block + head


def hidden_for(contestant: str, kernel: int, weights: int, layers: int) -> int:
    """Returns the ``hidden_dim`` whose model is closest to this number of weights."""
    hidden = 1
    while weights_for(contestant, kernel, hidden + 1, layers) <= weights:
        hidden += 1
    near = {
        h: abs(weights_for(contestant, kernel, h, layers) - weights) for h in (hidden, hidden + 1)
    }
    return min(near, key=near.get)


def contestant_model(contestant: str, kernel: int, weights: int, layers: int) -> PixelRNN:
    """Returns a built model for binary images, with about ``weights`` weights."""
    model = PixelRNN(
        hidden_dim=hidden_for(contestant, kernel, weights, layers),
        out_dim=OUT_DIM,
        n_layers=layers,
        pixel_layer=BLOCKS[contestant](kernel, n_channels=1),
        n_channels=1,
        likelihood="bernoulli",
    )
    model.build((None, None, None, 1))
    return model


def kernels_of(layer) -> list:
    """Returns the layers within a layer that have a kernel."""
    return [part for part in layers_of([layer]) if isinstance(part, MaskedConv2D | ShiftedConv2D)]


def products_of(layer) -> int:
    """Returns the multiplications per pixel: one for each entry of each kernel."""
    return sum(int(np.prod(part.kernel.shape)) for part in kernels_of(layer))
