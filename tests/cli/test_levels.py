"""Levels as text, from training to samples."""

import numpy as np
from command_line import train
from PIL import Image

from pixelcnn_tf import load_config
from pixelcnn_tf.cli import complete, evaluate, sample, score
from pixelcnn_tf.cli.parsing import exit_with
from pixelcnn_tf.data.level_files import as_text


def test_levels_in_and_levels_out(tmp_path, rng, capsys):
    levels = rng.integers(3, size=(20, 4, 5, 1))
    source = tmp_path / "levels.txt"
    source.write_text(as_text(levels, "#.é"), encoding="utf-8")
    settings = {"data.source": source, "data.image_size": "null", "model.likelihood": "softmax-3"}
    palette = {"data.palette": "[white, navy, '#ff8000']"}
    assert train(tmp_path, **settings, **palette) == 0
    run = str(tmp_path / "small")
    data = load_config(tmp_path / "small" / "config.yml").data
    assert (data.alphabet, data.image_size) == ("#.é", (4, 5))

    out = tmp_path / "new.txt"
    assert sample.main(["--run", run, "--n", "3", "--out", str(out)]) == 0
    assert sample.main(["--run", run, "--n", "3", "--out", str(tmp_path / "new.npy")]) == 0
    text = out.read_text(encoding="utf-8")
    assert text == as_text(np.load(tmp_path / "new.npy"), "#.é")
    assert score.main([str(out), "--run", run]) == 0

    expected = {(255, 255, 255), (0, 0, 128), (255, 128, 0)}
    assert sample.main(["--run", run, "--n", "3", "--out", str(tmp_path / "new.png")]) == 0
    flags = ["--run", run, "--n", "2", "--completions", "2", "--images", str(out)]
    assert complete.main([*flags, "--out", str(tmp_path / "c.png")]) == 0
    chequers = {(105,) * 3, (150,) * 3}
    for path, colours in (
        (tmp_path / "small" / "samples" / "final.png", expected),
        (tmp_path / "new.png", expected),
        (tmp_path / "c.png", expected | chequers),
    ):
        pixels = np.asarray(Image.open(path)).reshape(-1, 3)
        assert set(map(tuple, pixels.tolist())) == colours, path.name

    capsys.readouterr()
    out.write_text(text.replace("#", "?", 1), encoding="utf-8")
    assert exit_with(lambda: score.main([str(out), "--run", run])) == 2
    source.write_text(source.read_text(encoding="utf-8").replace("#", "x", 1), encoding="utf-8")
    assert exit_with(lambda: evaluate.main(["--run", run])) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert "the character '?' is not in data.alphabet '#.é'" in first
    assert "the character 'x' is not in data.alphabet '#.é'" in second
