"""The likelihood of a test set under a trained model.

examples:
  python scripts/evaluate.py --run runs/digits
  python scripts/evaluate.py --run runs/mnist --set data.source=my_images.npz
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from pixelcnn_tf import startup
from pixelcnn_tf.cli import Parser, exit_with, whole_number
from pixelcnn_tf.config import load_config
from pixelcnn_tf.errors import UserError


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("--run", required=True, metavar="FOLDER", help="a run folder")
    parser.add_argument("--batch-size", type=whole_number, default=64, help="images at once (64)")
    parser.add_overrides()
    args = parser.parse_args(argv)
    for override in args.overrides:
        if not override.startswith("data."):
            raise UserError(f"--set {override}: only settings of data. apply to a trained model")
    if not (Path(args.run) / "config.yml").is_file():
        raise UserError(f"--run {args.run}: no run folder (there is no config.yml in it)")
    given = {override.partition("=")[0] for override in args.overrides}
    if "data.source" in given and "data.image_size" not in given:
        args.overrides.append("data.image_size=null")  # that of the new images
    config = load_config(Path(args.run) / "config.yml", args.overrides)

    startup.import_tensorflow()
    from pixelcnn_tf import NLLMetric, load_model
    from pixelcnn_tf.data import load_for
    from pixelcnn_tf.experiment import check_values
    from pixelcnn_tf.likelihoods import in_words

    startup.find_devices()
    model = load_model(args.run)
    by_class = model.n_classes is not None
    images = load_for(config.data, model.n_classes)
    config.resolved(*images.test.shape[1:])
    check_values(images, model.likelihood)
    units = model.likelihood.units
    model.compile(loss=model.likelihood, metrics=[NLLMetric(model.likelihood, u) for u in units])
    verbose = 1 if sys.stderr.isatty() else 0
    inputs = (images.test, images.test_labels) if by_class else images.test
    results = model.evaluate(
        inputs, images.test, args.batch_size, verbose=verbose, return_dict=True
    )
    figures = in_words({unit: results[unit] for unit in units})
    print(f"{config.data.source}: {figures} ({len(images.test):,} images)")
    return 0


if __name__ == "__main__":
    sys.exit(exit_with(main))
