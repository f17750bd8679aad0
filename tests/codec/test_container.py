"""The file format: damaged and hostile files are refused."""

import zlib

import numpy as np
import pytest

from pixelcnn_tf import UserError
from pixelcnn_tf.codec.container import (
    CodedBatch,
    CodedGroup,
    Container,
    _join_digits,
    _split_digits,
    read_container,
)


@pytest.fixture
def container(rng):
    groups = [
        CodedGroup(
            2,
            n_streams,
            [
                CodedBatch(
                    int(rng.integers(2**32)),
                    rng.integers(2**63, size=n_streams).astype(np.uint64),
                    rng.integers(2**32, size=n_words).astype(np.uint32),
                )
                for n_words in (0, 5)
            ],
        )
        for n_streams in (1, 3)
    ]
    return Container(
        digest=bytes(range(16)),
        software="pixelcnn_tf 0.2.0",
        compiled=True,
        n_channels=3,
        n_images=5,
        sizes=[(300, 7), (1, 1)],
        size_of=np.array([0, 1, 1, 0, 0], np.uint32),
        tile=128,
        n_classes=11,
        labels=[3, 10, 0, 7, 7],
        names=["a", "sub/b", "Größe", "d", "e"],
        groups=groups,
    )


def same(a, b):
    return a.to_bytes() == b.to_bytes() and a.names == b.names and a.labels == b.labels


def test_a_file_is_read_as_it_was_written(container):
    assert same(read_container(container.to_bytes()), container)


def test_every_flipped_bit_and_every_truncation_is_refused(container):
    data = container.to_bytes()
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(UserError, match=r"damaged|is not a \.pxc file"):
            read_container(bytes(flipped))
    for length in range(len(data)):
        with pytest.raises(UserError, match=r"damaged|is not a \.pxc file"):
            read_container(data[:length])
    with pytest.raises(UserError, match="damaged"):
        read_container(data + b"\0")


def test_hostile_files_with_a_right_checksum_are_refused_or_read(container, rng):
    """No other error, and no more memory than the file has."""
    data = container.to_bytes()[:-4]
    for _ in range(500):
        edited = bytearray(data)
        for at in rng.integers(4, len(data), size=rng.integers(1, 4)):
            edited[at] = rng.integers(256)
        edited += zlib.crc32(edited).to_bytes(4, "little")
        try:
            read_container(bytes(edited), "x.pxc")
        except UserError as error:
            assert str(error).startswith("x.pxc: is not a valid .pxc file: ")


@pytest.mark.parametrize("change", [{"size_of": None, "n_images": 10**12, "names": []}])
def test_a_number_of_images_takes_no_memory(container, change):
    for name, value in change.items():
        setattr(container, name, value)
    container.n_classes, container.labels, container.sizes = 0, [], [(8, 8)]
    assert read_container(container.to_bytes()).n_images == 10**12


@pytest.mark.parametrize("base", [2, 10, 1000])
def test_labels_take_as_many_bits_as_they_need(base, rng):
    digits = rng.integers(base, size=2500).tolist()
    data = _join_digits(digits, base)
    assert _split_digits(data, base, 2500) == digits
    assert len(data) <= 2500 * np.log2(base) / 8 + 3
