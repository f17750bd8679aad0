"""Fixtures of the tests of the models."""

import pytest

from pixelcnn_tf.models import pixelcnn_pp


@pytest.fixture
def two_levels(monkeypatch):
    """PixelCNN++ of two resolutions instead of three: most of the time of a short training, and of
    drawing a few small images, is tracing."""
    monkeypatch.setattr(pixelcnn_pp, "N_LEVELS", 2)
