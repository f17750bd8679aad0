"""Train models and background models with several seeds, measure how well anomaly scores tell sets
of anomalous images from test images, and write docs/anomaly.md.

The digits need no download. For the rows of photographs, name a file of small colour images.

examples:
  python -m experiments.anomaly
  python -m experiments.anomaly --colour cifar10_3k.npz --minutes 2
  python -m experiments.anomaly --write    only the page, from the recorded results
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from experiments.anomaly_page import RECORDS, page
from experiments.commands import ROOT, train_command
from pixelcnn_tf.cli.parsing import Parser, exit_with, positive_number, whole_number
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress

#: The config, the noise of the background model, and settings, of each kind of images.
KINDS = {
    "digits": ("config.yml", 0.2, {}),
    "photographs": (
        "configs/cifar10_small_pixelcnn.yml",
        0.2,
        {"model.hidden_dim": 12, "model.n_layers": 4, "model.likelihood": "logistic-5"}
        | {"data.validation_share": "null", "training.ema_decay": 0.99},
    ),
}


def train(kind: str, settings: dict) -> dict:
    """Trains one model in a process of its own and returns its ``results.json``."""
    config, _, own = KINDS[kind]
    rare = {f"training.{name}_every": 1_000_000 for name in ("eval", "sample", "checkpoint")}
    command = train_command(config, {"training.steps": "null", **rare, **own, **settings})
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{settings['name']}: training failed: {done.stderr[-300:]}")
    file = Path(settings["runs_dir"], settings["name"], "results.json")
    return json.loads(file.read_text(encoding="utf-8"))


def areas(run: Path, background: Path, kind: str) -> tuple[dict, dict]:
    """Returns the area under the ROC curve of each set for each score, by set and score, and the
    mean bits per dimension of each set."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    from experiments.anomaly_sets import sets_of_digits, sets_of_photographs
    from pixelcnn_tf import anomaly_scores, load_config, load_images, load_model
    from pixelcnn_tf.anomaly import complexity

    test = np.asarray(load_images(load_config(run / "config.yml").data).test)
    sets = (sets_of_digits if kind == "digits" else sets_of_photographs)(test)
    images = np.concatenate([test, *sets.values()])
    model, other = load_model(run), load_model(background)
    scores = anomaly_scores(model, images, test, correct="ratio", background=other)
    bits = scores.bits_per_dim
    kinds = {"plain": bits, "complexity": bits - complexity(images), "ratio": scores.score}
    found, n = {}, len(test)
    for i, name in enumerate(sets, 1):
        is_anomalous = np.repeat([0, 1], n)
        found[name] = {
            score: float(roc_auc_score(is_anomalous, [*of[:n], *of[i * n : (i + 1) * n]]))
            for score, of in kinds.items()
        }
    means = np.reshape(bits, (-1, n)).mean(axis=1).tolist()
    return found, dict(zip(["test images", *sets], means, strict=True))


def draw_maps(run: Path, path: Path) -> None:
    """Writes the figure of the page: some digits and anomalous images, with their maps."""
    import numpy as np

    from experiments.anomaly_sets import sets_of_digits
    from pixelcnn_tf import anomaly_scores, load_images, load_model, surprise_maps
    from pixelcnn_tf.visualization.plots import save_image
    from pixelcnn_tf.visualization.surprise import surprise_panel

    model, test = load_model(run), np.asarray(load_images("digits").test)
    sets = sets_of_digits(test)
    names = ["mirrored", "letters", "garments", "noise of two colours", "one colour"]
    images = np.stack([test[0], *(sets[name][0] for name in names)])
    z_scores = anomaly_scores(model, images, test).z_score
    titles = [f"{n}: z = {z:+.1f}" for n, z in zip(["test image", *names], z_scores, strict=True)]
    maps = surprise_maps(model, images)
    save_image(surprise_panel(images, maps, titles=titles, columns=2), path)


def measure(kind: str, args: argparse.Namespace, settings: dict, folder: str) -> None:
    """Trains the models of all seeds in ``folder``, and records how they tell sets apart."""
    config, noise, own = KINDS[kind]
    seeds = []
    for seed in progress(kind, args.seeds, "seed", range(args.seeds)):
        settings |= {"runs_dir": folder, "seed": seed, "training.minutes": args.minutes}
        name, other = f"{kind}_{seed}", f"{kind}_background_{seed}"
        results = train(kind, {**settings, "name": name})
        background = train(kind, {**settings, "name": other, "data.noise": noise})
        auroc, bits = areas(Path(folder, name), Path(folder, other), kind)
        seeds.append(
            {
                "seed": seed,
                "steps": [results["step"], background["step"]],
                "background_bits_per_dim": background["test"]["bits_per_dim"],
                "bits_per_dim": bits,
                "auroc": auroc,
            }
        )
    record = {
        "config": config,
        "settings": own,
        "noise": noise,
        "minutes": args.minutes,
        "train_images": results["train_images"],
        "test_images": results["test_images"],
        "weights": results["used_parameters"],
        "cores": results["cores"],
        "versions": results["versions"],
        "seeds": seeds,
    }
    RECORDS.mkdir(parents=True, exist_ok=True)
    with replacing(RECORDS / f"{kind}.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="python -m experiments.anomaly", description=__doc__)
    parser.add_argument("--colour", metavar="FILE", help="a .npz file of colour images")
    parser.add_argument("--seeds", type=whole_number, default=3, help="number of seeds (3)")
    parser.add_argument(
        "--minutes", type=positive_number, default=2.0, help="of training per model (2)"
    )
    parser.add_argument("--write", action="store_true", help="only write the page")
    args = parser.parse_args(argv)
    if not args.write:
        startup.import_tensorflow()
        with tempfile.TemporaryDirectory() as folder:
            measure("digits", args, {}, folder)
            draw_maps(Path(folder, "digits_0"), ROOT / "docs" / "anomaly.png")
            if args.colour:
                measure("photographs", args, {"data.source": args.colour}, folder)
    path = ROOT / "docs" / "anomaly.md"
    with replacing(path) as temporary:
        temporary.write_text(page(), encoding="utf-8")
    print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_with(main))
