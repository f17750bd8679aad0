"""Executes docs/tutorial.ipynb and stores its outputs in it.

Run it after editing the notebook: ``python -m docs.generate.tutorial``.
"""

import os
import re
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"


def execute(timeout: int = 300, epochs: int | None = None):
    """Returns the notebook with the outputs of a fresh execution.

    Args:
        timeout: seconds that one cell may take.
        epochs: number of epochs to train for; that of the notebook if None.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell raised an exception.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    if epochs is not None:
        for cell in notebook.cells:
            cell.source = re.sub(
                r"^epochs, batch_size = \d+",
                f"epochs, batch_size = {epochs}",
                cell.source,
                flags=re.M,
            )
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    client = NotebookClient(notebook, timeout=timeout, kernel_name="python3", record_timing=False)
    client.execute(cwd=str(ROOT), env=environment)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    return notebook


if __name__ == "__main__":
    nbformat.write(execute(), NOTEBOOK)
