"""What a config file may say: the sections, their settings, their types and limits.

Imports ``utils`` only, and never TensorFlow, so that a wrong config is reported at once. ``data``,
``models``, ``training`` and ``cli`` import it.
"""

from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import BUILT_IN, Config, DataConfig, TrainingConfig
from pixelcnn_tf.config.template import config_template

__all__ = [
    "BUILT_IN",
    "Config",
    "DataConfig",
    "TrainingConfig",
    "config_template",
    "load_config",
]
