"""The tables of docs/masked_or_shifted.md, from the measurements in docs/results_convolutions.

Each table lies between two comments, ``<!-- table: NAME -->`` and ``<!-- end -->``; the text around
them is written by hand and kept.
"""

import json
import re
from pathlib import Path

import numpy as np

from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError

PAGE = "masked_or_shifted"
RESULTS = "results_convolutions"
CONTESTANTS = {
    "masked": "masked",
    "single": "shifted, one stack",
    "two": "shifted, two stacks",
}


def write_record(args, name: str, record: dict) -> None:
    """Write a results file, ``name`` in the folder of results."""
    from pixelcnn_tf.sampling.scheduler import cores

    folder = args.docs / RESULTS
    folder.mkdir(exist_ok=True)
    record = {"command": args.command, "cores": cores(), **record}
    with replacing(folder / name) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def check_page(docs: Path) -> None:
    """Raises UserError unless there is a page with the comments that enclose every table."""
    page = docs / f"{PAGE}.md"
    if not page.is_file():
        raise UserError(f"--docs {docs}: holds no {PAGE}.md; must be the folder with the page")
    text = page.read_text(encoding="utf-8")
    missing = [name for name in TABLES if not _place(name).search(text)]
    if missing:
        raise UserError(
            f"{page}: has no <!-- table: {missing[0]} --> and <!-- end -->, each on its own line"
        )


def copy_page(source: Path, docs: Path) -> None:
    """Copies the page of ``source``, with empty tables, for measurements with other settings."""
    page = (source / f"{PAGE}.md").read_text(encoding="utf-8")
    for name in TABLES:
        page = _filled(page, name, ["(not measured)"])
    note = "> *The tables were measured with other settings than those that the text describes.*"
    with replacing(docs / f"{PAGE}.md") as temporary:
        temporary.write_text(f"{note}\n\n{page}", encoding="utf-8")


def write_page(docs: Path) -> None:
    """Rewrite the tables that have been measured.

    Raises:
        UserError: there are no measurements or no page, or the runs of several seeds differ in
            their settings.
    """
    check_page(docs)
    records = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((docs / RESULTS).glob("*.json"))
    }
    trained = [record for name, record in records.items() if name.startswith("train_seed")]
    if trained:
        records["train"] = _together(trained)
    page = docs / f"{PAGE}.md"
    text, renewed = page.read_text(encoding="utf-8"), []
    for name, (source, table) in TABLES.items():
        if source in records:
            text = _filled(text, name, table(records[source]))
            renewed.append(name)
    if not renewed:
        raise UserError(f"{docs / RESULTS}: holds no results; run the other parts first")
    with replacing(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"{page}: tables {', '.join(renewed)}")


def _place(name: str) -> re.Pattern:
    return re.compile(rf"<!-- table: {name} -->\n(.*?)<!-- end -->", re.DOTALL)


def _filled(page: str, name: str, lines: list[str]) -> str:
    """Returns the text of a page with the lines of a table replaced."""
    found = _place(name).search(page)
    body = "".join(f"{line}\n" for line in lines)
    return f"{page[: found.start(1)]}{body}{page[found.end(1) :]}"


def _together(records: list[dict]) -> dict:
    """Returns runs of several seeds, of equal settings, as one record in which each figure is a
    list."""
    first = records[0]
    settings = ("layers", "weights", "batch", "images", "minutes", "learning_rate", "test_images")
    for record in records[1:]:
        for name in settings:
            if record.get(name) != first.get(name):
                raise UserError(
                    f"{RESULTS}: train_seed{record['seed']}.json has {name} {record.get(name)}, "
                    f"train_seed{first['seed']}.json {first.get(name)}; must be the same"
                )
    kernels = {kernel for record in records for kernel in record["results"]}
    results: dict = {}
    for kernel in sorted(kernels, key=int):
        for name in CONTESTANTS:
            runs = [r["results"].get(kernel, {}).get(name) for r in records]
            runs = [run for run in runs if run]
            if runs:
                figures = {key: [run[key] for run in runs] for key in runs[0]}
                results.setdefault(kernel, {})[name] = figures
    commands = [record["command"] for record in records]
    return {**first, "commands": commands, "results": results}


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _note(text: str, *commands: str, cores: int | None = None) -> list[str]:
    made = ", ".join(f"`{command}`" for command in commands)
    on = "" if cores is None else f" ({cores} cores)"
    return ["", f"*{text} {made}{on}.*"]


