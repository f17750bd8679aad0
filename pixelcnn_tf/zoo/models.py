"""The models of the zoo, their cards, and the folders that stand for their runs.

A model is a folder of this package. It is a run folder that nothing is written to: ``config.yml``,
``model.keras`` with the weights in float16, ``images.txt`` with the checksums of the data; and with
it ``card.json`` (a ``ZooModel``), ``images.npz`` (a few test images) and ``samples.png``.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pixelcnn_tf.utils.errors import UserError, suggestion

#: What the name of a model begins with where a run may be named.
PREFIX = "zoo:"
FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class ZooModel:
    """The card of a model: what it is, how it was trained, and how good it is.

    Attributes:
        name: as in ``load_model("zoo:NAME")``.
        title, description: a few words, and a sentence.
        image_shape: (height, width, channels) of the training images.
        n_values: sub-pixels take the values 0 to ``n_values - 1``.
        n_classes: of a class-conditional model; None for others.
        data, licence: the training images, and the terms of their use.
        unit: of the scores: ``'nats_per_image'`` or ``'bits_per_dim'``.
        test: the mean score of the test images with the weights of the file; lower is better.
        standard_error: of ``test``.
        test_images, test_set: their number, and which they are.
        weights: number of weights, excluding masked-out ones.
        command, seed: the command that trained the model, and its seed.
        machine, hours, images_seen: on what and for how long it was trained.
        positions, scores: of the images in ``images.npz``: the place of each in the test set, and
            its score.
        samples_seed: the seed that the images of ``samples.png`` are drawn with.
        sha256: the digest of ``model.keras``.
        versions: of this package and of the libraries, with which the scores were computed.

    Example:

    >>> card = pixelcnn_tf.zoo_models()["mnist_binary"]
    >>> card.image_shape, card.unit
    ((28, 28, 1), 'nats_per_image')
    """

    name: str
    title: str
    description: str
    image_shape: tuple[int, int, int]
    n_values: int
    n_classes: int | None
    data: str
    licence: str
    unit: str
    test: float
    standard_error: float
    test_images: int
    test_set: str
    weights: int
    command: str
    seed: int
    machine: str
    hours: float
    images_seen: int
    positions: tuple[int, ...]
    scores: tuple[float, ...]
    samples_seed: int
    sha256: str
    versions: dict[str, str]

    @property
    def folder(self) -> Path:
        """The folder of the model."""
        return FOLDER / self.name

    @property
    def size(self) -> str:
        """The shape of the images as text, such as ``'28x28x1'``."""
        return "x".join(map(str, self.image_shape))

    @property
    def score(self) -> str:
        """The score and its standard error as text, without the unit.

        Example:

        >>> import dataclasses
        >>> card = pixelcnn_tf.zoo_models()["mnist_binary"]
        >>> dataclasses.replace(card, test=81.234, standard_error=0.456).score
        '81.23 ± 0.46'
        """
        digits = 2 if self.unit == "nats_per_image" else 3
        return f"{self.test:.{digits}f} ± {self.standard_error:.{digits}f}"

    @property
    def unit_name(self) -> str:
        """The unit in words, such as ``'nats per image'``."""
        return self.unit.replace("_", " ")

    @property
    def megabytes(self) -> float:
        """The size of ``model.keras``."""
        return (self.folder / "model.keras").stat().st_size / 1e6


def zoo_models() -> dict[str, ZooModel]:
    """Returns the cards of the models that are installed with the package, by name.

    Example:

    >>> "mnist_binary" in pixelcnn_tf.zoo_models()
    True
    """
    return {path.parent.name: _read_card(path) for path in sorted(FOLDER.glob("*/card.json"))}


def find(name: str) -> ZooModel:
    """Returns the card of a model.

    Args:
        name: with or without ``zoo:``.

    Raises:
        UserError: the zoo has no such model; the message names the closest one.

    Example:

    >>> from pixelcnn_tf.zoo.models import find
    >>> find("zoo:mnist_binry")
    Traceback (most recent call last):
    pixelcnn_tf.utils.errors.UserError: zoo:mnist_binry: ...; did you mean 'zoo:mnist_binary'? ...
    """
    name = name.removeprefix(PREFIX)
    names = [path.parent.name for path in FOLDER.glob("*/card.json")]
    if name not in names:
        near = suggestion(f"{PREFIX}{name}", [f"{PREFIX}{known}" for known in names])
        raise UserError(
            f"{PREFIX}{name}: no such model in the zoo{near} (pixelcnn-tf zoo lists them)"
        )
    return _read_card(FOLDER / name / "card.json")


def in_zoo(run: str | Path) -> bool:
    """Returns whether ``run`` names a model of the zoo.

    Example:

    >>> from pixelcnn_tf.zoo.models import in_zoo
    >>> in_zoo("zoo:mnist_binary"), in_zoo("runs/digits")
    (True, False)
    """
    return str(run).startswith(PREFIX)


def run_path(run: str | Path) -> Path:
    """Returns the path of a run: of the folder in this package for ``zoo:NAME``, else ``run``.

    Raises:
        UserError: the zoo has no such model.

    Example:

    >>> from pixelcnn_tf.zoo.models import run_path
    >>> run_path("zoo:mnist_binary").name, str(run_path("runs/digits"))
    ('mnist_binary', 'runs/digits')
    """
    return find(str(run)).folder if in_zoo(run) else Path(run)


def check_digest(name: str) -> None:
    """Checks that ``model.keras`` of a model is the file that its card describes.

    Args:
        name: as in ``find``.

    Raises:
        UserError: it is missing, or another one.

    Example:

    >>> from pixelcnn_tf.zoo.models import check_digest
    >>> check_digest("zoo:mnist_binary")
    """
    card = find(name)
    path = card.folder / "model.keras"
    if not path.is_file() or digest(path) != card.sha256:
        raise UserError(
            f"{path}: {'is damaged' if path.is_file() else 'is missing'} (its SHA-256 is not that "
            "of card.json); install the package again"
        )


def digest(path: Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal digits.

    Example:

    >>> import tempfile
    >>> from pixelcnn_tf.zoo.models import digest
    >>> path = Path(tempfile.mkdtemp()) / "a"
    >>> _ = path.write_bytes(b"")
    >>> digest(path)[:8]
    'e3b0c442'
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_card(path: Path) -> ZooModel:
    values = json.loads(path.read_text(encoding="utf-8"))
    tuples = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return ZooModel(name=path.parent.name, **{**values, **tuples})
