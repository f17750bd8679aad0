"""The models of this package in PyTorch, see ``torch_layers``."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.torch_layers import MaskedConv, NormalizedConv, ShiftedConv, gate, weight
from pixelcnn_tf.likelihoods.logistic_mixture import MAX_LOG_SCALE, MIN_LOG_SCALE

HALF = 127.5  # half of the largest value


class ResBlock(nn.Module):
    """``PixelCNNResBlock``, both variants."""

    def __init__(self, block):
        super().__init__()
        self.convs = nn.ModuleList(map(MaskedConv, block.convs))
        self.is_relu = block.variant == "relu"
        if not self.is_relu:
            slopes = [weight(np.ravel(layer.alpha)) for layer in block.activations]
            self.slopes = nn.ParameterList(slopes)

    def forward(self, x):
        down, middle, up = self.convs
        if self.is_relu:
            return x + F.relu(up(F.relu(middle(F.relu(down(x))))))
        first, second, third = self.slopes
        y = middle(F.prelu(down(F.prelu(x, first)), second))
        return x + up(F.prelu(y, third))


class GatedBlock(nn.Module):
    """``GatedBlock``."""

    def __init__(self, block):
        super().__init__()
        self.n_channels = block.n_channels
        self.vertical, self.join = ShiftedConv(block.vertical), ShiftedConv(block.join)
        self.horizontal, self.out = MaskedConv(block.horizontal), MaskedConv(block.out)

    def forward(self, stacks):
        above, left = stacks
        above = self.vertical(above)
        x = gate(self.horizontal(left) + self.join(above), self.n_channels)
        return gate(above, 1), left + self.out(x)


class Attention(nn.Module):
    """``CausalAttention``: one matrix of scores of all pixels, in which later ones are masked
    out, as pytorch-generative does it."""

    def __init__(self, layer):
        super().__init__()
        self.heads, self.n_channels = layer.n_heads, layer.n_channels
        for name in ("query", "key", "value", "output"):
            setattr(self, name, weight(getattr(layer, f"{name}_kernel")))
            if name != "key":
                setattr(self, f"{name}_bias", weight(getattr(layer, f"{name}_bias")))

    def _heads(self, x):
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, image, x):
        n, features, height, width = x.shape
        rows, columns = (torch.arange(side) / side - 0.5 for side in (height, width))
        position = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
        position = position.expand(n, 2, height, width)
        group = x[:, : features // self.n_channels]
        asking = torch.cat([group, position], dim=1).flatten(2).transpose(1, 2)
        read = torch.cat([image, x, position], dim=1).flatten(2).transpose(1, 2)
        query = self._heads(asking @ self.query + self.query_bias)
        key = self._heads(read @ self.key)
        value = self._heads(read @ self.value + self.value_bias)
        later = torch.ones(height * width, height * width).triu() > 0
        scores = query @ key.transpose(2, 3) / math.sqrt(key.shape[-1])
        shares = F.softmax(scores.masked_fill(later, -math.inf), dim=-1).masked_fill(later, 0)
        attended = (shares @ value).transpose(1, 2).flatten(2)
        outputs = F.elu(attended) @ self.output + self.output_bias
        return outputs.transpose(1, 2).reshape(n, -1, height, width)


class SnailBlock(nn.Module):
    """``SnailBlock``."""

    def __init__(self, block):
        super().__init__()
        self.n_channels = block.n_channels
        self.firsts = nn.ModuleList(map(MaskedConv, block.firsts))
        self.seconds = nn.ModuleList(map(MaskedConv, block.seconds))
        self.attention = Attention(block.attention)
        self.merge, self.merge_gates = MaskedConv(block.merge), MaskedConv(block.merge_gates)

    def forward(self, pair):
        image, x = pair
        for first, second in zip(self.firsts, self.seconds, strict=True):
            x = x + gate(second(F.elu(first(F.elu(x)))), self.n_channels, lambda a: a)
        hidden = F.elu(self.merge(F.elu(x)) + self.attention(image, x))
        return image, x + gate(self.merge_gates(hidden), self.n_channels, lambda a: a)


class _SnailInput(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.conv = MaskedConv(layer.conv)

    def forward(self, x):
        return x, self.conv(x)


class _TwoStackInput(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.vertical, self.horizontal = ShiftedConv(layer.vertical), MaskedConv(layer.horizontal)

    def forward(self, x):
        return self.vertical(x), self.horizontal(x)


_PARTS = {
    "PixelCNNResBlock": (MaskedConv, ResBlock),
    "GatedBlock": (_TwoStackInput, GatedBlock),
    "SnailBlock": (_SnailInput, SnailBlock),
}


class Stack(nn.Module):
    """``PixelRNN`` of convolutions, with a Bernoulli or categorical likelihood."""

    def __init__(self, model):
        super().__init__()
        make_input, make_block = _PARTS[type(model.blocks[0]).__name__]
        self.input = make_input(model.input_conv)
        self.blocks = nn.Sequential(*map(make_block, model.blocks))
        self.head = nn.ModuleList(map(MaskedConv, [*model.head, model.output_conv]))
        self.n_values, self.n_params = model.likelihood.n_values, model.likelihood.n_params

    def forward(self, images):
        """Returns ``[batch, channels, n_params, height, width]``."""
        x = self.blocks(self.input(images.float() * (2 / (self.n_values - 1)) - 1))
        x = x[1] if isinstance(x, tuple) else x
        for conv in self.head:
            x = conv(F.relu(x))
        n, _, height, width = x.shape
        return x.reshape(n, images.shape[1], self.n_params, height, width)

    def nats(self, images):
        """Returns nats per image, ``[batch]``."""
        logits = self(images)
        if self.n_params == 1:
            nats = F.binary_cross_entropy_with_logits(
                logits[:, :, 0], images.float(), reduction="none"
            )
        else:
            nats = F.cross_entropy(logits.flatten(0, 1), images.flatten(0, 1), reduction="none")
        return nats.reshape(len(images), -1).sum(dim=1)


def _concat_elu(x):
    return F.elu(torch.cat([x, -x], dim=1))


class GatedResnet(nn.Module):
    """``GatedResnet``, without dropout."""

    def __init__(self, block):
        super().__init__()
        self.first, self.second = NormalizedConv(block.first), NormalizedConv(block.second)
        self.join = None if block.join is None else NormalizedConv(block.join)

    def forward(self, x, aux=None):
        y = self.first(_concat_elu(x))
        if self.join is not None:
            y = y + self.join(_concat_elu(aux))
        a, gate = self.second(_concat_elu(y)).chunk(2, dim=1)
        return x + a * torch.sigmoid(gate)


class Stream(nn.Module):
    """``Stream``."""

    def __init__(self, stream):
        super().__init__()
        self.there = nn.ModuleList(map(GatedResnet, stream.there))
        self.back = nn.ModuleList(map(GatedResnet, stream.back))
        if not stream.is_deepest:
            order = np.arange(4 * stream.filters).reshape(4, -1).T.ravel()
            self.shrink = NormalizedConv(stream.shrink)
            self.grow = NormalizedConv(stream.grow, order)

    def upsampled(self, x):
        return F.pixel_shuffle(self.grow(x), 2)


class PlusPlus(nn.Module):
    """``PixelCNNPlusPlus``, without dropout."""

    def __init__(self, model):
        super().__init__()
        self.inputs = nn.ModuleList(map(NormalizedConv, model.input_convs()))
        self.above = nn.ModuleList(map(Stream, model.above))
        self.left = nn.ModuleList(map(Stream, model.left))
        self.output = NormalizedConv(model.output_conv)
        self.n_mix = model.n_mix

    def forward(self, images):
        """Returns ``[batch, n_params, height, width]``, the parameters of whole pixels."""
        x = images.float() / 127.5 - 1
        x = torch.cat([x, torch.ones_like(x[:, :1])], dim=1)
        above, left_above, left = (conv(x) for conv in self.inputs)
        return self.output(F.elu(self._level(0, above, left_above + left)[1]))

    def _level(self, level, v, h):
        v_stream, h_stream = self.above[level], self.left[level]
        skips = [(v, h)]
        for v_block, h_block in zip(v_stream.there, h_stream.there, strict=True):
            v = v_block(v)
            h = h_block(h, v)
            skips.append((v, h))
        if level + 1 < len(self.above):
            v, h = self._level(level + 1, v_stream.shrink(v), h_stream.shrink(h))
            v, h = v_stream.upsampled(v), h_stream.upsampled(h)
        else:
            skips.pop()
        for v_block, h_block in zip(v_stream.back, h_stream.back, strict=True):
            v_skip, h_skip = skips.pop()
            v = v_block(v, v_skip)
            h = h_block(h, torch.cat([v, h_skip], dim=1))
        return v, h

    def nats(self, images):
        """Returns nats per image, ``[batch]``."""
        n, n_channels = self.n_mix, images.shape[1]
        params = self(images)
        n_pairs = n_channels * (n_channels - 1) // 2
        logits, means, scales, pairs = params.split(
            [n, n * n_channels, n * n_channels, n * n_pairs], dim=1
        )
        means, scales = means.chunk(n_channels, dim=1), scales.chunk(n_channels, dim=1)
        pairs = iter(torch.tanh(pairs).chunk(n_pairs, dim=1) if n_pairs else ())
        values = images.float()
        log_probs = F.log_softmax(logits, dim=1)
        for channel in range(n_channels):
            mean = means[channel]
            for earlier in range(channel):
                mean = mean + next(pairs) * (values[:, earlier : earlier + 1] / HALF - 1)
            value = values[:, channel : channel + 1]
            log_probs = log_probs + _log_probs(value, mean * HALF, scales[channel])
        return -torch.logsumexp(log_probs, dim=1).sum(dim=(1, 2))


def _log_probs(values, means, log_scales):
    sharpness = torch.exp(-log_scales.clamp(MIN_LOG_SCALE, MAX_LOG_SCALE)) / HALF
    upper = (values - 127 - means) * sharpness
    lower = (values - 128 - means) * sharpness
    at_most = torch.where(values >= 255, 0.0, -F.softplus(-upper))
    at_least = torch.where(values <= 0, 0.0, -F.softplus(lower))
    inner = (values > 0) & (values < 255)
    return at_most + at_least + torch.where(inner, torch.log(-torch.expm1(-sharpness)), 0.0)


class Peer:
    """A model in PyTorch with Adam, and the measured functions.

    Args:
        model: the Keras model whose weights are copied.
        images: uint8 ``[batch, height, width, channels]``.
        channels_last: whether to store feature maps as TensorFlow does.
    """

    def __init__(self, model, images: np.ndarray, channels_last: bool):
        self.model = (Stack if hasattr(model, "blocks") else PlusPlus)(model)
        images = torch.tensor(images).permute(0, 3, 1, 2).long()
        if channels_last:
            self.model = self.model.to(memory_format=torch.channels_last)
            images = images.contiguous(memory_format=torch.channels_last)
        else:
            images = images.contiguous()
        self.images = images
        self.scale = 1 / (math.log(2) * images.numel())
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=True)

    def train(self) -> float:
        """Makes one training step and returns the loss before it, in bits per dimension."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.model.nats(self.images).sum() * self.scale
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def score(self) -> np.ndarray:
        """Returns nats per image, ``[batch]``."""
        with torch.inference_mode():
            return self.model.nats(self.images).numpy()
