"""Kill a training run at random moments, damage its checkpoints, and compare the results with those
of an unbroken run, bit by bit. Writes docs/reliability.md.

examples:
  python -m experiments.killed_runs
  python -m experiments.killed_runs --kills 5 --steps 2000 --out /tmp/reliability.md
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from experiments.commands import ROOT, train_command
from pixelcnn_tf.cli.parsing import Parser, exit_with, whole_number
from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.atomic_files import check_writable, replacing
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress

EVERY = 25  #: steps between checkpoints

#: What is done to a file of a checkpoint.
DAMAGE = {
    "truncated": lambda file: os.truncate(file, file.stat().st_size // 2),
    "emptied": lambda file: os.truncate(file, 0),
    "every bit flipped": lambda file: file.write_bytes(bytes(b ^ 255 for b in file.read_bytes())),
    "deleted": lambda file: file.unlink(),
    "replaced by a folder": lambda file: (file.unlink(), file.mkdir()),
}

PAGE = """# Reliability

This page is written by `python -m experiments.killed_runs`.

A run can be stopped at any time, and the same command continues it. With `deterministic: true`, the
result is the same to the last bit as that of a run that was never stopped: the order of the images,
dropout and the binarization depend on the seed and the step only, and a checkpoint holds the
weights, their moving averages, and the state of the optimizer.

## Killed {kills} times

A run of {steps:,} steps, with a checkpoint every {every} steps, was started again and again, and
killed with `kill -9` after a random time. A process cannot catch that signal, so nothing is saved
at that moment. After {kills} kills it was left to finish. A second run was never stopped.

| | |
|---|---|
| kills before a new checkpoint was written (import, compilation, restoring) | {before} |
| kills later | {during} |
| kills that left a checkpoint unfinished | {unfinished} |
| tensors in the last checkpoint: weights, averages, optimizer | {tensors} |
| tensors that differ from the unbroken run in any bit | {different} |
| score of the test set, both runs | {score} |

## Damaged checkpoints

A run ended after {stopped} steps, its newest checkpoints were damaged, and it was made longer. It
goes on from the newest checkpoint that can be read, with a warning that names the others. The last
column compares it with a run that was never stopped.

| damage | file | continues from step | final weights |
|---|---|---|---|
{damages}

## Other accidents

Each of these is a test of the project.

