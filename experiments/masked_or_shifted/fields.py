"""Receptive fields of stacks of masked and of shifted convolutions, counted and drawn."""

import numpy as np
import tensorflow as tf
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from experiments.masked_or_shifted.page import CONTESTANTS
from pixelcnn_tf.layers.masked_conv import MaskedConv2D
from pixelcnn_tf.layers.shifted_conv import ShiftedConv2D
from pixelcnn_tf.visualization.plots import figure_pixels

#: Numbers of layers; the first layer is of type A.
DEPTHS = (1, 3, 8)
FIRST = "added by a masked first layer"
COLOURS = {"inside": "#3b76b0", FIRST: "#a9c9e6", "blind": "#f2a65a", "outside": "white"}


def _conv(layer_class, filters, *args):
    """Returns a layer whose weights are all positive, so that no influences cancel."""
    return layer_class(filters, *args, kernel_initializer="ones", use_bias=False)


def masked_stack(x, kernel: int, layers: int):
    """Applies masked layers: the first of type A, the others of type B."""
    channels = x.shape[-1]
    for i in range(layers):
        x = _conv(MaskedConv2D, channels, kernel, "B" if i else "A", channels)(x)
    return x


def single_stack(x, kernel: int, layers: int, masked_first: bool = False):
    """Applies ``'down_right'`` layers, optionally after a masked first layer."""
    rows = kernel // 2 + 1
    for i in range(layers):
        if masked_first and not i:
            x = _conv(MaskedConv2D, 1, kernel, "A", 1)(x)
        elif not i:  # narrower by a column: it ends left of the pixel, with the same reach
            x = _conv(ShiftedConv2D, x.shape[-1], (rows, rows - 1), "down_right", "A")(x)
        else:
            x = _conv(ShiftedConv2D, x.shape[-1], rows, "down_right")(x)
    return x


def two_stacks(x, kernel: int, layers: int):
    """Applies a vertical stack that feeds a horizontal one after every layer."""
    channels, up = x.shape[-1], kernel // 2
    vertical = horizontal = x
    for i in range(layers):
        size, mask_type = up + bool(i), "B" if i else "A"
        vertical = _conv(ShiftedConv2D, channels, (size, kernel), "down", mask_type)(vertical)
        row = _conv(ShiftedConv2D, channels, (1, size), "down_right", mask_type)
        horizontal = row(horizontal) + _conv(ShiftedConv2D, channels, 1, "down_right")(vertical)
    return horizontal


STACKS = {"masked": masked_stack, "single": single_stack, "two": two_stacks}


