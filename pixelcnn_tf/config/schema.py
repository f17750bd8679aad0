"""What config.yml may say: sections, settings, their types and limits."""

import os
import reprlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    BaseModel,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from pixelcnn_tf.config.model import ModelConfig
from pixelcnn_tf.config.types import Count, FolderName, Real, Section, Seed, Size, parse_likelihood
from pixelcnn_tf.utils.errors import UserError, suggestion


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
    validation_share: Annotated[Real, Field(gt=0, lt=1)] | None = None
    binarize: Literal["threshold", "sample", "dynamic"] | None = None
    seed: Seed = 0


class TrainingConfig(Section):
    """How to train, and what to write down how often."""

    minutes: Annotated[Real, Field(gt=0)] | None = None
    steps: Count | None = 1000
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

    @model_validator(mode="before")
    @classmethod
    def _minutes_alone(cls, values):
        """Leave the number of steps unlimited where only ``minutes`` is given."""
        if isinstance(values, dict) and values.get("minutes") is not None:
            return {"steps": None, **values}
        return values

    @field_validator("steps")
    @classmethod
    def _limited(cls, steps, info):
        if steps is None and info.data.get("minutes") is None:
            raise ValueError("must be an integer from 1 up, unless training.minutes is set")
        return steps

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
        if self.steps is not None and self.warmup_steps and self.warmup_steps >= self.steps:
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

    name: FolderName = "digits"
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
        if self.deterministic and self.training.minutes is not None:
            raise ValueError(
                "deterministic: true cannot be held with training.minutes, since no two runs make "
                "the same number of steps in it; set training.steps in its place"
            )
        two_values = parse_likelihood(self.model.likelihood) in [("bernoulli", 2), ("softmax", 2)]
        if self.data.binarize and self.model.architecture == "pixelcnn_pp":
            raise ValueError(
                f"data.binarize {self.data.binarize!r} makes images of zeros and ones, and "
                "architecture 'pixelcnn_pp' is for 256 values; leave out either"
            )
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
            fits = "x".join(str(-(-side // 4) * 4) for side in size)
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
    if kind == "string_type" and value is None:
        return f"{key}: has no value; must be text{more}"
    if kind == "string_type":
        return f"{key}: {shown} must be text: quote it, as in '12'{more}"
    if kind == "literal_error":
        hint = suggestion(str(value), context["expected"].replace("'", "").split(", "))
        return f"{key}: {shown} must be {context['expected']}{hint}{more}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{key}: must be a section with keys of its own, not {shown}{more}"
    message = problem["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return f"{key}: {shown} is not allowed; must be {message}{more}"
