"""Draw a sheet of images from a trained model.

See ``python scripts/sample.py --help``; the command is pixelcnn_tf/cli/sample.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.cli.sample import main

if __name__ == "__main__":
    sys.exit(exit_with(main))
