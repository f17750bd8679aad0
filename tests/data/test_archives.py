"""Images from archives."""

import io
import os
import tarfile

import numpy as np
import pytest
from helpers import write_archive
from PIL import Image

from pixelcnn_tf import UserError, load_images
from pixelcnn_tf.config.schema import DataConfig
from pixelcnn_tf.data.paths import path_classes
from pixelcnn_tf.data.sources import load_all_images


def load(source, **options):
    return load_images(DataConfig.model_validate({"source": str(source), **options}), labels=True)


def png(value, size=(4, 4)):
    file = io.BytesIO()
    Image.new("L", size, value).save(file, "png")
    return file.getvalue()


BIRDS = {
    f"{name}/{i}.png": png(10 * i + k) for k, name in enumerate(("owl", "wren")) for i in (1, 2)
}


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.bz2", "a.tar.xz"])
@pytest.mark.parametrize("inside", ["", "birds/", "./birds/"])
def test_archives_are_read_like_folders(name, inside, tmp_path):
    files = {inside + file: content for file, content in BIRDS.items()}
    write_archive(tmp_path / name, {**files, "__MACOSX/._1.png": b"no image", ".hidden": b""})
    source = str(tmp_path / name)
    images = load(source, test_share=0.5)
    assert path_classes(DataConfig(source=source)) == ["owl", "wren"]
    values = np.concatenate([images.train, images.test])[:, 0, 0, 0].tolist()
    labels = np.concatenate([images.train_labels, images.test_labels]).tolist()
    assert sorted(zip(values, labels, strict=True)) == [(10, 0), (11, 1), (20, 0), (21, 1)]
    assert len(load_all_images(source, DataConfig())) == 4


def test_sets_in_an_archive(tmp_path):
    files = {
        "Train/1.png": png(1),
        "Train/2.png": png(2),
        "Val/3.png": png(3),
        "test/4.png": png(4),
    }
    write_archive(tmp_path / "a.zip", files)
    images = load(tmp_path / "a.zip")
    sets = (images.train, images.validation, images.test)
    assert [sorted(part[:, 0, 0, 0]) for part in sets] == [[1, 2], [3], [4]]


def test_a_changed_archive_is_read_anew(tmp_path):
    for value in (1, 2):
        write_archive(tmp_path / "a.zip", {"1.png": png(value), "2.png": png(value)})
        os.utime(tmp_path / "a.zip", ns=(value, value))
        assert load(tmp_path / "a.zip").train.max() == value


def test_members_outside_of_the_folder_are_not_written(tmp_path):
    write_archive(tmp_path / "a.zip", {"../outside.png": png(1), "1.png": png(1), "2.png": png(1)})
    load(tmp_path / "a.zip")
    write_archive(tmp_path / "b.tar", {"../outside.png": png(1), "1.png": png(1)})
    with pytest.raises(UserError, match=r"b.tar: not a readable archive: .*outside"):
        load(tmp_path / "b.tar")
    assert not list(tmp_path.parent.rglob("outside.png"))


def test_links_out_of_an_archive_are_refused(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        member = tarfile.TarInfo("1.png")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(member)
    with pytest.raises(UserError, match=r"a.tar: not a readable archive: .*1.png"):
        load(tmp_path / "a.tar")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar"])
@pytest.mark.parametrize("keep", [0, 40, 70])
def test_damaged_archives(name, keep, tmp_path):
    write_archive(tmp_path / name, BIRDS)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[:keep])
    with pytest.raises(UserError, match=rf"{name}: not a readable archive: .|no images in this"):
        load(tmp_path / name)


def test_archives_larger_than_the_disk(tmp_path, monkeypatch):
    from shutil import disk_usage

    usage = disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr("pixelcnn_tf.data.archives.shutil.disk_usage", lambda _: usage)
    write_archive(tmp_path / "a.zip", BIRDS)
    with pytest.raises(UserError, match=r"a.zip: its contents take .* GB free in .*; extract it"):
        load(tmp_path / "a.zip")


def test_messages_name_the_archive_and_not_where_it_was_extracted(tmp_path):
    write_archive(tmp_path / "a.zip", {"owl/1.png": png(1), "owl/2.png": b"none"})
    with pytest.raises(UserError) as error:
        load(tmp_path / "a.zip")
    assert str(error.value).startswith(f"{tmp_path}/a.zip/owl/2.png: not a readable image")
    write_archive(tmp_path / "b.zip", {"notes.txt": b"none"})
    with pytest.raises(UserError, match=rf"^{tmp_path}/b.zip: no images in this folder"):
        load_all_images(tmp_path / "b.zip", DataConfig())


@pytest.mark.parametrize("name", ["a.npz", "a.npy"])
def test_one_file_of_arrays_in_an_archive(name, tmp_path):
    images, file = np.arange(5 * 16, dtype=np.uint8).reshape(5, 4, 4), io.BytesIO()
    (np.savez if name.endswith("z") else np.save)(file, images)
    write_archive(tmp_path / "b.zip", {name: file.getvalue(), "__MACOSX/._a": b""})
    assert len(load(tmp_path / "b.zip", test_share=0.4).test) == 2
    assert path_classes(DataConfig(source=str(tmp_path / "b.zip"))) is None


def test_zip_files_with_backslashes(tmp_path):
    write_archive(
        tmp_path / "a.zip",
        {f"train\\{name}".replace("/", "\\"): content for name, content in BIRDS.items()},
    )
    assert path_classes(DataConfig(source=str(tmp_path / "a.zip"))) == ["owl", "wren"]


def test_notes_name_the_archive(tmp_path, capsys):
    write_archive(tmp_path / "a.zip", {**BIRDS, "notes.txt": b""})
    load(tmp_path / "a.zip", test_share=0.5)
    assert f"note: {tmp_path}/a.zip: left out 1 .txt (not images)\n" in capsys.readouterr().err


def test_an_archive_with_a_password(tmp_path):
    write_archive(tmp_path / "a.zip", BIRDS)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1  # the flag of an encrypted member
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(UserError, match=r"a.zip: is protected by a password; must be without one$"):
        load(tmp_path / "a.zip")