| accident | what happens |
|---|---|
| Ctrl-C, SIGTERM, a terminal that closes | the state is saved; status 130, 143 or 129 |
| the disk is full, or the folder cannot be written | one line; the last checkpoint stays |
| two processes train in one folder | the second one is refused |
| the loss is no longer finite | training stops; the last good checkpoint stays the newest |
| the images have changed | resuming and `evaluate` are refused |
| an image changes or disappears during training | the state is saved; one line names the file |
| `model.keras` is damaged | the newest checkpoint is loaded instead, with a note |
"""


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="python -m experiments.killed_runs", description=__doc__)
    parser.add_argument("--kills", type=whole_number, default=100, help="kills of the run (100)")
    parser.add_argument(
        "--steps", type=whole_number, default=12_000, help="steps of the run (12,000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the times of the kills (0)")
    parser.add_argument(
        "--out", default=str(ROOT / "docs" / "reliability.md"), metavar="FILE", help="the page"
    )
    args = parser.parse_args(argv)
    out = check_writable(args.out, ".md")
    startup.import_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        figures = killed(runs, args.kills, args.steps, np.random.default_rng(args.seed))
        rows = damaged(runs)
    text = PAGE.format(**figures, steps=args.steps, every=EVERY, **rows)
    with replacing(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"written: {out}")
    return 0


def command(runs: Path, name: str, steps: int) -> list[str]:
    """Returns the command that trains a small model."""
    settings = {
        "name": name,
        "runs_dir": runs,
        "deterministic": "true",
        "data.source": "digits_grey",
        "data.image_size": 8,
        "model.n_layers": 1,
        "model.hidden_dim": 4,
        "model.out_dim": 4,
        "model.dropout": 0.1,
        "training.steps": steps,
        "training.batch_size": 8,
        "training.schedule": "constant",
        "training.warmup_steps": 0,
        "training.ema_decay": 0.99,
        "training.checkpoint_every": EVERY,
        "training.eval_every": 500,
        "training.sample_every": 1_000_000,
        "sampling.n_images": 1,
    }
    return train_command("config.yml", settings)


def finish(runs: Path, name: str, steps: int) -> str:
    """Train to the end; returns what was printed on standard error."""
    done = subprocess.run(command(runs, name, steps), cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise UserError(f"{name}: training failed: {done.stderr[-500:]}")
    return done.stderr


def killed(runs: Path, kills: int, steps: int, rng: np.random.Generator) -> dict:
    """Returns the figures of a run that was killed ``kills`` times."""
    from pixelcnn_tf.training.checkpoints import saved_steps

    began = time.perf_counter()
    finish(runs, "unbroken", steps)
    seconds = time.perf_counter() - began
    folder = runs / "killed" / "checkpoints"
    counts: Counter = Counter()
    for n in progress("killing", kills, "kill", range(1, kills + 1)):
        before = max(saved_steps(folder), default=0)
        quiet = subprocess.DEVNULL
        started = command(runs, "killed", steps)
        process = subprocess.Popen(started, cwd=ROOT, stdout=quiet, stderr=quiet)
        # All kills together leave about half of the run to be done.
        time.sleep(rng.uniform(1.0, 9.0 + seconds / kills))
        process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            raise UserError(f"the run ended before kill {n} of {kills}: take more --steps")
        after = max(saved_steps(folder), default=0)
        counts["during" if after > before else "before"] += 1
        counts["unfinished"] += any("temp" in file.name for file in folder.glob("*"))
    finish(runs, "killed", steps)
    tensors, different = compare(runs, "unbroken", "killed", steps)
    scores = {score(runs, name) for name in ("unbroken", "killed")}
    return {
        **{name: counts[name] for name in ("before", "during", "unfinished")},
        "kills": kills,
        "tensors": tensors,
        "different": different,
        "score": ", ".join(sorted(scores)),
    }


def score(runs: Path, name: str) -> str:
    record = json.loads((runs / name / "results.json").read_text(encoding="utf-8"))
    return f"{record['test']['bits_per_dim']!r} bits per dimension"


def compare(runs: Path, one: str, two: str, step: int) -> tuple[int, int]:
    """Returns the number of tensors in the last checkpoints of two runs, and of those that differ
    in any bit."""
    import tensorflow as tf

    first, second = (
        tf.train.load_checkpoint(str(runs / name / "checkpoints" / f"ckpt-{step}"))
        for name in (one, two)
    )
    names = [
        name
        for name in first.get_variable_to_shape_map()
        if name.startswith(("model", "optimizer", "averages"))
    ]
    same = [first.get_tensor(each).tobytes() == second.get_tensor(each).tobytes() for each in names]
    return len(names), same.count(False)


def damaged(runs: Path, steps: int = 200, stopped: int = 125) -> dict:
    """Returns the rows of the table of damaged checkpoints."""
    from pixelcnn_tf.training.checkpoints import saved_steps

    finish(runs, "whole", steps)
    finish(runs, "stopped", stopped)
    for file in ("results.json", "model.keras"):
        (runs / "stopped" / file).unlink()
    kinds = [(how, part) for how in DAMAGE for part in ("data", "index", "both of the newest two")]
    rows = []
    for how, part in progress("damaging", len(kinds), "run", kinds):
        shutil.rmtree(runs / "damaged", ignore_errors=True)
        shutil.copytree(runs / "stopped", runs / "damaged")
        folder = runs / "damaged" / "checkpoints"
        newest = sorted(saved_steps(folder), reverse=True)
        for step in newest[: 2 if part.startswith("both") else 1]:
            for file in folder.glob(f"ckpt-{step}.*"):
                if part.startswith("both") or file.name.startswith(f"ckpt-{step}.{part}"):
                    DAMAGE[how](file)
        finish(runs, "damaged", steps)
        _, different = compare(runs, "whole", "damaged", steps)
        same = "identical" if not different else f"{different} tensors differ"
        start = newest[2 if part.startswith("both") else 1]
        rows.append(f"| {how} | {part} | {start} | {same} |")
    return {"damages": "\n".join(rows), "stopped": stopped}


if __name__ == "__main__":
    sys.exit(exit_with(main))
