"""The commands, and a small training run, for the tests that type them."""

from pathlib import Path

from experiments.commands import set_flags
from pixelcnn_tf.cli import train as train_command
from pixelcnn_tf.cli.parsing import exit_with

ROOT = Path(__file__).resolve().parents[1]

SMALL = {
    "data.source": "digits_grey",
    "data.image_size": 8,
    "model.hidden_dim": 2,
    "model.out_dim": 2,
    "model.n_layers": 1,
    "training.steps": 6,
    "training.batch_size": 4,
    "training.warmup_steps": 2,
    "training.log_every": 2,
    "training.eval_every": 3,
    "training.sample_every": 3,
    "training.checkpoint_every": 3,
    "sampling.n_images": 4,
}


def flags(runs_dir, **settings):
    settings = {**SMALL, "name": "small", "runs_dir": runs_dir, **settings}
    return ["--config", str(ROOT / "config.yml"), *set_flags(settings)]


def train(runs_dir, *more, **settings):
    return exit_with(lambda: train_command.main([*flags(runs_dir, **settings), *more]))
