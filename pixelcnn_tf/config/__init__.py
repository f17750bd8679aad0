"""The settings that a config file may contain, and the registry of what they name.

Question: is this config valid, and what does it resolve to?

Imports: ``utils``, and never TensorFlow, so that a wrong config is reported at once.
Imported by: ``likelihoods``, ``models``, ``data``, ``zoo``, ``training`` and ``cli``.
"""

from pixelcnn_tf.config.loading import load_config, load_plugins_of
from pixelcnn_tf.config.plugins import load_plugin
from pixelcnn_tf.config.schema import Config, DataConfig, SamplingConfig, TrainingConfig
from pixelcnn_tf.config.template import config_template, names_help

__all__ = [
    "Config",
    "DataConfig",
    "SamplingConfig",
    "TrainingConfig",
    "config_template",
    "load_config",
    "load_plugin",
    "load_plugins_of",
    "names_help",
]
