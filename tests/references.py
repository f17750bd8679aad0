"""The recurrent and gated layers straight from the papers' equations: float64 NumPy, one pixel
at a time. Feature maps of n channels come in n groups, each with its own gates. And the network of
PixelCNN++, of its blocks."""

import numpy as np
from helpers import conv2d_reference

from pixelcnn_tf import get_mask


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights_of(layer):
    """Weights by their path within the layer."""
    return {w.path.split("/", 1)[1]: w.numpy().astype(np.float64) for w in layer.weights}


def masked_conv(x, weights, name, kernel_size, n_channels):
    """A type-B convolution by its whole kernel, times the mask."""
    height, width = (kernel_size,) * 2 if isinstance(kernel_size, int) else kernel_size
    stored = weights[f"{name}/kernel"]
    mask = get_mask((height, width), *stored.shape[2:], "B", n_channels)
    kernel = np.zeros(mask.shape)
    kernel[: stored.shape[0], : stored.shape[1]] = stored
    return conv2d_reference(x, kernel * mask, weights[f"{name}/bias"])


def lstm(gates, cell, n_channels):
    """Equation 3 of arXiv 1601.06759 at one pixel: ``gates`` ``[n, 4 * units]`` summed already,
    o, f, i, g in each channel group."""
    hidden, cells = [], []
    for group, before in zip(
        np.split(gates, n_channels, -1), np.split(cell, n_channels, -1), strict=True
    ):
        o, f, i, g = np.split(group, 4, axis=-1)
        c = sigmoid(f) * before + sigmoid(i) * np.tanh(g)
        cells.append(c)
        hidden.append(sigmoid(o) * np.tanh(c))
    return np.concatenate(hidden, -1), np.concatenate(cells, -1)


