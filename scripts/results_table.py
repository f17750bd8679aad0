"""What scripts/reproduce.py has measured, as docs/results.md and a picture of the curves."""

import json
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from pixelcnn_tf.errors import UserError
from pixelcnn_tf.files import replacing
from pixelcnn_tf.plots import figure_pixels, save_picture

INTRODUCTION = """# Results

Written by `python scripts/reproduce.py mnist_binary --table` from the files in
[results/](results), each of which one command below wrote (with `--publish`). Weights that a mask
closes are not counted. Every figure of the tables is a training run of its own: the learning rate
falls to 0 along a cosine, over the images or over the time, and the running average of the weights
is scored. A part of the training images is held out for the curves and for every choice; the test
images were scored once, at the end.
"""


class Part(NamedTuple):
    """What is told of a job of scripts/reproduce.py.

    Attributes:
        title, before, after: text around the table.
        names: of the models, in order.
        unit: of the scores.
        digits: after the point.
    """

    title: str
    before: str
    after: str
    names: dict[str, str]
    unit: str
    digits: int


PARTS = {
    "mnist_binary": Part(
        "Binarized MNIST",
        """
Negative log-likelihood in nats an image (lower is better) on the first so many test images of MNIST
as the table says, after the same number of training images and after the same time. Four models of
7 layers and about as many weights each (configs/mnist_binary_*.yml), Adam; a learning rate of 0.01
at first for all, from short trials on the 5,000 training images held out.

*Static*: each pixel was drawn once with its intensity as probability (the seed is `data.seed`, 0;
the papers' own draw is another one). *Dynamic*: training pixels are drawn anew each time they are
seen; the test images are those of the static rows. Only rows of one kind compare with each other.
Differences of two rows have a much smaller error than either, for the images are the same:
`python scripts/evaluate.py --run runs/reproduce_... --against runs/reproduce_...` tells it.
""",
        """
For scale, the same quantity on all 10,000 test images, by models that were trained to the end:
PixelCNN 81.30, Row LSTM 80.54, Diagonal BiLSTM (7 layers) 79.20 (van den Oord et al. 2016, arXiv
1601.06759, table 4).
""",
        {
            "masked": "masked PixelCNN",
            "gated": "Gated PixelCNN",
            "row_lstm": "Row LSTM",
            "diagonal_bilstm": "Diagonal BiLSTM",
        },
        "nats an image",
        2,
    ),
    "cifar10_small": Part(
        "CIFAR-10, a few images",
        """
Bits per dimension (lower is better) after the same number of training images and after the same
time, on few images of CIFAR-10 (the table says how many different ones; a tenth of what is given
for training is held out). Four models of about as many weights each
(configs/cifar10_small_*.yml), Adam; a learning rate of 0.001 at first for all, tuned for none.
""",
        """
For scale: a masked PixelCNN of 979,000 weights with a softmax over 256 values stood at 5.03 on
other images held out of the same 3,000 after 24,064 images (Adam, 0.001). Of whole CIFAR-10 and by
a model trained to the end: PixelCNN++ 2.92 (arXiv 1701.05517, section 3), after 5 days on 8 GPUs.
""",
        {
            "masked_softmax": "masked PixelCNN, softmax over 256 values",
            "masked": "masked PixelCNN, 10 logistics",
            "gated": "Gated PixelCNN, 10 logistics",
            "plusplus": "PixelCNN++, 10 logistics",
        },
        "bits per dimension",
        3,
    ),
}


