"""Train a pixel-autoregressive image model as a config file says.

examples:
  python main.py --config config.yml                     the embedded digits, minutes on a CPU
  python main.py --config configs/mnist.yml              MNIST
  python main.py --config config.yml --set training.steps=5000 --set name=longer
  python main.py --config config.yml --print-config      show every setting, train nothing
  python main.py --config config.yml --fresh             set the old run aside, start anew

The same command resumes a run that was stopped.
"""

from pixelcnn_tf.cli.parsing import Parser
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.utils import startup


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("--config", required=True, metavar="FILE", help="a YAML file")
    parser.add_overrides()
    parser.add_argument("--print-config", action="store_true", help="print all settings and stop")
    parser.add_argument(
        "--fresh", action="store_true", help="start anew; an old run is renamed, not deleted"
    )
    args = parser.parse_args(argv)
    config = load_config(args.config, args.overrides)
    if args.print_config:
        print(config.to_yaml(), end="")
        return 0
    startup.import_tensorflow()
    from pixelcnn_tf.training.experiment import run_experiment

    return run_experiment(config, fresh=args.fresh)
