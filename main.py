"""Train a pixel-autoregressive image model as a config file says.

See ``python main.py --help``; the command is pixelcnn_tf/cli/train.py.
"""

import sys

from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.cli.train import main

if __name__ == "__main__":
    sys.exit(exit_with(main))
