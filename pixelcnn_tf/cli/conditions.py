"""The condition of a conditional model, as commands take it: ``--condition`` and ``--split``."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pixelcnn_tf.cli.parsing import Parser
from pixelcnn_tf.config.conditions import PAIRED
from pixelcnn_tf.config.data import DataConfig
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.utils.progress import say
from pixelcnn_tf.zoo.models import run_path

if TYPE_CHECKING:
    import numpy as np

    from pixelcnn_tf.data.conditions import Conditioned
    from pixelcnn_tf.models.base import PixelModel
    from pixelcnn_tf.utils.stored_images import StoredImages


def add_condition(parser: Parser, default: str) -> None:
    """Adds ``--condition`` to a parser; ``default`` says what is taken without it.

    Examples:
        >>> parser = Parser("Draw.")
        >>> add_condition(parser, "made from the images")
        >>> parser.parse_args(["--condition", "grey.png"]).condition
        'grey.png'
    """
    parser.add_argument(
        "--condition",
        metavar="PATH",
        help="for a conditional model: the conditions, or images from which they are made as "
        f"data.condition of the run says: an image file, a folder, or an array file ({default})",
    )


def check_unconditional(args: argparse.Namespace, *names: str) -> None:
    """Raises UserError if a flag of a conditional model is given; for any other model.

    Examples:
        >>> check_unconditional(argparse.Namespace(condition=None), "condition")
    """
    for name in names:
        if getattr(args, name) is not None:
            raise UserError(f"--{name}: the model is not conditional; leave it out")


def data_of(run: str) -> DataConfig:
    """Returns the section ``data`` of a run; the defaults for a .keras file.

    Examples:
        >>> data_of("none.keras").condition
    """
    config = run_path(run) / "config.yml"
    return load_config(config).data if config.is_file() else DataConfig()


def condition_for_images(
    given: str | None, data: DataConfig, model: "PixelModel", images: "np.ndarray | StoredImages"
) -> "np.ndarray | StoredImages | None":
    """Returns the conditions of images: those of ``--condition``, or made from the images.

    Args:
        given: the value of ``--condition``, or None.
        data: the section of the run.
        model: the model.
        images: uint8 ``[n, height, width, channels]``.

    Returns:
        integers ``[n, height, width, channels]``; None for a model that is not conditional.

    Raises:
        UserError: they are missing, not wanted, or do not fit the images.

    Examples:
        >>> data, images = DataConfig(condition="grey"), np.zeros([2, 4, 4, 3], np.uint8)
        >>> model = pixelcnn_tf.PixelRNN(2, 2, 1, n_condition_channels=1)
        >>> condition_for_images(None, data, model, images).shape
        (2, 4, 4, 1)
    """
    from pixelcnn_tf.data.conditions import make_condition

    if model.condition_spec is None:
        check_unconditional(argparse.Namespace(condition=given), "condition")
        return None
    if given is not None:
        condition = read_conditions(given, data, model, images.shape[1:3]).condition
        if len(condition) != len(images):
            raise UserError(
                f"--condition {given}: {len(condition)} conditions for {len(images)} images; must "
                "be as many"
            )
        return condition
    if data.condition in (None, PAIRED):
        raise UserError(
            "--condition: is missing; the model is conditional, and its conditions are not made "
            "from the images"
        )
    return make_condition(images, data.condition, model.likelihood.n_values)


def read_conditions(
    path: str, data: DataConfig, model: "PixelModel", image_size: tuple[int, int]
) -> "Conditioned":
    """Returns the conditions in a file or folder: those that have the shape of a condition are
    taken as they are, others are images, from which conditions are made.

    Image files of another size are resized to that of the images, with a note. Edges of greyscale
    images have the shape of the images: files of black and white pixels only are taken as edges,
    unless the images of the model are binary. Which it is, is printed.

    Args:
        path: the value of ``--condition``.
        data: the section of the run.
        model: a conditional model.
        image_size: (height, width) of the images.

    Raises:
        UserError: they cannot be read, or do not fit the model.

    Examples:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/a.npy"
        >>> np.save(path, np.zeros([3, 8, 8], np.uint8))
        >>> model = pixelcnn_tf.PixelRNN(2, 2, 1, n_condition_channels=1, condition_factor=4)
        >>> read_conditions(path, DataConfig(condition="down4"), model, (32, 32)).condition.shape
        (3, 8, 8, 1)
    """
    import numpy as np

    from pixelcnn_tf.data.array_files import load_one_array
    from pixelcnn_tf.data.conditions import Conditioned, make_condition
    from pixelcnn_tf.data.paired import as_condition
    from pixelcnn_tf.data.sources import load_all_images

    spec = model.condition_spec
    assert spec is not None
    wanted, kind = spec.shape_for(*image_size), data.condition
    if not Path(path).expanduser().exists():
        raise UserError(f"--condition {path}: no such file or folder")
    plain = data.model_copy(update={"image_size": None, "binarize": None})
    shape = (*image_size, model.n_channels)

    def read(data: DataConfig) -> np.ndarray:
        if Path(path).suffix.lower() == ".npy":
            array = load_one_array(Path(path).expanduser())
            return np.asarray(as_condition(array, path, len(array)))
        return np.asarray(load_all_images(path, data))

    is_made, n_values = kind not in (None, PAIRED), model.likelihood.n_values
    images = None
    try:
        images = read(plain)
    except UserError:  # of different sizes, perhaps
        if not is_made:
            raise
    if images is not None and (
        (images.shape[1:] == wanted and not (is_made and wanted == shape))
        or (kind == "edges" and n_values > 2 and _is_drawing(images, wanted))
    ):
        if kind == "edges":
            say(f"--condition {path}: taken as edges, as they are")
        return Conditioned(images[..., : wanted[2]])
    if images is None or (is_made and images.shape[1:3] != image_size):
        images = read(plain.model_copy(update={"image_size": image_size}))
        if images.shape[1:3] == image_size:
            resized, small = ("x".join(map(str, size[:2])) for size in (image_size, wanted))
            say(f"--condition {path}: resized to {resized}; conditions of {small} are made from it")
    if is_made and images.shape[-1] == 1 and model.n_channels == 3:
        images = images.repeat(3, axis=-1)
    if not is_made or images.shape[1:] != shape:
        or_images = f", or images of {shape}" if is_made else ""
        raise UserError(
            f"--condition {path}: holds {images.shape[1:]} (height, width, channels); must be "
            f"conditions of {wanted}{or_images}"
        )
    if kind == "edges":
        say(f"--condition {path}: taken as images, whose edges are computed")
    if n_values == 2 and images.max() > 1:
        images = (images >= 128).astype(np.uint8)
    return Conditioned(np.asarray(make_condition(images, str(kind), n_values)), images)


def _is_drawing(images: "np.ndarray", wanted: tuple[int, int, int]) -> bool:
    """Returns whether images have the size of a condition, and black and white pixels only."""
    if images.shape[1:3] != wanted[:2]:
        return False
    return bool(((images == 0) | (images == 255)).all() and (images == images[..., :1]).all())


def note_fewer(n: int | None, there: int, where: str) -> None:
    """Prints a note if ``--n`` asks for more conditions than there are.

    Examples:
        >>> note_fewer(8, 20, "--split test")
    """
    if n is not None and n > there:
        say(f"--n {n}: {where} has {number_of(there, 'condition')}, and all of them are used")


def held_out(args: argparse.Namespace, model: "PixelModel") -> "Conditioned":
    """Returns the conditions of ``args.n`` images of a set of a run, chosen by the seed.

    Args:
        args: ``run``, ``split``, ``n`` (None for 8) and ``seed``.
        model: a conditional model.

    Raises:
        UserError: the run or its images are not there, or it has no such set.

    Examples:
        >>> held_out(argparse.Namespace(run="none.keras", split="test"), None)
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: --split test: needs a run folder, whose config ...
    """
    if not (run_path(args.run) / "config.yml").is_file():
        raise UserError(
            f"--split {args.split}: needs a run folder, whose config states its images; use "
            "--condition"
        )
    import numpy as np

    from pixelcnn_tf.data.conditions import conditioned
    from pixelcnn_tf.training.run_images import load_run_images

    every = load_run_images(args.run, data_of(args.run), model.n_classes)
    images = getattr(every, args.split)
    if images is None or not len(images):
        raise UserError(f"--split {args.split}: the run has none (data.validation_share)")
    note_fewer(args.n, len(images), f"--split {args.split}")
    order = np.random.default_rng(args.seed % 2**32).permutation(len(images))
    return conditioned(every, args.split, np.sort(order[: args.n or 8]))
