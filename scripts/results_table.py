"""What scripts/reproduce.py has measured, as docs/results.md and a picture of the curves."""

import json
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from matplotlib.figure import Figure

from pixelcnn_tf.errors import UserError
from pixelcnn_tf.files import replacing
from pixelcnn_tf.plots import figure_pixels, save_picture

INTRODUCTION = """# Results

Written by `python scripts/reproduce.py mnist_binary --table` from the files in
[results/](results), each of which one command below wrote (with `--publish`). Weights that a mask
closes are not counted. Every model is scored with the running average of its weights; no schedule.
A part of the training images is held out for the curves and for every choice; the test images were
scored at the points of the tables only.
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
as the table says, after the same numbers of training images (55,000 is every training image once)
and after the same time. Four models of 7 layers and about as many weights each
(configs/mnist_binary_*.yml), Adam, learning rates (0.005 for the first two, 0.01 for the LSTMs)
from short trials on the 5,000 training images held out.

*Static*: each pixel was drawn once with its intensity as probability (the seed is `data.seed`, 0;
the papers' own draw is another one). *Dynamic*: training pixels are drawn anew each time they are
seen; the test images are those of the static rows. Only rows of one kind compare with each other.
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
        "3,000 images of CIFAR-10",
        """
Bits per dimension (lower is better) on 300 images, after the same number of training images (of
2,430, so each is seen about ten times) and after the same time. Four models of about as many
weights each (configs/cifar10_small_*.yml), Adam; 270 training images are held out.
""",
        """
For scale, of whole CIFAR-10 and by models trained to the end: PixelCNN++ 2.92 (arXiv 1701.05517,
section 3), after 5 days on 8 GPUs.
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
    marks = sorted({at[0] for r in records for at in r["at_images"]})
    titles = ["model", "weights", "images/s", *(f"test after {mark:,} images" for mark in marks)]
    titles += ["test at the end", "minutes", "images seen", "test images"]
    lines = [f"## {part.title}", part.before, _row(*titles), _row(*["---"] * len(titles))]
    for r in records:
        at = {mark: f"{score:.{part.digits}f}" for mark, _, score in r["at_images"]}
        cells = [_title(r, part), f"{r['weights']:,}", f"{r['images_per_second']:.0f}"]
        cells += [at.get(mark, "-") for mark in marks]
        cells += [f"**{r['test']:.{part.digits}f}**", f"{r['minutes']:g}"]
        lines.append(_row(*cells, f"{r['images_seen']:,}", f"{r['test_images']:,}"))
    lines += [part.after, "Commands, in the order of the table:\n", "```"]
    lines += [f"{r['command']}  # seed {r['seed']}, {r['cores']} cores" for r in records]
    lines += ["```\n", f"![Validation NLL against images seen and against time]({curves})\n"]
    lines.append("*Held-out training images (at most 1,000) against images seen, and time.*\n")
    for r in records:
        if (results / f"{r['name']}.png").exists():
            what = "a row a class" if _classes(r) else "40 images"
            lines.append(f"### {_title(r, part)}\n\n![Samples](results/{r['name']}.png)\n")
            lines.append(f"*Drawn by this model, {what}, temperature 1, none picked.*\n")
    return lines


def _classes(record: dict):
    return record["config"]["model"]["n_classes"]


def _title(record: dict, part: Part) -> str:
    by_class = "by class" if _classes(record) else ""
    return ", ".join(filter(None, [part.names[record["model"]], by_class, record["binarization"]]))


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _curves(records: list[dict], part: Part) -> np.ndarray:
    figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained")
    by_images, by_time = figure.subplots(1, 2, sharey=True)
    for r in records:
        curve = np.array(r["curve"])
        style = {"marker": "o", "markersize": 3, "label": _title(r, part)}
        by_images.plot(curve[:, 0], curve[:, 2], **style)
        by_time.plot(curve[:, 1] / 60, curve[:, 2], **style)
    by_images.set_xscale("log")
    by_images.set_xlabel("training images seen")
    by_images.set_ylabel(f"validation, {part.unit}")
    by_time.set_xlabel("minutes of training")
    by_time.legend(frameon=False, fontsize=8)
    for axis in (by_images, by_time):
        axis.grid(color="0.9")
        axis.spines[["top", "right"]].set_visible(False)
    return figure_pixels(figure)
