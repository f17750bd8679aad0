"""The text of a commented config file."""

from pixelcnn_tf.config.schema import Config


def config_template(
    source: str = "digits", architecture: str = "pixel_rnn", block: str = "resblock"
) -> str:
    """Returns the text of a config file for a data source.

    Args:
        source: ``data.source``: a registered name or a path.
        architecture: ``model.architecture``.
        block: ``model.pixel_layer``, for an architecture that is a stack of blocks.

    Returns:
        YAML that ``load_config`` reads.
    """
    model = {"architecture": architecture}
    if architecture == "pixel_rnn":
        model["pixel_layer"] = block
    return Config.model_validate({"data": {"source": source}, "model": model}).to_yaml()
