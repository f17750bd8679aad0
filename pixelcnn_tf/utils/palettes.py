"""The colours of values without order, such as the tiles of a map."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pixelcnn_tf.utils.errors import suggestion

Palette = str | Sequence[str]


def check_palette(palette: Any) -> None:
    """Checks the names in a palette.

    Args:
        palette: colours, as names or ``'#rrggbb'``; or the name of one of matplotlib's colormaps.

    Raises:
        ValueError: it is neither, or there is no such colour or colormap.

    Examples:
        >>> check_palette(["white", "#c04000"])
        >>> check_palette(["whte"])
        Traceback (most recent call last):
        ValueError: 'whte' is no colour; must be a name such as 'navy', or '#rrggbb'; did you ...
    """
    import matplotlib
    from matplotlib.colors import get_named_colors_mapping, is_color_like

    if isinstance(palette, str):
        if palette not in matplotlib.colormaps:
            raise ValueError(
                "must be the name of a colormap of matplotlib, or a list of colours"
                f"{suggestion(palette, matplotlib.colormaps)}"
            )
        return
    if not isinstance(palette, list | tuple) or not palette:
        raise ValueError("must be a list of colours, or the name of a colormap of matplotlib")
    for colour in palette:
        if not isinstance(colour, str) or not is_color_like(colour):
            raise ValueError(
                f"{colour!r} is no colour; must be a name such as 'navy', or '#rrggbb'"
                f"{suggestion(str(colour), get_named_colors_mapping())}"
            )


def palette_colours(palette: Palette, n_values: int) -> np.ndarray:
    """Returns the colours of the values 0 to ``n_values - 1``.

    Args:
        palette: as for ``check_palette``. Of a colormap that is a list of colours, the first ones
            are taken; of another one, colours at equal distances from its start to its end.
        n_values: the number of values.

    Returns:
        uint8 ``[n_values, 3]``.

    Raises:
        ValueError: the palette has another number of colours, or a list of too few.

    Examples:
        >>> palette_colours(["black", "#ff0000"], 2).tolist()
        [[0, 0, 0], [255, 0, 0]]
        >>> palette_colours("tab10", 3).shape
        (3, 3)
        >>> palette_colours(["black"], 2)
        Traceback (most recent call last):
        ValueError: has 1 colour for 2 values; must have one for each
    """
    import matplotlib
    from matplotlib.colors import ListedColormap, to_rgb

    if isinstance(palette, str):
        colours = matplotlib.colormaps[palette]
        if isinstance(colours, ListedColormap) and colours.N < 256:
            if n_values > colours.N:
                raise ValueError(f"has {colours.N} colours for {n_values} values; must have more")
            rgb = colours(np.arange(n_values))[:, :3]
        else:
            rgb = colours(np.linspace(0, 1, n_values))[:, :3]
    else:
        if len(palette) != n_values:
            s = "s" * (len(palette) != 1)
            raise ValueError(
                f"has {len(palette)} colour{s} for {n_values} values; must have one for each"
            )
        rgb = np.array([to_rgb(colour) for colour in palette])
    return np.round(255 * rgb).astype(np.uint8)


def default_palette(n_values: int) -> str:
    """Returns the name of a colormap for values without order.

    Examples:
        >>> default_palette(5), default_palette(100)
        ('tab10', 'nipy_spectral')
    """
    return "tab10" if n_values <= 10 else "tab20" if n_values <= 20 else "nipy_spectral"
