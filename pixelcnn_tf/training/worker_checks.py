"""What must be the same on all workers before they train together."""

import time
import zlib
from pathlib import Path

import keras
import tensorflow as tf

from pixelcnn_tf.config.schema import Config
from pixelcnn_tf.data.images import Images
from pixelcnn_tf.training.cluster import Cluster
from pixelcnn_tf.training.resumption import flat
from pixelcnn_tf.training.run_folder import RunFolder, checksums
from pixelcnn_tf.utils.errors import UserError

#: Settings that say where things are on a host.
_OF_A_HOST = {"data.source", "data.cache_gb", "runs_dir", "plugins", "strategy"}


def check_same_run(cluster: Cluster, config: Config, images: Images, fresh: bool = False) -> None:
    """Makes sure that all workers have the same software, config, plugins and images.

    Args:
        cluster: the workers.
        config: of this one.
        images: those of ``data.source`` here.
        fresh: whether ``--fresh`` was given.

    Raises:
        UserError: one differs from the chief; the message names the worker, what differs, and both
            values.

    Example:

    >>> from pixelcnn_tf.training.worker_checks import check_same_run
    >>> cluster = pixelcnn_tf.training.cluster.Cluster(tf.distribute.get_strategy())
    >>> images = pixelcnn_tf.load_images("digits_grey")
    >>> check_same_run(cluster, pixelcnn_tf.Config(), images)
    """
    import pixelcnn_tf

    if cluster.n_workers == 1:
        return
    same = {
        "the version of pixelcnn_tf": pixelcnn_tf.__version__,
        "the version of TensorFlow": tf.__version__,
        "the version of Keras": keras.__version__,
    }
    values = flat(config.model_dump(mode="json"))
    same |= {key: value for key, value in values.items() if key not in _OF_A_HOST}
    same["--fresh"] = fresh
    for path in config.plugins:
        same[f"the checksum of {Path(path).name}"] = zlib.crc32(Path(path).read_bytes())
    same["the checksum of the images of data.source"] = checksums(images.arrays()).strip()
    cluster.check_same(same)


def check_shared(cluster: Cluster, run: RunFolder, patience: float = 20.0) -> None:
    """Makes sure that all workers see the run folder of the chief.

    Args:
        cluster: the workers.
        run: opened by the chief.
        patience: seconds after which a file of the chief must have become visible.

    Raises:
        UserError: a worker does not see it.

    Example:

    >>> from pixelcnn_tf.training.worker_checks import check_shared
    >>> cluster = pixelcnn_tf.training.cluster.Cluster(tf.distribute.get_strategy())
    >>> check_shared(cluster, pixelcnn_tf.training.run_folder.RunFolder("runs/digits"))
    """
    if cluster.n_workers == 1:
        return
    mark = run.path / f".workers-{cluster.broadcast(time.time_ns())}"
    with cluster.joint_errors():
        if cluster.is_chief:
            mark.touch()
    try:
        with cluster.joint_errors():
            until = time.monotonic() + patience
            while not mark.exists():
                if time.monotonic() > until:
                    raise UserError(
                        f"runs_dir: {run.path} is not the folder of the chief, "
                        f"{cluster.workers.name_of(0)}; must be on a file system that all "
                        "workers share"
                    )
                time.sleep(0.2)
                if run.path.parent.exists():
                    list(run.path.parent.iterdir())  # a network file system looks again
    finally:
        if cluster.is_chief:
            mark.unlink(missing_ok=True)
