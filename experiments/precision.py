"""Train one config in float32 and in mixed_bfloat16 with several seeds, and add the scores to
docs/results.md.

examples:
  python -m experiments.precision
  python -m experiments.precision --config configs/mnist_binary_pixelcnn.yml --seeds 5
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from experiments.commands import ROOT, set_flags, train_command
from experiments.results_table import RESULTS, rewrite_page
from pixelcnn_tf.cli.parsing import Parser, exit_with, whole_number
from pixelcnn_tf.utils.atomic_files import replacing
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.progress import progress

PRECISIONS = ("float32", "mixed_bfloat16")


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog="python -m experiments.precision", description=__doc__)
    parser.add_argument("--config", default="config.yml", metavar="FILE", help="(config.yml)")
    parser.add_argument("--seeds", type=whole_number, default=3, help="number of seeds (3)")
    parser.add_overrides()
    args = parser.parse_args(argv)
    flags = [flag for text in args.overrides for flag in ("--set", text)]
    command = [*train_command(args.config, {}), *flags]
    runs = [(precision, seed) for seed in range(args.seeds) for precision in PRECISIONS]
    scores: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    with tempfile.TemporaryDirectory() as folder:
        for precision, seed in progress("training", len(runs), "run", runs):
            own = {"runs_dir": folder, "name": f"{precision}_{seed}", "precision": precision}
            own["seed"] = seed
            started = [*command, *set_flags(own)]
            done = subprocess.run(started, cwd=ROOT, capture_output=True, text=True)
            if done.returncode:
                raise UserError(f"{precision}, seed {seed}: training failed: {done.stderr[-300:]}")
            file = Path(folder) / own["name"] / "results.json"
            record = json.loads(file.read_text(encoding="utf-8"))
            scores[precision].append(record["test"]["bits_per_dim"])
    about = {
        "command": " ".join(["python main.py --config", args.config, *flags]),
        "steps": record["step"],
        "weights": record["used_parameters"],
        "test_images": record["test_images"],
        "cores": record["cores"],
        "versions": record["versions"],
        "bits_per_dim": scores,
    }
    path = RESULTS / "precision" / f"{Path(args.config).stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    rewrite_page()
    return 0


if __name__ == "__main__":
    sys.exit(exit_with(main))
