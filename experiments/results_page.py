"""The text and the figures of docs/results.md, from records of runs: see ``results_table``."""

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from experiments.tables import TABLES, Table
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.visualization.grids import save_image
from pixelcnn_tf.visualization.plots import figure_pixels

INTRODUCTION = """# Results

This page is written by `python -m experiments.results_table` from the files in
[results/](results). Every score in the tables is that of a separate training run. The learning rate
follows a cosine to 0, over the number of images or over the time, and a moving average of the
weights is scored. Compilation and evaluation do not count as training time. Part of the training
images is held out for the curves and for all choices of hyperparameters; the test images were
scored once, at the end. Masked-out weights are excluded from the numbers of weights.

Each command below trains the model of one score, as far as the differences described here permit;
`python -m experiments.results_table --add runs/NAME` then adds the run to this page. The
comment after each command gives the version of the package that measured the score shown here, the
seed, the number of cores and the training time.

**The scores of version 0.1.0** were measured by a script of that version. The commands below are
the closest equivalent: the models, the data, the learning rates and the budgets are the same, but
three things differ. The script averaged the weights over the last tenth of the steps (at most the
last 1,000), whereas `training.ema_decay` is now a constant; it held out different training
images; and it scored the final weights instead of those with the best validation score. Expect
similar scores, not identical ones.
"""


PRECISION = """## float32 and bfloat16

The same command in both precisions (`--set precision=mixed_bfloat16`), with the same seeds: bits
per dimension of the test images, with the standard deviation over the seeds. Written by
`python -m experiments.precision`.

| command | weights | steps | seeds | float32 | mixed_bfloat16 | difference |
| --- | --- | --- | --- | --- | --- | --- |"""


def _precision_row(path: Path) -> str:
    about = json.loads(path.read_text(encoding="utf-8"))
    pair = [np.array(scores) for scores in about["bits_per_dim"].values()]
    cells = [f"{scores.mean():.4f} ± {scores.std(ddof=1):.4f}" for scores in pair]
    gap = pair[1] - pair[0]
    counts = [f"{about[name]:,}" for name in ("weights", "steps")]
    difference = f"{gap.mean():+.4f} ± {gap.std(ddof=1):.4f}"
    return _row(f"`{about['command']}`", *counts, str(len(gap)), *cells, difference)


def write_page(records: list[dict], results: Path) -> None:
    """Write ``results.md`` and ``curves_TABLE.png`` into the folder that holds ``results``.

    Args:
        records: from ``read_record``.
        results: the folder of these records and of their image files.

    Raises:
        UserError: there are no records, or two of the same row and budget.
    """
    docs = results.parent
    text = page_text(records, results)
    for name, mine in _by_table(records).items():
        curves = _curves([r for r in mine if not _classes(r)], TABLES[name])
        save_image(curves, docs / f"curves_{name}.png")
    with replacing(docs / "results.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"written: {docs / 'results.md'} and its curves")


def page_text(records: list[dict], results: Path) -> str:
    """Returns the text of ``results.md``; arguments and errors as for ``write_page``."""
    if not records:
        raise UserError(f"{results}: holds no results; add those of a run with --add runs/NAME")
    lines = [INTRODUCTION]
    for name, mine in _by_table(records).items():
        _refuse_twins(mine, TABLES[name], results)
        lines += _section(TABLES[name], mine, results, f"curves_{name}.png")
    files = sorted((results / "precision").glob("*.json"))
    if files:
        lines += [PRECISION, *map(_precision_row, files), ""]
    return "\n".join(lines)


def _by_table(records: list[dict]) -> dict[str, list[dict]]:
    """Returns the records of each table that has any, in the order of its rows."""
    tables = {}
    for name, table in TABLES.items():
        order = list(table.models)
        mine = [
            (
                (
                    bool(_classes(r)),
                    r["binarization"] == "dynamic",
                    order.index(r["model"]),
                    r["minutes"] or 0,
                ),
                r,
            )
            for r in records
            if r["job"] == name
        ]
        if mine:
            tables[name] = [r for _, r in sorted(mine, key=lambda pair: pair[0])]
    return tables


def _refuse_twins(records: list[dict], table: Table, results: Path) -> None:
    """Raises UserError if two records belong in the same cell of the table."""
    found: dict = {}
    for record in records:
        first = found.setdefault((_row_of(record, table), _budget(record)), record)
        if first is not record:
            raise UserError(
                f"{results}: {first['name']}.json and {record['name']}.json are both "
                f"{_title(record, table)}, {_words(*_budget(record))}; delete one of them"
            )


def _section(table: Table, records: list[dict], results: Path, curves: str) -> list[str]:
    """Returns the lines of one table, its commands, its curves and its samples."""
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
    lines += [table.after, "Commands, in the order of the rows:\n", "```"]
    lines += [
        f"{r['command']}  # {r['versions']['pixelcnn_tf']}, seed {r['seed']}, "
        f"{r['cores']} cores, {r['seconds']:,.0f} s"
        for r in records
    ]
    lines += ["```\n", f"![Validation NLL during training]({curves})\n"]
    lines.append("*Scores on at most 1,000 held-out training images.*\n")
    for r in {_row_of(r, table): r for r in records}.values():  # the longest of each model
        if (results / f"{r['name']}.png").exists():
            lines.append(f"### {_title(r, table)}, {_words(*_budget(r))}\n")
            lines.append(f"![Samples](results/{r['name']}.png)\n")
            what = "one row per class" if _classes(r) else "40 images"
            score = f"{r['test']:.{table.digits}f} {table.unit.replace('_', ' ')}"
            lines.append(
                f"*Samples of this model ({score} on the test images): {what}, temperature 1, "
                "uncurated.*\n"
            )
        if (results / f"{r['name']}_completions.png").exists():
            lines.append(f"![Completions](results/{r['name']}_completions.png)\n")
            lines.append("*Test images, the half given to the model, and its completions.*\n")
    return lines


def _classes(record: dict):
    return record["config"]["model"]["n_classes"]


def _title(record: dict, table: Table) -> str:
    by_class = "class-conditional" if _classes(record) else ""
    return ", ".join(
        filter(None, [table.models[record["model"]], by_class, record["binarization"]])
    )


def _row_of(record: dict, table: Table) -> tuple[str, int, int, int]:
    """Returns what the scores of one row have in common: the title, and the numbers of weights,
    training images and test images."""
    counts = (record[name] for name in ("weights", "train_images", "test_images"))
    return (_title(record, table), *counts)


def _budget(record: dict) -> tuple[float, str]:
    """Returns the length of the training and its unit, images or minutes."""
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
        what = "training images seen (runs of fixed length)"
        axis.set_xlabel(what if unit == "images" else "minutes of training (runs of fixed time)")
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
