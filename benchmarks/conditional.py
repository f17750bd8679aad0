"""The benchmark of conditional models, compared with the same models without a condition."""

import numpy as np

from benchmarks.measuring import (
    interleave,
    make_trainer,
    print_table,
    random_model,
    warmed,
    with_batch,
)
from benchmarks.models import configs_of
from pixelcnn_tf.config.schema import Config


def conditional(_: Config, args) -> dict:
    """Measure training, scoring and sampling of each colour model, with and without a condition of
    a quarter of the size of the images."""
    import tensorflow as tf

    from pixelcnn_tf import generate_images, make_condition

    side, batch = args.side, args.batch
    shape = (batch, side, side, 3)
    images = tf.constant(np.random.default_rng(0).integers(256, size=shape), tf.uint8)
    condition = np.asarray(make_condition(images.numpy(), "down4"))
    jobs: dict[str, dict] = {"train": {}, "score": {}, "sample": {}}
    configs = configs_of("cifar10_small", args.overrides)
    conditional_configs = configs_of("cifar10_small", [*args.overrides, "data.condition=down4"])
    for name, plain in configs.items():
        for key, config, inputs in (
            ((name, False), plain, {}),
            ((name, True), conditional_configs[name], {"condition": condition}),
        ):
            shape_of_it = condition.shape[1:] if inputs else None
            config = with_batch(config, batch).resolved(side, side, 3, condition=shape_of_it)
            model = random_model(config)
            trainer = make_trainer(config, model)
            graph = tf.function(model, autograph=False)
            tensors = {part: tf.constant(array) for part, array in inputs.items()}
            jobs["train"][key] = warmed(
                lambda t=trainer, x=tensors: float(t.train_step(images, **x)[0])
            )
            jobs["score"][key] = warmed(lambda g=graph, x=tensors: g(images, **x)[0, 0, 0].numpy())
            jobs["sample"][key] = warmed(
                lambda m=model, x=inputs: generate_images(m, side, batch, 0, **x)
            )
    seconds = {job: interleave(runs, args.rounds, runs) for job, runs in jobs.items()}
    figures, rows = {}, []
    for name in configs:
        ratios = {job: s[name, False] / s[name, True] for job, s in seconds.items()}
        figures[name] = {f"{job}_speed_ratio": ratio for job, ratio in ratios.items()}
        rows.append([name, *ratios.values()])
    print_table(
        f"speed with a condition, as a fraction of that without: {batch} images of {side}x{side}x3",
        ["model", *jobs],
        rows,
    )
    return figures
