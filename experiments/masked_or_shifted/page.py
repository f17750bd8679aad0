"""The tables of docs/masked_or_shifted.md, from what -m experiments.masked_or_shifted measured.

Each stands between two comments of its own, ``<!-- table: NAME -->`` and ``<!-- end -->``; what is
written around them stays.
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
    """Raises UserError unless there is a page with a place for every table."""
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
    """The page of ``source`` with its tables empty, for figures of other settings."""
    page = (source / f"{PAGE}.md").read_text(encoding="utf-8")
    for name in TABLES:
        page = _filled(page, name, ["(not measured)"])
    note = "> *The tables are of other settings than the text, which is that of the usual ones.*"
    with replacing(docs / f"{PAGE}.md") as temporary:
        temporary.write_text(f"{note}\n\n{page}", encoding="utf-8")


def write_page(docs: Path) -> None:
    """Renew the tables whose figures there are.

    Raises:
        UserError: there are none; no page; results files that do not go together.
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
    """The text of a page with other lines in the place of a table."""
    found = _place(name).search(page)
    body = "".join(f"{line}\n" for line in lines)
    return f"{page[: found.start(1)]}{body}{page[found.end(1) :]}"


def _together(records: list[dict]) -> dict:
    """Runs of several seeds as one record, each figure a list; they must be alike."""
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
            *(f"{seen[name]:,}" for name in ("masked", "single", "single_first", "two")),
        ]
        for kernel, depths in record["pixels"].items()
        for layers, seen in depths.items()
    ]
    first = f"{CONTESTANTS['single']}, the first masked"
    header = [CONTESTANTS["masked"], CONTESTANTS["single"], first, CONTESTANTS["two"]]
    return _table(["kernel", "layers", *header], rows)


def _arithmetic(record: dict) -> list[str]:
    rows = [
        [
            f"{kernel}x{kernel}",
            *(str(p[way]) for way in ("whole", "masked", "kept", "single", "two")),
        ]
        for kernel, p in record["products"].items()
    ]
    header = [
        "kernel", "masked, the whole kernel", "masked, cropped (as here)",
        "what the mask keeps: the two-part twin", "shifted, one stack", "shifted, two stacks",
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
    header = ["kernel", "largest difference", "products a pixel: masked", "twin"]
    header += ["forward, ms: masked", "twin", both, "twin"]
    what = f"One layer of {record['features']} features, {_images(record)}; in brackets against"
    return _table(header, rows) + _note(f"{what} masked.", record["command"], cores=record["cores"])


def _times(figures: dict, what: str) -> list[str]:
    masked, twin = (figures[f"{name}_{what}_ms"] for name in ("masked", "twin"))
    return [f"{masked:.3g}", f"{twin:.3g} ({twin / masked:.2f})"]


def _images(record: dict) -> str:
    size = f"{record['side']}x{record['side']}"
    return f"{record['batch']} images of {size} at once, medians of {record['rounds']} rounds"


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
    header = ["kernel", "convolutions", "features", "weights", "products a pixel"]
    header += [f"sees, of {earlier:,}", "forward", "training", "sampling"]
    return _table(header, rows) + _note(
        f"{record['layers']} blocks; images a second, {_images(record)}; in brackets against "
        "masked.",
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
    header = ["kernel", "convolutions", "weights", "bits/dim", "nats an image"]
    header += ["images seen", "seconds"]
    return _table(header, rows) + _note(
        f"After {length} of training, on {record['test_images']:,} test images"
        + ("; mean, least to most of the seeds." if len(record["commands"]) > 1 else "; one seed."),
        *record["commands"],
        cores=record["cores"],
    )


def _mean(values: list[float], form: str) -> str:
    mean = format(float(np.mean(values)), form)
    if min(values) == max(values):
        return mean
    return f"{mean} ({format(min(values), form)} to {format(max(values), form)})"


#: By name: the results file that it is made from, and what makes its lines.
TABLES = {
    "twins": ("cost", _twins),
    "fields": ("fields", _fields),
    "arithmetic": ("fields", _arithmetic),
    "models": ("cost", _models),
    "training": ("train", _training),
}
