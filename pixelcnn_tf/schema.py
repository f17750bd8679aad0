"""What config.yml may say: sections, settings, their types and limits."""

import os
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from pixelcnn_tf.errors import UserError, suggestion


def _number(value: Any) -> Any:
    """YAML 1.1 reads ``1e-3`` (no point) as text; a user means a number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _whole(value: Any) -> Any:
    """``1e3`` is a whole number too."""
    number = _number(value) if isinstance(value, str) else None
    return int(number) if isinstance(number, float) and number.is_integer() else value


def _pair(value: Any) -> Any:
    """One number stands for a square."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (value, value)
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("must be an integer or [height, width]")
    return tuple(value)


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("must be odd, so that the kernel has a centre")
    return value


def parse_likelihood(name: str) -> tuple[str, int]:
    """Kind and number: ``('softmax', 256)`` (values) of ``'softmax-256'``, ``('logistic', 10)``
    (mixtures) of ``'logistic-10'``, ``('bernoulli', 2)`` (values) of ``'bernoulli'``.

    Raises:
        ValueError: an unknown name.
    """
    if name == "bernoulli":
        return "bernoulli", 2
    kind, _, number = name.partition("-")
    least, most = {"softmax": (2, 256), "logistic": (1, 100)}.get(kind, (1, 0))
    if number.isascii() and number.isdigit() and least <= int(number) <= most:
        return kind, int(number)
    raise ValueError(
        "must be 'softmax-256' (or 'softmax-N', N values from 2 to 256), 'logistic-10' (or "
        "'logistic-K', K mixtures from 1 to 100) or 'bernoulli'"
        f"{suggestion(name, ['softmax-256', 'logistic-10', 'bernoulli'])}"
    )


def _likelihood(value: str) -> str:
    parse_likelihood(value)
    return value


def _one_folder(value: str) -> str:
    plain = value == Path(value).name and value.isprintable() and len(value) <= 100
    if not value or not plain or value in (".", ".."):
        raise ValueError("must be a plain folder name, without '/', of at most 100 characters")
    return value


