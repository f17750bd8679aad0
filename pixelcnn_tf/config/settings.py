"""The base classes of the settings of blocks, architectures, likelihoods and data sources.

A subclass adds the settings of one registered class: pydantic fields with a type, a default, limits
and a description. Their names are arguments of that class.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from pixelcnn_tf.config.names import LikelihoodName
from pixelcnn_tf.config.types import Real, Section


class Settings(Section):
    """The base class of all settings: unknown keys and values of another type are errors.

    Example:
        >>> from pixelcnn_tf.config.settings import Settings
        >>> Settings(rate=2)
        Traceback (most recent call last):
        pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings ...
    """

    #: Settings that follow from others and are not passed to the constructor.
    derived: ClassVar[tuple[str, ...]] = ()


class BlockSettings(Settings):
    """The settings that all blocks have.

    Example:
        >>> from pydantic import Field
        >>> class MySettings(pixelcnn_tf.BlockSettings):
        ...     rate: int = Field(2, ge=1, le=8, description="distance between kernel entries")
        >>> MySettings(rate=3)
        MySettings(dropout=0.0, rate=3)
    """

    dropout: Annotated[Real, Field(ge=0, lt=1)] = Field(
        default=0.0, description="dropout rate of the features of each block, 0 for none"
    )


class ModelSettings(Settings):
    """The settings that all architectures have.

    Example:
        >>> from pydantic import Field
        >>> class MySettings(pixelcnn_tf.ModelSettings):
        ...     depth: int = Field(3, ge=1, description="number of layers")
        >>> MySettings()
        MySettings(likelihood='softmax-256', depth=3)
    """

    likelihood: LikelihoodName = Field(
        default="softmax-256", description="the distribution of each sub-pixel"
    )


class LikelihoodSettings(Settings):
    """The settings of a likelihood: numbers that follow its name in a config.

    Attributes:
        n_values: sub-pixels take the values 0 to ``n_values - 1``; a field, or a constant.
        any_n_values: whether ``n_values`` is only the default of an argument of the class, which
            ``model.n_values`` sets.

    Example:
        >>> from typing import ClassVar
        >>> class MySettings(pixelcnn_tf.LikelihoodSettings):
        ...     n_values: ClassVar[int] = 16
        ...     n_bins: int = 4
        >>> MySettings().n_bins
        4
    """

    any_n_values: ClassVar[bool] = False


class SourceSettings(Settings):
    """The settings of a data source: keys of the section ``data``.

    Example:
        >>> class MySettings(pixelcnn_tf.SourceSettings):
        ...     noise: float = 0.1
        >>> MySettings()
        MySettings(noise=0.1)
    """
