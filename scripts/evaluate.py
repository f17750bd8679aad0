"""The likelihood of a test set under a trained model, or how much better it is than another's.

See ``python scripts/evaluate.py --help``; the command is pixelcnn_tf/cli/evaluate.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pixelcnn_tf.cli.evaluate import main
from pixelcnn_tf.cli.parsing import exit_with

if __name__ == "__main__":
    sys.exit(exit_with(main))
