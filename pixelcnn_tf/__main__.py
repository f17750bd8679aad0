"""``python -m pixelcnn_tf``: the same as the command ``pixelcnn-tf``."""

import sys

from pixelcnn_tf.cli.main import run

if __name__ == "__main__":
    sys.exit(run())
