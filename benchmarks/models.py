"""The benchmarks of the models of a table of docs/results.md."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measuring import (
    compile_and_sample,
    in_own_process,
    interleave,
    make_trainer,
    print_table,
    random_model,
    warmed,
    with_batch,
)
from experiments.tables import TABLES, Table
from pixelcnn_tf.config.loading import load_config
from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.utils.errors import UserError

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def configs_of(table: str, overrides: list[str]) -> dict[str, Config]:
    """Returns the configs of the models of ``TABLES[table]``, by name.

    Raises:
        UserError: an override that does not fit one of them, which it names.
    """
    configs = {}
    for name in TABLES[table].models:
        path = CONFIGS / f"{table}_{name}.yml"
        try:
            configs[name] = load_config(path, overrides)
        except UserError as error:
            if path.name in str(error):
                raise
            raise UserError(f"{path.name}: {error}") from None
    return configs


def models_of(name: str) -> Callable[[Config, object], dict]:
    """Returns the job that measures the models of ``TABLES[name]``; it ignores ``--config``."""
    return lambda _, args: _measure(name, TABLES[name], args)


def _measure(table: str, about: Table, args) -> dict:
    """Measure a training step, scoring and sampling of every model, on random images."""
    import tensorflow as tf

    from pixelcnn_tf import generate_images
    from pixelcnn_tf.training.results import used_parameters

    side, batch = args.side, args.batch
    shape, rng = (batch, side, side, about.n_channels), np.random.default_rng(0)
    trains, scores, samples, weights, compile_s = {}, {}, {}, {}, {}
    for name, config in configs_of(table, args.overrides).items():
        config = with_batch(config, batch).resolved(*shape[1:])
        model = random_model(config)
        images = tf.constant(rng.integers(model.likelihood.n_values, size=shape), tf.uint8)
        trainer = make_trainer(config, model)
        weights[name] = used_parameters(model)
        score = nats(model)
        trains[name] = lambda t=trainer, x=images: float(t.train_step(x)[0])
        scores[name] = lambda s=score, x=images: s(x).numpy()
        samples[name] = warmed(lambda m=model: generate_images(m, side, batch, 0))
        compile_s[name] = in_own_process(compile_and_sample, config, batch, side)[0]
    train_s = interleave(trains, args.rounds)
    score_s = interleave(scores, args.rounds)
    sample_s = interleave(samples, args.rounds, self_timed=samples)
    figures = {
        name: {
            "weights": weights[name],
            "train_images_per_s": batch / train_s[name],
            "score_images_per_s": batch / score_s[name],
            "sample_images_per_s": batch / sample_s[name],
            "fraction_of_scoring": score_s[name] / sample_s[name],
            "compile_s": compile_s[name],
        }
        for name in about.models
    }
    print_table(
        f"{about.title}, {side}x{side}x{about.n_channels}, {batch} per batch, images per second",
        ["model", "weights", "train/s", "score/s", "sample/s", "sample/score", "compile s"],
        [[name, f"{f['weights']:,}", *list(f.values())[1:]] for name, f in figures.items()],
    )
    return figures


def nats(model) -> Callable:
    """Returns a function from images to nats ``[batch]``. It includes the likelihood, since a
    softmax over 256 values takes time."""
    import tensorflow as tf

    from pixelcnn_tf.models.parts import in_parts

    def of_part(images):
        return model.likelihood.nll(images, model(images))

    return tf.function(lambda x: tf.concat(in_parts(of_part, x), axis=0), autograph=False)
