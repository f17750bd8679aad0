"""The base classes of the settings of blocks, architectures and likelihoods.

A subclass adds the settings of one registered class: pydantic fields with a type, a default, limits
and a description. Their names are arguments of that class.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from pixelcnn_tf.config.names import LikelihoodName
from pixelcnn_tf.config.types import Real, Section


class Settings(Section):
    """Settings of a registered class: unknown keys and values of another type are refused."""

    #: Settings that follow from others and are not passed to the constructor.
    derived: ClassVar[tuple[str, ...]] = ()


class BlockSettings(Settings):
    """The settings that every block has.

    Example:
        >>> from pydantic import Field
        >>> class MySettings(pixelcnn_tf.BlockSettings):
        ...     rate: int = Field(2, ge=1, le=8, description="distance between kernel entries")
        >>> MySettings(rate=3)
        MySettings(dropout=0.0, rate=3)
    """

    dropout: Annotated[Real, Field(ge=0, lt=1)] = Field(
        default=0.0, description="fraction of the features of each block that training drops"
    )


class ModelSettings(Settings):
    """The settings that every architecture has.

    Example:
        >>> from pydantic import Field
        >>> class MySettings(pixelcnn_tf.ModelSettings):
        ...     depth: int = Field(3, ge=1, description="number of layers")
        >>> MySettings()
        MySettings(likelihood='softmax-256', depth=3)
    """

    #: What the sides of the images must be multiples of.
    size_unit: ClassVar[int] = 1

    likelihood: LikelihoodName = Field(
        default="softmax-256", description="the distribution of each sub-pixel"
    )


class LikelihoodSettings(Settings):
    """The settings of a likelihood, numbers that follow its name in a config.

    Attributes:
        n_values: sub-pixels take the values 0 to ``n_values - 1``; a field, or a constant.
    """


class SourceSettings(Settings):
    """The settings of a data source, keys of the section ``data``."""