def write_table(results: Path) -> None:
    """Write ``results.md`` and ``curves.png`` beside the folder ``results`` of .json files.

    Raises:
        UserError: there are none.
    """
    docs = results.parent
    records = [json.loads(path.read_text(encoding="utf-8")) for path in results.glob("*.json")]
    if not records:
        raise UserError(f"{results}: holds no results; run scripts/reproduce.py first")
    lines = [INTRODUCTION]
    for job, part in PARTS.items():
        mine = [record for record in records if record["job"] == job]
        order = list(part.names)
        mine.sort(
            key=lambda r, order=order: (
                bool(_classes(r)),
                r["binarization"] == "dynamic",
                order.index(r["model"]),
                r["minutes"] or 0,
            )
        )
        if mine:
            lines += _section(part, mine, results, f"curves_{job}.png")
            curves = _curves([r for r in mine if not _classes(r)], part)
            save_picture(curves, docs / f"curves_{job}.png")
    with replacing(docs / "results.md") as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")
    print(f"written to {docs / 'results.md'} and the curves beside it")


def _section(part: Part, records: list[dict], results: Path, curves: str) -> list[str]:
    """The lines of one table and what belongs to it."""
    budgets = sorted({_budget(r) for r in records}, key=lambda b: (b[1], b[0]))
    titles = ["model", "weights"]
    for n, unit in budgets:
        titles += [f"after {n:,g} {unit}", "images/s" if unit == "images" else "images seen"]
    titles += ["training images", "test images"]
    lines = [f"## {part.title}", part.before, _row(*titles), _row(*["---"] * len(titles))]
    for title in dict.fromkeys(_title(r, part) for r in records):
        mine = {_budget(r): r for r in records if _title(r, part) == title}
        last = list(mine.values())[-1]
        cells = [title, f"{last['weights']:,}"]
        for budget in budgets:
            r = mine.get(budget)
            if r is None:
                cells += ["-", "-"]
                continue
            seen = r["images_per_second"] if r["images"] else r["images_seen"]
            cells += [f"**{r['test']:.{part.digits}f}**", f"{seen:,.0f}"]
        lines.append(_row(*cells, f"{last['train_images']:,}", f"{last['test_images']:,}"))
    lines += [part.after, "Commands, in the order of the table:\n", "```"]
    lines += [f"{r['command']}  # seed {r['seed']}, {r['cores']} cores" for r in records]
    lines += ["```\n", f"![Validation NLL against images seen and against time]({curves})\n"]
    lines.append("*On at most 1,000 held-out training images.*\n")
    for r in {_title(r, part): r for r in records}.values():  # the last of each model
        if (results / f"{r['name']}.png").exists():
            what = "a row a class" if _classes(r) else "40 images"
            n, unit = _budget(r)
            lines.append(f"### {_title(r, part)}, after {n:,g} {unit}\n")
            lines.append(f"![Samples](results/{r['name']}.png)\n")
            lines.append(f"*Drawn by this model, {what}, temperature 1, none picked.*\n")
    return lines


def _classes(record: dict):
    return record["config"]["model"]["n_classes"]


def _title(record: dict, part: Part) -> str:
    by_class = "by class" if _classes(record) else ""
    return ", ".join(filter(None, [part.names[record["model"]], by_class, record["binarization"]]))


def _budget(record: dict) -> tuple[float, str]:
    """What training was limited by."""
    return (record["images"], "images") if record["images"] else (record["minutes"], "minutes")


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _curves(records: list[dict], part: Part) -> np.ndarray:
    figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained")
    by_images, by_time = figure.subplots(1, 2, sharey=True)
    titles = list(dict.fromkeys(_title(r, part) for r in records))
    for r in records:
        curve = np.array(r["curve"])
        colour = f"C{titles.index(_title(r, part))}"
        style = {"marker": "o", "markersize": 3, "label": _title(r, part), "color": colour}
        if r["images"]:
            by_images.plot(curve[:, 0], curve[:, 2], **style)
        else:
            by_time.plot(curve[:, 1] / 60, curve[:, 2], **style)
    by_images.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    by_images.locator_params(axis="x", nbins=5)
    by_images.set_xlabel("training images seen (runs for so many images)")
    by_images.set_ylabel(f"validation, {part.unit}")
    by_time.set_xlabel("minutes of training (runs for so long)")
    figure.legend(*_first_of_each(by_images, by_time), loc="outside right upper", fontsize=8)
    for axis in (by_images, by_time):
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
