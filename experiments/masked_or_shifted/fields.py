"""Which pixels stacks of masked and of shifted convolutions look at, counted and drawn."""

import numpy as np
import tensorflow as tf
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from experiments.masked_or_shifted.page import CONTESTANTS
from pixelcnn_tf.layers.masked_conv import MaskedConv2D
from pixelcnn_tf.layers.shifted_conv import ShiftedConv2D
from pixelcnn_tf.visualization.plots import figure_pixels

#: Layers in all, the first of type A.
DEPTHS = (1, 3, 8)
FIRST = "seen only if the first layer also looks to the upper right"
COLOURS = {"seen": "#3b76b0", FIRST: "#a9c9e6", "blind": "#f2a65a", "outside": "white"}


def _conv(layer_class, filters, *args):
    """All weights positive, so that nothing cancels."""
    return layer_class(filters, *args, kernel_initializer="ones", use_bias=False)


def masked_stack(x, kernel: int, layers: int):
    """A first layer of type A, the others of type B."""
    colours = x.shape[-1]
    for i in range(layers):
        x = _conv(MaskedConv2D, colours, kernel, "B" if i else "A", colours)(x)
    return x


def single_stack(x, kernel: int, layers: int, masked_first: bool = False):
    """The same of ``'down_right'`` kernels only, or with a first layer that sees what a masked one
    sees."""
    rows = kernel // 2 + 1
    for i in range(layers):
        if masked_first and not i:
            x = _conv(MaskedConv2D, 1, kernel, "A", 1)(x)
        elif not i:  # a column less: it ends left of the pixel, and looks as far as the others
            x = _conv(ShiftedConv2D, x.shape[-1], (rows, rows - 1), "down_right", "A")(x)
        else:
            x = _conv(ShiftedConv2D, x.shape[-1], rows, "down_right")(x)
    return x


def two_stacks(x, kernel: int, layers: int):
    """The same of a vertical stack that feeds a horizontal one after every layer."""
    colours, up = x.shape[-1], kernel // 2
    above = left = x
    for i in range(layers):
        size, mask_type = up + bool(i), "B" if i else "A"
        above = _conv(ShiftedConv2D, colours, (size, kernel), "down", mask_type)(above)
        left = _conv(ShiftedConv2D, colours, (1, size), "down_right", mask_type)(left)
        left = left + _conv(ShiftedConv2D, colours, 1, "down_right")(above)
    return left


STACKS = {"masked": masked_stack, "single": single_stack, "two": two_stacks}


