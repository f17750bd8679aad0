"""The tables of docs/results.md: the models that each compares, and the text around it."""

from typing import NamedTuple


class Table(NamedTuple):
    """A table of docs/results.md, named by the data set.

    Attributes:
        title, before, after: text around the table.
        models: their titles in the table, in order; the config of each is
            configs/TABLE_MODEL.yml.
        n_channels: of the images; those of one channel are binarized.
        unit: of the scores, as ``Trainer.evaluate`` names it.
        digits: of a score, after the decimal point.
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
Negative log-likelihood in nats per image (lower is better) on the first 3,000 test images of MNIST
(all those in the `mnist.npz` of these runs), after the same number of training images and after the
same time. Four models of 7 layers and about as many weights each
(`configs/mnist_binary_*.yml`), Adam. The learning rate starts at 0.01, from short
trials on the 5,000 training images held out. In longer runs it is 0.005 for the Gated PixelCNN,
which at 0.01 diverged after 40,000 images (90.74 nats on held-out images at the end), and in the
dynamic rows of 20 minutes also for the LSTMs: the static Row LSTM had stalled between 20,000 and
40,000 images (87.83 and 87.65).

*Static*: each pixel was drawn once with its intensity as probability (the seed is `data.seed`, 0;
the draw of the papers is another one). *Dynamic*: training pixels are drawn again each time they
are seen; the test images are those of the static rows. Only rows of one kind can be compared. The
difference of two rows has a much smaller error than either, for the images are the same: `python
scripts/evaluate.py --run runs/A --against runs/B` prints it with its standard error.

Of the rows of 20 minutes the static ones were measured on two cores of an Intel Xeon, with nothing
else running but tests during the run of the Diagonal BiLSTM; the dynamic ones on two cores of an
AMD EPYC, which in the same time sees 1.2 to 1.7 times as many images, with nothing else running but
a minute or two of tests at idle priority during the runs of the masked PixelCNN and the Row LSTM.
""",
        """
For scale, the same quantity on all 10,000 test images, by models that were trained to the end:
PixelCNN 81.30, Row LSTM 80.54, Diagonal BiLSTM (7 layers) 79.20 (van den Oord et al. 2016, arXiv
1601.06759, table 4).
""",
        {
            "pixelcnn": "masked PixelCNN",
            "gated_pixelcnn": "Gated PixelCNN",
            "row_lstm": "Row LSTM",
            "diagonal_bilstm": "Diagonal BiLSTM",
        },
        n_channels=1,
        unit="nats_per_image",
        digits=2,
    ),
    "cifar10_small": Table(
        "CIFAR-10, a few images",
        """
Bits per dimension (lower is better) after the same number of training images and after the same
time, on few images of CIFAR-10: `cifar10_3k.npz` holds 2,700 for training, of which a tenth is held
out, and 300 for the test. Four models of about as many weights each
(`configs/cifar10_small_*.yml`), Adam; the learning rate starts at 0.003 for all, from
trials of 2,000 images scored on the held-out ones: PixelCNN++ 5.74, 5.15 and 7.11 at 0.001, 0.003
and 0.01, the masked PixelCNN with a mixture 6.32 and 5.93 at 0.001 and 0.003; the other two were
not tried.

The rows of 20 minutes were measured on two cores of an AMD EPYC, with nothing else running. With so
few images all models but PixelCNN++ see each of them 17 to 24 times, and PixelCNN++ 37 times. Of
the rows of 25,000 images, the last three are from one core.
""",
        """
For scale: a masked PixelCNN of about 707,000 weights with a softmax over 256 values was at 5.03 on
other images held out of the same 3,000 after 24,064 images (Adam, 0.001). On the whole of CIFAR-10
and by a model trained to the end: PixelCNN++ 2.92 (arXiv 1701.05517, section 3), after 5 days on 8
GPUs.
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
