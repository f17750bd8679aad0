"""Tile maps from text files: levels of games, land cover, grids of circuits.

Each character is one tile, each line one row; levels in one file are separated by empty lines. The
value of a tile is the position of its character in the alphabet.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pixelcnn_tf.config.data import DataConfig
from pixelcnn_tf.data.file_search import LEVEL_ENDING, find_files
from pixelcnn_tf.data.image_folders import set_of
from pixelcnn_tf.data.images import LevelSets
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.utils.progress import say


class Level(NamedTuple):
    """One level of a text file.

    Attributes:
        rows: its lines, of equal length.
        file: the file.
        line: the number of its first line, from 1 up.

    Examples:
        >>> Level(["#..", "###"], Path("a.txt"), 1).where
        'a.txt, line 1'
    """

    rows: list[str]
    file: Path
    line: int

    @property
    def where(self) -> str:
        """The location, for error messages."""
        return f"{self.file}, line {self.line}"

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in tiles."""
        return len(self.rows), len(self.rows[0])


def read_levels(path: Path, data: DataConfig) -> LevelSets:
    """Returns the levels of a text file, or of all text files in a folder and below it.

    Args:
        path: the file; or the folder, whose folders ``train/``, ``val/`` and ``test/`` are the
            sets.
        data: ``alphabet`` are the characters in the order of their values (None: those that the
            files contain, sorted); ``window`` the size that levels are cut into.

    Returns:
        for each set, uint8 ``[n, height, width, 1]`` and None in place of labels; and the alphabet.

    Raises:
        UserError: no text, lines of different lengths, levels of different sizes, a character that
            is not in the alphabet.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "levels.txt"
        >>> _ = path.write_text("#..\\n###\\n\\n...\\n.##\\n")
        >>> images, _ = read_levels(path, DataConfig())["training"]
        >>> images.shape, images[0, ..., 0].tolist()
        ((2, 2, 3, 1), [[0, 1, 1], [0, 0, 0]])
    """
    sets = _levels(path)
    alphabet = data.alphabet or _alphabet(path, sets)
    _check_sizes([level for levels in sets.values() for level in levels], data.window)
    parts = {
        name: (
            np.concatenate([_windows(_values(level, alphabet), data.window) for level in levels]),
            None,
        )
        for name, levels in sets.items()
    }
    return LevelSets(parts, alphabet)


def as_text(images: np.ndarray, alphabet: str) -> str:
    """Returns images as the text of levels, which ``read_levels`` reads.

    Args:
        images: integers ``[n, height, width, 1]``, each the position of a character.
        alphabet: the characters.

    Examples:
        >>> print(as_text(np.array([[[[0], [1]]], [[[1], [1]]]]), ".#"))
        .#
        <BLANKLINE>
        ##
        <BLANKLINE>
    """
    characters = np.array(list(alphabet))
    levels = ["\n".join(map("".join, characters[image[..., 0]])) for image in images]
    return "\n\n".join(levels) + "\n"


def _levels(path: Path) -> dict[str, list[Level]]:
    """Returns the levels of each set."""
    if not path.is_dir():
        return {"training": _levels_of([path])}
    found = find_files(path)
    files = [file for file in found.others if file.suffix.lower() == LEVEL_ENDING]
    folders = {set_of(folder.name): folder for folder in found.folders if set_of(folder.name)}
    if "training" not in folders:
        return {"training": _levels_of(files)}
    inside = {
        name: [file for file in files if folders[name] in file.parents]
        for name in ("training", "validation", "test")
        if name in folders
    }
    n_others = len(files) - sum(map(len, inside.values()))
    if n_others:
        say(f"{path}: left out {number_of(n_others, 'text file')} beside the folders of the sets")
    empty = [folders[name] for name, files in inside.items() if not files]
    if empty:
        raise UserError(f"{empty[0]}: holds no {LEVEL_ENDING} files; add levels, or remove it")
    return {name: _levels_of(files) for name, files in inside.items()}


def _levels_of(files: Sequence[Path]) -> list[Level]:
    """Returns the levels of several files."""
    return [level for file in files for level in _read(file)]


def _read(file: Path) -> list[Level]:
    """Returns the levels of one file, whose lines are checked."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not text in UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise UserError(f"{file}: cannot be read: {reason}") from None
    levels: list[Level] = []
    starts = True
    for number, line in enumerate(text.split("\n"), start=1):  # "\r\n" is "\n" by now
        if not line:
            starts = True
        elif starts:
            levels.append(Level([line], file, number))
            starts = False
        else:
            width = levels[-1].size[1]
            if len(line) != width:
                raise UserError(
                    f"{file}, line {number}: has {number_of(len(line), 'character')}, line "
                    f"{levels[-1].line} has {width}; the lines of a level must have equal lengths"
                )
            levels[-1].rows.append(line)
    if not levels:
        raise UserError(f"{file}: is empty; must hold at least one level")
    return levels


def _alphabet(path: Path, sets: dict[str, list[Level]]) -> str:
    found = {c for levels in sets.values() for level in levels for row in level.rows for c in row}
    if not 2 <= len(found) <= 256:
        raise UserError(
            f"{path}: the levels have {number_of(len(found), 'different character')}; must be 2 to "
            "256"
        )
    return "".join(sorted(found))


def _values(level: Level, alphabet: str) -> np.ndarray:
    """Returns the positions of the characters, uint8 ``[height, width]``."""
    place = {character: i for i, character in enumerate(alphabet)}
    for number, row in enumerate(level.rows, start=level.line):
        unknown = next((character for character in row if character not in place), None)
        if unknown is not None:
            raise UserError(
                f"{level.file}, line {number}: the character {unknown!r} is not in data.alphabet "
                f"{alphabet!r}"
            )
    return np.array([[place[character] for character in row] for row in level.rows], np.uint8)


def _check_sizes(levels: list[Level], window: tuple[int, int] | None) -> None:
    """Raises UserError unless all levels have one size, or are at least as large as a window."""
    first = levels[0]
    for level in levels:
        (height, width), size = level.size, window or first.size
        if window and (height < size[0] or width < size[1]):
            raise UserError(
                f"{level.where}: a level of {height}x{width}, smaller than data.window "
                f"{size[0]}x{size[1]}; choose a smaller window"
            )
        if not window and level.size != size:
            raise UserError(
                f"{level.where}: a level of {height}x{width}, but the one at {first.where} has "
                f"{size[0]}x{size[1]}; all must have one size, or set data.window to cut them"
            )


def _windows(values: np.ndarray, window: tuple[int, int] | None) -> np.ndarray:
    """Returns one level, or the windows in it that do not overlap, uint8 ``[n, height, width,
    1]``. What is left at the right and at the bottom is left out."""
    height, width = window or values.shape
    rows, columns = values.shape[0] // height, values.shape[1] // width
    cut = values[: rows * height, : columns * width]
    cut = cut.reshape(rows, height, columns, width).transpose(0, 2, 1, 3)
    return cut.reshape(-1, height, width, 1)
