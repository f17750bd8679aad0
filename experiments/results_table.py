"""Write the tables and figures of docs/results.md, from the files in docs/results.

Every row is one run of main.py with a config file configs/TABLE_MODEL.yml. --add copies the results
and the samples of a finished run to docs/results; without it, only the page is rewritten.

examples:
  python main.py --config configs/mnist_binary_row_lstm.yml
  python -m experiments.results_table --add runs/mnist_binary_row_lstm
  python -m experiments.results_table
"""

import json
import re
import shutil
import sys
from pathlib import Path

from experiments.commands import ROOT, command_of
from experiments.results_page import write_page
from experiments.tables import TABLES
from pixelcnn_tf.cli.parsing import Parser, exit_with
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.training.run_folder import RunFolder
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError

RESULTS = ROOT / "docs" / "results"


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="python -m experiments.results_table", description=__doc__)
    parser.add_argument(
        "--add", metavar="RUN", help="folder of a finished run, runs/NAME, to add to the page"
    )
    parser.add_argument(
        "--name", help="--add: name of its files in docs/results (default: that of the run)"
    )
    args = parser.parse_args(argv)
    if args.name is not None and not args.add:
        raise UserError("--name: has no effect without --add RUN")
    if args.name is not None and not re.fullmatch(r"[\w.-]{1,80}", args.name):
        raise UserError(
            f"--name {args.name!r}: must be letters, digits, '_', '-' or '.', at most 80"
        )
    if args.add:
        add_run(Path(args.add), args.name)
    rewrite_page()
    return 0


def rewrite_page() -> None:
    """Write the page from the files in docs/results."""
    write_page([read_record(path) for path in sorted(RESULTS.glob("*.json"))], RESULTS)


def read_record(path: Path) -> dict:
    """Returns the content of a results file, and ``name``, the name of the file.

    Files of version 0.1.0 have a ``measured_by``: the command that measured them. Their ``command``
    is the one of today that comes closest; see the introduction of the page.
    """
    return {"name": path.stem, **json.loads(path.read_text(encoding="utf-8"))}


def add_run(folder: Path, name: str | None = None) -> None:
    """Copy the results and the samples of a finished run to docs/results.

    Raises:
        UserError: the folder holds no finished run, or one that belongs to no table or has no
            validation images; a file of this name comes from another command.
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
    published["data"]["source"] = Path(
        config.data.source
    ).name  # its folder is of no use on another machine
    record = {
        "job": table,
        "model": model,
        "binarization": {"dynamic": "dynamic", None: ""}.get(config.data.binarize, "static"),
        "command": command_of(config, f"configs/{table}_{model}.yml"),
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
            raise UserError(f"{path}: was measured by {old!r}; delete it, or choose another --name")
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    samples = run.samples / "final.png"
    if samples.is_file():
        shutil.copyfile(samples, path.with_suffix(".png"))
    print(f"written to {path}")


def table_of(config: Config, where: str) -> tuple[str, str]:
    """Returns the table that a run belongs to and the name of its model in that table, found by
    the config file with the same model.

    Raises:
        UserError: no config file of a table has this model.
    """
    for table, about in TABLES.items():
        for model in about.models:
            base = load_config(ROOT / "configs" / f"{table}_{model}.yml")
            # Not compared: the classes, and what follows from the data.
            same = {"n_channels", "n_classes", "n_values", "input"}
            ours, theirs = (c.model.model_dump(exclude=same) for c in (config, base))
            if ours == theirs and bool(config.data.binarize) == bool(base.data.binarize):
                return table, model
    raise UserError(f"{where}: its model is not that of any configs/TABLE_MODEL.yml")


if __name__ == "__main__":
    sys.exit(exit_with(main))