def field(
    stack, kernel: int, layers: int, colours: int = 1, colour: int = 0, **options
) -> np.ndarray:
    """Whether each sub-pixel reaches the centre, by gradients: boolean ``[side, side, colours]``,
    one pixel larger on each side than the farthest that could."""
    reach = layers * (kernel // 2) + 1
    x = tf.ones([1, 2 * reach + 1, 2 * reach + 1, colours])
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = stack(x, kernel, layers, **options)[0, reach, reach, colour]
    return tape.gradient(output, x)[0].numpy() != 0


def count_fields(kernels: list[int]) -> tuple[dict, dict]:
    """All fields ``[kernel, layers, contestant]`` as boolean ``[side, side]``, that of the single
    stack with a masked first layer as ``'single_first'``; and how many pixels are in each."""
    fields = {}
    for kernel in kernels:
        for layers in DEPTHS:
            ways = {name: field(stack, kernel, layers) for name, stack in STACKS.items()}
            ways["single_first"] = field(single_stack, kernel, layers, masked_first=True)
            fields |= {(kernel, layers, name): way[..., 0] for name, way in ways.items()}
    counts: dict = {}
    for (kernel, layers, name), seen in fields.items():
        counts.setdefault(str(kernel), {}).setdefault(str(layers), {})[name] = int(seen.sum())
    return fields, counts


def draw_fields(fields: dict, kernels: list[int]) -> np.ndarray:
    """The picture: a row a kernel and depth, a column a contestant; colours at the bottom.

    Returns:
        uint8 ``[height, width, 3]``.
    """
    n_rows = len(kernels) * len(DEPTHS)
    tall = 1.62 * n_rows + 3.4  # inches
    figure = Figure(figsize=(10.5, tall), dpi=100)
    figure.text(
        0.02,
        1 - 0.15 / tall,
        "Pixels that reach the framed one through 1, 3 and 8 layers, the first of type A.",
        va="top",
        fontsize=13,
    )
    patches = [
        Patch(facecolor=COLOURS["seen"], label="seen"),
        Patch(facecolor=COLOURS[FIRST], label=FIRST),
        Patch(facecolor=COLOURS["blind"], label="blind: earlier, within reach, not seen"),
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
    _draw_colours(figure, tall)
    return figure_pixels(figure)


def _draw_field(axis, fields: dict, kernel: int, layers: int, name: str) -> str:
    """One panel, without the rows below the centre; its title."""
    everything = fields[kernel, layers, "two"]
    centre = len(everything) // 2
    classes = np.full(everything.shape, 3)
    classes[everything] = 2
    seen = fields[kernel, layers, name]
    title = f"{seen.sum():,} of {everything.sum():,} pixels"
    if name == "single":
        first = fields[kernel, layers, "single_first"]
        classes[first] = 1
        title = f"{title}; {first.sum():,} with the light ones"
    classes[seen] = 0
    classes = classes[: centre + 2]
    axis.imshow(classes, cmap=ListedColormap(list(COLOURS.values())), vmin=0, vmax=3)
    _frame(axis, classes.shape, centre)
    return title


def _draw_colours(figure: Figure, tall: float) -> None:
    """What the green of the centre sees of each colour: masked layers of three channel groups, and
    shifted ones."""
    figure.text(
        0.02,
        2.0 / tall,
        "Three colours, 3x3, two layers: what the GREEN of the framed pixel sees of each colour.\n"
        "Masked, it sees the red of its own pixel; shifted, nothing of its own pixel.",
        va="top",
        fontsize=13,
    )
    for half, (name, stack) in enumerate([("masked", masked_stack), ("shifted", two_stacks)]):
        seen = field(stack, 3, 2, colours=3, colour=1)
        everything = field(two_stacks, 3, 2)[..., 0]
        grid = figure.add_gridspec(
            1, 3, left=0.03 + 0.49 * half, right=0.48 + 0.49 * half, bottom=0.12 / tall,
            top=1.12 / tall, wspace=0.1,
        )  # fmt: skip
        for i, (colour, shade) in enumerate(
            {"red": "#c44e52", "green": "#4c9a5b", "blue": "#4c72b0"}.items()
        ):
            axis = figure.add_subplot(grid[0, i])
            centre = len(everything) // 2
            classes = np.where(everything, 2, 3)
            classes[seen[..., i]] = 0
            shades = ListedColormap([shade, "white", COLOURS["blind"], "white"])
            axis.imshow(classes[: centre + 2], cmap=shades, vmin=0, vmax=3)
            _frame(axis, classes[: centre + 2].shape, centre)
            axis.set_title(f"{name}: {colour}", fontsize=11, pad=3)


def _frame(axis, shape: tuple[int, int], centre: int) -> None:
    """Thin lines between pixels, and the centre framed."""
    axis.set_xticks(np.arange(shape[1] + 1) - 0.5, [])
    axis.set_yticks(np.arange(shape[0] + 1) - 0.5, [])
    axis.grid(color="0.8", linewidth=0.8 if shape[1] < 15 else 0.3)
    axis.tick_params(length=0)
    axis.spines[:].set_color("0.7")
    corner = (centre - 0.5, centre - 0.5)
    width = 2 if shape[1] < 15 else 1
    axis.add_patch(Rectangle(corner, 1, 1, facecolor="none", edgecolor="black", lw=width))
