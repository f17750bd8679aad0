"""The ``model`` section of a config."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from pixelcnn_tf.config.types import LikelihoodName, OddSize, Real, Section, parse_likelihood
from pixelcnn_tf.utils.errors import suggestion

#: What the blocks' own settings are where a config leaves them out.
BLOCK_DEFAULTS: dict[str, dict[str, Any]] = {
    "resblock": {"kernel_size": (3, 3), "variant": "relu"},
    "gated": {"kernel_size": (3, 3)},
    "row_lstm": {"kernel_size": (1, 3)},
    "diagonal_bilstm": {},
}


def _block(name: str) -> str:
    if name not in BLOCK_DEFAULTS:
        known = ", ".join(BLOCK_DEFAULTS)
        raise ValueError(f"must be one of {known}{suggestion(name, list(BLOCK_DEFAULTS))}")
    return name


#: What settings are where a config leaves them out; those of the pixel layer come on top.
ARCHITECTURE_DEFAULTS: dict[str, dict[str, Any]] = {
    "pixel_rnn": {
        "pixel_layer": "resblock",
        "hidden_dim": 32,
        "out_dim": 64,
        "n_layers": 8,
        "skip_connections": False,
        "dropout": 0.0,
        "likelihood": "softmax-256",
    },
    "pixelcnn_pp": {"n_resnet": 5, "n_filters": 160, "dropout": 0.5},
}


#: The settings that an architecture does not have.
FOREIGN = {
    "pixel_rnn": ["n_resnet", "n_filters", "n_mix"],
    "pixelcnn_pp": [
        *["pixel_layer", "hidden_dim", "out_dim", "n_layers", "kernel_size", "variant"],
        "skip_connections",
    ],
}


class ModelConfig(Section):
    """The network; see ``PixelRNN`` and ``PixelCNNPlusPlus``."""

    architecture: Literal["pixel_rnn", "pixelcnn_pp"] = "pixel_rnn"
    pixel_layer: Annotated[str, AfterValidator(_block)] | None = None
    hidden_dim: Annotated[int, Field(ge=1, le=4096)] | None = None
    out_dim: Annotated[int, Field(ge=1, le=4096)] | None = None
    n_layers: Annotated[int, Field(ge=1, le=1000)] | None = None
    kernel_size: OddSize | None = None
    variant: Literal["relu", "preactivation"] | None = None
    skip_connections: bool | None = None
    n_resnet: Annotated[int, Field(ge=1, le=100)] | None = None
    n_filters: Annotated[int, Field(ge=1, le=4096)] | None = None
    n_mix: Annotated[int, Field(ge=1, le=100)] | None = None
    dropout: Annotated[Real, Field(ge=0, lt=1)] | None = None
    n_classes: Annotated[int, Field(ge=1, le=100_000)] | None = None
    likelihood: LikelihoodName | None = None
    n_channels: Annotated[int, Field(ge=1, le=64)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, values):
        if not isinstance(values, dict):
            return values
        given = {key: value for key, value in values.items() if value is not None}
        architecture = given.get("architecture", "pixel_rnn")
        filled = {**_named(ARCHITECTURE_DEFAULTS, architecture), **given}
        if architecture == "pixelcnn_pp":
            mixtures = _mixtures(filled.get("likelihood"))
            filled = {"n_mix": mixtures or 10, **filled}
            if filled["n_mix"] in range(1, 101):  # else that is what is wrong
                filled = {"likelihood": f"logistic-{filled['n_mix']}", **filled}
        return {**values, **_named(BLOCK_DEFAULTS, filled.get("pixel_layer")), **filled}

    @model_validator(mode="after")
    def _consistent(self):
        given = [name for name in FOREIGN[self.architecture] if getattr(self, name) is not None]
        if given:
            raise ValueError(
                f"architecture {self.architecture!r} has no {', '.join(given)}; leave out, or set "
                f"{' '.join(f'model.{name}=null' for name in given)}"
            )
        if self.architecture == "pixelcnn_pp" and _mixtures(self.likelihood) != self.n_mix:
            raise ValueError(
                f"likelihood {self.likelihood!r}: architecture 'pixelcnn_pp' with n_mix "
                f"{self.n_mix} has 'logistic-{self.n_mix}'; leave it out"
            )
        if self.variant and self.pixel_layer != "resblock":
            raise ValueError(
                f"variant {self.variant!r} is for pixel_layer 'resblock', not "
                f"{self.pixel_layer!r}; leave it out, or set model.variant=null"
            )
        if self.kernel_size and self.pixel_layer == "diagonal_bilstm":
            raise ValueError(
                f"kernel_size {list(self.kernel_size)}: pixel_layer 'diagonal_bilstm' has none (it "
                "sees the pixels left and above); leave it out, or set model.kernel_size=null"
            )
        if self.kernel_size and self.kernel_size[0] > 1 and self.pixel_layer == "row_lstm":
            raise ValueError(
                f"kernel_size {list(self.kernel_size)}: a row_lstm's kernel has one row; must be "
                f"[1, {self.kernel_size[1]}], say"
            )
        return self

    def block_options(self) -> dict[str, Any]:
        """The settings that only some blocks have, for ``pixel_layer``."""
        return {name: getattr(self, name) for name in BLOCK_DEFAULTS[self.pixel_layer]}


def _named(table: dict[str, dict], name) -> dict:
    """The entry of a table; empty for what is not in it, which is told elsewhere."""
    return table.get(name, {}) if isinstance(name, str) else {}


def _mixtures(likelihood) -> int | None:
    """How many mixtures a likelihood has; None for one of another kind."""
    try:
        kind, number = parse_likelihood(likelihood)
    except (ValueError, AttributeError):
        return None
    return number if kind == "logistic" else None
