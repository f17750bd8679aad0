"""The schema of a config: its sections and settings, with types and limits."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    model_validator,
)

from pixelcnn_tf.config import messages, registry
from pixelcnn_tf.config.conditions import PAIRED, factor_of_kind, made_channels
from pixelcnn_tf.config.data import DataConfig, data_section
from pixelcnn_tf.config.model import ModelConfig, model_section
from pixelcnn_tf.config.names import likelihood_values, takes_n_values
from pixelcnn_tf.config.plugins import load_plugins
from pixelcnn_tf.config.training import SamplingConfig, TrainingConfig
from pixelcnn_tf.config.types import FolderName, Section, Seed
from pixelcnn_tf.utils.errors import UserError

__all__ = ["Config", "DataConfig", "ModelConfig", "SamplingConfig", "TrainingConfig"]


class Config(Section):
    """The config of an experiment: data, model, training and sampling.

    Example:
        >>> config = pixelcnn_tf.Config(data={"source": "mnist"}, model={"n_layers": 4})
        >>> config.model.n_layers, config.model.pixel_layer, config.training.batch_size
        (4, 'resblock', 16)
    """

    name: FolderName = Field(default="digits", description="the run is saved in runs_dir/name")
    runs_dir: Annotated[str, Field(min_length=1)] = Field(
        default="runs", description="the folder that contains all runs"
    )
    seed: Seed = Field(
        default=0,
        description="the seed of initial weights, image order, dropout, dynamic binarization and "
        "samples",
    )
    deterministic: bool = Field(
        default=False,
        description="true: every run, resumed or not, gives bit-identical results; slower",
    )
    precision: Literal["float32", "mixed_bfloat16"] = Field(
        default="float32",
        description="float32, or mixed_bfloat16: faster on GPUs and on CPUs with AMX or "
        "AVX512-BF16",
    )
    strategy: Literal["auto", "one", "mirrored", "multi_worker", "tpu"] = Field(
        default="auto",
        description="auto: all GPUs of this machine, or the workers that TF_CONFIG names; one "
        "device; mirrored: all GPUs; multi_worker: several hosts, from TF_CONFIG or SLURM "
        "(docs/scaling.md); tpu",
    )
    plugins: list[str] = Field(
        default=[],
        description="Python files that register your own blocks, architectures, likelihoods or "
        "data sources (docs/extending.md); paths are relative to this file",
    )
    data: Annotated[SerializeAsAny[DataConfig], BeforeValidator(data_section)] = Field(
        default_factory=DataConfig
    )
    model: Annotated[SerializeAsAny[ModelConfig], BeforeValidator(model_section)] = Field(
        default_factory=lambda: model_section({})
    )
    training: TrainingConfig = TrainingConfig()
    sampling: SamplingConfig = SamplingConfig()

    @model_validator(mode="before")
    @classmethod
    def _with_plugins(cls, values: Any) -> Any:
        """Loads the plugins first, because other settings name their registrations."""
        if isinstance(values, dict):
            load_plugins(values.get("plugins"))
        return values

    @model_validator(mode="after")
    def _consistent(self):
        if self.deterministic and self.training.minutes is not None:
            raise ValueError(
                "deterministic: true is not possible with training.minutes, because two runs make "
                "different numbers of steps in that time; set training.steps instead"
            )
        self._fill_in_values()
        self._check_values()
        self._check_condition()
        return self

    def _fill_in_values(self) -> None:
        """Fills in ``data.values`` once the data is known, and ``model.input``, if the architecture
        has one."""
        data, model = self.data, self.model
        known = data.alphabet or (data.image_size and model.n_channels)
        if data.values is None and known:
            values = "codes" if data.alphabet else "ordered"
            object.__setattr__(self, "data", data.model_copy(update={"values": values}))
        if self.data.values and "input" in type(model).model_fields and model.input is None:
            default = "embedding" if self.data.values == "codes" else "value"
            object.__setattr__(self, "model", model.model_copy(update={"input": default}))

    def _check_values(self) -> None:
        """Raises ValueError if the likelihood does not fit the values of the images."""
        architecture, likelihood = self.model.architecture, self.model.likelihood
        n_values = likelihood_values(likelihood)
        fixed = "likelihood" in getattr(self.model.entries[0].settings, "derived", ())
        if takes_n_values(likelihood):
            if self.data.values == "codes":
                problem = "is for values whose order means something"
                cure = "choose architecture 'pixel_rnn'" if fixed else "choose 'softmax-N'"
                raise ValueError(
                    f"data.values 'codes': model.likelihood {likelihood!r} {problem}; {cure}"
                )
            n_values = self.model.n_values or n_values
        elif self.model.n_values not in (None, n_values):
            raise ValueError(
                f"model.n_values {self.model.n_values}: model.likelihood {likelihood!r} has "
                f"{n_values} values; leave n_values out, it is for 'logistic-K'"
            )
        binarize = self.data.binarize
        if binarize and self.data.values == "codes":
            raise ValueError(f"data.binarize {binarize!r}: is not for data.values 'codes'")
        if binarize and n_values not in (2, None):
            problem = (
                f"and architecture {architecture!r} is for {n_values} values; leave out either"
                if fixed
                else f"which model.likelihood {likelihood!r} does not fit; must be 'bernoulli'"
            )
            raise ValueError(f"data.binarize {binarize!r} makes binary images, {problem}")
        source = registry.find("source", self.data.source)
        if n_values == 2 and not binarize and source and source.facts["n_values"] == 256:
            raise ValueError(
                f"model.likelihood {likelihood!r} needs binary images: set "
                "data.binarize to 'threshold', 'sample' or 'dynamic'"
            )
        self._check_tiles(n_values)

    def _check_tiles(self, n_values: int | None) -> None:
        """Raises ValueError if the alphabet or the palette does not fit the values."""
        data, n_channels = self.data, self.model.n_channels or self.known_channels()
        for key in ("alphabet", "palette"):
            if getattr(data, key) and n_channels not in (None, 1):
                raise ValueError(f"data.{key}: is for images of one channel, not {n_channels}")
        if data.alphabet and n_values not in (len(data.alphabet), None):
            n = len(data.alphabet)
            raise ValueError(
                f"data.alphabet {data.alphabet!r} has {n} characters, model.likelihood "
                f"{self.model.likelihood!r} {n_values} values; must be 'softmax-{n}'"
            )
        if n_values is not None:
            try:
                data.colours(n_values)
            except ValueError as error:
                raise ValueError(f"data.palette: {error}") from None

    def _check_condition(self) -> None:
        """Raises ValueError if the settings of a condition do not fit each other."""
        data, model = self.data, self.model
        keys = ("n_condition_channels", "condition_factor", "n_condition_codes")
        given = [key for key in keys if getattr(model, key) is not None]
        if data.condition is None and given:
            raise ValueError(f"model.{given[0]}: needs data.condition, which is null")
        if data.condition_source is not None and data.condition != PAIRED:
            raise ValueError("data.condition_source: needs data.condition 'paired'")
        if data.condition_size is not None and data.condition_source is None:
            raise ValueError("data.condition_size: needs data.condition_source")
        if data.condition is None:
            return
        if data.condition != PAIRED and model.n_condition_codes is not None:
            raise ValueError(
                f"model.n_condition_codes: data.condition {data.condition!r} has values, not "
                "codes; leave it out"
            )
        if data.condition != PAIRED and data.values == "codes":
            raise ValueError(
                f"data.condition: {data.condition!r} is not made from codes (data.values); must be "
                "'paired'"
            )
        if data.condition == PAIRED and data.skip_broken:
            raise ValueError("data.skip_broken: true would separate images from their conditions")
        factor = factor_of_kind(data.condition)
        if data.image_size and any(side % factor for side in data.image_size):
            height, width = data.image_size
            raise ValueError(
                f"data.condition {data.condition!r}: {factor} must divide both sides of the "
                f"images, which are {height}x{width}"
            )

    def condition_sizes(self, n_channels: int) -> tuple[int, int] | None:
        """Returns the channels of the condition, and how many times larger images of
        ``n_channels`` are; None without one.

        Raises:
            UserError: they are not known before the data are loaded.

        Example:
            >>> pixelcnn_tf.Config(data={"condition": "down4"}).condition_sizes(3)
            (3, 4)
        """
        condition, model = self.data.condition, self.model
        if condition is None:
            return None
        if condition != PAIRED:
            return made_channels(condition, n_channels), factor_of_kind(condition)
        if model.n_condition_channels is None:
            raise UserError(
                "model.n_condition_channels: not set, and not known before the conditions of "
                f"data.source {self.data.source!r} are loaded; set it"
            )
        return model.n_condition_channels, model.condition_factor or 1

    @property
    def run_dir(self) -> Path:
        """The folder of the run, ``runs_dir/name``."""
        return Path(os.path.expanduser(self.runs_dir)) / self.name

    def known_channels(self) -> int | None:
        """Returns the number of channels of a registered data source that states it, or None."""
        source = registry.find("source", self.data.source)
        return source.facts["channels"] if source else None

    def resolved(
        self,
        height: int,
        width: int,
        channels: int,
        class_names: Sequence[str] | None = None,
        largest: int | None = None,
        condition: tuple[int, int, int] | None = None,
        alphabet: str | None = None,
    ) -> "Config":
        """Returns this config with what follows from its data filled in: the size and channels of
        the images and, for likelihood logistic-K, the number of values.

        Args:
            height, width, channels: the shape of the images.
            class_names: the names of the classes of a folder of images, by label.
            largest: the largest value of the images; None if it is not known.
            condition: the shape of the condition of each image, if there is one; a divisor of that
                of the image.
            alphabet: the characters of levels, by value.

        Raises:
            UserError: the config states another number of channels.

        Example:
            >>> config = pixelcnn_tf.Config(data={"source": "mnist"}).resolved(28, 28, 1)
            >>> config.data.image_size, config.model.n_channels
            ((28, 28), 1)
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
        values["data"]["alphabet"] = alphabet or self.data.alphabet
        values["model"]["n_channels"] = channels
        if values["model"].get("n_values", 0) is None and takes_n_values(self.model.likelihood):
            values["model"]["n_values"] = max(256, 1 << int(largest or 0).bit_length())
        if condition is not None:
            found = {"n_condition_channels": condition[2]}
            found["condition_factor"] = height // condition[0]
            if self.data.condition_source is not None:
                values["data"]["condition_size"] = condition[:2]
            for key, value in found.items():
                if getattr(self.model, key) not in (None, value):
                    raise UserError(
                        f"model.{key}: {getattr(self.model, key)}, but it is {value} for "
                        f"data.condition {self.data.condition!r}; leave it out"
                    )
            values["model"] |= found
        try:
            return Config.model_validate(values)
        except ValidationError as error:
            raise UserError(f"{self.data.source}: {first_problem(error)}") from None

    def to_yaml(self) -> str:
        """Returns the config as YAML that ``load_config`` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False)


def first_problem(error: ValidationError) -> str:
    """Returns one line on the first error of the validation of a config.

    Example:
        >>> from pixelcnn_tf.config.schema import first_problem
        >>> try:
        ...     pixelcnn_tf.Config(seed=-1)
        ... except ValidationError as error:
        ...     print(first_problem(error))
        seed: -1 is not allowed; must be greater than or equal to 0
    """
    return messages.first_problem(error, Config)
