"""The text and the figures of docs/results.md, from records of runs: see ``results_table``."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from experiments.tables import TABLES, Table
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.visualization.plots import figure_pixels, save_image

INTRODUCTION = """# Results

Written by `python -m experiments.results_table` from the files in [results/](results). Every
figure of the tables is a training run of its own: the learning rate falls to 0 along a cosine, over
the images or over the time, and a running average of the weights is scored. Compiling and
evaluations do not count as training. Some of the training images are held out for the curves and
for every choice; the test images were scored once, at the end. Masked-out weights are not counted.

Each command below trains one row; `python -m experiments.results_table --add runs/NAME` then takes
it into this page. After each command: the version that measured the figure that stands here, and
its seconds of training.

**Figures of version 0.1.0** were measured by a script of that version, not by these commands, which
come nearest to it: same models, data, learning rates and budgets. Three things differ. That script
averaged the weights over the last tenth of the steps, at most over the last 1,000, whereas
`training.ema_decay` now is a constant; it held out other training images; and it scored the last
weights, not those with the best score on held-out images. Expect scores near these, not equal to
them.
"""


def write_page(records: list[dict], results: Path) -> None:
    """Write ``results.md`` and ``curves_TABLE.png`` into the folder that holds ``results``.

    Args:
        records: from ``read_record``.
        results: the folder of their files and of images of samples.

    Raises:
        UserError: there are no records, or two of the same row and budget.
    """
    docs = results.parent
    if not records:
        raise UserError(f"{results}: holds no results; add the folder of a run with --add")
    lines = [INTRODUCTION]
    for name, table in TABLES.items():
        mine = [record for record in records if record["job"] == name]
        order = list(table.models)
        mine.sort(
            key=lambda r, order=order: (
                bool(_classes(r)),
                r["binarization"] == "dynamic",
                order.index(r["model"]),
                r["minutes"] or 0,
            )
        )
        _refuse_twins(mine, table, results)
        if mine:
            lines += _section(table, mine, results, f"curves_{name}.png")
            curves = _curves([r for r in mine if not _classes(r)], table)
            save_image(curves, docs / f"curves_{name}.png")
    with replacing(docs / "results.md") as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")
    print(f"written to {docs / 'results.md'} and the curves alongside")


def _refuse_twins(records: list[dict], table: Table, results: Path) -> None:
    """Raises UserError for two records of the same cell."""
    found: dict = {}
    for record in records:
        first = found.setdefault((_row_of(record, table), _budget(record)), record)
        if first is not record:
            raise UserError(
                f"{results}: {first['name']}.json and {record['name']}.json are both "
                f"{_title(record, table)}, {_words(*_budget(record))}; keep one"
            )


def _section(table: Table, records: list[dict], results: Path, curves: str) -> list[str]:
    """Returns the lines of one table and of its commands, curves and samples."""
    rows = [r for r in records if not _classes(r)]
    budgets = sorted({_budget(r) for r in rows}, key=lambda b: (b[1], b[0]))
    titles = ["model", "weights"]
    for n, unit in budgets:
        titles += [_words(n, unit), *["images seen"] * (unit == "minutes")]
    titles += ["training images", "test images"]
    lines = [f"## {table.title}", table.before, _row(*titles), _row(*["---"] * len(titles))]
    for row in dict.fromkeys(_row_of(r, table) for r in rows):
        mine = {_budget(r): r for r in rows if _row_of(r, table) == row}
        title, *counts = row
        weights, n_train, n_test = (f"{n:,}" for n in counts)
        cells = [title, weights]
        for budget in budgets:
            r = mine.get(budget)
            cells.append(f"**{r['test']:.{table.digits}f}**" if r else "-")
            if budget[1] == "minutes":
                cells.append(f"{r['images_seen']:,}" if r else "-")
        lines.append(_row(*cells, n_train, n_test))
    lines += [table.after, "Commands, in the order of the table:\n", "```"]
    lines += [
        f"{r['command']}  # {r['versions']['pixelcnn_tf']}, seed {r['seed']}, "
        f"cores {r['cores']}, {r['seconds']:,.0f} s"
        for r in records
    ]
    lines += ["```\n", f"![Validation NLL in the course of training]({curves})\n"]
    lines.append("*On at most 1,000 held-out training images.*\n")
    for r in {_row_of(r, table): r for r in records}.values():  # the last of each model
        if (results / f"{r['name']}.png").exists():
            lines.append(f"### {_title(r, table)}, {_words(*_budget(r))}\n")
            lines.append(f"![Samples](results/{r['name']}.png)\n")
            what = "one row per class" if _classes(r) else "40 images"
            score = f"{r['test']:.{table.digits}f} {table.unit.replace('_', ' ')}"
            lines.append(
                f"*Drawn by this model ({score} on the test images), {what}, temperature 1, none "
                "picked.*\n"
            )
        if (results / f"{r['name']}_completions.png").exists():
            lines.append(f"![Completions](results/{r['name']}_completions.png)\n")
            lines.append("*Test images, the half that the model is given, and completions.*\n")
    return lines


def _classes(record: dict):
    return record["config"]["model"]["n_classes"]


def _title(record: dict, table: Table) -> str:
    by_class = "by class" if _classes(record) else ""
    return ", ".join(
        filter(None, [table.models[record["model"]], by_class, record["binarization"]])
    )


def _row_of(record: dict, table: Table) -> tuple[str, int, int, int]:
    """Returns what the figures of one row have in common: title, weights, training and test
    images."""
    counts = (record[name] for name in ("weights", "train_images", "test_images"))
    return (_title(record, table), *counts)


def _budget(record: dict) -> tuple[float, str]:
    """Returns what ended the training: a number of images or of minutes."""
    return (record["images"], "images") if record["images"] else (record["minutes"], "minutes")


def _words(n: float, unit: str) -> str:
    return f"after {n:,g} {unit}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _curves(records: list[dict], table: Table) -> np.ndarray:
    limited = {
        unit: [r for r in records if _budget(r)[1] == unit] for unit in ("images", "minutes")
    }
    limited = {unit: runs for unit, runs in limited.items() if runs}
    figure = Figure(figsize=(9, 4), dpi=100, layout="constrained")
    axes = figure.subplots(1, len(limited) or 1, sharey=True, squeeze=False)[0]
    titles = list(dict.fromkeys(_title(r, table) for r in records))
    for axis, (unit, runs) in zip(axes, limited.items(), strict=False):
        for r in runs:
            curve = np.array(r["curve"])
            x = curve[:, 0] if unit == "images" else curve[:, 1] / 60
            title = _title(r, table)
            style = {"marker": "o", "markersize": 3, "color": f"C{titles.index(title)}"}
            axis.plot(x, curve[:, 2], label=title, **style)
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axis.locator_params(axis="x", nbins=5)
        what = "training images seen (runs of that many images)"
        axis.set_xlabel(what if unit == "images" else "minutes of training (runs of that long)")
    axes[0].set_ylabel(f"validation, {table.unit.replace('_', ' ')}")
    handles, labels = _first_of_each(*axes)
    columns = max(2, len(labels) // 2)
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, fontsize=8)
    for axis in axes:
        axis.grid(color="0.9")
        axis.spines[["top", "right"]].set_visible(False)
    return figure_pixels(figure)


def _first_of_each(*axes) -> tuple[list, list]:
    """Returns handles and labels of the lines of all axes, each label once."""
    found = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    return list(found.values()), list(found)
