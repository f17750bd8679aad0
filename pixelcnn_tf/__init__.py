"""Pixel-autoregressive image models in TensorFlow 2 and Keras 3: train, score, sample.

Every public name is loaded at its first use, so that ``import pixelcnn_tf`` costs
milliseconds, prints nothing and touches no device.
"""

import importlib

from pixelcnn_tf import startup

__version__ = "0.1.0"

_HOME_OF = {
    "get_mask": "masks",
    "MaskedConv2D": "layers",
    "ShiftedConv2D": "shifted",
    "masked_to_shifted": "shifted",
    "shifted_to_masked": "shifted",
    "PixelCNNResBlock": "blocks",
    "GatedBlock": "blocks",
    "RowLSTMBlock": "blocks",
    "DiagonalBiLSTMBlock": "blocks",
    "PixelRNN": "models",
    "PixelCNNPlusPlus": "plusplus",
    "build_model": "models",
    "Bernoulli": "likelihoods",
    "Likelihood": "likelihoods",
    "NLLMetric": "likelihoods",
    "Softmax": "likelihoods",
    "LogisticMixture": "mixtures",
    "get_likelihood": "heads",
    "generate_images": "sampling",
    "receptive_field": "receptive",
    "Config": "config",
    "load_config": "config",
    "get_dataset": "data",
    "load_images": "data",
    "Trainer": "trainer",
    "load_model": "runs",
    "UserError": "errors",
}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str):
    if name not in _HOME_OF:
        raise AttributeError(f"module 'pixelcnn_tf' has no attribute {name!r}")
    if _HOME_OF[name] not in ("masks", "config", "errors"):
        startup.import_tensorflow()
    value = getattr(importlib.import_module(f"pixelcnn_tf.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


startup.register_with_keras()
