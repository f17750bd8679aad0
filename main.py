"""The command ``pixelcnn-tf train`` from a checkout: ``python main.py --help``."""

import sys

from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.cli.train import main

if __name__ == "__main__":
    sys.exit(exit_with(main, prog="python main.py"))
