"""Image files of more than 8 bits per channel, and ``data.sixteen_bit``."""

import struct
from zlib import compress, crc32

import numpy as np
import pytest
from PIL import Image

from pixelcnn_tf import DataConfig, UserError, load_images


def load(source, **options):
    return load_images(DataConfig(source=str(source), **options))


def test_sixteen_bits_are_resized_and_not_mixed_with_eight(tmp_path):
    ramp = np.tile(np.linspace(1000, 60_000, 64).astype(np.uint16), (32, 1))
    for name in "ab":
        Image.fromarray(ramp).save(tmp_path / f"{name}.png")
    keep = {"sixteen_bit": "keep"}
    [image] = load(tmp_path, image_size=[16, 32], fit="resize", **keep).train[..., 0]
    assert image.shape == (16, 32) and image.dtype == np.uint16
    np.testing.assert_allclose(image[3], ramp[0].reshape(32, 2).mean(1), atol=700)
    with pytest.raises(UserError, match="codes are not resized"):
        load(tmp_path, image_size=[16, 32], values="codes", **keep)
    Image.fromarray((ramp >> 8).astype(np.uint8)).save(tmp_path / "c.png")
    with pytest.raises(UserError, match=r"c\.png: has 8 bits per channel, .* has 16"):
        load(tmp_path, **keep)


@pytest.mark.parametrize("kind", ["grey PNG", "grey TIFF", "colour PNG", "colour TIFF"])
def test_sixteen_bits_have_one_answer(kind, tmp_path, rng, capsys):
    values = rng.integers(65536, size=(2, 9, 7, 3 if "colour" in kind else 1)).astype(np.uint16)
    for i, image in enumerate(values):
        if kind == "colour PNG":
            write_png_of_16_bits(tmp_path / f"{i}.png", image)
        elif kind == "colour TIFF":
            write_tiff_of_16_bits(tmp_path / f"{i}.tif", image)
        else:
            ending = kind[-4:].lower().replace(" ", "").replace("tiff", "tif")
            Image.fromarray(image[..., 0]).save(tmp_path / f"{i}.{ending}")
    wanted = r"0\.\w+, .*1\.\w+: have more than 8 bits .* set data.sixteen_bit=scale"
    with pytest.raises(UserError, match=wanted):
        load(tmp_path)
    images = np.concatenate(load(tmp_path, sixteen_bit="scale")[:2])
    assert sorted(images.tolist()) == sorted((values >> 8).tolist())
    assert "kept the upper 8 bits per channel of 2 files" in capsys.readouterr().err
    if kind == "colour TIFF":
        with pytest.raises(UserError, match="in a TIFF file of mode RGB, of which Pillow keeps 8"):
            load(tmp_path, sixteen_bit="keep")
        return
    for gb in (0, 1):
        images = np.concatenate(
            [part[:] for part in load(tmp_path, sixteen_bit="keep", cache_gb=gb)[:2]]
        )
        assert images.dtype == np.uint16
        assert sorted(images.tolist()) == sorted(values.tolist())


def write_png_of_16_bits(path, image):
    """Pillow writes none in colour."""
    height, width, _ = image.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def write_tiff_of_16_bits(path, image, planar=1):
    height, width, _ = image.shape
    pixels = image.astype("<u2").tobytes()
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, 0), (259, 3, 1, 1), (262, 3, 1, 2)]
    tags += [(273, 4, 1, 0), (277, 3, 1, 3), (278, 3, 1, height), (279, 4, 1, len(pixels))]
    tags += [(284, 3, 1, planar)]
    at = 8 + 2 + 12 * len(tags) + 4
    values = {258: at, 273: at + 6}
    entries = b"".join(
        struct.pack("<HHI", tag, kind, n) + struct.pack("<I", values.get(tag, value))
        for tag, kind, n, value in tags
    )
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(head + struct.pack("<HHH", 16, 16, 16) + pixels)


@pytest.mark.parametrize("largest", [1023, 65535])
def test_colour_ppm_with_more_than_8_bits(largest, tmp_path):
    pixels = np.full((9, 7, 3), largest).astype(">u2").tobytes()
    (tmp_path / "1.ppm").write_bytes(b"P6 7 9 %d\n" % largest + pixels)
    with pytest.raises(UserError, match="has more than 8 bits"):
        load(tmp_path)
    images = load_images(DataConfig(source=str(tmp_path), sixteen_bit="scale"), hold_out=False)
    assert images.train.min() == 255


def test_planar_tiffs_of_16_bits_are_refused(tmp_path, rng):
    write_tiff_of_16_bits(tmp_path / "1.tif", rng.integers(9, size=(9, 7, 3)), planar=2)
    with pytest.raises(UserError, match="one channel after another, which Pillow does not read"):
        load(tmp_path, sixteen_bit="scale")
