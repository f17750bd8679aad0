"""Pixel-autoregressive image models in TensorFlow 2 and Keras 3: train, score, sample.

Every public name is loaded at its first use, so that ``import pixelcnn_tf`` costs
milliseconds, prints nothing and touches no device.
"""

import importlib

from pixelcnn_tf.utils import startup

__version__ = "0.2.0"

#: The module of each public name; ``__init__.pyi`` says the same to type checkers.
_HOME_OF = {
    "get_mask": "layers.masks",
    "MaskedConv2D": "layers.masked_conv",
    "ShiftedConv2D": "layers.shifted_conv",
    "masked_to_shifted": "layers.conversion",
    "shifted_to_masked": "layers.conversion",
    "Block": "models.blocks",
    "PixelModel": "models.base",
    "PixelCNNResBlock": "models.blocks",
    "GatedBlock": "models.blocks",
    "RowLSTMBlock": "models.lstm_blocks",
    "DiagonalBiLSTMBlock": "models.lstm_blocks",
    "SnailBlock": "models.snail_blocks",
    "PixelRNN": "models.pixel_rnn",
    "PixelCNNPlusPlus": "models.pixelcnn_pp",
    "build_model": "models.build",
    "Bernoulli": "likelihoods.bernoulli",
    "Likelihood": "likelihoods.base",
    "NLLMetric": "likelihoods.base",
    "Softmax": "likelihoods.categorical",
    "LogisticMixture": "likelihoods.logistic_mixture",
    "get_likelihood": "likelihoods.registry",
    "generate_images": "sampling.generate",
    "complete_images": "sampling.complete",
    "SamplingSettings": "sampling.settings",
    "encode": "codec.codec",
    "decode": "codec.codec",
    "score": "scoring",
    "compare": "scoring",
    "anomaly_scores": "anomaly",
    "surprise_maps": "anomaly",
    "export_model": "serving.export",
    "receptive_field": "visualization.receptive_field",
    "Config": "config.schema",
    "DataConfig": "config.data",
    "load_config": "config.loading",
    "config_template": "config.template",
    "register_block": "config.registration",
    "register_model": "config.registration",
    "register_likelihood": "config.registration",
    "register_source": "config.registration",
    "load_plugin": "config.plugins",
    "BlockSettings": "config.settings",
    "ModelSettings": "config.settings",
    "LikelihoodSettings": "config.settings",
    "SourceSettings": "config.settings",
    "Images": "data.images",
    "get_dataset": "data.pipeline",
    "load_images": "data.sources",
    "make_condition": "data.conditions",
    "Trainer": "training.trainer",
    "load_model": "training.run_folder",
    "zoo_models": "zoo.models",
    "ZooModel": "zoo.models",
    "UserError": "utils.errors",
}

__all__ = sorted(_HOME_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str):
    if name not in _HOME_OF:
        raise AttributeError(f"module 'pixelcnn_tf' has no attribute {name!r}")
    home = _HOME_OF[name]
    if not home.startswith("config.") and home not in (
        "layers.masks",
        "utils.errors",
        "zoo.models",
    ):
        startup.import_tensorflow()
    value = getattr(importlib.import_module(f"pixelcnn_tf.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


startup.register_with_keras()
