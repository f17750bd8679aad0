"""Models from configs."""

import contextlib
from collections.abc import Iterator
from typing import Any

from pixelcnn_tf.config import registry
from pixelcnn_tf.config.checks import arguments
from pixelcnn_tf.config.plugins import errors_of, file_of
from pixelcnn_tf.config.registry import NOUNS, Entry
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.utils.errors import UserError


def build_model(config: Config) -> PixelModel:
    """Returns the model that a config describes, built and ready to train.

    Args:
        config: from ``load_config``.

    Raises:
        UserError: ``model.n_channels`` is neither given nor known from the data source,
            or the numbers do not fit each other.

    Example:
        >>> config = pixelcnn_tf.Config(model={"n_layers": 2, "hidden_dim": 4, "out_dim": 4})
        >>> pixelcnn_tf.build_model(config)(np.zeros((1, 8, 8, 3), np.uint8)).shape
        TensorShape([1, 8, 8, 3, 256])
    """
    section = config.model
    n_channels = section.n_channels or config.known_channels()
    if n_channels is None:
        raise UserError(
            "model.n_channels: not set, and not known before the images of "
            f"data.source {config.data.source!r} are loaded; set it to 1 or 3"
        )
    architecture, *blocks = section.entries
    options = architecture.arguments(section)
    given = _condition(config, architecture, n_channels)
    with _in_one_line(*blocks, architecture):
        for entry in blocks:
            block = entry.load()(n_channels=n_channels, **entry.arguments(section))
            _check_config(entry, block, entry.arguments(section))
            options["pixel_layer"] = block
        model = architecture.load()(
            n_channels=n_channels,
            n_classes=section.n_classes,
            dtype=config.precision,
            name=architecture.name,
            **options,
            **given,
        )
        _check_config(architecture, model, options)
        model.build((None, None, None, n_channels))
    return model


def _condition(config: Config, architecture: Entry, n_channels: int) -> dict[str, Any]:
    """Returns the arguments of a conditional model; none for another one."""
    sizes = config.condition_sizes(n_channels)
    if sizes is None:
        return {}
    if "n_condition_channels" not in arguments(architecture.load()):
        raise UserError(
            f"data.condition: {config.data.condition!r}, but architecture {architecture.name!r} "
            "takes no condition: n_condition_channels is no argument of its class"
        )
    names = ("n_condition_channels", "condition_factor", "n_condition_codes")
    return dict(zip(names, (*sizes, config.model.n_condition_codes), strict=True))


def _check_config(entry: Entry, made: Any, options: dict[str, Any]) -> None:
    """Raises UserError if copies and files of a block or model would lack a setting."""
    config = made.get_config()
    missing = [name for name in options if name not in config]
    if missing:
        raise UserError(
            f"{NOUNS[entry.kind]} {entry.name!r}: {type(made).__name__}.get_config must return "
            f"{missing[0]!r} as well, since copies and .keras files are made from it"
        )


@contextlib.contextmanager
def _in_one_line(*entries: Entry) -> Iterator[None]:
    """Makes a UserError of a ValueError, and of any exception in a plugin."""
    files = [path for entry in entries if (path := file_of(entry.target)) is not None]
    try:
        with contextlib.ExitStack() as stack:
            for path in files:
                stack.enter_context(errors_of(path))
            yield
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"model: {error}") from None


# Keras loads classes that are registered with it, as their modules do when they are imported.
registry.import_modules()