def _fields(record: dict) -> list[str]:
    rows = [
        [
            f"{kernel}x{kernel}",
            layers,
            *(f"{counted[name]:,}" for name in ("masked", "single", "single_first", "two")),
        ]
        for kernel, depths in record["pixels"].items()
        for layers, counted in depths.items()
    ]
    first = f"{CONTESTANTS['single']}, first layer masked"
    header = [CONTESTANTS["masked"], CONTESTANTS["single"], first, CONTESTANTS["two"]]
    return _table(["kernel", "layers", *header], rows)


def _arithmetic(record: dict) -> list[str]:
    rows = [
        [
            f"{kernel}x{kernel}",
            *(str(p[name]) for name in ("whole", "masked", "kept", "single", "two")),
        ]
        for kernel, p in record["products"].items()
    ]
    header = [
        "kernel", "masked, whole kernel", "masked, cropped (this package)",
        "unmasked entries (equivalent shifted pair)", "shifted, one stack", "shifted, two stacks",
    ]  # fmt: skip
    return _table(header, rows)


def _twins(record: dict) -> list[str]:
    rows = [
        [
            f"{kernel}x{kernel}",
            f"{f['difference']:.0e} of {f['largest']:.1f}",
            f"{f['masked_products']:,}",
            f"{f['twin_products']:,}",
            *_times(f, "forward"),
            *_times(f, "training"),
        ]
        for kernel, f in record["twins"].items()
    ]
    both = "forward and backward, ms: masked"
    header = [
        "kernel",
        "largest difference, of the largest output",
        "multiplications per pixel: masked",
        "shifted pair",
    ]
    header += ["forward, ms: masked", "shifted pair", both, "shifted pair"]
    what = f"One layer of {record['features']} features; {_images(record)}; ratios to masked in"
    return _table(header, rows) + _note(
        f"{what} parentheses.", record["command"], cores=record["cores"]
    )


def _times(figures: dict, what: str) -> list[str]:
    masked, twin = (figures[f"{name}_{what}_ms"] for name in ("masked", "twin"))
    return [f"{masked:.3g}", f"{twin:.3g} ({twin / masked:.2f})"]


def _images(record: dict) -> str:
    size = f"{record['side']}x{record['side']}"
    return f"{record['batch']} images of {size} per batch; medians of {record['rounds']} rounds"


def _models(record: dict) -> list[str]:
    speeds = [f"{what}_images_per_s" for what in ("forward", "train", "sample")]
    rows = [
        [
            f"{kernel}x{kernel}",
            CONTESTANTS[name],
            f"{2 * f['hidden_dim']}",
            f"{f['weights']:,}",
            f"{f['products']:,}",
            f"{f['pixels_seen']:,}",
            *(f"{f[speed]:.3g} ({f[speed] / models['masked'][speed]:.2f})" for speed in speeds),
        ]
        for kernel, models in record["models"].items()
        for name, f in models.items()
    ]
    earlier = (record["side"] // 2) * (record["side"] + 1)
    header = ["kernel", "convolutions", "features", "weights", "multiplications per pixel"]
    header += [
        f"receptive field, of the {earlier:,} earlier pixels",
        "forward",
        "training",
        "sampling",
    ]
    return _table(header, rows) + _note(
        f"{record['layers']} blocks; images per second; {_images(record)}; ratios to masked in "
        "parentheses.",
        record["command"],
        cores=record["cores"],
    )


def _training(record: dict) -> list[str]:
    rows = [
        [
            f"{kernel}x{kernel}",
            CONTESTANTS[name],
            f"{f['weights'][0]:,}",
            _mean(f["bits_per_dim"], ".4f"),
            _mean(f["nats_per_image"], ".2f"),
            _mean(f["images_seen"], ",.0f"),
            _mean(f["seconds"], ".0f"),
        ]
        for kernel, models in record["results"].items()
        for name, f in models.items()
    ]
    length = (
        f"{record['images']:,} images" if record["images"] else f"{record['minutes']:g} minutes"
    )
    header = ["kernel", "convolutions", "weights", "bits per dimension", "nats per image"]
    header += ["images seen", "seconds"]
    return _table(header, rows) + _note(
        f"After {length} of training, on {record['test_images']:,} test images"
        + (
            "; mean (minimum to maximum) over the seeds."
            if len(record["commands"]) > 1
            else "; one seed."
        ),
        *record["commands"],
        cores=record["cores"],
    )


def _mean(values: list[float], form: str) -> str:
    mean = format(float(np.mean(values)), form)
    if min(values) == max(values):
        return mean
    return f"{mean} ({format(min(values), form)} to {format(max(values), form)})"


#: By name: the results file with its measurements, and the function that returns its lines.
TABLES = {
    "twins": ("cost", _twins),
    "fields": ("fields", _fields),
    "arithmetic": ("fields", _arithmetic),
    "models": ("cost", _models),
    "training": ("train", _training),
}
