"""The benchmark of the models of this package beside the same models in PyTorch."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from benchmarks.measuring import interleave, print_table
from benchmarks.models import nats
from pixelcnn_tf.utils.errors import UserError

#: Sides and channels of the images, and the likelihood.
IMAGES = {(28, 1): "bernoulli", (32, 3): "softmax-256"}


def _masked(variant: str) -> Callable:
    def make(features: int, n_channels: int, likelihood: str):
        from pixelcnn_tf import PixelCNNResBlock, PixelRNN

        block = PixelCNNResBlock(3, n_channels, variant)
        half = features // (2 * n_channels)
        return PixelRNN(half, 2 * half, 15, block, n_channels, likelihood)

    return make


def _gated(features: int, n_channels: int, likelihood: str):
    from pixelcnn_tf import GatedBlock, PixelRNN

    half = features // (2 * n_channels)
    return PixelRNN(half, 2 * half, 10, GatedBlock(3, n_channels), n_channels, likelihood)


def _plus_plus(features: int, n_channels: int, likelihood: str):
    from pixelcnn_tf import PixelCNNPlusPlus

    return PixelCNNPlusPlus(2, features, 5, n_channels, dropout=0.0)


def _snail(features: int, n_channels: int, likelihood: str):
    from pixelcnn_tf import PixelRNN, SnailBlock

    half = features // (2 * n_channels)
    block = SnailBlock(2, n_channels, key_features=4, value_features=features // 2)
    return PixelRNN(half, half, 8, block, n_channels, likelihood)


MODELS: dict[str, Callable] = {
    "masked, ReLU": _masked("relu"),
    "masked, PReLU": _masked("preactivation"),
    "gated": _gated,
    "PixelSNAIL": _snail,
    "PixelCNN++": _plus_plus,
}


class _Speeds(NamedTuple):
    """Images per second."""

    train: float
    score: float


def torch_peer(config, args) -> dict:
    """Measures training steps and scoring of each model, in both libraries by turns.

    Returns:
        for each model and size the images per second of both, and the ratios; and the geometric
        means of the ratios.

    Raises:
        UserError: PyTorch is not installed, or the two do not compute the same.
    """
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UserError("torch: not installed: pip install torch (nothing else needs it)") from None

    figures: dict[str, dict] = {}
    for (side, n_channels), likelihood in IMAGES.items():
        for name in args.model or MODELS:
            make = MODELS[name]
            for features in args.features:
                features -= features % (4 * n_channels)  # equal channel groups, in halves
                what = f"{name}, {features} features, {side}x{side}x{n_channels}"
                shape = (args.batch, side, side, n_channels)
                ours, theirs = _measure(make(features, n_channels, likelihood), shape, args.rounds)
                figures[what] = {
                    "ours": ours._asdict(),
                    "torch": theirs._asdict(),
                    "train_ratio": ours.train / theirs.train,
                    "score_ratio": ours.score / theirs.score,
                }
                ratios = (
                    f"{job} {figures[what][f'{job}_ratio']:.2f}" for job in ("train", "score")
                )
                print(f"{what}: {', '.join(ratios)}", flush=True)  # the whole takes long
    means = {
        job: float(np.exp(np.mean([np.log(f[f"{job}_ratio"]) for f in figures.values()])))
        for job in ("train", "score")
    }
    print_table(
        f"images per second, {args.batch} per batch; PyTorch {torch.__version__}",
        ["model", "train", "PyTorch", "ratio", "score", "PyTorch", "ratio"],
        [
            *([what, *_row(f, "train"), *_row(f, "score")] for what, f in figures.items()),
            ["geometric mean", "", "", means["train"], "", "", means["score"]],
        ],
    )
    return {"models": figures, "geometric_means": means}


def _row(figures: dict, job: str) -> list[float]:
    return [figures["ours"][job], figures["torch"][job], figures[f"{job}_ratio"]]


def _measure(model, shape: tuple[int, ...], rounds: int) -> tuple[_Speeds, _Speeds]:
    import keras
    import tensorflow as tf

    from benchmarks.torch_models import Peer
    from pixelcnn_tf.config.training import TrainingConfig
    from pixelcnn_tf.training.steps import Steps

    images = np.random.default_rng(0).integers(model.likelihood.n_values, size=shape)
    images = images.astype(np.uint8)
    if model.n_initial_images:
        model.initialize_from(images)
    model(images[:1])
    peers = {last: Peer(model, images, last) for last in (False, True)}
    batch, score = tf.constant(images), nats(model)
    expected = score(batch).numpy()
    for peer in peers.values():
        if not np.allclose(peer.score(), expected, rtol=1e-3):
            raise UserError(f"torch: scores {peer.score()[:3]}, of this package {expected[:3]}")
    steps = Steps(
        TrainingConfig(batch_size=shape[0]), model, model.likelihood, keras.optimizers.Adam()
    )
    runs: dict = {
        ("ours", "train"): lambda: float(steps.train_step(batch)[0]),
        ("ours", "score"): lambda: score(batch).numpy(),
    }
    for last, peer in peers.items():
        runs |= {(last, "train"): peer.train, (last, "score"): peer.score}
    seconds = interleave(runs, rounds)
    # The faster of PyTorch's two memory layouts, for each job.
    best = {job: min(seconds[last, job] for last in peers) for job in ("train", "score")}
    n = shape[0]
    ours = _Speeds(n / seconds["ours", "train"], n / seconds["ours", "score"])
    return ours, _Speeds(n / best["train"], n / best["score"])
