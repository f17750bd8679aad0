"""The site builds without a warning, and without a network."""

import os
import subprocess
import sys

from documents import ROOT


def test_site_builds(tmp_path):
    blocked = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, **blocked, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    tutorial = (tmp_path / "tutorial" / "index.html").read_text()
    assert "<math" in tutorial and "tutorial_1.png" in tutorial
    assert "MaskedConv2D" in (tmp_path / "api" / "layers" / "index.html").read_text()
