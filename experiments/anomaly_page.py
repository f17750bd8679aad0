"""The page on anomaly scores, docs/anomaly.md; see ``anomaly``."""

from pathlib import Path

from experiments.commands import ROOT

RECORDS = ROOT / "docs" / "results" / "anomaly"
KINDS = ("digits", "photographs")
PAGE = "{digits}{photographs}"


def write_page() -> Path:
    return ROOT
