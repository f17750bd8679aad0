"""Train the model that a config file describes.

Repeat the command to resume a run that was interrupted.

examples:
  pixelcnn-tf train --config config.yml
  pixelcnn-tf train --config config.yml --set training.steps=5000 --set name=longer
  pixelcnn-tf train --config config.yml --print-config    print all settings, without training
  pixelcnn-tf train --config config.yml --fresh           rename the old run and start over
"""

import os

from pixelcnn_tf.cli.parsing import Parser
from pixelcnn_tf.config import load_config, names_help
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.workers import workers_for

COMMAND = "pixelcnn-tf train"


def main(argv: list[str] | None = None, prog: str = COMMAND) -> int:
    """Runs the command with the given arguments and returns its exit status.

    Raises:
        UserError: a flag, the config, the data or an existing run folder is wrong.

    Examples:
        >>> main(["--config", "none.yml"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: none.yml: no such file; ...
    """
    parser = Parser(__doc__, COMMAND, prog)
    parser.epilog = names_help()
    parser.add_argument("--config", required=True, metavar="FILE", help="a YAML file")
    parser.add_overrides()
    parser.add_plugins()
    parser.add_argument(
        "--print-config", action="store_true", help="print all settings, without training"
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="start over; an existing run is renamed, not deleted",
    )
    args = parser.parse_args(argv)
    config = load_config(args.config, args.overrides, args.plugins)
    if args.print_config:
        print(config.to_yaml(), end="")
        return 0
    workers = workers_for(config.strategy)
    if workers:
        # TensorFlow reports the end of another worker in twenty lines; we do in one.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        print(f"{workers.name} of {len(workers.addresses)}: waiting for the others", flush=True)
    startup.import_tensorflow()
    if not workers:
        startup.use_one_thread_per_operation()
    from pixelcnn_tf.training.experiment import run_experiment

    return run_experiment(config, fresh=args.fresh)
