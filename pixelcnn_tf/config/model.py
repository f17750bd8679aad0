"""The ``model`` section of a config."""

from typing import Annotated, Any

from pydantic import Field
from pydantic_core import PydanticCustomError

from pixelcnn_tf.config import registry
from pixelcnn_tf.config.names import NameOf, one_of
from pixelcnn_tf.config.registry import Entry, Kind
from pixelcnn_tf.config.sections import combined, having, problem
from pixelcnn_tf.config.types import Section

_KINDS: tuple[Kind, ...] = ("model", "block")


class ModelConfig(Section):
    """The ``model`` section of a config.

    It holds the keys below, the settings of the architecture, and those of the block. Settings of
    other architectures and blocks are None.

    Example:
        >>> from pixelcnn_tf.config.model import model_section
        >>> section = model_section({"pixel_layer": "gated", "n_layers": 3})
        >>> section.n_layers, section.kernel_size, section.variant
        (3, (3, 3), None)
    """

    architecture: Annotated[str, NameOf("model")] = Field(
        default="pixel_rnn", description="the kind of network"
    )
    n_classes: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="the number of classes of a class-conditional model, with the labels of the "
        "data source; null: not class-conditional",
    )
    n_channels: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None, description="channels per pixel; null: as many as the images have"
    )

    n_condition_channels: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None,
        description="with data.condition: channels of the condition; null: as many as it has",
    )
    condition_factor: Annotated[int, Field(ge=1, le=64)] | None = Field(
        default=None,
        description="with data.condition: images are this many times as high and as wide as their "
        "condition; null: as many as they are",
    )
    n_condition_codes: Annotated[int, Field(ge=2, le=100_000)] | None = Field(
        default=None,
        description="with data.condition paired: the condition holds codes from 0 to "
        "n_condition_codes - 1, which are embedded, such as labels of pixels; null: values from 0 "
        "to 255",
    )

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and having(name, _KINDS):
            return None
        raise AttributeError(f"the model section has no setting {name!r}")

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The architecture and, if it is a stack of blocks, the block."""
        return _entries(self.architecture, self.__dict__.get("pixel_layer"))

    def block_options(self) -> dict[str, Any]:
        """Returns the settings of the block that ``pixel_layer`` names."""
        return registry.get("block", self.pixel_layer).arguments(self)


def model_section(values: Any) -> Any:
    """Returns the ``model`` section of a config.

    Args:
        values: the keys and values of the file. A setting that is left out takes its default, and
            so does one that is ``null``: files of earlier versions contain the settings of other
            architectures in this way.

    Returns:
        a ``ModelConfig`` with the settings of the architecture and the block; ``values`` itself if
        it is not a dictionary.

    Raises:
        ValidationError: an unknown name or key, a wrong value, or a setting of another
            architecture or block.

    Example:
        >>> from pixelcnn_tf.config.model import model_section
        >>> model_section({"architecture": "pixelcnn_pp", "n_mix": 5}).likelihood
        'logistic-5'
    """
    if not isinstance(values, dict):
        return values
    architecture = values.get("architecture")
    if architecture is None:
        architecture = ModelConfig.model_fields["architecture"].default
    _check_name("model", "architecture", architecture)
    block = None
    field = registry.get("model", architecture).settings.model_fields.get("pixel_layer")
    if field is not None:
        block = values.get("pixel_layer")
        block = field.get_default() if block is None else block
        _check_name("block", "pixel_layer", block)
    entries = _entries(architecture, block)
    _refuse_foreign(values, entries)
    return combined(ModelConfig, values, entries, _KINDS)


def _entries(architecture: str, block: str | None) -> tuple[Entry, ...]:
    model = registry.get("model", architecture)
    return (model,) if block is None else (model, registry.get("block", block))


def _check_name(kind: Kind, key: str, name: Any) -> None:
    if not isinstance(name, str):
        raise problem(key, "string_type", "must be text", name)
    try:
        registry.get(kind, name)
    except ValueError as error:
        raise problem(key, "value_error", str(error), name) from None


def _refuse_foreign(values: dict, entries: tuple[Entry, ...]) -> None:
    """Raises an error for settings that belong to another architecture or block."""
    own = {*ModelConfig.model_fields, *(k for e in entries for k in e.settings.model_fields)}
    foreign = [
        key
        for key, value in values.items()
        if isinstance(key, str) and value is not None and key not in own and having(key, _KINDS)
    ]
    if not foreign:
        return
    names = [entry.name for entry in entries]
    key = foreign[0]
    blocks = [entry.name for entry in having(key, ("block",))]
    if blocks and len(names) > 1:
        value = list(values[key]) if isinstance(values[key], tuple) else values[key]
        message = (
            f"{key} {value!r} is for pixel_layer {one_of(blocks)}; {names[1]!r} has none: "
            f"leave it out, or set model.{key}=null"
        )
    else:
        message = (
            f"architecture {names[0]!r} has no {', '.join(foreign)}; leave out, or set "
            f"{' '.join(f'model.{name}=null' for name in foreign)}"
        )
    raise PydanticCustomError("value_error", "{error}", {"error": message})
