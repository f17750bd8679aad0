"""``register_block``, ``register_model``, ``register_likelihood``, ``register_source``.

Each is a decorator for a class (for a function, in the case of a data source) in a plugin, a Python
file by the user that the config key ``plugins`` or the flag ``--plugin`` names; see
docs/extending.md. Registered names are available everywhere: in configs, ``--help``, error
messages and ``.keras`` files.
"""

import importlib
import inspect
from typing import Any

from pydantic import BaseModel

from pixelcnn_tf.config import checks, registry
from pixelcnn_tf.config.registry import Entry, Kind
from pixelcnn_tf.config.settings import (
    BlockSettings,
    LikelihoodSettings,
    ModelSettings,
    SourceSettings,
)


def register_block(
    name: str,
    target: Any = None,
    *,
    settings: type[BaseModel] = BlockSettings,
    summary: str = "",
) -> Any:
    """Registers a block, of which architectures such as ``PixelRNN`` stack several.

    Args:
        name: the value of ``model.pixel_layer`` in a config: lower-case letters, digits and
            ``_``.
        target: a subclass of ``Block``, or ``'module:Class'``; left out in a decorator.
        settings: a pydantic model, usually a subclass of ``BlockSettings``. Every field is an
            argument of the class and a key of the config section ``model``.
        summary: a few words for ``--help`` and the comments of configs; by default the first
            line of the docstring of the class.

    Returns:
        the class; without ``target``, a decorator.

    Raises:
        UserError: the name is taken or not valid; the class is not a block or lacks ``call`` or
            ``step``; the settings are not a pydantic model or not arguments of the class.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> with registry.restored():
        ...     @pixelcnn_tf.register_block("slim")
        ...     class SlimBlock(pixelcnn_tf.PixelCNNResBlock):
        ...         '''A residual block under another name.'''
        ...     pixelcnn_tf.PixelRNN(pixel_layer="slim", n_layers=1).blocks[0]
        <SlimBlock name=block_1, built=False>
    """
    return _register("block", name, target, settings, summary)


def register_model(
    name: str,
    target: Any = None,
    *,
    settings: type[BaseModel] = ModelSettings,
    summary: str = "",
) -> Any:
    """Registers an architecture, a whole model.

    Args:
        name: the value of ``model.architecture`` in a config.
        target: a subclass of ``PixelModel``, or ``'module:Class'``; left out in a decorator. It is
            called with its settings and ``n_channels``, ``n_classes``, ``dtype`` and ``name``.
        settings: as in ``register_block``, usually a subclass of ``ModelSettings``; it must have
            a field ``likelihood``. With a field ``pixel_layer: BlockName`` the architecture is a
            stack of blocks of that name, whose settings are in the same section.
        summary: as in ``register_block``.

    Returns:
        the class; without ``target``, a decorator.

    Raises:
        UserError: as ``register_block``.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> registry.names("model")
        ['pixel_rnn', 'pixelcnn_pp']
    """
    return _register("model", name, target, settings, summary)


def register_likelihood(
    name: str,
    target: Any = None,
    *,
    settings: type[BaseModel] = LikelihoodSettings,
    summary: str = "",
) -> Any:
    """Registers a likelihood, the distribution of a sub-pixel.

    Args:
        name: the value of ``model.likelihood`` in a config, followed by the values of the
            settings: ``'NAME-10'``.
        target: a subclass of ``Likelihood``, or ``'module:Class'``; left out in a decorator.
        settings: as in ``register_block``, usually a subclass of ``LikelihoodSettings``; all
            fields are numbers.
        summary: as in ``register_block``.

    Returns:
        the class; without ``target``, a decorator.

    Raises:
        UserError: as ``register_block``.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> registry.get("likelihood", "logistic").summary
        'a mixture of as many logistics, over n_values values'
    """
    return _register("likelihood", name, target, settings, summary)


def register_source(
    name: str,
    target: Any = None,
    *,
    settings: type[BaseModel] = SourceSettings,
    summary: str = "",
    channels: int | None = None,
    n_values: int | None = None,
    resizes: bool = False,
) -> Any:
    """Registers a data source.

    Args:
        name: the value of ``data.source`` in a config.
        target: a function that takes the ``data`` section of the config, or
            ``'module:function'``; left out in a decorator. The function returns ``Images``, or
            one array of images ``[n, height, width, channels]``, uint8, uint16 or int32, of which
            ``data.test_share`` is held out as the test set.
        settings: a pydantic model. Every field is a key of the config section ``data``.
        summary: as in ``register_block``.
        channels: the number of channels; None if it is not known before the images are loaded.
        n_values: the values of the images are 0 to ``n_values - 1``; None if that is not known
            before they are loaded.
        resizes: whether the function resizes the images to ``data.image_size``.

    Returns:
        the function; without ``target``, a decorator.

    Raises:
        UserError: the name is taken or not valid; ``target`` is not a function; the settings are
            not a pydantic model, or one of them has the name of another key of ``data``.

    Example:
        >>> from pixelcnn_tf.config import registry
        >>> with registry.restored():
        ...     @pixelcnn_tf.register_source("noise", channels=1)
        ...     def noise(data):
        ...         rng = np.random.default_rng(data.seed)
        ...         return rng.integers(256, size=(50, 8, 8, 1), dtype=np.uint8)
        ...     pixelcnn_tf.load_images("noise").train.shape
        (45, 8, 8, 1)
    """
    facts = {"channels": channels, "n_values": n_values, "resizes": resizes}
    return _register("source", name, target, settings, summary, facts)


def _register(
    kind: Kind, name: str, target: Any, settings: Any, summary: str, facts: dict | None = None
) -> Any:
    """Adds an entry to the registry; without ``target``, returns a decorator that does so."""
    if target is None:
        return lambda target: _register(kind, name, target, settings, summary, facts)
    checks.check_name(kind, name)
    checks.check_settings(kind, name, settings)
    if not isinstance(target, str):
        if kind == "source":
            checks.check_function(name, target)
        else:
            checks.check_class(kind, name, target)
            checks.check_arguments(kind, target, settings)
            _register_with_keras(kind, name, target)
        summary = summary or _first_line(target)
    registry.add(Entry(kind, name, target, settings, summary, facts or {}))
    return target


def _register_with_keras(kind: Kind, name: str, target: type) -> None:
    """Registers a class for ``keras.models.load_model``, unless that has been done."""
    saving = importlib.import_module("keras").saving  # imported already, by the base class
    if saving.get_registered_name(target) == target.__name__:
        saving.register_keras_serializable("plugin", f"{kind}_{name}")(target)


def _first_line(target: Any) -> str:
    """Returns the first line of a docstring, in the form that it has within a sentence."""
    doc = inspect.getdoc(target) or ""
    line = doc.splitlines()[0].rstrip(".") if doc else ""
    return line[:1].lower() + line[1:]
