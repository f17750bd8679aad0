"""Images and labels from TFRecord files of encoded images, and from what TensorFlow Datasets has
prepared.

Source of the formats: https://www.tensorflow.org/tutorials/load_data/tfrecord: each record is a
``tf.train.Example``, between a header of 12 bytes and a checksum of 4. TensorFlow Datasets writes
such files into ``NAME/[CONFIG/]VERSION``, named like ``mnist-train.tfrecord-00000-of-00001``.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from pixelcnn_tf.config.data import TFDS, DataConfig
from pixelcnn_tf.data.array_files import as_labels
from pixelcnn_tf.data.image_files import read_images
from pixelcnn_tf.data.image_folders import set_within
from pixelcnn_tf.data.images import Part
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress, say

_NAME = re.compile(r"\.(tfrecords?|tfrec)(-\d+-of-\d+)?$", re.IGNORECASE)

#: Names that features have in other people's files, the first of which counts.
_IMAGES = ("image/encoded", "image", "image_raw", "encoded", "img", "jpeg", "png")
_LABELS = ("image/class/label", "label", "labels", "class", "fine_label", "y")


class Record(NamedTuple):
    """An encoded image in a TFRecord file, which ``read_images`` takes in place of a file.

    Attributes:
        file: the TFRecord file.
        number: of the record in it, from 0 up.
        start, length: the place of the record in the file, in bytes.
        feature: the name of the feature that is the image.

    Examples:
        >>> str(Record(Path("birds.tfrecord"), 7, 1000, 52, "image"))
        'birds.tfrecord: record 7'
    """

    file: Path
    number: int
    start: int
    length: int
    feature: str

    def __str__(self) -> str:
        return f"{self.file}: record {self.number}"

    def read_bytes(self) -> bytes:
        """Returns the encoded image; raises OSError if the file has changed."""
        with self.file.open("rb") as file:
            file.seek(self.start)
            content = file.read(self.length)
        try:
            example = tf.train.Example.FromString(content)
            return example.features.feature[self.feature].bytes_list.value[0]
        except (DecodeError, IndexError):
            raise OSError("no record here any more") from None


def record_files(path: Path) -> list[Path]:
    """Returns ``path`` if it is named like a TFRecord file, or such files in a folder, sorted.

    Examples:
        >>> record_files(Path("birds-train.tfrecord-00000-of-00002"))[0].name
        'birds-train.tfrecord-00000-of-00002'
    """
    if path.is_dir():
        return sorted(file for file in path.iterdir() if _NAME.search(file.name))
    return [path] if _NAME.search(path.name) else []


def prepared_folder(source: str) -> Path:
    """Returns the folder of the newest version of a data set that TensorFlow Datasets has prepared.

    Args:
        source: ``'tfds:NAME'`` or ``'tfds:NAME/CONFIG'``, in the folder of the environment variable
            ``TFDS_DATA_DIR`` or else ``~/tensorflow_datasets``.

    Raises:
        UserError: there is none.

    Examples:
        >>> prepared_folder("tfds:no_such_data")
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: data.source: 'tfds:no_such_data': no prepared data ...
    """
    home = Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    folder = home / source.removeprefix(TFDS)
    versions = {
        tuple(map(int, below.name.split("."))): below
        for below in (folder.iterdir() if folder.is_dir() else ())
        if re.fullmatch(r"\d+\.\d+\.\d+", below.name) and record_files(below)
    }
    if record_files(folder):
        return folder
    if not versions:
        raise UserError(
            f"data.source: {source!r}: no prepared data in {folder}; prepare it with "
            f"tfds.load({source.removeprefix(TFDS)!r}), or set TFDS_DATA_DIR to the folder of "
            "your data sets"
        )
    return versions[max(versions)]


def read_records(path: Path, data: DataConfig, labels: bool) -> dict[str, Part]:
    """Returns the images of TFRecord files, by the sets that their names mention.

    Args:
        path: a file, or a folder of them, for which ``record_files`` is not empty.
        data: the section of the config that states how to read the images, and the names of the
            features of images and labels: ``train_key`` and ``train_label_key``.
        labels: whether to return the labels, if there are any.

    Returns:
        images and labels by the name of the set: ``'training'``, and ``'validation'`` and
        ``'test'`` where they exist.

    Raises:
        UserError: a file is damaged, compressed or missing, or holds no encoded images.

    Examples:
        >>> import tempfile
        >>> image = tf.io.encode_png(np.zeros((8, 8, 1), np.uint8)).numpy()
        >>> feature = {"image": {"bytes_list": {"value": [image]}}}
        >>> example = tf.train.Example(features={"feature": feature})
        >>> path = Path(tempfile.mkdtemp()) / "a.tfrecord"
        >>> with tf.io.TFRecordWriter(str(path)) as writer:
        ...     writer.write(example.SerializeToString())
        >>> read_records(path, DataConfig(), labels=False)["training"][0].shape
        (1, 8, 8, 1)
    """
    files: dict[str, list[Path]] = {}
    if path.is_dir():
        _check_shards(record_files(path))
    for file in record_files(path):
        files.setdefault(set_within(_NAME.sub("", file.name)) or "", []).append(file)
    if list(files) == [""]:
        files = {"training": files[""]}
    for file in files.pop("", []):
        say(f"{path}: left out {file.name}: its name contains none of train, val and test")
    if "training" not in files:
        raise UserError(
            f"{path}: no file is named like the training set ({', '.join(sorted(files))} only); "
            "must be one with the word train in its name"
        )
    sets = {}
    for name in ("training", "validation", "test"):
        if name in files:
            records, numbers = _index(files[name], data, labels)
            images, read = read_images(records, data, str(path))
            if numbers is not None:
                kept = dict(zip(records, numbers, strict=True))
                given = np.array([kept[record] for record in read])
                numbers = as_labels(given, f"{path}: the labels of the {name} set", len(read))
            sets[name] = images, numbers
    return sets


def _index(files: list[Path], data: DataConfig, labels: bool) -> tuple[list, list | None]:
    """Returns a ``Record`` for each image, and the labels where there are any."""
    records: list[Record] = []
    numbers: list[int] = []
    feature, label = "", ""
    with progress(f"looking through {os.path.commonpath(files)}", None, "img") as bar:
        for file in files:
            for number, (start, content) in enumerate(_contents(file)):
                try:
                    values = tf.train.Example.FromString(content).features.feature
                except DecodeError:
                    raise UserError(f"{file}: record {number}: is no tf.train.Example") from None
                if not feature:
                    feature = _image_feature(file, data, values)
                    known = [data.train_label_key, *_LABELS] if labels else []
                    label = next((name for name in known if name in values), "")
                if not values[feature].bytes_list.value:
                    raise UserError(f"{file}: record {number}: has no feature {feature!r}")
                if label and len(values[label].int64_list.value) != 1:
                    raise UserError(f"{file}: record {number}: {label!r} is not one integer")
                records.append(Record(file, number, start, len(content), feature))
                if label:
                    numbers.append(values[label].int64_list.value[0])
                bar.update()
    if not records:
        raise UserError(f"{files[0]}: holds no images")
    return records, numbers if label else None


def _contents(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yields the place and the content of each record: after 8 bytes of length and 4 of a checksum,
    and before 4 more of one. What is damaged inside does not decode."""
    size, n = path.stat().st_size, 0
    with path.open("rb") as file:
        while header := file.read(12):
            if n == 0 and header[:2] == b"\x1f\x8b":
                raise UserError(f"{path}: is compressed; must be an uncompressed TFRecord file")
            length = int.from_bytes(header[:8], "little")
            start = file.tell()
            content = file.read(length) if length <= size else b""
            if len(header) < 12 or len(content) < length or len(file.read(4)) < 4:
                what = "not a TFRecord file" if n == 0 else f"is cut off after record {n - 1}"
                raise UserError(f"{path}: {what}")
            yield start, content
            n += 1


