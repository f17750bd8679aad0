"""The ``training`` and ``sampling`` sections of a config."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pixelcnn_tf.config.types import Count, Real, Section


class TrainingConfig(Section):
    """The ``training`` section of a config: optimization, logging, evaluation and saving.

    A generated ``config.yml`` contains the first of the ``examples`` of a field, if it has any.

    Example:
        >>> from pixelcnn_tf.config import TrainingConfig
        >>> TrainingConfig(steps=20_000, schedule="cosine", warmup_steps=100).optimizer
        'adam'
    """

    minutes: Annotated[Real, Field(gt=0)] | None = Field(
        default=None,
        description="minutes of training, without compilation and evaluation; with steps as well, "
        "training ends at whichever limit comes first (steps: null for no limit)",
    )
    steps: Count | None = Field(
        default=1000,
        examples=[2400],
        description="updates of the weights, each on one batch; null: only minutes limits training",
    )
    batch_size: Count = Field(default=16, description="images per step, on all devices together")
    optimizer: Literal["adam", "adamw", "nadam", "rmsprop", "sgd"] = Field(
        default="adam", description="adam, adamw, nadam, rmsprop or sgd"
    )
    learning_rate: Annotated[Real, Field(gt=0, le=10)] = Field(
        default=1e-3, examples=[0.006], description="the highest learning rate of the run"
    )
    schedule: Literal["constant", "exponential", "cosine"] = Field(
        default="constant",
        examples=["cosine"],
        description="the learning rate: constant, exponential (multiplied by decay at each step) "
        "or cosine (falling to 0 at the end)",
    )
    decay: Annotated[Real, Field(gt=0, le=1)] = Field(
        default=1.0, description="for schedule exponential: a number below 1, 0.999995 for example"
    )
    warmup_steps: Annotated[int, Field(ge=0)] = Field(
        default=0,
        examples=[100],
        description="for schedule cosine: steps in which the rate rises from 0 to learning_rate",
    )
    clip_norm: Annotated[Real, Field(gt=0)] | None = Field(
        default=None,
        examples=[1.0],
        description="the largest global norm of the gradient of the bits per dimension; null: "
        "no limit",
    )
    ema_decay: Annotated[Real, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="a number such as 0.9995: evaluation, samples and model.keras use a moving "
        "average of the weights, average = ema_decay * average + (1 - ema_decay) * weights at each "
        "step; it spans about 1 / (1 - ema_decay) steps, which should be far fewer than steps "
        "(much above 0.9999, float32 rounds the updates to nothing); null: no average",
    )
    log_every: Count = Field(default=50, description="steps between scalars in TensorBoard")
    eval_every: Count = Field(
        default=500,
        examples=[600],
        description="steps between evaluations on the whole validation or test set",
    )
    sample_every: Count = Field(
        default=1000, examples=[100], description="steps between grids of generated images"
    )
    checkpoint_every: Count = Field(default=500, description="steps between checkpoints")
    keep_checkpoints: Annotated[int, Field(ge=2)] = Field(
        default=3, description="number of checkpoints that are kept, the latest ones; at least 2"
    )

    @model_validator(mode="before")
    @classmethod
    def _minutes_alone(cls, values):
        """Sets no limit to the number of steps if only ``minutes`` is given."""
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
            raise ValueError("schedule 'exponential' needs decay below 1 (0.999995, for example)")
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
    """The ``sampling`` section of a config: generated images in TensorBoard and the final grid.

    Example:
        >>> from pixelcnn_tf.config import SamplingConfig
        >>> SamplingConfig(temperature=0.9).top_p
        1.0
    """

    n_images: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=16, description="images in each grid"
    )
    temperature: Annotated[Real, Field(ge=1e-3, le=1e3)] = Field(
        default=1.0, description="below 1: less diverse images; above 1: more diverse"
    )
    top_p: Annotated[Real, Field(ge=1e-6, le=1)] = Field(
        default=1.0,
        description="below 1: draw only from the most probable values that together have this "
        "probability",
    )
