"""What -m experiments.reproduce has measured, as docs/results.md and a picture of the curves."""

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from experiments.jobs import JOBS, Job
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.visualization.plots import figure_pixels, save_image

INTRODUCTION = """# Results

Written by `python -m experiments.reproduce mnist_binary --table` from the files in
[results/](results), each of which one command below wrote (with `--publish`); where a config has
changed since, its command now states the learning rate that the config then had. Weights that a
mask closes are not counted. Every figure of the tables is a training run of its own: the learning
rate falls to 0 along a cosine, over the images or over the time, and the running average of the
weights is scored. A part of the training images is held out for the curves and for every choice;
the test images were scored once, at the end. After each command: its seconds of training, scoring
and compiling left out.
"""


def write_table(results: Path) -> None:
    """Write ``results.md`` and ``curves_JOB.png`` beside the folder ``results`` of .json files.

    Raises:
        UserError: there are none, or two of the same row and budget.
    """
    docs = results.parent
    records = [json.loads(path.read_text("utf-8")) for path in sorted(results.glob("*.json"))]
    if not records:
        raise UserError(f"{results}: holds no results; run -m experiments.reproduce first")
    lines = [INTRODUCTION]
    for name, job in JOBS.items():
        mine = [record for record in records if record["job"] == name]
        order = list(job.models)
        mine.sort(
            key=lambda r, order=order: (
                bool(_classes(r)),
                r["binarization"] == "dynamic",
                order.index(r["model"]),
                r["minutes"] or 0,
            )
        )
        _refuse_twins(mine, job, results)
        if mine:
            lines += _section(job, mine, results, f"curves_{name}.png")
            curves = _curves([r for r in mine if not _classes(r)], job)
            save_image(curves, docs / f"curves_{name}.png")
    with replacing(docs / "results.md") as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")
    print(f"written to {docs / 'results.md'} and the curves beside it")


def _refuse_twins(records: list[dict], job: Job, results: Path) -> None:
    """Raises UserError for two records that would stand in the same place."""
    found: dict = {}
    for record in records:
        first = found.setdefault((_row_of(record, job), _budget(record)), record)
        if first is not record:
            raise UserError(
                f"{results}: {first['name']}.json and {record['name']}.json are both "
                f"{_title(record, job)}, {_words(*_budget(record))}; keep one"
            )


def _section(job: Job, records: list[dict], results: Path, curves: str) -> list[str]:
    """The lines of one table and what belongs to it."""
    rows = [r for r in records if not _classes(r)]
    budgets = sorted({_budget(r) for r in rows}, key=lambda b: (b[1], b[0]))
    titles = ["model", "weights"]
    for n, unit in budgets:
        titles += [_words(n, unit), *["images seen"] * (unit == "minutes")]
    titles += ["training images", "test images"]
    lines = [f"## {job.title}", job.before, _row(*titles), _row(*["---"] * len(titles))]
    for row in dict.fromkeys(_row_of(r, job) for r in rows):
        mine = {_budget(r): r for r in rows if _row_of(r, job) == row}
        title, *counts = row
        weights, n_train, n_test = (f"{n:,}" for n in counts)
        cells = [title, weights]
        for budget in budgets:
            r = mine.get(budget)
            cells.append(f"**{r['test']:.{job.digits}f}**" if r else "-")
            if budget[1] == "minutes":
                cells.append(f"{r['images_seen']:,}" if r else "-")
        lines.append(_row(*cells, n_train, n_test))
    lines += [job.after, "Commands, in the order of the table:\n", "```"]
    lines += [
        f"{r['command']}  # seed {r['seed']}, cores {r['cores']}, {r['seconds']:,.0f} s"
        for r in records
    ]
    lines += ["```\n", f"![Validation NLL in the course of training]({curves})\n"]
    lines.append("*On at most 1,000 held-out training images.*\n")
    for r in {_row_of(r, job): r for r in records}.values():  # the last of each model
        if (results / f"{r['name']}.png").exists():
            lines.append(f"### {_title(r, job)}, {_words(*_budget(r))}\n")
            lines.append(f"![Samples](results/{r['name']}.png)\n")
            what = "a row a class" if _classes(r) else "40 images"
            score = f"{r['test']:.{job.digits}f} {job.unit.replace('_', ' ')}"
            lines.append(
                f"*Drawn by this model ({score} on the test images), {what}, temperature 1, none "
                "picked.*\n"
            )
        if (results / f"{r['name']}_completions.png").exists():
            lines.append(f"![Completions](results/{r['name']}_completions.png)\n")
            lines.append("*Test images, what this model is shown of them, and completions.*\n")
    return lines


def _classes(record: dict):
    return record["config"]["model"]["n_classes"]


def _title(record: dict, job: Job) -> str:
    by_class = "by class" if _classes(record) else ""
    return ", ".join(filter(None, [job.models[record["model"]], by_class, record["binarization"]]))


def _row_of(record: dict, job: Job) -> tuple[str, int, int, int]:
    """What figures in one row have in common: title, weights, training and test images."""
    counts = (record[name] for name in ("weights", "train_images", "test_images"))
    return (_title(record, job), *counts)


def _budget(record: dict) -> tuple[float, str]:
    """What training was limited by."""
    return (record["images"], "images") if record["images"] else (record["minutes"], "minutes")


def _words(n: float, unit: str) -> str:
    return f"after {n:,g} {unit}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _curves(records: list[dict], job: Job) -> np.ndarray:
    limited = {
        unit: [r for r in records if _budget(r)[1] == unit] for unit in ("images", "minutes")
    }
    limited = {unit: runs for unit, runs in limited.items() if runs}
    figure = Figure(figsize=(9, 4), dpi=100, layout="constrained")
    axes = figure.subplots(1, len(limited) or 1, sharey=True, squeeze=False)[0]
    titles = list(dict.fromkeys(_title(r, job) for r in records))
    for axis, (unit, runs) in zip(axes, limited.items(), strict=False):
        for r in runs:
            curve = np.array(r["curve"])
            x = curve[:, 0] if unit == "images" else curve[:, 1] / 60
            title = _title(r, job)
            style = {"marker": "o", "markersize": 3, "color": f"C{titles.index(title)}"}
            axis.plot(x, curve[:, 2], label=title, **style)
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axis.locator_params(axis="x", nbins=5)
        what = "training images seen (runs for so many images)"
        axis.set_xlabel(what if unit == "images" else "minutes of training (runs for so long)")
    axes[0].set_ylabel(f"validation, {job.unit.replace('_', ' ')}")
    handles, labels = _first_of_each(*axes)
    columns = max(2, len(labels) // 2)
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, fontsize=8)
    for axis in axes:
        axis.grid(color="0.9")
        axis.spines[["top", "right"]].set_visible(False)
    return figure_pixels(figure)


def _first_of_each(*axes) -> tuple[list, list]:
    """Handles and labels of the lines of all axes, each label once."""
    found = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    return list(found.values()), list(found)
