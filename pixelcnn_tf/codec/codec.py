"""Lossless compression of images with the probabilities of a model.

A file is as long as the negative log-likelihood of its images, in bits, and a little more.
"""

import hashlib
import json
import math
import platform
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

import pixelcnn_tf
from pixelcnn_tf.codec.batches import GroupCoder
from pixelcnn_tf.codec.container import (
    DIGEST_BYTES,
    LEAST_TILE,
    CodedBatch,
    CodedGroup,
    Container,
    read_container,
)
from pixelcnn_tf.codec.entropy_coding import PRECISION, push
from pixelcnn_tf.codec.layout import Size, Tile, image_sizes, layout_of, n_pixels, n_tiles
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.inputs import check_images, check_model, labels_for, refuse_condition
from pixelcnn_tf.sampling.generate import check_method
from pixelcnn_tf.sampling.loops import XLA_ERRORS, compiles, give_up_compiling
from pixelcnn_tf.sampling.settings import is_integer
from pixelcnn_tf.utils.errors import UserError, first_line, number_of
from pixelcnn_tf.utils.machine import cores, memory
from pixelcnn_tf.utils.values import dtype_for

Progress = Callable[[int, int], None]


def encode(
    model: PixelModel,
    images: npt.ArrayLike | Sequence[np.ndarray],
    labels: npt.ArrayLike | None = None,
    *,
    names: Sequence[str] = (),
    tile: int | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Compresses images without loss.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``. The same model is needed to decode.
        images: integers ``[n, height, width, n_channels]``, 0 to ``n_values - 1``; or a list of
            images ``[height, width, n_channels]`` of any sizes.
        labels: for a class-conditional model, as in ``generate_images``; they are stored, too.
        names: a name for every image, all different, to be stored with it.
        tile: cuts images into tiles of at most this many pixels high and wide, which are coded
            separately: faster for a few large images, at the cost of the context at the edges.
        batch_size: images (or tiles) per batch; by default what is fast and fits memory.
        progress: called with the number of pixels done and the number of all pixels.

    Returns:
        the contents of a ``.pxc`` file, see container.py.

    Raises:
        UserError: images or labels that do not fit the model, or do not fit memory.

    Example:

    >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> images = np.random.default_rng(0).integers(2, size=[3, 6, 5, 1], dtype=np.uint8)
    >>> data = pixelcnn_tf.encode(model, images)
    >>> bool((pixelcnn_tf.decode(model, data) == images).all())
    True
    """
    check_model(model)
    refuse_condition(model, "compression")
    check_method(model, "incremental")
    arrays = _checked_arrays(model, images)
    labels = labels_for(model, labels, len(arrays))
    container = _new_container(model, arrays, labels, names, tile)
    layout = layout_of(container)

    def given(tiles: list[Tile]):
        return [tile.of(arrays) for tile in tiles], _labels_of(tiles, labels), None

    def groups():
        report = _reports(layout, progress)
        for size, tiles in layout.items():
            coder = GroupCoder(model, size, tiles, batch_size, compiled=container.compiled)
            group = CodedGroup(coder.batch_size, coder.n_streams)
            for part, batch in coder.run(given, next(report)):
                checksum = _checksum([tile.of(arrays) for tile in part])
                group.batches.append(CodedBatch(checksum, *push(batch.intervals())))
            yield group

    try:
        container.groups = list(groups())
    except XLA_ERRORS as error:
        if not container.compiled:
            raise
        give_up_compiling(model, error)
        container.compiled = False  # all groups, because the file says it once
        container.groups = list(groups())
    return container.to_bytes()


def decode(
    model: PixelModel, data: bytes, *, name: str = "the file", progress: Progress | None = None
) -> np.ndarray | list[np.ndarray]:
    """Returns the images that ``encode`` compressed.

    Args:
        model: the model that they were encoded with.
        data: the bytes that ``encode`` returned; ``read_container`` returns the labels and the
            names that they hold.
        name: what an error calls them.
        progress: as in ``encode``.

    Returns:
        uint8, or uint16 for more than 256 values: ``[n, height, width, n_channels]`` if all images
        have one size, else a list of images ``[height, width, n_channels]``, each exactly as it was
        encoded.

    Raises:
        UserError: another file or a damaged one, another model, images that do not fit memory, or a
            machine or software on which the model's probabilities are other floats.

    Example:

    >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> images = [np.ones([4, 6, 1], np.uint8), np.zeros([3, 5, 1], np.uint8)]
    >>> [image.shape for image in pixelcnn_tf.decode(model, pixelcnn_tf.encode(model, images))]
    [(4, 6, 1), (3, 5, 1)]
    """
    check_model(model)
    if not isinstance(data, bytes | bytearray):
        raise UserError(f"{name}: is {type(data).__name__}; must be bytes, as encode returns")
    container = read_container(bytes(data), name)
    _check_fits(container, model, name)
    layout = layout_of(container)
    for tiles, group in zip_longest(layout.values(), container.groups):
        n, size = len(tiles or ()), group.batch_size if group else 1
        if size > n or len(group.batches) != -(-n // size):
            raise UserError(f"{name}: is not a valid .pxc file: its batches do not fit its images")
    report = _reports(layout, progress)
    labels = None
    if container.n_classes:
        labels = np.array(container.labels or [0] * container.n_images, np.int32)
    dtype = dtype_for(model.likelihood.n_values)
    out = [np.empty((*size, model.n_channels), dtype) for size in image_sizes(container)]
    for (size, tiles), group in zip(layout.items(), container.groups, strict=True):
        coded = iter(group.batches)

        def given(tiles: list[Tile], coded=coded):
            zeros = [np.zeros([*tile.size, model.n_channels], dtype) for tile in tiles]
            return zeros, _labels_of(tiles, labels), next(coded)

        coder = GroupCoder(
            model, size, tiles, group.batch_size, group.n_streams, container.compiled
        )
        checksums = [batch.checksum for batch in group.batches]
        done = _refusal_in_one_line(coder.run(given, next(report)), name, container.compiled)
        for (part, batch), checksum in zip(done, checksums, strict=True):
            pixels = batch.decoded()
            if pixels is None or _checksum(pixels) != checksum:
                raise UserError(
                    f"{name}: cannot be decoded here: the probabilities differ in their last bits "
                    f"from those where it was written ({_in_words(container.software)}; here "
                    f"{_in_words(_software())}); decode it there"
                )
            for tile, image in zip(part, pixels, strict=True):
                tile.of(out)[:] = image
    return np.stack(out) if len(container.sizes) == 1 else out


#: Settings that models of version 0.2 did not have, and the values that stand for their absence:
#: files that were compressed with such models can be decompressed.
_LATER_SETTINGS = {"input": (None, "value"), "n_values": (None, 256)}


def model_digest(model: PixelModel) -> bytes:
    """Returns 16 bytes that identify a built model: a digest of its config and its weights.

    Example:

    >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> model.build((None, None, None, 1))
    >>> len(model_digest(model))
    16
    """
    config = {"class": type(model).__name__, **model.get_config(), "name": "", "dtype": ""}
    for name, values in _LATER_SETTINGS.items():
        if config.get(name) in values:
            config.pop(name, None)
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    digest.update(model.dtype_policy.name.encode())
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.digest()[:DIGEST_BYTES]


#: What the probabilities may depend on; the last is the number of cores.
_SOFTWARE = ("pixelcnn_tf", "TensorFlow", "Keras", "processor", "cores")


def _software() -> str:
    values = pixelcnn_tf.__version__, tf.__version__, keras.__version__, platform.machine(), cores()
    return " ".join(map(str, values))


def _in_words(software: str) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(_SOFTWARE, software.split()))  # noqa: B905


def _checked_arrays(model, images) -> list[np.ndarray]:
    """Returns the images, each ``[height, width, n_channels]``, as ``check_images`` does."""
    try:
        arrays = [np.asarray(image) for image in images]
    except (TypeError, ValueError):
        raise UserError("images: must be an array, or a list of arrays") from None
    if not arrays:
        raise UserError("images: there are none")
    if len({array.shape for array in arrays}) == 1:  # all at once is faster
        return list(check_images(model, np.stack(arrays)))
    return [check_images(model, array[None])[0] for array in arrays]


def _new_container(model, arrays, labels, names, tile) -> Container:
    """Returns a container of these images without their codes."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise UserError("names: must be a list of texts")
    if names and len(names) != len(arrays):
        raise UserError(f"names: {len(names)} for {number_of(len(arrays), 'image')}")
    if len(set(names)) < len(names) or any("\n" in name or not name for name in names):
        raise UserError("names: must differ, and hold no line break")
    if tile is not None and not (is_integer(tile) and tile >= LEAST_TILE):
        raise UserError(f"tile={tile!r}: must be an integer from {LEAST_TILE} up")
    place = {size: i for i, size in enumerate(dict.fromkeys(a.shape[:2] for a in arrays))}
    size_of = np.array([place[array.shape[:2]] for array in arrays], np.uint32)
    return Container(
        digest=model_digest(model),
        software=_software(),
        compiled=compiles(model),
        n_channels=model.n_channels,
        n_images=len(arrays),
        sizes=list(place),
        size_of=size_of if len(place) > 1 else None,
        tile=int(tile or 0),
        n_classes=model.n_classes or 0,
        labels=[] if labels is None else labels.tolist(),
        names=list(names),
    )


def _check_fits(container: Container, model, name: str) -> None:
    """Raises UserError unless ``model`` can decode the file, within the memory."""
    digest = model_digest(model)
    if container.digest != digest:
        raise UserError(
            f"{name}: was written with another model: its digest is "
            f"{container.digest.hex()[:12]}, that of this model {digest.hex()[:12]}"
        )
    n_dims = n_pixels(container) * model.n_channels
    needed = n_dims * dtype_for(model.likelihood.n_values).itemsize + 500 * (
        container.n_images + n_tiles(container)
    )
    if needed > memory() // 2:
        raise UserError(
            f"{name}: {number_of(container.n_images, 'image')} would take {needed / 1e9:,.1f} GB "
            f"of memory, more than half of the {memory() / 1e9:,.1f} GB here"
        )
    n_bits = sum(
        64 * len(batch.streams) + 32 * len(batch.words)
        for group in container.groups
        for batch in group.batches
    )
    least = -math.log2(1 - (model.likelihood.n_values - 1) / (1 << PRECISION))
    if n_dims * least > n_bits:
        raise UserError(f"{name}: is not a valid .pxc file: it is too short for its images")
    if (container.n_channels, container.n_classes) != (model.n_channels, model.n_classes or 0):
        raise UserError(f"{name}: is not a valid .pxc file: its channels or classes do not fit")


def _refusal_in_one_line(batches: Iterator, name: str, compiled: bool) -> Iterator:
    """Yields the same; UserError if XLA cannot compile the loop."""
    try:
        yield from batches
    except XLA_ERRORS as error:
        if not compiled:
            raise
        raise UserError(
            f"{name}: was written by a loop that XLA compiled, which it cannot here: "
            f"{first_line(error)[:200]}"
        ) from None


def _checksum(images: Sequence[np.ndarray]) -> int:
    return zlib.crc32(b"".join(image.tobytes() for image in images))


def _labels_of(tiles: list[Tile], labels: np.ndarray | None) -> np.ndarray | None:
    return None if labels is None else labels[[tile.image for tile in tiles]]


def _reports(layout: dict[Size, list[Tile]], progress: Progress | None):
    """Yields for each group a function that reports the pixels of it that are done."""
    pixels = [sum(math.prod(tile.size) for tile in tiles) for tiles in layout.values()]
    for i in range(len(pixels)):
        before = sum(pixels[:i])
        yield lambda done, before=before: progress and progress(before + done, sum(pixels))
