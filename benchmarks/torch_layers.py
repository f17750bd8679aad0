"""The layers of this package in PyTorch, as one would write them there: whole kernels times their
masks, with weights copied from a Keras layer, so that both compute the same outputs."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from pixelcnn_tf.layers.masks import get_mask


def weight(values) -> nn.Parameter:
    return nn.Parameter(torch.tensor(np.asarray(values)))


def kernel_of(values) -> np.ndarray:
    """Returns a kernel [height, width, in, out] as [out, in, height, width]."""
    return np.ascontiguousarray(np.transpose(np.asarray(values), (3, 2, 0, 1)))


class MaskedConv(nn.Module):
    """``MaskedConv2D`` with its whole kernel, which is multiplied by the mask in each call."""

    def __init__(self, layer):
        super().__init__()
        height, width = layer.kernel_size
        rows, columns, n_in, n_out = layer.kernel.shape
        mask = get_mask((height, width), n_in, n_out, layer.mask_type, layer.n_channels)
        whole = np.zeros((height, width, n_in, n_out), np.float32)
        whole[:rows, :columns] = layer.kernel
        self.weight, self.bias = weight(kernel_of(whole)), weight(layer.bias)
        self.register_buffer("mask", torch.tensor(kernel_of(mask.astype(np.float32))))
        self.padding = height // 2, width // 2

    def forward(self, x):
        outputs = F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)
        return outputs[:, :, : x.shape[2], : x.shape[3]]  # one row and column more if even


class ShiftedConv(nn.Module):
    """``ShiftedConv2D``: the input is cropped and padded."""

    def __init__(self, layer):
        super().__init__()
        self.v, self.bias = weight(kernel_of(layer.kernel)), weight(layer.bias)
        below = layer.kernel_size[0] - 1 - layer._up
        self.crop = (below, min(layer._right, 0)) if layer.mask_type == "A" else (0, 0)
        self.sides = layer._left, max(layer._right, 0), layer._up, 0
        self.stride = layer.strides

    def kernel(self):
        return self.v

    def forward(self, x):
        rows, columns = self.crop
        x = F.pad(x[:, :, : rows or None, : columns or None], self.sides)
        return F.conv2d(x, self.kernel(), self.bias, stride=self.stride)


class NormalizedConv(ShiftedConv):
    """``NormalizedConv2D``.

    Args:
        layer: the Keras layer.
        order: its output features in the order of PyTorch's ``pixel_shuffle``.
    """

    def __init__(self, layer, order=None):
        super().__init__(layer)
        self.g = weight(np.asarray(layer.gain)[:, None, None, None])
        if order is not None:
            for name in ("v", "bias", "g"):
                setattr(self, name, nn.Parameter(getattr(self, name).data[order]))

    def kernel(self):
        length = torch.linalg.vector_norm(self.v, dim=(1, 2, 3), keepdim=True)
        return self.v * (self.g / length)


def gate(x, n_channels: int, activation=torch.tanh):
    n, features, height, width = x.shape
    parts = x.view(n, n_channels, 2, features // (2 * n_channels), height, width)
    gated = activation(parts[:, :, 0]) * torch.sigmoid(parts[:, :, 1])
    return gated.reshape(n, features // 2, height, width)
