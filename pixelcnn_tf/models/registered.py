"""The blocks and architectures of this package, by name, with their settings.

Without TensorFlow: configs are checked by the settings before it is imported. A setting is an
argument of the class; the first of its ``examples`` is what a generated ``config.yml`` begins with.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from pixelcnn_tf.config.names import BlockName, LikelihoodName, parse_likelihood
from pixelcnn_tf.config.registration import register_block, register_model
from pixelcnn_tf.config.settings import BlockSettings, ModelSettings
from pixelcnn_tf.config.types import KernelSize, OddSize, Real
from pixelcnn_tf.utils.validation import check_heads
from pixelcnn_tf.utils.values import MOST_VALUES


class ResBlockSettings(BlockSettings):
    """The settings of ``PixelCNNResBlock``.

    Example:
        >>> ResBlockSettings(kernel_size=5).kernel_size
        (5, 5)
    """

    kernel_size: OddSize = Field(
        default=(3, 3),
        examples=[5],
        description="of the middle convolution: odd, or [height, width]",
    )
    variant: Literal["relu", "preactivation"] = Field(
        default="relu",
        examples=["preactivation"],
        description="relu: a ReLU after each convolution; preactivation: a PReLU before each",
    )


class GatedSettings(BlockSettings):
    """The settings of ``GatedBlock``.

    Example:
        >>> GatedSettings(kernel_size=[3, 5]).kernel_size
        (3, 5)
    """

    kernel_size: OddSize = Field(
        default=(3, 3), examples=[5], description="of the vertical stack: odd, or [height, width]"
    )


class RowLSTMSettings(BlockSettings):
    """The settings of ``RowLSTMBlock``.

    Example:
        >>> RowLSTMSettings(kernel_size=[1, 5]).kernel_size
        (1, 5)
    """

    kernel_size: OddSize = Field(
        default=(1, 3), description="of the row above: [1, width], width odd"
    )

    @model_validator(mode="after")
    def _one_row(self):
        if self.kernel_size[0] > 1:
            raise ValueError(
                f"kernel_size {list(self.kernel_size)}: a row_lstm's kernel has one row; must be "
                f"[1, {self.kernel_size[1]}], for example"
            )
        return self


class SnailSettings(BlockSettings):
    """The settings of ``SnailBlock``.

    Example:
        >>> SnailSettings(n_heads=4).key_features
        16
    """

    kernel_size: KernelSize = Field(
        default=(2, 2),
        description="of the convolutions: [height, width]; 2: the pixel itself and the three "
        "above and to the left",
    )
    n_residual: Annotated[int, Field(ge=1, le=100)] = Field(
        default=2, description="gated residual blocks before the attention"
    )
    n_heads: Annotated[int, Field(ge=1, le=256)] = Field(
        default=1, examples=[2], description="attention heads"
    )
    key_features: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=16, description="features of the queries and keys of all heads"
    )
    value_features: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=32, description="features of the values of all heads"
    )
    attention_every: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="every n-th block attends; 1: all of them"
    )

    @model_validator(mode="after")
    def _heads(self):
        for name in ("key_features", "value_features"):
            check_heads(self.n_heads, name, getattr(self, name))
        return self


NumberOfValues = Annotated[int, Field(ge=2, le=MOST_VALUES)] | None

_N_VALUES = Field(
    default=None,
    description="for likelihood logistic-K: sub-pixels take the values 0 to n_values - 1; null: "
    "256 or, for images with larger values, the next power of two",
)


class PixelRNNSettings(ModelSettings):
    """The settings of ``PixelRNN``, which is a stack of blocks.

    Example:
        >>> PixelRNNSettings(hidden_dim=64).pixel_layer
        'resblock'
    """

    pixel_layer: BlockName = Field(
        default="resblock", description="the block that the stack repeats"
    )
    n_layers: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=8, examples=[6], description="number of blocks"
    )
    hidden_dim: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=32,
        examples=[16],
        description="h of the paper: the stack has 2 * hidden_dim features per channel",
    )
    out_dim: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=64, examples=[32], description="features per channel in the output layers"
    )
    skip_connections: bool = Field(
        default=False, description="true: every block also feeds the output layers directly"
    )
    input: Literal["value", "embedding"] | None = Field(
        default=None,
        description="what the first layer sees of a sub-pixel. value: the number, scaled; "
        "embedding: hidden_dim learned features for each value; null: embedding with data.values "
        "'codes', else value",
    )
    n_values: NumberOfValues = _N_VALUES


class PixelCNNPPSettings(ModelSettings):
    """The settings of ``PixelCNNPlusPlus``. Its likelihood follows from ``n_mix``.

    Example:
        >>> PixelCNNPPSettings(n_mix=5).likelihood
        'logistic-5'
    """

    derived: ClassVar[tuple[str, ...]] = ("likelihood",)

    n_resnet: Annotated[int, Field(ge=1, le=100)] = Field(
        default=5,
        examples=[1],
        description="blocks per stream and level of the down path; the up path has one more",
    )
    n_filters: Annotated[int, Field(ge=1, le=4096)] = Field(
        default=160, examples=[24], description="features of each stream"
    )
    n_mix: Annotated[int, Field(ge=1, le=100)] = Field(
        default=10, examples=[5], description="components of the mixture of logistics"
    )
    dropout: Annotated[Real, Field(ge=0, lt=1)] = Field(
        default=0.5,
        examples=[0.1],
        description="fraction of the features of each block that training drops",
    )
    likelihood: LikelihoodName = Field(
        default="logistic-10", examples=["logistic-5"], description="logistic-K for n_mix K"
    )
    n_values: NumberOfValues = _N_VALUES

    @model_validator(mode="before")
    @classmethod
    def _mixtures(cls, values: Any) -> Any:
        """Fill in ``n_mix`` from the likelihood, and the likelihood from ``n_mix``."""
        if not isinstance(values, dict):
            return values
        if "n_mix" not in values and (n_mix := _mixtures(values.get("likelihood"))):
            values = {**values, "n_mix": n_mix}
        n_mix = values.get("n_mix", cls.model_fields["n_mix"].default)
        if n_mix in range(1, 101):  # otherwise that is what is wrong
            values = {"likelihood": f"logistic-{n_mix}", **values}
        return values

    @model_validator(mode="after")
    def _same(self):
        if _mixtures(self.likelihood) != self.n_mix:
            raise ValueError(
                f"likelihood {self.likelihood!r}: architecture 'pixelcnn_pp' with n_mix "
                f"{self.n_mix} has 'logistic-{self.n_mix}'; leave it out"
            )
        return self


def _mixtures(likelihood: Any) -> int | None:
    """The number of logistics of a likelihood; None for another kind."""
    try:
        return getattr(parse_likelihood(likelihood)[1], "n_mixtures", None)
    except (ValueError, AttributeError):
        return None


_BLOCKS = "pixelcnn_tf.models.blocks"
_LSTM_BLOCKS = "pixelcnn_tf.models.lstm_blocks"

register_block(
    "resblock",
    f"{_BLOCKS}:PixelCNNResBlock",
    settings=ResBlockSettings,
    summary="masked PixelCNN",
)
register_block("gated", f"{_BLOCKS}:GatedBlock", settings=GatedSettings, summary="Gated PixelCNN")
register_block(
    "row_lstm", f"{_LSTM_BLOCKS}:RowLSTMBlock", settings=RowLSTMSettings, summary="Row LSTM"
)
register_block("diagonal_bilstm", f"{_LSTM_BLOCKS}:DiagonalBiLSTMBlock", summary="Diagonal BiLSTM")

register_block(
    "snail",
    "pixelcnn_tf.models.snail_blocks:SnailBlock",
    settings=SnailSettings,
    summary="PixelSNAIL, with causal attention",
)

register_model(
    "pixel_rnn",
    "pixelcnn_tf.models.pixel_rnn:PixelRNN",
    settings=PixelRNNSettings,
    summary="a stack of blocks, the PixelCNN and PixelRNN family",
)
register_model(
    "pixelcnn_pp",
    "pixelcnn_tf.models.pixelcnn_pp:PixelCNNPlusPlus",
    settings=PixelCNNPPSettings,
    summary="PixelCNN++, two streams at three resolutions",
)
