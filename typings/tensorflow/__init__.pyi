# TensorFlow has no annotations, and the stubs that come with pyright lack much of what it has:
# `x[..., None]` and `tf.random.experimental`, for example. Its names are of any type here.
from typing import Any

def __getattr__(name: str) -> Any: ...
