"""Models from configs."""

from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.blocks import PIXEL_LAYERS
from pixelcnn_tf.models.pixel_rnn import PixelRNN
from pixelcnn_tf.models.pixelcnn_pp import PixelCNNPlusPlus
from pixelcnn_tf.utils.errors import UserError


def build_model(config) -> PixelModel:
    """The model that a config describes, built and ready to train.

    Args:
        config: from ``load_config``.

    Raises:
        UserError: ``model.n_channels`` is neither given nor known from the data source,
            or the numbers do not fit each other.
    """
    m = config.model
    n_channels = m.n_channels or config.known_channels()
    if n_channels is None:
        raise UserError(
            "model.n_channels: not set, and not known before the images of "
            f"data.source {config.data.source!r} are loaded; set it to 1 or 3"
        )
    shared = {
        "n_channels": n_channels,
        "n_classes": m.n_classes,
        "dtype": config.precision,
        "name": m.architecture,
    }
    try:
        if m.architecture == "pixelcnn_pp":
            model = PixelCNNPlusPlus(m.n_resnet, m.n_filters, m.n_mix, dropout=m.dropout, **shared)
        else:
            block = PIXEL_LAYERS[m.pixel_layer](
                n_channels=n_channels, dropout=m.dropout, **m.block_options()
            )
            model = PixelRNN(
                hidden_dim=m.hidden_dim,
                out_dim=m.out_dim,
                n_layers=m.n_layers,
                pixel_layer=block,
                likelihood=m.likelihood,
                skip_connections=m.skip_connections,
                **shared,
            )
    except ValueError as error:
        raise UserError(f"model: {error}") from None
    model.build((None, None, None, n_channels))
    return model
