"""The likelihood of a test set under a trained model, or how much better it is than another's.

examples:
  python scripts/evaluate.py --run runs/digits
  python scripts/evaluate.py --run runs/row_lstm --against runs/masked    on the same images
  python scripts/evaluate.py --run runs/mnist --set data.source=mine.npz    its test set or all
"""

from pathlib import Path

import numpy as np

from pixelcnn_tf.cli.parsing import Parser, whole_number
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("--run", required=True, metavar="FOLDER", help="a run folder")
    parser.add_argument(
        "--against", metavar="FOLDER", help="another run, on the test images of the first"
    )
    parser.add_argument("--batch-size", type=whole_number, default=64, help="images at once (64)")
    parser.add_overrides()
    args = parser.parse_args(argv)
    for override in args.overrides:
        if not override.startswith("data."):
            raise UserError(f"--set {override}: only settings of data. apply to a trained model")
    for flag, run in (("--run", args.run), ("--against", args.against)):
        if run and not (Path(run) / "config.yml").is_file():
            raise UserError(f"{flag} {run}: no run folder (there is no config.yml in it)")
    given = {override.partition("=")[0] for override in args.overrides}
    if "data.source" in given and "data.image_size" not in given:
        args.overrides.append("data.image_size=null")  # that of the new images
    config = load_config(Path(args.run) / "config.yml", args.overrides)

    startup.import_tensorflow()
    from pixelcnn_tf import load_model
    from pixelcnn_tf.data.pipeline import load_for
    from pixelcnn_tf.likelihoods.base import format_report, scale_to
    from pixelcnn_tf.models.inputs import check_size
    from pixelcnn_tf.sampling.scheduler import memory_errors
    from pixelcnn_tf.training.experiment import check_values

    startup.find_devices()
    model = load_model(args.run)
    other = load_model(args.against) if args.against else None
    classes = {m.n_classes for m in (model, other) if m is not None} - {None}
    if len(classes) > 1:
        raise UserError(
            f"--against {args.against}: knows {other.n_classes} classes, {args.run} "
            f"{model.n_classes}; must be the same"
        )
    n_classes = next(iter(classes), None)
    images = load_for(config.data, n_classes, hold_out=not _are_others(args.run, config, given))
    shape, n = images.test.shape[1:], len(images.test)
    if shape[-1] != model.n_channels:
        raise UserError(
            f"data.source: {config.data.source!r} has images of {shape[-1]} channel(s); must be "
            f"{model.n_channels}, as those that {args.run} was trained on"
        )
    config.resolved(*shape)
    check_values(images, model.likelihood)
    if other is not None:
        if other.n_channels != shape[-1]:
            raise UserError(
                f"--against {args.against}: is for images of {other.n_channels} channel(s); those "
                f"of {args.run} have {shape[-1]}"
            )
        check_size(other, *shape[:2])
        check_values(images, other.likelihood)
    with memory_errors(images.test.shape, args.batch_size):
        nats = score(model, images, args.batch_size)
        theirs = None if other is None else score(other, images, args.batch_size)
    n_dims = images.test[0].size
    figures = format_report(model.likelihood.report(nats.mean(), n_dims))
    print(f"{config.data.source}: {figures} ({n:,} images)")
    if other is None:
        return 0
    unit = model.likelihood.units[0]
    gain = (theirs - nats) * scale_to(unit, n_dims)
    figures = format_report(other.likelihood.report(theirs.mean(), n_dims))
    than = "better" if gain.mean() >= 0 else "worse"
    error = gain.std(ddof=1) / n**0.5 if n > 1 else float("nan")
    print(
        f"{args.against}: {figures}; {args.run} is {than} by {abs(gain.mean()):.4f} "
        f"{unit.replace('_', ' ')}, standard error {error:.4f} (of the differences "
        f"on {n:,} images)"
    )
    return 0


def _are_others(run: str, config: Config, given: set[str]) -> bool:
    """Whether images are none of those that a run was trained on, so that all may be scored."""
    from pixelcnn_tf.data.sources import load_images
    from pixelcnn_tf.training.run_folder import RunFolder

    if "data.source" not in given or "data.test_share" in given:
        return False
    own = load_config(Path(run) / "config.yml").data.source
    if Path(own).expanduser().resolve() == Path(config.data.source).expanduser().resolve():
        return False
    try:
        images = load_images(config.data, labels=config.model.n_classes is not None)
    except UserError:  # one image, of which none can be held out; or what is told when it is loaded
        return True
    return not RunFolder(run).has_images(*images[:4])


def score(model, images, batch_size: int) -> np.ndarray:
    """Nats of every test image, float64 ``[n]``."""
    import tensorflow as tf

    @tf.function(autograph=False)
    def nll(batch, labels):
        given = {} if labels is None else {"labels": labels}
        return model.likelihood.nll(batch, model(batch, **given))

    labels = None if model.n_classes is None else images.test_labels
    nats = []
    for first in progress("scoring", None, "batch", range(0, len(images.test), batch_size)):
        part = slice(first, first + batch_size)
        given = None if labels is None else tf.constant(labels[part])
        nats.append(nll(tf.constant(images.test[part]), given).numpy())
    return np.concatenate(nats).astype(np.float64)
