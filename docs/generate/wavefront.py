"""Draws the figures of docs/sampling.md: ``python -m docs.generate.wavefront``."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

FOLDER = Path(__file__).resolve().parents[1] / "figures"

WHITE, GREY, BLUE, ORANGE, GREEN = "white", "#dddddd", "#9fc5e8", "#f6b26b", "#b6d7a8"


def step_of(row: int, column: int, lag: int) -> int:
    """Returns the step at which a pixel is active, as ``Schedule.step_of`` does."""
    return row * lag + column


def grid(axis: Axes, height: int, width: int, colour, text=None, title: str = "") -> None:
    """Draws an image as cells.

    Args:
        axis: to draw on.
        height, width: of the image.
        colour: function of row and column that returns the colour of the cell.
        text: function of row and column that returns what is written in it.
        title: above the cells.
    """
    for row in range(height):
        for column in range(width):
            style = {"facecolor": colour(row, column), "edgecolor": "#888888", "linewidth": 0.6}
            axis.add_patch(Rectangle((column, row), 1, 1, **style))
            if text is not None:
                label = text(row, column)
                axis.text(column + 0.5, row + 0.52, label, ha="center", va="center", fontsize=7)
    axis.set(xlim=(-0.1, width + 0.1), ylim=(height + 0.1, -0.1), aspect="equal")
    axis.set_title(title, fontsize=9)
    axis.axis("off")


def order() -> Figure:
    """The step at which each pixel is drawn, one at a time and as a wavefront."""
    height, width, lag = 6, 8, 2
    figure = Figure(figsize=(7.6, 2.9))
    left, right = figure.subplots(1, 2)
    steps = height * width
    one_by_one = (lambda row, column: row * width + column, f"one pixel at a time: {steps} steps")
    steps = step_of(height - 1, width - 1, lag) + 1
    waves = (lambda row, column: step_of(row, column, lag), f"wavefront, row lag 2: {steps} steps")
    shades = mpl.colormaps["Blues"]
    for axis, (step, title) in ((left, one_by_one), (right, waves)):
        last = step(height - 1, width - 1)

        def colour(row, column, step=step, last=last):
            return shades(0.05 + 0.5 * step(row, column) / last)

        grid(axis, height, width, colour, lambda r, c, step=step: str(step(r, c)), title)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.9, wspace=0.05)
    return figure


def wavefront() -> Figure:
    """The active pixels of one step, with a row lag of 4."""
    height, width, lag, now = 4, 14, 4, 10
    figure = Figure(figsize=(6.2, 2.1))

    def colour(row, column):
        step = step_of(row, column, lag)
        return GREY if step < now else ORANGE if step == now else WHITE

    grid(figure.subplots(), height, width, colour, title=f"step {now}, row lag {lag}")
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.88)
    return figure


def ring_buffer() -> Figure:
    """What a masked layer with a 5x5 kernel keeps at one step, and what it reads for one pixel."""
    height, width, lag, now, up, side = 6, 12, 3, 17, 2, 2
    at = next((r, now - r * lag) for r in range(height) if 2 < now - r * lag < width - 2 and r > 2)
    kept = up * lag + side
    figure = Figure(figsize=(5.6, 3.0))

    def read(row, column):
        above = at[0] - up <= row < at[0] and abs(column - at[1]) <= side
        return above or (row == at[0] and at[1] - side <= column < at[1])

    def colour(row, column):
        step = step_of(row, column, lag)
        if step == now:
            return ORANGE
        if step > now:
            return WHITE
        return BLUE if now - kept <= step else GREY

    axis = figure.subplots()
    grid(axis, height, width, colour, lambda r, c: "x" if read(r, c) else "")
    style = {"facecolor": "none", "edgecolor": "black", "linewidth": 1.8}
    axis.add_patch(Rectangle((at[1], at[0]), 1, 1, **style))
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.99)
    return figure


def lookahead() -> Figure:
    """Where the layers of a Gated PixelCNN of two blocks with 3x3 kernels are at one step."""
    reaches = [3, 1, 1]  # of the vertical stack: the 7x7 input layer, then the blocks
    lag, now, height, width = 1 + sum(reaches), 15, 4, 16
    lookaheads = [sum(reaches[i + 1 :]) for i in range(len(reaches))]
    figure = Figure(figsize=(6.8, 2.0))

    def label(row, column):
        ahead = step_of(row, column, lag) - now
        marks = [f"v{i}" for i, lead in enumerate(lookaheads) if lead == ahead]
        return ", ".join(["h"] * (ahead == 0) + marks)

    def colour(row, column):
        ahead = step_of(row, column, lag) - now
        if ahead == 0:
            return ORANGE
        return GREEN if ahead in lookaheads else GREY if ahead < 0 else WHITE

    grid(figure.subplots(), height, width, colour, label)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.99)
    return figure


FIGURES = {
    "order": order,
    "wavefront": wavefront,
    "ring_buffer": ring_buffer,
    "lookahead": lookahead,
}


def main() -> None:
    """Writes all figures."""
    with mpl.rc_context({"svg.hashsalt": "pixelcnn_tf"}):
        for name, draw in FIGURES.items():
            draw().savefig(FOLDER / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
