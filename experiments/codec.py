"""Compress the test images of trained runs, and photographs, beside PNG, WebP and JPEG XL.

The tables of docs/codec.md are rewritten.

examples:
  python -m experiments.codec runs/cifar10_small_pixelcnn_pp runs/mnist_binary_gated_pixelcnn
  python -m experiments.codec --photos runs/photos_local
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.commands import ROOT
from experiments.photos import test_photos
from pixelcnn_tf.cli.parsing import Parser, exit_with
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError, number_of
from pixelcnn_tf.utils.progress import progress

PAGE = ROOT / "docs" / "codec.md"
RECORDS = ROOT / "docs" / "results" / "codec"
BEGIN, END = "<!-- tables: python -m experiments.codec -->\n", "<!-- end of the tables -->\n"


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="python -m experiments.codec", description=__doc__)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="folders of finished runs")
    parser.add_argument("--photos", metavar="RUN", help="the run of configs/photos_local.yml")
    args = parser.parse_args(argv)
    startup.import_tensorflow()
    startup.find_devices()
    RECORDS.mkdir(parents=True, exist_ok=True)
    for run in map(Path, args.runs):
        images, labels = _test_images(run)
        _write(run, _measured(run, images, labels, sheet=True))
    if args.photos:
        for name, image in test_photos().items():
            _write(Path(args.photos), _measured(Path(args.photos), [image], None), name)
    write_page()
    return 0


def _test_images(run: Path):
    from pixelcnn_tf.data.pipeline import load_for

    if not (run / "results.json").is_file():
        raise UserError(f"{run}: is not the folder of a finished run")
    config = load_config(run / "config.yml")
    images = load_for(config.data, config.model.n_classes)
    return np.asarray(images.test[:]), images.test_labels


def _measured(run: Path, images: Sequence[np.ndarray], labels, sheet: bool = False) -> dict:
    """Returns sizes and times: every image in one file with the model, in files of their own with
    the other formats, and with these also as one sheet if ``sheet``."""
    from pixelcnn_tf import decode, encode, load_model, score
    from pixelcnn_tf.utils.image_formats import available, size_in

    model = load_model(run)
    n_values = model.likelihood.n_values
    encode(model, images, labels)  # compiles
    seconds = {}
    start = time.perf_counter()
    data = encode(model, images, labels)
    seconds["encode"] = time.perf_counter() - start
    start = time.perf_counter()
    decoded = decode(model, data)
    seconds["decode"] = time.perf_counter() - start
    if not all(map(np.array_equal, images, decoded)):
        raise UserError(f"{run}: the images were not decoded exactly")
    n_dims = sum(image.size for image in images)
    nats = score(model, np.asarray(images), labels, batch_size=1 if len(images) == 1 else 64).sum()
    sizes = {"model": len(data)}
    for name in available():
        of_files = progress(name, len(images), "img", images)
        sizes[name] = sum(size_in(name, image, n_values) or 0 for image in of_files)
        if sheet:
            sizes[f"{name}, one sheet"] = size_in(name, _sheet(images), n_values)
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    config = load_config(run / "config.yml")
    return {
        "source": Path(config.data.source).name,
        "model": config.model.pixel_layer or config.model.architecture,
        "images": len(images),
        "shape": list(images[0].shape),
        "n_dims": n_dims,
        "likelihood_bits": float(nats / np.log(2)),
        "bytes": sizes,
        "seconds": seconds,
        "weights": results["used_parameters"],
        "training_seconds": results["training_seconds"],
        "cores": results["cores"],
    }


def _sheet(images: np.ndarray) -> np.ndarray:
    """Returns all images in one, in about as many rows as columns."""
    n, height, width, channels = images.shape
    columns = int(np.ceil(n**0.5))
    rows = -(-n // columns)
    images = np.pad(images, [(0, rows * columns - n), (0, 0), (0, 0), (0, 0)])
    grid = images.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, channels)


def _write(run: Path, record: dict, name: str = "") -> None:
    path = RECORDS / f"{name or run.name}.json"
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def write_page() -> None:
    """Rewrites the tables of docs/codec.md from the records."""
    tables = [
        _table(path.stem, json.loads(path.read_text())) for path in sorted(RECORDS.glob("*.json"))
    ]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    with replacing(PAGE) as temporary:
        text = before + BEGIN + "\n" + "\n".join(tables) + "\n" + END + after
        temporary.write_text(text, encoding="utf-8")


def _table(name: str, record: dict) -> str:
    height, width, channels = record["shape"]
    of = number_of(record["images"], "image")
    bits = {key: 8 * value / record["n_dims"] for key, value in record["bytes"].items()}
    best = min(bits.values())
    rows = [
        f"**{name}**: {of} of {height}x{width}x{channels}. The model, `{record['model']}`, was "
        f"trained for {record['training_seconds'] / 60:.0f} minutes on {record['cores']} cores, on "
        f"images of `{record['source']}`. The likelihood is "
        f"{record['likelihood_bits'] / record['n_dims']:.4f} bits per dimension; encoding took "
        f"{record['seconds']['encode']:.1f} s and decoding {record['seconds']['decode']:.1f} s.\n",
        "| format | bytes | bits per dimension |",
        "|---|---|---|",
    ]
    for key, value in sorted(bits.items(), key=lambda item: item[1]):
        label = f"model of {record['weights']:,} weights" if key == "model" else key
        shown = f"**{value:.4f}**" if value == best else f"{value:.4f}"
        rows.append(f"| {label} | {record['bytes'][key]:,} | {shown} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.exit(exit_with(main))