Real = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Count = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=10**9)]
Side = Annotated[int, Field(ge=1, le=4096)]
Size = Annotated[tuple[Side, Side], BeforeValidator(_pair)]
OddSide = Annotated[int, Field(ge=1, le=31), AfterValidator(_odd)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class DataConfig(Section):
    """Where images come from; see the comments in config.yml."""

    source: Annotated[str, Field(min_length=1)] = "digits"
    image_size: Size | None = None
    fit: Literal["crop", "resize"] = "crop"
    train_key: str = "x_train"
    test_key: str = "x_test"
    class_names: list[str] | None = None
    train_label_key: str = "y_train"
    test_label_key: str = "y_test"
    test_share: Annotated[Real, Field(gt=0, lt=1)] = 0.1
    binarize: Literal["threshold", "sample", "dynamic"] | None = None
    seed: Seed = 0


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
    kernel_size: Annotated[tuple[OddSide, OddSide], BeforeValidator(_pair)] | None = None
    variant: Literal["relu", "preactivation"] | None = None
    skip_connections: bool | None = None
    n_resnet: Annotated[int, Field(ge=1, le=100)] | None = None
    n_filters: Annotated[int, Field(ge=1, le=4096)] | None = None
    n_mix: Annotated[int, Field(ge=1, le=100)] | None = None
    dropout: Annotated[Real, Field(ge=0, lt=1)] | None = None
    n_classes: Annotated[int, Field(ge=1, le=100_000)] | None = None
    likelihood: Annotated[str, AfterValidator(_likelihood)] | None = None
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
            filled = {"likelihood": f"logistic-{filled['n_mix']}", **filled}
        return {**values, **_named(BLOCK_DEFAULTS, filled.get("pixel_layer")), **filled}

    @model_validator(mode="after")
    def _consistent(self):
        for name in FOREIGN[self.architecture]:
            if getattr(self, name) is not None:
                raise ValueError(
                    f"{name} {getattr(self, name)!r}: architecture {self.architecture!r} has "
                    f"none; leave it out, or set model.{name}=null"
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


class TrainingConfig(Section):
    """How to train, and what to write down how often."""

    steps: Count = 1000
    batch_size: Count = 16
    optimizer: Literal["adam", "adamw", "nadam", "rmsprop", "sgd"] = "adam"
    learning_rate: Annotated[Real, Field(gt=0, le=10)] = 1e-3
    schedule: Literal["constant", "exponential", "cosine"] = "constant"
    decay: Annotated[Real, Field(gt=0, le=1)] = 1.0
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    clip_norm: Annotated[Real, Field(gt=0)] | None = None
    ema_decay: Annotated[Real, Field(gt=0, lt=1)] | None = None
    log_every: Count = 50
    eval_every: Count = 500
    sample_every: Count = 1000
    checkpoint_every: Count = 500
    keep_checkpoints: Annotated[int, Field(ge=2)] = 3

    @model_validator(mode="after")
    def _consistent(self):
        if self.schedule == "exponential" and self.decay == 1.0:
            raise ValueError("schedule 'exponential' needs decay below 1 (0.999995, say)")
        if self.schedule != "exponential" and self.decay != 1.0:
            raise ValueError(f"decay {self.decay} has no effect without schedule 'exponential'")
        if self.warmup_steps and self.schedule != "cosine":
            raise ValueError(
                f"warmup_steps {self.warmup_steps} needs schedule 'cosine'; else set "
                "training.warmup_steps=0"
            )
        if self.warmup_steps and self.warmup_steps >= self.steps:
            raise ValueError(
                f"warmup_steps {self.warmup_steps} must be below steps {self.steps}: set "
                "training.warmup_steps as well"
            )
        return self


class SamplingConfig(Section):
    """The generated images in TensorBoard and in the final sheet."""

    n_images: Annotated[int, Field(ge=1, le=10_000)] = 16
    temperature: Annotated[Real, Field(ge=1e-3, le=1e3)] = 1.0
    top_p: Annotated[Real, Field(ge=1e-6, le=1)] = 1.0


class Config(Section):
    """A whole experiment."""

    name: Annotated[str, AfterValidator(_one_folder)] = "digits"
    runs_dir: Annotated[str, Field(min_length=1)] = "runs"
    seed: Seed = 0
    deterministic: bool = False
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    sampling: SamplingConfig = SamplingConfig()

    @model_validator(mode="after")
    def _consistent(self):
        two_values = parse_likelihood(self.model.likelihood) in [("bernoulli", 2), ("softmax", 2)]
        if self.data.binarize and not two_values:
            raise ValueError(
                f"data.binarize {self.data.binarize!r} makes images of zeros and ones, which "
                f"model.likelihood {self.model.likelihood!r} does not fit; must be 'bernoulli'"
            )
        if self.data.source in BUILT_IN and two_values and not self.data.binarize:
            raise ValueError(
                f"model.likelihood {self.model.likelihood!r} needs images of zeros and ones: set "
                "data.binarize to 'threshold', 'sample' or 'dynamic'"
            )
        size = self.data.image_size
        if self.model.architecture == "pixelcnn_pp" and size and any(side % 4 for side in size):
            fits = " or ".join(str(4 * n) for n in sorted({size[0] // 4, size[0] // 4 + 1}) if n)
            raise ValueError(
                f"images of {size[0]}x{size[1]}: architecture 'pixelcnn_pp' halves them twice, so "
                "both sides must be multiples of 4; for folders and digits data.image_size sets "
                f"them ({fits}, say)"
            )
        return self

    @property
    def run_dir(self) -> Path:
        return Path(os.path.expanduser(self.runs_dir)) / self.name

    def known_channels(self) -> int | None:
        """Channels of the data source, where its name tells."""
        return BUILT_IN.get(self.data.source)

    def resolved(
        self, height: int, width: int, channels: int, class_names: list[str] | None = None
    ) -> "Config":
        """This config with the image size and channels of its data filled in, and what else is
        left to defaults.

        Args:
            height, width, channels: of the images.
            class_names: of a folder, by label.

        Raises:
            UserError: it states others.
        """
        stated = self.model.n_channels
        if stated not in (None, channels):
            raise UserError(
                f"model.n_channels: {stated}, but the images of data.source "
                f"{self.data.source!r} have {channels}; leave it out"
            )
        values = self.model_dump()
        values["data"]["image_size"] = (height, width)
        values["data"]["class_names"] = class_names or self.data.class_names
        values["model"]["n_channels"] = channels
        try:
            return Config.model_validate(values)
        except ValidationError as error:
            raise UserError(f"{self.data.source}: {first_problem(error)}") from None

    def to_yaml(self) -> str:
        """The resolved config as YAML that ``load_config`` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


#: Data sources known by name, and their channels.
BUILT_IN = {
    "digits": 3,
    "digits_grey": 1,
    "mnist": 1,
    "fashion_mnist": 1,
    "cifar10": 3,
    "cifar100": 3,
}


def _keys_at(location: Sequence[str]) -> list[str]:
    """The keys that exist in the section at ``location``."""
    model: type[BaseModel] = Config
    for key in location:
        model = model.model_fields[key].annotation
    return list(model.model_fields)


def _key(problem: dict) -> str:
    """``section.key`` of a problem; places within a list are left out."""
    return ".".join(part for part in problem["loc"] if isinstance(part, str) and part != "[key]")


def first_problem(error: ValidationError) -> str:
    """One line for the first of pydantic's errors, in the user's words."""
    problems = {_key(problem): problem for problem in reversed(error.errors())}
    key, problem = list(problems.items())[-1]
    location = key.split(".")
    kind, value, context = problem["type"], problem["input"], problem.get("ctx", {})
    shown = reprlib.repr(value)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if kind == "extra_forbidden":
        known = _keys_at(location[:-1])
        hint = suggestion(location[-1], known) or f"; known keys: {', '.join(known)}"
        return f"{key}: unknown key{hint}{more}"
    if kind == "invalid_key":
        return f"{key and key + ': '}{shown} is no key; keys are words{more}"
    if kind == "value_error":
        named = f"{shown} " if key and not isinstance(value, dict | Section) else ""
        return f"{key + ': ' if key else ''}{named}{context['error']}{more}"
    if kind == "string_type":
        return f"{key}: {shown} must be text: quote it, as in '12'{more}"
    if kind == "literal_error":
        hint = suggestion(str(value), context["expected"].replace("'", "").split(", "))
        return f"{key}: {shown} must be {context['expected']}{hint}{more}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{key}: must be a section with keys of its own, not {shown}{more}"
    message = problem["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return f"{key}: {shown} is not allowed; must be {message}{more}"
