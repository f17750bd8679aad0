"""The tables of docs/results.md: the models that each compares, and the text around it."""

from typing import NamedTuple


class Table(NamedTuple):
    """A table of docs/results.md, named by the data set.

    Attributes:
        title, before, after: the text around the table.
        models: titles of the models in the table, by name, in order; the config file of each is
            configs/TABLE_MODEL.yml.
        n_channels: channels of the images; images of one channel are binarized.
        unit: unit of the scores, one of those of ``Trainer.evaluate``.
        digits: digits of a score after the decimal point.
    """

    title: str
    before: str
    after: str
    models: dict[str, str]
    n_channels: int
    unit: str
    digits: int


TABLES = {
    "mnist_binary": Table(
        "Binarized MNIST",
        """
Negative log-likelihood in nats per image (lower is better) on the first 3,000 test images of
MNIST (the whole test set of the `mnist.npz` of these runs), after equal numbers of training
images and after equal time. The models have nearly equal numbers of weights
([configs/mnist_binary_*.yml](../configs)), PixelSNAIL in 4 blocks and the others in 7; they were
trained with Adam. The learning rate begins at 0.01, chosen in short trials on the 5,000 held-out
training images, with these exceptions:

- the Gated PixelCNN, in all runs of 20 minutes: 0.005. At 0.01 it had diverged after 40,000 images,
  and ended at 90.74 nats on held-out images.
- the Row LSTM and the Diagonal BiLSTM, in the dynamic runs of 20 minutes: 0.005. At 0.01 the static
  Row LSTM had hardly improved from 20,000 to 40,000 images (87.83 and 87.65 on held-out images).

Without `--set data.source=mnist.npz`, the commands download MNIST and use all of its 10,000 test
images. The file of these runs holds its training images and the first 3,000 test images as
`x_train` and `x_test`; it is not part of the repository.

*Static*: each pixel was drawn once, with its intensity as the probability of a one (`data.seed`
is 0; the papers use a different draw). *Dynamic*: the pixels of training images are drawn again
each time they are used; the test images are those of the static rows. Only rows of the same kind
can be compared. The difference between two rows has a much smaller error than either score,
because the test images are the same: `python scripts/evaluate.py --run runs/A --compare runs/B`
prints it with its standard error.

The static runs of 20 minutes were measured on two cores of an Intel Xeon, on an otherwise idle
machine except for tests during the run of the Diagonal BiLSTM. The dynamic ones were measured on
two cores of an AMD EPYC, which processes 1.2 to 1.7 times as many images in the same time, on an
otherwise idle machine except for a minute or two of tests at idle priority during the runs of the
masked PixelCNN and the Row LSTM.
""",
        """
For comparison, the same quantity on all 10,000 test images for fully trained models: PixelCNN
81.30, Row LSTM 80.54, Diagonal BiLSTM (7 layers) 79.20 (van den Oord et al. 2016, arXiv 1601.06759,
table 4).
""",
        {
            "pixelcnn": "masked PixelCNN",
            "gated_pixelcnn": "Gated PixelCNN",
            "row_lstm": "Row LSTM",
            "diagonal_bilstm": "Diagonal BiLSTM",
            "snail": "PixelSNAIL",
        },
        n_channels=1,
        unit="nats_per_image",
        digits=2,
    ),
    "cifar10_small": Table(
        "CIFAR-10, small subset",
        """
Bits per dimension (lower is better) after equal numbers of training images and after equal time,
on a small subset of CIFAR-10: `cifar10_3k.npz` holds 2,700 images for training, of which a tenth
is held out, and 300 for testing. It is not part of the repository; `--set data.source=cifar10`
trains on the whole of CIFAR-10 instead. The four models have nearly equal numbers of weights
([configs/cifar10_small_*.yml](../configs)); they were trained with Adam. The learning rate begins
at 0.003 for all of them, chosen in trials of 2,000 images that were scored on the held-out
images: PixelCNN++ reached 5.74, 5.15 and 7.11 at 0.001, 0.003 and 0.01, the masked PixelCNN with
a mixture 6.32 and 5.93 at 0.001 and 0.003; the other two models were not tried.

The runs of 20 minutes were measured on two cores of an AMD EPYC, on an otherwise idle machine. The
training set is so small that PixelCNN++ sees each image 37 times, and the other models 17 to 24
times. The last three runs of 25,000 images were measured on one core.
""",
        """
For comparison: a masked PixelCNN of about 707,000 weights with a softmax over 256 values reached
5.03 after 24,064 images (Adam, 0.001), on other images held out of the same 3,000. A fully
trained PixelCNN++ reaches 2.92 on the whole of CIFAR-10 (arXiv 1701.05517, section 3), after 5
days on 8 GPUs.
""",
        {
            "pixelcnn_softmax": "masked PixelCNN, softmax over 256 values",
            "pixelcnn": "masked PixelCNN, 10 logistics",
            "gated_pixelcnn": "Gated PixelCNN, 10 logistics",
            "pixelcnn_pp": "PixelCNN++, 10 logistics",
        },
        n_channels=3,
        unit="bits_per_dim",
        digits=3,
    ),
}
