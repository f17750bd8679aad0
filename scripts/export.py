"""The command ``pixelcnn-tf export`` from a checkout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pixelcnn_tf.cli.export import main
from pixelcnn_tf.cli.parsing import exit_with

if __name__ == "__main__":
    sys.exit(exit_with(main, prog="python scripts/export.py"))
