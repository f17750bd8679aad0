"""Photographs that scikit-image and scikit-learn ship, for the local model of the codec: patches to
train on, and whole photographs to test on.

examples:
  python -m experiments.photos --patches photos.npz    64x64 patches of four photographs
  python -m experiments.photos --test photos_test/     three other photographs, as .png
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from pixelcnn_tf.cli.parsing import Parser, exit_with
from pixelcnn_tf.utils.atomic_files import check_writable, replacing
from pixelcnn_tf.utils.errors import UserError

TRAINING = ("coffee.png", "chelsea.png", "motorcycle_left.png", "rocket.jpg")
TEST = {"skimage": ("astronaut.png",), "sklearn": ("china.jpg", "flower.jpg")}
_FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}


def photo(package: str, name: str) -> np.ndarray:
    """Returns a photograph, uint8 ``[height, width, 3]``.

    Raises:
        UserError: the package is not installed, or does not ship it.
    """
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise UserError(f"{package}: not installed; pip install scikit-image scikit-learn")
    path = Path(found.origin).parent / _FOLDERS[package] / name
    if not path.is_file():
        raise UserError(f"{path}: no such file in this version of {package}")
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_photos() -> dict[str, np.ndarray]:
    """Returns the photographs that no model is trained on, by name."""
    return {
        Path(name).stem: photo(package, name) for package, names in TEST.items() for name in names
    }


def patches(side: int = 64) -> np.ndarray:
    """Returns patches of the training photographs, uint8 ``[n, side, side, 3]``.

    They are cut at full size, twice with different origins, and at half size.
    """
    cut = []
    for name in TRAINING:
        full = photo("skimage", name)
        half = Image.fromarray(full).reduce(2)
        for image in (full, full[side // 2 :, side // 2 :], np.asarray(half)):
            rows, columns = (length // side for length in image.shape[:2])
            image = image[: rows * side, : columns * side]
            grid = image.reshape(rows, side, columns, side, 3).swapaxes(1, 2)
            cut.append(grid.reshape(-1, side, side, 3))
    return np.concatenate(cut)


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="python -m experiments.photos", description=__doc__)
    parser.add_argument("--patches", metavar="FILE", help="the .npz file to write")
    parser.add_argument("--test", metavar="FOLDER", help="the folder to write")
    args = parser.parse_args(argv)
    if not args.patches and not args.test:
        raise UserError("nothing to do: give --patches or --test")
    if args.patches:
        with replacing(check_writable(args.patches, ".npz")) as path, path.open("wb") as file:
            np.savez(file, x_train=patches())  # pyright: ignore
        print(f"{len(patches()):,} patches: {args.patches}")
    if args.test:
        Path(args.test).mkdir(exist_ok=True)
        for name, image in test_photos().items():
            Image.fromarray(image).save(Path(args.test) / f"{name}.png")
        print(f"{len(test_photos())} photographs: {args.test}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_with(main))
