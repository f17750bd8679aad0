"""Generates small levels of a platform game, as text.

examples:
  python examples/levels/generate.py --out examples/levels/levels.txt
  python examples/levels/generate.py --n 5 --seed 7 --out five.txt
"""

import argparse
from pathlib import Path

import numpy as np

#: Rows and columns of a level.
HEIGHT, WIDTH = 10, 16

SKY, EARTH, GRASS, BLOCK, COIN, ENEMY, START, FLAG = ".#=BoES!"


def main() -> None:
    """Writes levels."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=800, help="number of levels (default 800)")
    parser.add_argument("--seed", type=int, default=0, help="the seed (default 0)")
    parser.add_argument("--out", type=Path, required=True, help="the text file")
    args = parser.parse_args()
    args.out.write_text(text_of(args.n, args.seed), encoding="utf-8")


def text_of(n: int, seed: int) -> str:
    """Returns ``n`` levels, separated by empty lines."""
    rng = np.random.default_rng(seed)
    levels = ("\n".join(map("".join, level(rng))) for _ in range(n))
    return "\n\n".join(levels) + "\n"


def level(rng: np.random.Generator) -> np.ndarray:
    """Returns the characters of one level, ``[HEIGHT, WIDTH]``.

    The ground rises and falls in steps of one tile and has gaps of at most three; it begins with
    the start and ends with the flag. Blocks float above it, two or more tiles up, with coins on
    some of them, and enemies walk on the grass.
    """
    tiles = np.full((HEIGHT, WIDTH), SKY)
    ground = _ground(rng)
    for column, height in enumerate(ground):
        if height:
            tiles[HEIGHT - height :, column] = EARTH
            tiles[HEIGHT - height, column] = GRASS
    _float_blocks(tiles, ground, rng)
    for column in range(3, WIDTH - 3):
        if ground[column] and rng.random() < 0.15:
            tiles[HEIGHT - ground[column] - 1, column] = ENEMY
    tiles[HEIGHT - ground[0] - 1, 0] = START
    tiles[HEIGHT - ground[-1] - 1, -1] = FLAG
    return tiles


def _ground(rng: np.random.Generator) -> list[int]:
    """Returns the height of the ground in each column, 0 in gaps."""
    heights, height = [], int(rng.integers(1, 4))
    while len(heights) < WIDTH:
        heights += [height] * int(rng.integers(2, 5))
        if len(heights) < WIDTH - 5 and rng.random() < 0.4:
            heights += [0] * int(rng.integers(1, 4))
        height = int(np.clip(height + rng.integers(-1, 2), 1, 4))
    # The last two columns are ground of one height, on which the flag stands.
    last = next(height for height in reversed(heights[: WIDTH - 2]) if height)
    return [*heights[: WIDTH - 2], last, last]


def _float_blocks(tiles: np.ndarray, ground: list[int], rng: np.random.Generator) -> None:
    """Adds two or three rows of blocks, and coins on them."""
    for _ in range(int(rng.integers(2, 4))):
        length = int(rng.integers(2, 5))
        left = int(rng.integers(1, WIDTH - length))
        columns = slice(left, left + length)
        row = HEIGHT - max(ground[columns]) - int(rng.integers(3, 5))
        around = tiles[max(row - 2, 0) : row + 3, max(left - 1, 0) : left + length + 1]
        if row >= 1 and (around == SKY).all():
            tiles[row, columns] = BLOCK
            if rng.random() < 0.6:
                tiles[row - 1, columns] = COIN


if __name__ == "__main__":
    main()
