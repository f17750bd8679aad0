"""Draw which colours and pixels a masked convolution sees, for types A and B.

See ``python scripts/plot_masks.py --help``; the command is pixelcnn_tf/cli/plot_masks.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.cli.plot_masks import main

if __name__ == "__main__":
    sys.exit(exit_with(main))
