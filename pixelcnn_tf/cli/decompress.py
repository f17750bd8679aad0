"""Decompress images that ``pixelcnn-tf compress`` has compressed.

Every image is exactly as it was, or the command says why it cannot be decompressed.

examples:
  pixelcnn-tf decompress photos.pxc --run runs/photos --out photos/
  pixelcnn-tf decompress digits.pxc --run runs/digits --out digits.npz
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pixelcnn_tf.cli.parsing import Parser, check_run
from pixelcnn_tf.config.plugins import load_plugins
from pixelcnn_tf.data.file_search import IMAGE_ENDINGS
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_folder, check_writable, filling, replacing
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.utils.progress import pixel_progress

if TYPE_CHECKING:
    import numpy as np

COMMAND = "pixelcnn-tf decompress"
ARRAYS = (".npy", ".npz")


def main(argv: list[str] | None = None, prog: str = COMMAND) -> int:
    """Runs the command with the given arguments and returns its exit status.

    Raises:
        UserError: a flag, the run or the file is wrong.

    Examples:
        >>> main(["none.pxc", "--run", "runs/photos", "--out", "photos"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: none.pxc: no such file
    """
    args = _arguments(argv, prog)
    load_plugins(args.plugins)
    file, out = Path(args.file), Path(args.out)
    if not file.is_file():
        raise UserError(f"{file}: {'is a folder' if file.is_dir() else 'no such file'}")
    if out.suffix.lower() in ARRAYS:
        check_writable(out, force=args.force)
    else:
        _check_folder(out, args.force)
    check_run(args.run)
    data = file.read_bytes()

    startup.import_tensorflow()
    import numpy as np

    from pixelcnn_tf.codec.codec import decode
    from pixelcnn_tf.codec.container import read_container
    from pixelcnn_tf.training.run_folder import load_model

    container = read_container(data, str(file))  # before the model is loaded
    if out.suffix.lower() not in ARRAYS:
        _check_names(container.names, file)
    startup.find_devices()
    model = load_model(args.run)
    n_values = model.likelihood.n_values
    if out.suffix.lower() not in ARRAYS and 2 != n_values < 256:
        raise UserError(f"--out {out}: images of {n_values} values; must end in .npy or .npz")
    if out.suffix.lower() in ARRAYS and len(container.sizes) > 1:
        raise UserError(f"--out {out}: the images have several sizes; name a folder")
    with pixel_progress("decompressing") as show:
        images = decode(model, data, name=str(file), progress=show)
    if out.suffix.lower() in ARRAYS:
        labels = {"y_test": np.array(container.labels)} if container.labels else {}
        with replacing(out) as temporary, temporary.open("wb") as stream:
            if out.suffix.lower() == ".npy":
                np.save(stream, images)
            else:
                np.savez_compressed(stream, x_test=images, **labels)  # pyright: ignore
    else:
        if n_values == 2:
            images = [image * np.uint8(255) for image in images]
        digits = len(str(len(images) - 1))
        names = container.names or [f"{i:0{digits}}" for i in range(len(images))]
        _write_images(images, names, out)
    print(f"{number_of(len(images), 'image')}: {out}")
    return 0


def _arguments(argv: list[str] | None, prog: str) -> argparse.Namespace:
    parser = Parser(__doc__, COMMAND, prog)
    parser.add_argument("file", metavar="FILE", help="a .pxc file")
    parser.add_run("the run folder, .keras file or zoo:NAME that the images were compressed with")
    parser.add_argument(
        "--out",
        required=True,
        metavar="PATH",
        help="a new folder for .png files, of 16 bits per channel for more than 256 values; or, "
        "if all images have one size, a .npy or .npz file",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="overwrite the file, or files of the same names in the folder, if they exist",
    )
    parser.add_plugins()
    return parser.parse_args(argv)


def _check_folder(folder: Path, force: bool) -> None:
    if folder.is_file() or folder.suffix.lower() in (*IMAGE_ENDINGS, ".zip", ".txt", ".pxc"):
        raise UserError(f"--out {folder}: is no folder; must be one, or end in .npy or .npz")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise UserError(
            f"--out {folder}: contains files; add --force to overwrite those of the same names"
        )
    check_folder(folder, force=True)


def _check_names(names: list[str], file: Path) -> None:
    """Raises UserError for names of files that would not be in the folder that is written."""
    odd = {"\0", "\\", ":"} if os.name == "nt" else {"\0"}
    paths = [PurePosixPath(name) for name in names]
    for path in paths:
        if path.is_absolute() or ".." in path.parts or not path.name or odd & set(str(path)):
            raise UserError(f"{file}: names an image {str(path)!r}, which is not within a folder")
    if len(set(paths)) < len(paths):
        raise UserError(f"{file}: gives two images the same name; decompress it to .npy or .npz")


def _write_images(images: "Sequence[np.ndarray]", names: list[str], folder: Path) -> None:
    from pixelcnn_tf.visualization.grids import save_image

    with filling(folder) as into:
        for image, name in zip(images, names, strict=True):
            path = into / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            save_image(image, path)
