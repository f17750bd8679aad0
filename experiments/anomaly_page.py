"""The page on anomaly scores, docs/anomaly.md; see ``anomaly``."""

import json
import statistics

from experiments.commands import ROOT, set_flags

RECORDS = ROOT / "docs" / "results" / "anomaly"
SCORES = ("plain", "complexity", "ratio")
IMAGES = {
    "grey_digits": "`data.source: digits_grey`, 8x8 pixels",
    "coloured_digits": "`data.source: digits`, 12x12 pixels in two colours",
    "photographs": "3,000 images of CIFAR-10",
}

PAGE = """# Anomaly scores

This page is written by `python -m experiments.anomaly`.

`pixelcnn-tf score` reports how unusual images are under a trained model, and where:

    pixelcnn-tf score pictures/ --run runs/digits --out scores.csv --maps maps

For each image it prints, and writes to `scores.csv`,

- its **bits per dimension**, the negative log-likelihood: more bits mean less probable;
- its **z-score**: by how many standard deviations it is above the mean of the run's test images;
- its **percentile**: the percentage of the test images with a lower score; equal ones count half.

The arguments are image files, folders or archives of them, or `.npz` and `.npy` files. Images must
have the size of the test images; image files are resized only where the run resized its own, or
with `--set data.image_size=12`. The settings are written beside the scores, as `scores.json`. With
`--maps`, every image is drawn beside its **surprise map**: the bits that each pixel costs, given
the pixels before it, in one colour scale for all images. In Python, `anomaly_scores` and
`surprise_maps` do the same; see the [API reference](api/anomaly.md).

![Six images and their surprise maps](anomaly.png)

*A test digit and five images that are none, with the bits per pixel under the first model of the
coloured digits below.*

## The trap

A simple image costs few bits, whatever it shows: the image of one colour above is no digit, but no
less probable than one, and a black image is more probable than every grey test digit. Likewise,
models of CIFAR-10 give street-view house numbers a higher likelihood than the test images of
CIFAR-10 (Nalisnick et al. 2019,
[arXiv 1810.09136](https://arxiv.org/abs/1810.09136)). Look at both ends of the plain score, or
correct it:

- `--correct complexity` subtracts the bits of a general lossless coder, the smaller one of PNG and
  WebP (Serrà et al. 2019, [arXiv 1909.11480](https://arxiv.org/abs/1909.11480)).
- `--correct ratio` subtracts the bits under a background model, `--background`, which makes the
  score a likelihood ratio (Ren et al. 2019, [arXiv 1906.02845](https://arxiv.org/abs/1906.02845)).

A background model is trained on the same images with noise: `data.mutation_rate: 0.2` replaces each
sub-pixel by a random value with probability 0.2, again at each step, as a function of the seed and
the step. [configs/digits_grey_background.yml](../configs/digits_grey_background.yml) is an example:

    pixelcnn-tf train --config config.yml --set data.source=digits_grey --set name=digits_grey
    pixelcnn-tf train --config configs/digits_grey_background.yml
    pixelcnn-tf score pictures/ --run runs/digits_grey \\
        --correct ratio --background runs/digits_grey_background

## How well the scores tell sets apart

AUROC is the probability that an anomalous image has a higher score than a test image: 1 is perfect,
0.5 is chance, and below 0.5 the anomalous images look more normal than the test images. Mean and
standard deviation of {n_seeds} seeds; the second column is the mean of the plain score.
`experiments/anomaly_sets.py` makes all sets, with the grey levels of the digits or the colours of a
test image each. A mirrored 0 or 8 is still a digit. The models are small, and were trained for the
given times on {cores} cores that did other work as well. The `data.mutation_rate` of the background
models was not tuned.

### Grey digits

{grey_digits_about}

{grey_digits}

### Coloured digits

{coloured_digits_about}

{coloured_digits}

### Photographs

{photographs_about}

{photographs}

### Reading

{reading}

The command:

    python -m experiments.anomaly --colour cifar10_3k.npz

`cifar10_3k.npz` holds 3,000 images of CIFAR-10 and is not part of the repository; without the flag,
only the digits are measured. AUROC is `roc_auc_score` of scikit-learn, which is installed with this
package.
"""

READING = """
- **The plain score** finds what is more complex than the training images: letters, garments, noise
  and permuted pixels. It fails on what is simpler: black images among grey digits, and photographs
  of one colour, blurred or grey, look more normal than the test images. This is the published
  pattern (Nalisnick et al., Serrà et al.). Images upside down have the likelihood of the others.
- **Complexity** corrects this, as published: simple images are found nearly always. The price is
  paid for anomalies that are more complex than they are improbable: noise that is added to
  photographs costs PNG and WebP more than it costs the model, so noisy photographs look normal.
  Mirrored digits, as complex as digits, are found less often.
- **The ratio** does not find the simple images: on photographs and grey digits it is close to the
  plain score, except for images of one grey, which it finds less often. Ren et al. report AUROC
  below 0.1 for the likelihood and above 0.9 for the ratio, on Fashion-MNIST and MNIST and on
  CIFAR-10 and street-view house numbers, with models that were trained for much longer and a
  probability of noise that was chosen on other anomalous images. On the digits of two flat colours
  the ratio fails, probably because an edge costs a model that expects noise more than it costs the
  other one: whatever has more edges than a digit has a lower ratio.

Use `complexity` where simple images may be anomalous, the plain score where noise may be, and
`ratio` after choosing `data.mutation_rate` on anomalies like those that you expect.
"""


def table(record: dict) -> str:
    """Returns the rows of one kind of images."""
    seeds = record["seeds"]

    def over_seeds(values: list[float], digits: int) -> str:
        spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
        return f"{statistics.mean(values):.{digits}f}{spread}"

    lines = ["| images | bits per dim | plain | complexity | ratio |", "|---|---|---|---|---|"]
    for name in seeds[0]["bits_per_dim"]:
        cells = [name, over_seeds([seed["bits_per_dim"][name] for seed in seeds], 2)]
        for score in SCORES:
            values = [seed["auroc"][name][score] for seed in seeds if name in seed["auroc"]]
            cells.append(over_seeds(values, 2) if values else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def about(record: dict, images: str) -> str:
    """Returns how the models of a table were trained, in words."""
    steps = [step for seed in record["seeds"] for step in seed["steps"]]
    flags = " ".join(set_flags(record["settings"]))
    scores = [seed["background_bits_per_dim"] for seed in record["seeds"]]
    return (
        f"{images}: {record['train_images']:,} training and {record['test_images']:,} test images. "
        f"`{record['config']}`{f' with `{flags}`' if flags else ''}: {record['weights']:,} "
        f"weights, {record['minutes']:g} minutes, {min(steps):,} to {max(steps):,} steps of 16 "
        f"images. The background models, with `data.mutation_rate: {record['noise']}`, need "
        f"{min(scores):.2f} to {max(scores):.2f} bits per dimension for the test images."
    )


def page() -> str:
    """Returns docs/anomaly.md, from the recorded results."""
    sections = {}
    for kind, images in IMAGES.items():
        record = json.loads((RECORDS / f"{kind}.json").read_text(encoding="utf-8"))
        sections |= {kind: table(record), f"{kind}_about": about(record, images)}
    n_seeds, cores = len(record["seeds"]), record["cores"]
    return PAGE.format(n_seeds=n_seeds, cores=cores, reading=READING.strip(), **sections)
