"""The speed of masked and shifted convolutions: of one layer, and of whole models."""

import numpy as np

from benchmarks.measuring import interleave, make_trainer, print_table, warmed
from experiments.masked_or_shifted.page import CONTESTANTS, write_record
from experiments.masked_or_shifted.training import training_config
from pixelcnn_tf.utils.progress import progress


def cost(args) -> None:
    """Measure one masked layer and its equivalent shifted pair, and the models."""
    import keras

    keras.utils.set_random_seed(args.seed)
    write_record(
        args,
        "cost.json",
        {
            **{
                name: getattr(args, name)
                for name in ("batch", "side", "features", "layers", "rounds")
            },
            "twins": _twins(args),
            "models": _models(args),
        },
    )


def _twins(args) -> dict:
    """Measure a masked layer, cropped and masked, and the two shifted layers that it equals."""
    import tensorflow as tf

    from experiments.masked_or_shifted.blocks import products_of
    from pixelcnn_tf.layers.conversion import masked_to_shifted
    from pixelcnn_tf.layers.masked_conv import MaskedConv2D

    def timed(layers):
        def call(x):
            return tf.add_n([layer(x) for layer in layers])

        def gradients(x):
            kernels = [layer.kernel.value for layer in layers]
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(call(x) ** 2)
            return tf.add_n([tf.reduce_sum(g) for g in tape.gradient(loss, [x, *kernels])])

        forward = tf.function(lambda x: tf.reduce_sum(call(x)), autograph=False)
        both = tf.function(gradients, autograph=False)
        return {"forward": lambda: float(forward(x)), "training": lambda: float(both(x))}

    rng = np.random.default_rng(args.seed)
    shape = (args.batch, args.side, args.side, args.features)
    x = tf.constant(rng.normal(size=shape).astype(np.float32))
    runs, figures = {}, {}
    for kernel in args.kernels:
        masked = MaskedConv2D(args.features, kernel, "B", n_channels=1)
        masked.build(shape)
        twin = masked_to_shifted(masked)
        difference = float(tf.reduce_max(tf.abs(masked(x) - twin[0](x) - twin[1](x))))
        largest = float(tf.reduce_max(tf.abs(masked(x))))
        figures[str(kernel)] = {"difference": difference, "largest": largest}
        for name, layers in {"masked": [masked], "twin": twin}.items():
            figures[str(kernel)][f"{name}_products"] = sum(map(products_of, layers))
            for what, run in timed(layers).items():
                runs[kernel, f"{name}_{what}_ms"] = run
    for (kernel, name), seconds in interleave(runs, args.rounds).items():
        figures[str(kernel)][name] = 1e3 * seconds
    print_table(
        f"a masked layer of {args.features} features, and the equivalent shifted pair",
        [
            "kernel",
            "difference",
            "masked ms",
            "pair ms",
            "forward and backward: masked ms",
            "pair ms",
        ],
        [
            [f"{kernel}x{kernel}", f["difference"]]
            + [f[f"{n}_{w}_ms"] for w in ("forward", "training") for n in ("masked", "twin")]
            for kernel, f in figures.items()
        ],
    )
    return figures


def _models(args) -> dict:
    """Measure a forward pass, a training step and sampling of each model, interleaved."""
    import tensorflow as tf

    from experiments.masked_or_shifted.blocks import contestant_model, hidden_for, products_of
    from pixelcnn_tf import generate_images
    from pixelcnn_tf.training.results import used_parameters
    from pixelcnn_tf.visualization.receptive_field import receptive_field

    side, batch = args.side, args.batch
    images = np.random.default_rng(args.seed).integers(2, size=(batch, side, side, 1))
    images = tf.constant(images, tf.uint8)
    config = training_config(args).resolved(side, side, 1)
    runs: dict = {"forward": {}, "train": {}, "sample": {}}
    figures: dict = {}
    both = [(kernel, name) for kernel in args.kernels for name in CONTESTANTS]
    for kernel, name in progress("preparing", len(both), "model", both):
        model = contestant_model(name, kernel, args.weights, args.layers)
        field = receptive_field(model, (side, side), n_draws=4, seed=args.seed)
        figures.setdefault(str(kernel), {})[name] = {
            "hidden_dim": hidden_for(name, kernel, args.weights, args.layers),
            "weights": used_parameters(model),
            "products": products_of(model),
            "pixels_seen": int((field > 0).sum()),
        }
        trainer, forward = make_trainer(config, model), tf.function(model, autograph=False)
        runs["forward"][kernel, name] = lambda f=forward: f(images)[0, 0, 0, 0, 0].numpy()
        runs["train"][kernel, name] = lambda t=trainer: float(t.train_step(images)[0])
        runs["sample"][kernel, name] = warmed(lambda m=model: generate_images(m, side, batch, 0))
    for what, functions in runs.items():
        self_timed = functions if what == "sample" else ()
        for (kernel, name), seconds in interleave(functions, args.rounds, self_timed).items():
            figures[str(kernel)][name][f"{what}_images_per_s"] = batch / seconds
    print_table(
        f"models of {args.layers} blocks, images of {side}x{side} per second, batches of {batch}",
        ["model", "weights", "forward/s", "train/s", "sample/s"],
        [
            [f"{kernel}x{kernel} {CONTESTANTS[name]}", f"{f['weights']:,}"]
            + [f[f"{what}_images_per_s"] for what in runs]
            for kernel, models in figures.items()
            for name, f in models.items()
        ],
    )
    return figures
