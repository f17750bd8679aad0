"""The ``tf.distribute`` strategy of a config: one device, the devices of a host, or many hosts."""

import contextlib
import functools
import re
import signal
import threading
from collections.abc import Iterator

import tensorflow as tf

from pixelcnn_tf.utils import startup
from pixelcnn_tf.utils.errors import UserError, first_line
from pixelcnn_tf.utils.workers import Workers, workers_for


@functools.cache
def make_strategy(name: str = "auto") -> tf.distribute.Strategy:
    """Returns the strategy that a config names.

    The same object at each call: every ``MirroredStrategy`` numbers its collectives from 100, and
    TensorFlow takes the equal numbers of two strategies in one process for the same collective
    ("Shape mismatch in the collective instance 100").

    Args:
        name: ``'one'`` (the first GPU, else the CPU), ``'mirrored'`` (all GPUs of this machine),
            ``'multi_worker'`` (all devices of several processes, see ``workers_for``), ``'tpu'``,
            or ``'auto'``: several workers where ``TF_CONFIG`` names them, else all GPUs.
            ``'multi_worker'`` waits until all workers are there, and must come before TensorFlow
            is used.

    Raises:
        UserError: no TPU; the environment does not describe the workers, or they do not come.

    Example:

    >>> pixelcnn_tf.training.strategies.make_strategy("one").num_replicas_in_sync
    1
    """
    if workers := workers_for(name):
        return _multi_worker(workers)
    startup.find_devices()
    if name == "tpu":
        return _tpu()
    if name in ("auto", "mirrored") and len(tf.config.list_logical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _multi_worker(workers: Workers) -> tf.distribute.Strategy:
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(workers.addresses)}),
        task_type="worker",
        task_id=workers.index,
        rpc_layer="grpc",
    )
    try:
        with startup.without_noise(), _ctrl_c_ends():
            return tf.distribute.MultiWorkerMirroredStrategy(resolver)
    except RuntimeError as error:
        raise UserError(
            f"{workers.name}: cannot join the others any more, because TensorFlow has been used in "
            f"this process ({first_line(error)}); start training first"
        ) from None
    except tf.errors.OpError as error:
        reason = first_line(error)
        if re.search("heartbeat|Socket closed|UNAVAILABLE", reason):
            reason = "one of them ended; start all of them again"
        else:
            reason += "; addresses and ports in TF_CONFIG must be free and reachable"
        raise UserError(
            f"{workers.name} of {len(workers.addresses)} cannot join the others: {reason}"
        ) from None


@contextlib.contextmanager
def _ctrl_c_ends() -> Iterator[None]:
    """Within the ``with`` block Ctrl-C ends the process at once. Python would notice it only when
    TensorFlow returns, which may wait for hours. SIGTERM has no effect: TensorFlow takes it for
    itself; afterwards it is handled as before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tpu() -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
        return tf.distribute.TPUStrategy(resolver)
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise UserError(
            f"strategy: tpu, but no TPU was found ({first_line(error)}); choose auto"
        ) from None
