"""Under what name our classes are known to Keras."""

PACKAGE = "pixelcnn_tf"
