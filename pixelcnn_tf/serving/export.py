"""Writes a model as a TensorFlow SavedModel, complete or not at all."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from pixelcnn_tf import __version__
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.inputs import check_model, refuse_condition
from pixelcnn_tf.sampling.generate import checked_image_size, supports_incremental
from pixelcnn_tf.sampling.loops import compiles
from pixelcnn_tf.sampling.settings import is_integer
from pixelcnn_tf.serving.folder import DESCRIPTION, check_folder
from pixelcnn_tf.serving.signatures import SIGNATURES, ExportedModel
from pixelcnn_tf.utils.atomic_files import replacing_folder
from pixelcnn_tf.utils.errors import UserError, first_line
from pixelcnn_tf.utils.progress import say


def export_model(
    model: PixelModel,
    path: str | Path,
    image_size: int | tuple[int, int],
    batch_sizes: Sequence[int] = (1, 8, 64),
    force: bool = False,
    jit_compile: bool | None = None,
) -> dict[str, Any]:
    """Writes ``model`` as a SavedModel, which a program loads with TensorFlow alone.

    Its signatures are the functions of ``ExportedModel``; docs/serving.md describes them. They
    give the log-probabilities of ``score``, and the images of ``generate_images`` and
    ``complete_images`` for the same seed, up to float rounding.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        path: the folder to write.
        image_size: side, or (height, width), of the images that are drawn. Images of any size are
            scored.
        batch_sizes: the numbers of images that are drawn at once, at least one. A call with
            another number is divided into such batches, and the last one is filled up.
        force: whether to replace an exported model in ``path``.
        jit_compile: True leaves compilation by XLA to the program that loads the model, at the
            first use of each batch size; False does not compile; None is True if XLA can compile
            the model, unless the environment variable ``PIXELCNN_TF_XLA`` is 0.

    Returns:
        the description that is written as well, to ``assets.extra/pixelcnn_tf.json``:
        ``image_size``, ``n_channels``, ``n_values``, ``n_classes``, ``batch_sizes``,
        ``compiled`` and ``version``.

    Raises:
        UserError: an argument that is out of range; a model without incremental evaluation; a
            folder that exists or cannot be written to.

    Example:

    >>> import tempfile
    >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> folder = tempfile.mkdtemp() + "/model"
    >>> pixelcnn_tf.export_model(model, folder, image_size=4, batch_sizes=[2])["n_values"]
    2
    >>> signatures = tf.saved_model.load(folder).signatures
    >>> images = np.zeros([3, 6, 6, 1], np.uint8)
    >>> signatures["log_prob"](images=tf.constant(images))["log_prob"].shape
    TensorShape([3])
    """
    check_model(model)
    refuse_condition(model, "export")
    height, width = checked_image_size(image_size)
    sizes = _checked_batch_sizes(batch_sizes)
    path = check_folder(path, force)
    if not supports_incremental(model):
        raise UserError("model: has no incremental evaluation, which exported models need")

    compiled = compiles(model) if jit_compile is None else jit_compile
    exported = ExportedModel(model, (height, width), sizes, compiled)
    if compiled and jit_compile is None and not _compiles(exported, model.n_classes):
        compiled = False
        exported = ExportedModel(model, (height, width), sizes, compiled)
    description = {
        "image_size": [height, width],
        "n_channels": model.n_channels,
        "n_values": model.likelihood.n_values,
        "n_classes": model.n_classes,
        "batch_sizes": sizes,
        "compiled": compiled,
        "version": __version__,
    }
    with replacing_folder(path) as temporary:
        try:
            signatures = {name: getattr(exported, name) for name in SIGNATURES}
            tf.saved_model.save(exported, str(temporary), signatures)
        except tf.errors.OpError as error:  # a full disk, for example
            reason = first_line(error).split("; ")[-1].split(" [Op:")[0]
            raise UserError(f"{path}: cannot be written: {reason}") from None
        file = temporary / DESCRIPTION
        file.parent.mkdir()
        file.write_text(json.dumps(description, indent=1) + "\n")
    return description


def _checked_batch_sizes(batch_sizes: Any) -> list[int]:
    sizes = list(batch_sizes) if isinstance(batch_sizes, Sequence) else []
    if not sizes or not all(is_integer(size) and size > 0 for size in sizes):
        raise UserError(f"batch_sizes={batch_sizes!r}: must be a list of integers from 1 up")
    return sorted({int(size) for size in sizes})


def _compiles(exported: ExportedModel, n_classes: int | None) -> bool:
    """Returns whether XLA compiles the loop; if not, says why."""
    labels = {} if n_classes is None else {"labels": tf.constant([0])}
    numbers = {"temperature": tf.constant(1.0), "top_p": tf.constant(1.0)}
    try:
        exported.sample(n=tf.constant(1), seed=tf.constant(0), **numbers, **labels)
    except tf.errors.ResourceExhaustedError:
        raise UserError(
            "model: one image at a time does not fit memory; export smaller ones"
        ) from None
    except tf.errors.OpError as error:
        say(f"exported without XLA, which cannot compile the model: {first_line(error)[:200]}")
        return False
    return True
