"""Parts of a batch that are evaluated side by side, each on one core.

TensorFlow divides an operation among the cores, and each waits for the others before the next one.
With few cores it is faster to divide the batch: measured in docs/speed.md.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def n_parts(batch_size: int | None) -> int:
    """Returns into how many parts a batch is divided: as many as TensorFlow runs operations at
    once, if each of them has one thread, as ``startup.use_one_thread_per_operation`` arranges;
    else 1, also for a batch that does not divide, or within a step of several devices.

    Args:
        batch_size: None if it is not known while a graph is built.

    Example:
        >>> n_parts(None)
        1
    """
    threads = tf.config.threading
    n = threads.get_inter_op_parallelism_threads()
    if threads.get_intra_op_parallelism_threads() != 1 or n < 2:
        return 1
    context = tf.distribute.get_replica_context()
    several = context is None or context.num_replicas_in_sync > 1
    return 1 if several or batch_size is None or batch_size % n else n


def in_parts(function: Callable, *tensors: tf.Tensor | None) -> list[Any]:
    """Returns the results of ``function`` for the parts of a batch, within a graph.

    Args:
        function: takes a part of each of ``tensors``; it is traced once.
        tensors: ``[batch, ...]``, or None.

    Example:
        >>> [total] = in_parts(tf.reduce_sum, tf.ones([4, 2]))
        >>> float(total)
        8.0
    """
    n = n_parts(next(tensor.shape[0] for tensor in tensors if tensor is not None))
    if n == 1:
        return [function(*tensors)]
    graph = tf.function(function, autograph=False)
    split = [[None] * n if tensor is None else tf.split(tensor, n) for tensor in tensors]
    return [graph(*part) for part in zip(*split, strict=True)]
