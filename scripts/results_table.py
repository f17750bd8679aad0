"""What scripts/reproduce.py has measured, as docs/results.md and a picture of the curves."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from matplotlib.figure import Figure

from pixelcnn_tf.errors import UserError
from pixelcnn_tf.files import replacing
from pixelcnn_tf.plots import figure_pixels, save_picture

NAMES = {
    "masked": "masked PixelCNN",
    "gated": "Gated PixelCNN",
    "row_lstm": "Row LSTM",
    "diagonal_bilstm": "Diagonal BiLSTM",
}

INTRODUCTION = """# Results

Written by `python scripts/reproduce.py mnist_binary --table` from the files in
[results/](results), each of which one command below wrote (with `--publish`).

## Binarized MNIST

Negative log-likelihood in nats an image (lower is better) on the first so many test images of MNIST
as the table says, after the same number of training images and after the same time. Four models
of 7 layers and about as many weights each (configs/mnist_binary_*.yml), Adam, one learning rate for
all, chosen in one-minute trials on held-out training images; no schedule (the curves of the faster
two show that they would gain from one); scored with the running average of the weights. A part of
the training images (5,000 of 60,000) is held out for the curves and for every choice; the test
images were scored at the two points of the table only.

*Static*: each pixel was drawn once with its intensity as probability (the seed is `data.seed`, 0;
the papers' own draw is another one). *Dynamic*: training pixels are drawn anew each time they are
seen; the test images are those of the static rows. Only rows of one kind compare with each other.
"""

PAPERS = """
For scale, the same quantity on all 10,000 test images, by models that were trained to the end:
PixelCNN 81.30, Row LSTM 80.54, Diagonal BiLSTM (7 layers) 79.20 (van den Oord et al. 2016, arXiv
1601.06759, table 4).
"""


def write_table(results: Path) -> None:
    """Write ``results.md`` and ``curves.png`` beside the folder ``results`` of .json files.

    Raises:
        UserError: there are none.
    """
    docs = results.parent
    records = [json.loads(path.read_text(encoding="utf-8")) for path in results.glob("*.json")]
    if not records:
        raise UserError(f"{results}: holds no results; run scripts/reproduce.py first")
    order = list(NAMES)
    records.sort(
        key=lambda r: (bool(_classes(r)), r["binarization"] == "dynamic", order.index(r["model"]))
    )
    marks = sorted({at[0] for r in records for at in r["at_images"]})
    titles = ["model", "weights", "images/s", *(f"test after {mark:,} images" for mark in marks)]
    titles += ["test at the end", "minutes", "images seen", "test images"]
    lines = [INTRODUCTION, _row(*titles), _row(*["---"] * len(titles))]
    for r in records:
        at = {mark: f"{nats:.2f}" for mark, _, nats in r["at_images"]}
        cells = [_title(r), f"{r['weights']:,}", f"{r['images_per_second']:.0f}"]
        cells += [at.get(mark, "-") for mark in marks]
        cells += [f"**{r['test_nats']:.2f}**", f"{r['minutes']:g}"]
        lines.append(_row(*cells, f"{r['images_seen']:,}", f"{r['test_images']:,}"))
    lines += [PAPERS, "Commands, in the order of the table:\n", "```"]
    lines += [f"{r['command']}  # seed {r['seed']}, {r['cores']} cores" for r in records]
    lines += ["```\n", "![Validation NLL against images seen and against time](curves.png)\n"]
    lines.append("*Held-out training images (1,000 of the 5,000) against images seen, and time.*\n")
    for r in records:
        if (results / f"{r['name']}.png").exists():
            what = "a row a class" if _classes(r) else "40 images"
            lines.append(f"### {_title(r)}\n\n![Samples](results/{r['name']}.png)\n")
            lines.append(f"*Drawn by this model, {what}, temperature 1, none picked.*\n")
    with replacing(docs / "results.md") as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")
    save_picture(_curves([r for r in records if not _classes(r)]), docs / "curves.png")
    print(f"written to {docs / 'results.md'} and {docs / 'curves.png'}")


def _classes(record: dict):
    return record["config"]["model"]["n_classes"]


def _title(record: dict) -> str:
    by_class = ", by class" if _classes(record) else ""
    return f"{NAMES[record['model']]}{by_class}, {record['binarization']}"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _curves(records: list[dict]) -> np.ndarray:
    figure = Figure(figsize=(9, 3.6), dpi=100, layout="constrained")
    by_images, by_time = figure.subplots(1, 2, sharey=True)
    for r in records:
        curve = np.array(r["curve"])
        style = {"marker": "o", "markersize": 3, "label": _title(r)}
        by_images.plot(curve[:, 0], curve[:, 2], **style)
        by_time.plot(curve[:, 1] / 60, curve[:, 2], **style)
    by_images.set_xscale("log")
    by_images.set_xlabel("training images seen")
    by_images.set_ylabel("validation NLL, nats an image")
    by_time.set_xlabel("minutes of training")
    by_time.legend(frameon=False, fontsize=8)
    for axis in (by_images, by_time):
        axis.grid(color="0.9")
        axis.spines[["top", "right"]].set_visible(False)
    return figure_pixels(figure)
