"""Pages that experiments write: their text is that of the experiment."""

import json
import re
from pathlib import Path

import pytest

from experiments import anomaly_page, killed_runs, results_page, scaling_page

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize(
    ("page", "template"),
    [("scaling.md", scaling_page.PAGE), ("reliability.md", killed_runs.PAGE)],
)
def test_the_page_is_what_the_experiment_writes(page, template):
    text = re.sub(r"\{\w+[^}]*\}", "\0", template.replace("{{", "\1").replace("}}", "\2"))
    parts = [part.replace("\1", "{").replace("\2", "}") for part in text.split("\0")]
    pattern = "(?s)" + ".+?".join(map(re.escape, parts))
    assert re.fullmatch(pattern, (DOCS / page).read_text())


def test_the_page_on_anomaly_scores_is_written_from_the_recorded_results():
    assert (DOCS / "anomaly.md").read_text() == anomaly_page.page()


def test_the_row_of_both_precisions(tmp_path):
    about = {"command": "python main.py", "weights": 1200, "steps": 50}
    scores = {"float32": [0.1, 0.3], "mixed_bfloat16": [0.2, 0.3]}
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**about, "bits_per_dim": scores}))
    assert results_page._precision_row(file) == (
        "| `python main.py` | 1,200 | 50 | 2 | 0.2000 ± 0.1414 | 0.2500 ± 0.0707 | "
        "+0.0500 ± 0.0707 |"
    )
