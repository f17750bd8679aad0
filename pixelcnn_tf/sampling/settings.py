"""The settings of a sampler."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pixelcnn_tf.utils.errors import UserError, suggestion

METHODS = ("incremental", "naive")

#: Names of the methods in version 0.1.
_OLD_METHODS = {"raster": "incremental", "plain": "naive"}


@dataclass(frozen=True)
class SamplingSettings:
    """The settings of sampling: the distribution that is drawn from, and the speed.

    Args:
        temperature: divides the logits (for a mixture: the log-probabilities), 0.001 to 1000.
            Below 1 samples are less diverse; 1 draws from the model itself.
        top_p: draws each sub-pixel from its most likely values only, the smallest set that has
            this probability (nucleus sampling); 0.000001 to 1, which draws from all.
        method: ``'incremental'`` runs every weight once per pixel and keeps what later pixels
            need; ``'naive'`` runs the whole model again for every sub-pixel, and takes any
            model. Both draw the same images, up to float rounding.
        batch_size: images per batch; on a CPU, each core works on a batch of its own. By
            default what is fast and fits memory.
        jit_compile: True compiles with XLA, False does not; None does where it works, unless the
            environment variable ``PIXELCNN_TF_XLA`` is 0.

    Raises:
        UserError: a value that is out of range.

    Source of ``top_p``: Holtzman et al. 2019, arXiv 1904.09751, section 3.1.

    Example:

    >>> settings = pixelcnn_tf.SamplingSettings(temperature=0.9, top_p=0.95)
    >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
    >>> pixelcnn_tf.generate_images(model, 4, 2, seed=0, settings=settings).shape
    (2, 4, 4, 1)
    """

    temperature: float = 1.0
    top_p: float = 1.0
    method: str = "incremental"
    batch_size: int | None = None
    jit_compile: bool | None = None

    def __post_init__(self):
        object.__setattr__(self, "method", _OLD_METHODS.get(str(self.method), self.method))
        if not _is_number(self.temperature) or not 1e-3 <= self.temperature <= 1e3:
            raise UserError(
                f"temperature={self.temperature!r}: must be a number from 0.001 to 1000"
            )
        if not _is_number(self.top_p) or not 1e-6 <= self.top_p <= 1:
            raise UserError(f"top_p={self.top_p!r}: must be a number from 0.000001 to 1")
        if self.method not in METHODS:
            raise UserError(
                f"method={self.method!r}: must be 'incremental' or 'naive'"
                f"{suggestion(str(self.method), list(METHODS))}"
            )
        if self.batch_size is not None and (not is_integer(self.batch_size) or self.batch_size < 1):
            raise UserError(f"batch_size={self.batch_size!r}: must be an integer from 1 up")
        if self.jit_compile not in (None, True, False):
            raise UserError(f"jit_compile={self.jit_compile!r}: must be True, False or None")

    def updated(self, overrides: dict) -> "SamplingSettings":
        """Returns these settings with some of them replaced, by name.

        Raises:
            TypeError: a name that is no setting.
            UserError: a value that is out of range.

        Example:

        >>> pixelcnn_tf.SamplingSettings(top_p=0.9).updated({"temperature": 0.5})
        SamplingSettings(temperature=0.5, top_p=0.9, method='incremental', batch_size=None, \
jit_compile=None)
        """
        known = list(self.__dataclass_fields__)
        for name in overrides:
            if name not in known:
                raise TypeError(
                    f"{name!r} is no setting of a sampler{suggestion(name, known)}; must be one "
                    f"of {', '.join(known)}"
                )
        return replace(self, **overrides)


def is_integer(value: object) -> bool:
    """Returns whether ``value`` is an integer (a boolean is not).

    Example:
        >>> is_integer(np.int64(3)), is_integer(3.0), is_integer(True)
        (True, False, False)
    """
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    """Whether ``value`` is a number (a boolean is not)."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def check_seed(seed: Any) -> None:
    """Raises UserError unless ``seed`` is an integer of 32 bits.

    Example:
        >>> check_seed(0)
        >>> check_seed(0.5)
        Traceback (most recent call last):
            ...
        pixelcnn_tf.utils.errors.UserError: seed=0.5: must be an integer
    """
    if not is_integer(seed):
        raise UserError(f"seed={seed!r}: must be an integer")
    if not -(2**31) <= seed < 2**31:
        raise UserError(f"seed={seed}: must fit in 32 bits")
