"""The ``data`` section of a config."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator

from pixelcnn_tf.config import registry
from pixelcnn_tf.config.conditions import ConditionName
from pixelcnn_tf.config.names import NameOf
from pixelcnn_tf.config.sections import combined
from pixelcnn_tf.config.types import Real, Section, Seed, Size
from pixelcnn_tf.utils.palettes import check_palette, default_palette, palette_colours

if TYPE_CHECKING:
    import numpy as np

#: The start of a source that names a data set which TensorFlow Datasets has prepared.
TFDS = "tfds:"


class DataConfig(Section):
    """The ``data`` section of a config: the source of the images and their preparation.

    Example:
        >>> from pixelcnn_tf.config import DataConfig
        >>> DataConfig(source="mnist", binarize="sample").test_share
        0.1
    """

    source: Annotated[str, Field(min_length=1), NameOf("source")] = Field(
        default="digits",
        description="a path: a .npz or .npy file of integer images, or a folder of images (PNG, "
        "JPEG, ...; its folders train/, val/ and test/ are the sets), a .zip or .tar of one, "
        "TFRecord files of images, or the files of MNIST or CIFAR; a .txt file of levels, or a "
        "folder of such files; tfds:NAME, which TensorFlow Datasets has prepared; or one of",
    )
    image_size: Size | None = Field(
        default=None,
        description="one side or [height, width]; digits and image files are resized to it; null: "
        "the size of the images (digits: 12)",
    )
    fit: Literal["crop", "resize"] = Field(
        default="crop",
        description="folders: crop to that shape, or resize without keeping proportions",
    )
    sixteen_bit: Literal["scale", "keep"] | None = Field(
        default=None,
        description="image files with more than 8 bits per channel: scale keeps the upper 8, keep "
        "all of them (PNG, and TIFF in grey); null: they are refused",
    )
    skip_broken: bool = Field(
        default=False,
        description="folders: leave out image files that cannot be read, instead of stopping",
    )
    values: Literal["ordered", "codes"] | None = Field(
        default=None,
        description="ordered: intensities, or other numbers of which close ones are alike; codes: "
        "numbers that stand for something else, such as tiles or the tokens of another model; "
        "null: codes for levels (text), otherwise ordered",
    )
    cache_gb: Annotated[Real, Field(ge=0)] = Field(
        default=0.5,
        description="sets of images that take more gigabytes than this are not kept in memory: "
        "image files are decoded while the model trains, array files are mapped into memory",
    )
    augment: list[Literal["flip"]] = Field(
        default=[],
        description="random changes of the training images: flip mirrors half of them, left to "
        "right",
    )
    mutation_rate: Annotated[Real, Field(gt=0, le=1)] | None = Field(
        default=None,
        description="each sub-pixel of a training image is replaced by a random value with this "
        "probability, again each time it is seen, for the background models of anomaly scores "
        "(docs/anomaly.md); null: none",
    )
    condition: ConditionName | None = Field(
        default=None,
        description="what the model is given with each image (docs/conditioning.md): "
        "grey (colorization), downK, K times smaller (super-resolution), or edges, all made from "
        "the images; or paired: the arrays c_train, c_val and c_test of a .npz file, or "
        "condition_source; null: none",
    )
    condition_source: str | None = Field(
        default=None,
        description="condition paired: a file or folder with the conditions, as source has the "
        "images: the same number in each set, in the same order, of the same names in folders; "
        "null: the arrays of source",
    )
    condition_size: Size | None = Field(
        default=None,
        description="height and width to which the conditions of condition_source are resized; "
        "null: image_size, and as they are without one",
    )
    train_key: str = Field(default="x_train", description=".npz: the name of the training images")
    validation_key: str = Field(
        default="x_val", description=".npz: the name of the validation images, if any"
    )
    test_key: str = Field(default="x_test", description=".npz: the name of the test images, if any")
    class_names: list[str] | None = Field(
        default=None,
        description="folders: the sub-folders that are classes, in the order of their labels; "
        "null: all of them, sorted",
    )
    train_label_key: str = Field(
        default="y_train", description=".npz: the name of the training labels, integers from 0 up"
    )
    validation_label_key: str = Field(
        default="y_val", description=".npz: the name of the validation labels"
    )
    test_label_key: str = Field(default="y_test", description=".npz: the name of the test labels")
    test_share: Annotated[Real, Field(gt=0, lt=1)] = Field(
        default=0.1,
        description="the fraction held out for testing if the source has no test images of its own",
    )
    validation_share: Annotated[Real, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="the fraction of the training images held out for the scores during training "
        "and for choosing the best weights; null: the test images are scored during training, and "
        "the last weights are kept",
    )
    binarize: Literal["threshold", "sample", "dynamic"] | None = Field(
        default=None,
        description="binary images, for likelihood bernoulli: threshold (at half intensity), "
        "sample (drawn once, with the intensity as probability) or dynamic (training images are "
        "drawn again each time they are seen); null: images stay as they are",
    )
    alphabet: Annotated[str, Field(min_length=2, max_length=256)] | None = Field(
        default=None,
        description="levels: the characters of the tiles, in the order of their values from 0 up; "
        "null: those in the text files, sorted",
    )
    window: Size | None = Field(
        default=None,
        description="levels in text files: cut them into windows of [height, width], which do not "
        "overlap; null: all levels must have one size",
    )
    palette: str | list[str] | None = Field(
        default=None,
        description="greyscale images: the colour in which each value is drawn, a list of names "
        "or '#rrggbb', or the name of one of matplotlib's colormaps; null: greys, for levels "
        "distinct colours",
    )
    seed: Seed = Field(
        default=0,
        description="the seed of everything that is drawn once: the held-out images, the colours "
        "of the digits, the binarization (with 'dynamic', that of the test images)",
    )

    @field_validator("augment")
    @classmethod
    def _once(cls, names):
        if len(set(names)) < len(names):
            raise ValueError("must name each change once")
        return names

    @field_validator("alphabet")
    @classmethod
    def _distinct(cls, alphabet):
        if alphabet is not None and (len(set(alphabet)) < len(alphabet) or "\n" in alphabet):
            raise ValueError("must hold each character once, and no line break")
        return alphabet

    @field_validator("palette", mode="before")
    @classmethod
    def _known_colours(cls, palette):
        if palette is not None:
            check_palette(palette)
        return palette

    def colours(self, n_values: int) -> "np.ndarray | None":
        """Returns the colours in which the values of images are drawn, uint8 ``[n_values, 3]``;
        None for greys.

        Raises:
            ValueError: the palette has another number of colours.

        Example:
            >>> from pixelcnn_tf.config import DataConfig
            >>> DataConfig(palette=["white", "navy"]).colours(2).tolist()
            [[255, 255, 255], [0, 0, 128]]
        """
        palette = self.palette or (default_palette(n_values) if self.alphabet else None)
        return None if palette is None else palette_colours(palette, n_values)


def data_section(values: Any) -> Any:
    """Returns the ``data`` section of a config, with the settings of a registered source.

    Args:
        values: the keys and values of the file.

    Returns:
        a ``DataConfig``; ``values`` itself if it is not a dictionary.

    Raises:
        ValidationError: an unknown key or a wrong value.

    Example:
        >>> from pixelcnn_tf.config.data import data_section
        >>> data_section({"source": "mnist"}).source
        'mnist'
    """
    if not isinstance(values, dict):
        return values
    entry = registry.find("source", values.get("source", "digits"))
    return combined(DataConfig, values, () if entry is None else (entry,), ("source",))