def field(
    stack, kernel: int, layers: int, channels: int = 1, channel: int = 0, **options
) -> np.ndarray:
    """Returns whether a channel of the centre pixel depends on each sub-pixel, by gradients:
    boolean ``[side, side, channels]``, with a margin of one pixel around the reach."""
    reach = layers * (kernel // 2) + 1
    x = tf.ones([1, 2 * reach + 1, 2 * reach + 1, channels])
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = stack(x, kernel, layers, **options)[0, reach, reach, channel]
    return tape.gradient(output, x)[0].numpy() != 0


def count_fields(kernels: list[int]) -> tuple[dict, dict]:
    """Returns the receptive fields, boolean ``[side, side]`` by ``(kernel, layers, contestant)``,
    and the number of pixels in each. ``'single_first'`` is the single stack with a masked first
    layer."""
    fields = {}
    for kernel in kernels:
        for layers in DEPTHS:
            found = {name: field(stack, kernel, layers) for name, stack in STACKS.items()}
            found["single_first"] = field(single_stack, kernel, layers, masked_first=True)
            fields |= {(kernel, layers, name): f[..., 0] for name, f in found.items()}
    counts: dict = {}
    for (kernel, layers, name), inside in fields.items():
        counts.setdefault(str(kernel), {}).setdefault(str(layers), {})[name] = int(inside.sum())
    return fields, counts


def draw_fields(fields: dict, kernels: list[int]) -> np.ndarray:
    """Draws one row per kernel and depth, one column per contestant; channels at the bottom.

    Returns:
        uint8 ``[height, width, 3]``.
    """
    n_rows = len(kernels) * len(DEPTHS)
    tall = 1.62 * n_rows + 3.4  # inches
    figure = Figure(figsize=(10.5, tall), dpi=100)
    figure.text(
        0.02,
        1 - 0.15 / tall,
        "Pixels that the framed one depends on after 1, 3 and 8 layers, the first of type A.",
        va="top",
        fontsize=13,
    )
    patches = [
        Patch(facecolor=COLOURS["inside"], label="receptive field"),
        Patch(facecolor=COLOURS[FIRST], label=FIRST),
        Patch(
            facecolor=COLOURS["blind"],
            label="blind spot: within reach, no influence",
        ),
    ]
    figure.legend(
        handles=patches, loc="upper left", ncols=3, frameon=False, fontsize=10.5,
        bbox_to_anchor=(0.005, 1 - 0.4 / tall), bbox_transform=figure.transFigure,
    )  # fmt: skip
    top, bottom = 1 - 1.15 / tall, 2.3 / tall
    grid = figure.add_gridspec(
        n_rows, 3, left=0.09, right=0.99, top=top, bottom=bottom, wspace=0.04, hspace=0.32
    )
    for row in range(n_rows):
        kernel, layers = kernels[row // len(DEPTHS)], DEPTHS[row % len(DEPTHS)]
        for column, name in enumerate(CONTESTANTS):
            axis = figure.add_subplot(grid[row, column])
            title = _draw_field(axis, fields, kernel, layers, name)
            if not row:
                title = f"{CONTESTANTS[name]}\n{title}"
            axis.set_title(title, fontsize=11, pad=3)
            if not column:
                label = f"{kernel}x{kernel}\n{layers} layer{'s' * (layers > 1)}"
                axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=12)
    _draw_channels(figure, tall)
    return figure_pixels(figure)


def _draw_field(axis, fields: dict, kernel: int, layers: int, name: str) -> str:
    """Draws one panel, down to the row below the centre; returns its title."""
    everything = fields[kernel, layers, "two"]
    centre = len(everything) // 2
    classes = np.full(everything.shape, 3)
    classes[everything] = 2
    inside = fields[kernel, layers, name]
    title = f"{inside.sum():,} of {everything.sum():,} pixels"
    if name == "single":
        first = fields[kernel, layers, "single_first"]
        classes[first] = 1
        title = f"{title}; {first.sum():,} with light ones"
    classes[inside] = 0
    classes = classes[: centre + 2]
    axis.imshow(classes, cmap=ListedColormap(list(COLOURS.values())), vmin=0, vmax=3)
    _frame(axis, classes.shape, centre)
    return title


def _draw_channels(figure: Figure, tall: float) -> None:
    """Draws the receptive field of the green channel of the centre in each channel: of masked
    layers with three channel groups, and of shifted ones."""
    figure.text(
        0.02,
        2.0 / tall,
        "Three channels, 3x3, two layers: the receptive field of the GREEN channel of the framed\n"
        "pixel. Masked, it contains the red of the same pixel; shifted, none of its channels.",
        va="top",
        fontsize=13,
    )
    for half, (name, stack) in enumerate([("masked", masked_stack), ("shifted", two_stacks)]):
        inside = field(stack, 3, 2, channels=3, channel=1)
        everything = field(two_stacks, 3, 2)[..., 0]
        grid = figure.add_gridspec(
            1, 3, left=0.03 + 0.49 * half, right=0.48 + 0.49 * half, bottom=0.12 / tall,
            top=1.12 / tall, wspace=0.1,
        )  # fmt: skip
        for i, (channel, shade) in enumerate(
            {"red": "#c44e52", "green": "#4c9a5b", "blue": "#4c72b0"}.items()
        ):
            axis = figure.add_subplot(grid[0, i])
            centre = len(everything) // 2
            classes = np.where(everything, 2, 3)
            classes[inside[..., i]] = 0
            shades = ListedColormap([shade, "white", COLOURS["blind"], "white"])
            axis.imshow(classes[: centre + 2], cmap=shades, vmin=0, vmax=3)
            _frame(axis, classes[: centre + 2].shape, centre)
            axis.set_title(f"{name}: {channel}", fontsize=11, pad=3)


def _frame(axis, shape: tuple[int, int], centre: int) -> None:
    """Draws thin lines between pixels, and a frame around the centre."""
    axis.set_xticks(np.arange(shape[1] + 1) - 0.5, [])
    axis.set_yticks(np.arange(shape[0] + 1) - 0.5, [])
    axis.grid(color="0.8", linewidth=0.8 if shape[1] < 15 else 0.3)
    axis.tick_params(length=0)
    axis.spines[:].set_color("0.7")
    corner = (centre - 0.5, centre - 0.5)
    width = 2 if shape[1] < 15 else 1
    axis.add_patch(Rectangle(corner, 1, 1, facecolor="none", edgecolor="black", lw=width))
