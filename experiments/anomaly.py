"""Train models and background models with several seeds, measure how well anomaly scores tell sets
of anomalous images from test images, and write docs/anomaly.md.

The digits need no download. For the rows of photographs, name a file of small colour images.

examples:
  python -m experiments.anomaly
  python -m experiments.anomaly --colour cifar10_3k.npz
  python -m experiments.anomaly --write    only the page, from the recorded results
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from experiments.anomaly_page import RECORDS, page
from experiments.anomaly_sets import (
    sets_of_coloured_digits,
    sets_of_grey_digits,
    sets_of_photographs,
)
from experiments.commands import ROOT, train_command
from pixelcnn_tf.cli.parsing import Parser, exit_with, whole_number
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress


class Kind(NamedTuple):
    """Images that models are trained on, and how.

    Attributes:
        config: the config file.
        minutes: of training, for each model.
        make_sets: the function that makes the sets of anomalous images from test images.
        settings: changes of the config.
        noise: ``data.mutation_rate`` of the background model.
    """

    config: str
    minutes: float
    make_sets: Callable[..., dict]
    settings: dict
    noise: float = 0.2


SMALL = {"model.hidden_dim": 12, "model.n_layers": 4, "model.likelihood": "logistic-5"}
KINDS = {
    "grey_digits": Kind("config.yml", 0.5, sets_of_grey_digits, {"data.source": "digits_grey"}),
    "coloured_digits": Kind("config.yml", 2, sets_of_coloured_digits, {}),
    "photographs": Kind(
        "configs/cifar10_small_pixelcnn.yml",
        1.5,
        sets_of_photographs,
        {**SMALL, "data.validation_share": "null", "training.ema_decay": 0.99},
    ),
}


def train(kind: Kind, settings: dict) -> dict:
    """Trains one model in a process of its own and returns its ``results.json``."""
    rare = {f"training.{name}_every": 1_000_000 for name in ("eval", "sample", "checkpoint")}
    budget = {"training.steps": "null", "training.minutes": kind.minutes}
    command = train_command(kind.config, {**budget, **rare, **kind.settings, **settings})
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{settings['name']}: training failed: {done.stderr[-300:]}")
    file = Path(settings["runs_dir"], settings["name"], "results.json")
    return json.loads(file.read_text(encoding="utf-8"))


def areas(run: Path, background: Path, make_sets: Callable) -> tuple[dict, dict]:
    """Returns the area under the ROC curve of each set for each score, by set and score, and the
    mean bits per dimension of each set."""
    import numpy as np
    from sklearn.metrics import roc_auc_score

    from pixelcnn_tf import anomaly_scores, load_config, load_images, load_model
    from pixelcnn_tf.anomaly import complexity

    test = np.asarray(load_images(load_config(run / "config.yml").data).test)
    sets = make_sets(test)
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

    from pixelcnn_tf import anomaly_scores, load_images, load_model, surprise_maps
    from pixelcnn_tf.visualization.grids import save_image
    from pixelcnn_tf.visualization.surprise import surprise_panel

    model, test = load_model(run), np.asarray(load_images("digits").test)
    sets = sets_of_coloured_digits(test)
    names = ["mirrored", "letters", "garments", "noise of two colours", "one colour"]
    images = np.stack([test[0], *(sets[name][0] for name in names)])
    z_scores = anomaly_scores(model, images, test).z_score
    titles = [f"{n}: z = {z:+.1f}" for n, z in zip(["test image", *names], z_scores, strict=True)]
    maps = surprise_maps(model, images)
    save_image(surprise_panel(images, maps, titles=titles, columns=2), path)


def measure(name: str, n_seeds: int, folder: str, **settings: str) -> None:
    """Trains the models of all seeds in ``folder``, and records how they tell sets apart."""
    kind = KINDS[name]
    seeds = []
    for seed in progress(name, n_seeds, "seed", range(n_seeds)):
        given = {"runs_dir": folder, "seed": seed, **settings}
        run, other = f"{name}_{seed}", f"{name}_background_{seed}"
        results = train(kind, {**given, "name": run})
        background = train(kind, {**given, "name": other, "data.mutation_rate": kind.noise})
        auroc, bits = areas(Path(folder, run), Path(folder, other), kind.make_sets)
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
        "config": kind.config,
        "settings": kind.settings,
        "noise": kind.noise,
        "minutes": kind.minutes,
        "train_images": results["train_images"],
        "test_images": results["test_images"],
        "weights": results["used_parameters"],
        "cores": results["cores"],
        "versions": results["versions"],
        "seeds": seeds,
    }
    RECORDS.mkdir(parents=True, exist_ok=True)
    with replacing(RECORDS / f"{name}.json") as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="python -m experiments.anomaly", description=__doc__)
    parser.add_argument("--colour", metavar="FILE", help="a .npz file of colour images")
    parser.add_argument("--seeds", type=whole_number, default=3, help="number of seeds (3)")
    parser.add_argument("--write", action="store_true", help="only write the page")
    args = parser.parse_args(argv)
    if not args.write:
        startup.import_tensorflow()
        with tempfile.TemporaryDirectory() as folder:
            for name in ("grey_digits", "coloured_digits"):
                measure(name, args.seeds, folder)
            draw_maps(Path(folder, "coloured_digits_0"), ROOT / "docs" / "anomaly.png")
            if args.colour:
                source = {"data.source": str(Path(args.colour).resolve())}
                measure("photographs", args.seeds, folder, **source)
    path = ROOT / "docs" / "anomaly.md"
    with replacing(path) as temporary:
        temporary.write_text(page(), encoding="utf-8")
    print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_with(main))