def row_lstm(gates, kernel, width, n_channels):
    """Section 3.1: hidden states ``[n, h, w, units]`` from input-to-state gates ``[n, h, w, 4 *
    units]``; ``kernel`` ``[width * units, 4 * units]``."""
    n, rows, columns, n_gates = gates.shape
    kernel = kernel.reshape(width, n_gates // 4, n_gates)
    hidden = np.zeros((n, rows, columns, n_gates // 4))
    cell = np.zeros_like(hidden)
    for r in range(rows):
        for c in range(columns):
            total = gates[:, r, c].astype(np.float64)
            for k in range(width):
                at = c + k - width // 2
                if r > 0 and 0 <= at < columns:
                    total = total + hidden[:, r - 1, at] @ kernel[k]
            above = cell[:, r - 1, c] if r > 0 else np.zeros((n, n_gates // 4))
            hidden[:, r, c], cell[:, r, c] = lstm(total, above, n_channels)
    return hidden


def diagonal_lstm(gates, kernel, n_channels, direction):
    """Section 3.2: each state from the one beside it, whose cell it takes over, and the one above.
    ``direction`` is 1 from left to right, -1 from right to left (the map then moves one row
    down). ``kernel`` ``[2 * units, 4 * units]``: of the state beside, then of the one above."""
    n, rows, columns, n_gates = gates.shape
    beside, above = np.split(kernel, 2)
    hidden = np.zeros((n, rows, columns, n_gates // 4))
    cell = np.zeros_like(hidden)
    for r in range(rows):
        for c in range(columns)[::direction]:
            total = gates[:, r, c].astype(np.float64)
            before = np.zeros((n, n_gates // 4))
            if 0 <= c - direction < columns:
                total = total + hidden[:, r, c - direction] @ beside
                before = cell[:, r, c - direction]
            if r > 0:
                total = total + hidden[:, r - 1, c] @ above
            hidden[:, r, c], cell[:, r, c] = lstm(total, before, n_channels)
    if direction == -1:
        hidden = np.concatenate([np.zeros_like(hidden[:, :1]), hidden[:, :-1]], axis=1)
    return hidden


def gate(x, n_channels):
    """Equation 2 of arXiv 1606.05328 in each channel group."""
    parts = []
    for group in np.split(x, n_channels, -1):
        a, b = np.split(group, 2, -1)
        parts.append(np.tanh(a) * sigmoid(b))
    return np.concatenate(parts, -1)


def class_bias(weights, name, labels):
    bias = weights.get(f"{name}/class_bias")
    return 0 if bias is None else bias[labels][:, None, None]


def gated_block(block, stacks, labels=None):
    """Figure 2 of arXiv 1606.05328."""
    above, left = stacks
    weights, n = weights_of(block), block.n_channels
    height, width = block.kernel_size
    stored = weights["vertical/kernel"]  # the rows of an n x n kernel down to the centre
    kernel = np.zeros((height, width, *stored.shape[2:]))
    kernel[: len(stored)] = stored
    above = conv2d_reference(above, kernel, weights["vertical/bias"])
    above = above + class_bias(weights, "vertical_class", labels)
    x = masked_conv(left, weights, "horizontal", (1, width), n)
    x = x + above @ weights["join/kernel"][0, 0] + weights["join/bias"]
    x = gate(x + class_bias(weights, "horizontal_class", labels), n)
    return gate(above, 1), left + masked_conv(x, weights, "output", 1, n)


def row_lstm_block(block, x, labels=None):
    """Figure 5 (right) of arXiv 1601.06759."""
    weights, n = weights_of(block), block.n_channels
    gates = masked_conv(x, weights, "gates", block.kernel_size, n)
    gates = gates + class_bias(weights, "class", labels)
    hidden = row_lstm(gates, weights["state/kernel"], block.kernel_size[1], n)
    return x + masked_conv(hidden, weights, "up", 1, n)


def diagonal_bilstm_block(block, x, labels=None):
    """Figure 5 (right) of arXiv 1601.06759, both directions added."""
    weights, n = weights_of(block), block.n_channels
    total = 0
    for side, direction in [("left", 1), ("right", -1)]:
        gates = masked_conv(x, weights, f"{side}_gates", 1, n)
        gates = gates + class_bias(weights, f"{side}_class", labels)
        total = total + diagonal_lstm(gates, weights[f"{side}/kernel"], n, direction)
    return x + masked_conv(total, weights, "up", 1, n)


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def gate_without_tanh(x, n_channels):
    groups = [np.split(group, 2, -1) for group in np.split(x, n_channels, -1)]
    return np.concatenate([a * sigmoid(b) for a, b in groups], -1)


def attention(weights, image, x, n_heads, n_channels):
    """Section 2 of arXiv 1712.09763, one pixel after another, with several heads. The query sees
    the first channel group and the position; keys and values see everything."""
    n, rows, columns, features = x.shape
    places = [(r, c) for r in range(rows) for c in range(columns)]
    outputs = np.zeros((n, rows, columns, weights["output_kernel"].shape[1]))
    for i, (r, c) in enumerate(places):
        at = np.tile([r / rows - 0.5, c / columns - 0.5], (n, 1))
        query = np.concatenate([x[:, r, c, : features // n_channels], at], -1)
        query = query @ weights["query_kernel"] + weights["query_bias"]
        sums = np.zeros((n, weights["value_bias"].size))
        scores, values = [], []
        for above, left in places[:i]:
            at = np.tile([above / rows - 0.5, left / columns - 0.5], (n, 1))
            read = np.concatenate([image[:, above, left], x[:, above, left], at], -1)
            products = query * (read @ weights["key_kernel"])
            heads = np.split(products, n_heads, -1)
            scores.append([h.sum(-1) / np.sqrt(h.shape[-1]) for h in heads])
            values.append(read @ weights["value_kernel"] + weights["value_bias"])
        if i:
            shares = np.exp(np.array(scores) - np.max(scores, 0))  # [earlier, heads, n]
            shares /= shares.sum(0)
            of_each = np.repeat(np.moveaxis(shares, 1, -1), sums.shape[1] // n_heads, -1)
            sums = (of_each * np.array(values)).sum(0)
        outputs[:, r, c] = elu(sums) @ weights["output_kernel"] + weights["output_bias"]
    return outputs


def snail_block(block, pair, labels=None):
    """Figure 5 of arXiv 1712.09763, with the gated blocks of its code."""
    image, x = (part.astype(np.float64) for part in pair)
    weights, n = weights_of(block), block.n_channels
    for i in range(1, block.n_residual + 1):
        hidden = elu(masked_conv(elu(x), weights, f"first_{i}", block.kernel_size, n))
        gates = masked_conv(hidden, weights, f"second_{i}", block.kernel_size, n)
        x = x + gate_without_tanh(gates + class_bias(weights, f"class_{i}", labels), n)
    if block.attends:
        of_attention = {k.split("/")[1]: w for k, w in weights.items() if "attention/" in k}
        attended = attention(of_attention, image, x, block.n_heads, n)
        hidden = elu(masked_conv(elu(x), weights, "merge", 1, n) + attended)
        x = x + gate_without_tanh(masked_conv(hidden, weights, "merge_gates", 1, n), n)
    return image, x


def residual_block(block, x, labels=None):
    """Figure 5 (left) of arXiv 1601.06759, or the same with PReLUs before the convolutions."""
    weights, n = weights_of(block), block.n_channels
    h = x
    for name, size in [("down", 1), ("middle", block.kernel_size), ("up", 1)]:
        if block.variant == "preactivation":
            h = np.where(h > 0, h, weights[f"prelu_{name}/alpha"] * h)
        h = masked_conv(h, weights, name, size, n)
        if name == "down":
            h = h + class_bias(weights, "class", labels)
        if block.variant == "relu":
            h = np.maximum(h, 0)
    return x + h


def pixelcnn_pp_parameters(model, images, labels=None):
    """Section 2.4 and figure 2 of arXiv 1701.05517: what the network makes of images,
    ``[n, h, w, n_params]``. Of each stream, all maps on the way down lie on one pile, those after
    a change of resolution too; the way up takes them off it. The blocks are the model's own."""
    given = {} if labels is None else {"labels": labels}
    x = images.astype("float32") / 127.5 - 1
    x = np.concatenate([x, np.ones_like(x[..., :1])], axis=-1)
    ups, lefts = [model.input_above(x)], [model.input_left_above(x) + model.input_left(x)]
    levels = list(zip(model.above, model.left, strict=True))
    for number, (above, left) in enumerate(levels):
        if number > 0:
            larger_above, larger_left = levels[number - 1]
            ups.append(larger_above.shrink(ups[-1]))
            lefts.append(larger_left.shrink(lefts[-1]))
        for i in range(model.n_resnet):
            ups.append(above.there[i](ups[-1], **given))
            lefts.append(left.there[i](lefts[-1], ups[-1], **given))
    assert len(ups) == len(lefts) == 3 * (model.n_resnet + 1)

    u, v = ups.pop(), lefts.pop()
    for number, (above, left) in reversed(list(enumerate(levels))):
        if number < 2:
            height, width = ups[-1].shape[1:3]  # one less than twice the half of an odd side
            u, v = (enlarged(x)[:, :height, :width] for x in (above.grow(u), left.grow(v)))
        for i in range(model.n_resnet + (number < 2)):
            u = above.back[i](u, ups.pop(), **given)
            v = left.back[i](v, np.concatenate([u, lefts.pop()], -1), **given)
    assert not ups and not lefts
    return model.output_conv(np.where(v > 0, v, np.expm1(np.minimum(v, 0))))


def enlarged(x):
    """Four times the features dealt out to 2x2 pixels, row by row."""
    x = np.asarray(x)
    n, rows, columns, features = x.shape
    large = np.zeros((n, 2 * rows, 2 * columns, features // 4), "float32")
    for i, part in enumerate(np.split(x, 4, axis=-1)):
        large[:, i // 2 :: 2, i % 2 :: 2] = part
    return large
