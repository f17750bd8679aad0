"""Write the tables and figures of docs/results.md, from the files in docs/results.

Every row is one run of main.py with a config of configs/TABLE_MODEL.yml. --add takes the results
and the samples of a finished run into docs/results; without it, only the page is written again.

examples:
  python main.py --config configs/mnist_binary_row_lstm.yml
  python -m experiments.results_table --add runs/mnist_binary_row_lstm
  python -m experiments.results_table
"""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

from experiments.results_page import write_page
from experiments.tables import TABLES
from pixelcnn_tf.cli.parsing import Parser, exit_with
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.training.run_folder import RunFolder
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
#: Names of models in files that version 0.1.0 wrote.
OLD_NAMES = {
    "masked": "pixelcnn",
    "masked_softmax": "pixelcnn_softmax",
    "gated": "gated_pixelcnn",
    "plusplus": "pixelcnn_pp",
}
#: Settings that do not belong to the command of a row, or are written there in their own way.
_NOT_SHOWN = {"runs_dir", "data.source", "data.image_size", "model.n_channels"}


def main(argv: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument("--add", metavar="RUN", help="the folder of a finished run: runs/NAME")
    parser.add_argument("--name", help="of its files in docs/results (that of the run)")
    args = parser.parse_args(argv)
    if args.name is not None and not args.add:
        raise UserError("--name: has no effect without --add")
    if args.name is not None and not re.fullmatch(r"[\w.-]{1,80}", args.name):
        raise UserError(
            f"--name {args.name!r}: must be letters, digits, '_', '-' or '.', at most 80"
        )
    if args.add:
        add_run(Path(args.add), args.name)
    write_page([read_record(path) for path in sorted(RESULTS.glob("*.json"))], RESULTS)
    return 0


def read_record(path: Path) -> dict:
    """Returns a results file, with today's names and the command that makes its row."""
    record = json.loads(path.read_text(encoding="utf-8"))
    record["name"] = path.stem
    if "versions" not in record:
        record["versions"] = {"pixelcnn_tf": "0.1.0"}
        record["model"] = OLD_NAMES.get(record["model"], record["model"])
        record["command"] = _nearest_command(record)
    return record


def add_run(folder: Path, name: str | None = None) -> None:
    """Put the results and the samples of a finished run into docs/results.

    Raises:
        UserError: no finished run, a run of no table, or one without validation images; a file
            of this name from another command.
    """
    run = RunFolder(folder)
    if not run.results.is_file() or not run.config.is_file():
        raise UserError(f"{folder}: holds no finished run (no results.json)")
    config = load_config(run.config)
    results = json.loads(run.results.read_text(encoding="utf-8"))
    if "validation" not in results:
        raise UserError(f"{folder}: has no validation scores; set data.validation_share")
    table, model = table_of(config, str(folder))
    unit, batch = TABLES[table].unit, config.training.batch_size
    published = config.model_dump(mode="json")
    published["data"]["source"] = Path(config.data.source).name  # its folder belongs to a machine
    record = {
        "job": table,
        "model": model,
        "binarization": {"dynamic": "dynamic", None: ""}.get(config.data.binarize, "static"),
        "command": command_of(config, table, model),
        "weights": results["used_parameters"],
        "seed": config.seed,
        "batch_size": batch,
        "minutes": config.training.minutes,
        "images": None if config.training.minutes else results["images_seen"],
        "seconds": results["training_seconds"],
        "images_seen": results["images_seen"],
        "train_images": results["train_images"],
        "test_images": results["test_images"],
        "unit": unit,
        "test": results["test"][unit],
        "validation": results["validation"][unit],
        "curve": [[p["step"] * batch, p["seconds"], p[unit]] for p in results["curve"]],
        "cores": results["cores"],
        "versions": results["versions"],
        "config": published,
    }
    path = RESULTS / f"{name or config.name}.json"
    if path.exists():
        old = json.loads(path.read_text(encoding="utf-8"))["command"]
        if old != record["command"]:
            raise UserError(f"{path}: is of {old!r}; delete it, or give another --name")
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    samples = run.samples / "final.png"
    if samples.is_file():
        shutil.copyfile(samples, path.with_suffix(".png"))
    print(f"written to {path}")


def table_of(config: Config, where: str) -> tuple[str, str]:
    """Returns the table that a run belongs to, and the name of its model there: those of the
    config file with the same model.

    Raises:
        UserError: no config of a table has this model.
    """
    for table, about in TABLES.items():
        for model in about.models:
            base = load_config(ROOT / "configs" / f"{table}_{model}.yml")
            same = {"n_channels": None, "n_classes": None}
            ours, theirs = (c.model.model_copy(update=same) for c in (config, base))
            if ours == theirs and bool(config.data.binarize) == bool(base.data.binarize):
                return table, model
    raise UserError(f"{where}: its model is not that of any configs/TABLE_MODEL.yml")


def command_of(config: Config, table: str, model: str) -> str:
    """Returns the command that makes a run with this config, given the config file of the
    table."""
    path = f"configs/{table}_{model}.yml"
    before = _flat(load_config(ROOT / path).model_dump(mode="json"))
    after = _flat(config.model_dump(mode="json"))
    changes = {key: after[key] for key in after if before.get(key) != after[key]}
    settings = {key: changes[key] for key in changes if key not in _NOT_SHOWN}
    source = Path(config.data.source).name
    if source != before["data.source"]:
        settings["data.source"] = source
    return _command(path, settings)


def _nearest_command(record: dict) -> str:
    """Returns the command that comes nearest to what version 0.1.0 measured by a script of its
    own: see the introduction of the page."""
    path = f"configs/{record['job']}_{record['model']}.yml"
    base, config = load_config(ROOT / path), record["config"]
    settings: dict = {}
    if record["binarization"] == "dynamic":
        settings["data.binarize"] = "dynamic"
    if config["model"]["n_classes"] is not None:
        settings["model.n_classes"] = config["model"]["n_classes"]
    if record["images"]:
        settings["training.minutes"] = None
        settings["training.steps"] = -(-record["images"] // record["batch_size"])
        if settings["training.steps"] < 5000:
            settings["training.ema_decay"] = 0.99
    if config["training"]["learning_rate"] != base.training.learning_rate:
        settings["training.learning_rate"] = config["training"]["learning_rate"]
    if settings:
        by_class = "by_class" if "model.n_classes" in settings else ""
        budget = f"{record['images']}_images" if record["images"] else ""
        parts = [base.name, by_class, record["binarization"], budget]
        settings["name"] = "_".join(filter(None, parts))
    return _command(path, {**settings, "data.source": Path(config["data"]["source"]).name})


def _command(path: str, settings: dict) -> str:
    texts = [
        f"{key}={'null' if value is None else json.dumps(value).strip(chr(34))}"
        for key, value in settings.items()
    ]
    return shlex.join(
        ["python", "main.py", "--config", path, *(f for t in texts for f in ("--set", t))]
    )


def _flat(values: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in values.items():
        flat |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat


if __name__ == "__main__":
    sys.exit(exit_with(main))
