"""The command ``pixelcnn-tf score`` from a checkout."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.cli.score import main

if __name__ == "__main__":
    sys.exit(exit_with(main, prog="python scripts/score.py"))
