"""Executes docs/tutorial.ipynb and stores its outputs in it.

Run it after editing the notebook: ``python -m docs.generate.tutorial``.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"


def execute(timeout: int = 300, replace: Mapping[str, str] = MappingProxyType({})):
    """Returns the notebook with the outputs of a fresh execution.

    Args:
        timeout: seconds that one cell may take.
        replace: pieces of code to be replaced before the execution, and what replaces them.

    Raises:
        ValueError: a piece of code that the notebook does not contain.
        nbclient.exceptions.CellExecutionError: a cell raised an exception.
    """
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for old, new in replace.items():
        if not any(old in cell.source for cell in notebook.cells):
            raise ValueError(f"the notebook does not contain {old!r}")
        for cell in notebook.cells:
            cell.source = cell.source.replace(old, new)
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
