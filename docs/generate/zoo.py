"""Writes the models of docs/zoo.md from their cards: ``python -m docs.generate.zoo``."""

from docs.generate.pages import ROOT, replace_section
from pixelcnn_tf.zoo.models import PREFIX, ZooModel, zoo_models

PAGE = ROOT / "docs" / "zoo.md"


def models() -> str:
    """Returns a table of all models, and a section of each."""
    cards = list(zoo_models().values())
    lines = [
        "| model | images | score | test images | weights | file |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| [`{card.name}`](#{card.name}) | {card.title}, {card.size} "
        f"| {card.score} {card.unit_name} | {card.test_images:,} | {card.weights:,} "
        f"| {card.megabytes:.2f} MB |"
        for card in cards
    ]
    return "\n".join([*lines, "", *map(_section, cards)])


def _section(card: ZooModel) -> str:
    values = f"{card.n_values:,} values"
    classes = "" if card.n_classes is None else f", {card.n_classes} classes"
    versions = ", ".join(f"{name} {card.versions[name]}" for name in ("pixelcnn_tf", "tensorflow"))
    folder = f"../pixelcnn_tf/zoo/{card.name}"
    return f"""### `{card.name}`

{card.description}

![64 images drawn by {card.name}]({folder}/samples.png)

| | |
|---|---|
| images | {card.size}, {values}{classes} |
| data | {card.data} |
| terms of use of the data | {card.licence} |
| score | {card.score} {card.unit_name} (mean and standard error of {card.test_set}) |
| trained for | {card.hours:.2f} hours on {card.machine}; {card.images_seen:,} images seen |
| trained by | `{card.command}` |
| seed | {card.seed} |
| weights | {card.weights:,} |
| scored with | {versions} |
| images above | `pixelcnn-tf sample --run {PREFIX}{card.name} --n 64 --seed {card.samples_seed}` |
"""


def page() -> str:
    """Returns docs/zoo.md with its models up to date."""
    return replace_section(PAGE.read_text(encoding="utf-8"), "models", models())


def write() -> None:
    """Writes the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write()