def _check_shards(files: list[Path]) -> None:
    """Raises UserError if a file of several, as in ``a-00000-of-00002``, is missing."""
    names = {file.name for file in files}
    parts = [re.fullmatch(r"(.*)-(\d+)-of-(\d+)", name) for name in names]
    for stem, digits, n in sorted({(p[1], len(p[2]), p[3]) for p in parts if p}):
        for number in range(min(int(n), 100_000)):
            other = f"{stem}-{number:0{digits}}-of-{n}"
            if other not in names:
                raise UserError(f"{files[0].parent}: {other} is missing")


def _image_feature(file: Path, data: DataConfig, values) -> str:
    """Returns the name of the feature that is the image."""
    for name in (data.train_key, *_IMAGES):
        if name in values and values[name].bytes_list.value:
            return name
    names = ", ".join(sorted(values)) or "none"
    raise UserError(
        f"{file}: no encoded image among its features ({names}); name one in data.train_key"
    )


def record_classes(path: Path) -> list[str] | None:
    """Returns the class names that TensorFlow Datasets stores beside its files, or None.

    Examples:
        >>> record_classes(Path("birds.tfrecord")) is None
        True
    """
    file = path / "label.labels.txt"
    return file.read_text(encoding="utf-8").split("\n")[:-1] if file.is_file() else None
