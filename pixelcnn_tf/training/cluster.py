"""Agreement among the processes that train one model together: its workers."""

import contextlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from pixelcnn_tf.training.clock import Clock
from pixelcnn_tf.training.signals import DeferredSignals
from pixelcnn_tf.utils.errors import UserError, WorkerLost
from pixelcnn_tf.utils.workers import Workers

#: What TensorFlow raises in collective operations when another process does not answer.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
    tf.errors.FailedPreconditionError,
)


class Cluster:
    """The workers of a strategy: several processes with ``MultiWorkerMirroredStrategy``, else
    this one alone.

    The first worker is the chief: it writes checkpoints, logs, samples and results. All methods
    but ``naming_lost_workers`` must be called by every worker, in the same order.

    Args:
        strategy: a ``tf.distribute`` strategy.

    Attributes:
        workers: the addresses of all processes, and the number of this one.

    Example:

    >>> cluster = pixelcnn_tf.training.cluster.Cluster(tf.distribute.get_strategy())
    >>> cluster.is_chief, cluster.all_gather("ready")
    (True, ['ready'])
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self.strategy = strategy
        self.workers = Workers(("localhost:0",), 0)
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            resolver = strategy.cluster_resolver
            jobs = resolver.cluster_spec().as_dict()
            chief = jobs.get("chief", [])
            later = len(chief) if resolver.task_type == "worker" else 0
            addresses = [*chief, *jobs.get("worker", [])]
            self.workers = Workers(tuple(addresses), resolver.task_id + later)

    @property
    def n_workers(self) -> int:
        """The number of processes."""
        return len(self.workers.addresses)

    @property
    def index(self) -> int:
        """The number of this process, from 0 up."""
        return self.workers.index

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.index == 0

    @contextlib.contextmanager
    def naming_lost_workers(self) -> Iterator[None]:
        """Within the ``with`` block, the end of another worker is reported as such.

        Raises:
            WorkerLost: another worker ended, or cannot be reached.
        """
        try:
            yield
        except _LOST as error:
            lost = self._lost(str(error))
            if self.n_workers == 1 or not (lost or "ollective" in str(error)):
                raise
            raise WorkerLost(
                f"{lost or 'another worker'} ended or cannot be reached: see its output; the same "
                "command on every host continues from the last checkpoint"
            ) from None

    def _lost(self, message: str) -> str:
        """Returns the names of the other workers that an error of TensorFlow speaks of."""
        tasks = {int(task) for task in re.findall(r"/task:(\d+)", message)}
        tasks |= {i for i, address in enumerate(self.workers.addresses) if address in message}
        named = sorted(tasks & set(range(self.n_workers)) - {self.index})
        return " or ".join(self.workers.name_of(task) for task in named)

    def all_gather(self, value: Any) -> list[Any]:
        """Returns the values of all workers, in their order.

        Args:
            value: what JSON can express.

        Raises:
            WorkerLost: as ``naming_lost_workers``.
        """
        if self.n_workers == 1:
            return [value]
        data = np.frombuffer(json.dumps(value).encode(), np.uint8)
        sizes = self._rows(np.array([len(data)]))[:, 0]
        rows = self._rows(np.pad(data, (0, max(sizes) - len(data))))
        texts = [
            row[:size].tobytes() for row, size in zip(rows.astype(np.uint8), sizes, strict=True)
        ]
        return [json.loads(text) for text in texts]

    def broadcast(self, value: Any) -> Any:
        """Returns the value of the chief; as ``all_gather``."""
        return self.all_gather(value if self.is_chief else None)[0]

    @contextlib.contextmanager
    def joint_errors(self) -> Iterator[None]:
        """After the ``with`` block, an error of one worker ends all of them, with its message.

        Raises:
            OSError: of this worker.
            UserError: of this worker, or any of another one, which is named.
        """
        problem = None
        try:
            yield
        except (UserError, OSError) as error:
            problem = error
        texts = self.all_gather(problem and str(problem))
        if problem:
            raise problem
        for index, text in enumerate(texts):
            if text:
                raise UserError(f"{self.workers.name_of(index)}: {text}")

    def check_same(self, values: dict[str, Any]) -> None:
        """Makes sure that all workers have the same values.

        Raises:
            UserError: one has another than the chief, on every worker.
        """
        chief, *others = self.all_gather(values)
        for index, theirs in enumerate(others, 1):
            for key in {**chief, **theirs}:
                if theirs.get(key) != chief.get(key):
                    raise UserError(
                        f"{self.workers.name_of(index)}: {key} is {theirs.get(key)}, but "
                        f"{chief.get(key)} on {self.workers.name_of(0)}; must be the same"
                    )

    def broadcast_variables(self, variables: Sequence[keras.Variable]) -> None:
        """Assigns the values of the chief to the variables of all workers."""
        if self.n_workers == 1:
            return
        floats = [v for v in variables if v.dtype == "float32"]
        values = [v.numpy() if self.is_chief else np.zeros(v.shape, "float32") for v in floats]
        for variable, value in zip(floats, self._sum(values), strict=True):
            variable.assign(value)
        others = [v for v in variables if v.dtype != "float32"]  # counters and seeds
        lists = self.broadcast([np.asarray(v.numpy()).tolist() for v in others])
        for variable, value in zip(others, lists, strict=True):
            variable.assign(np.array(value, variable.dtype))

    def _rows(self, row: np.ndarray) -> np.ndarray:
        """Returns the rows of all workers, integers ``[n_workers, length]`` below 2**24."""
        rows = np.zeros((self.n_workers, len(row)), "float32")
        rows[self.index] = row
        return self._sum([rows])[0].astype(np.int64)

    def _sum(self, values: list[np.ndarray]) -> list[np.ndarray]:
        """Returns the sums over the workers of float32 arrays."""
        with self.naming_lost_workers():
            sums = self._all_reduce([tf.constant(value) for value in values])
            return [value.numpy() for value in sums]

    @tf.function(reduce_retracing=True)
    def _all_reduce(self, values):
        def of_replica(values):
            context = tf.distribute.get_replica_context()
            own = context.num_replicas_in_sync // self.n_workers
            first = tf.cast(context.replica_id_in_sync_group % own == 0, tf.float32)
            return context.all_reduce("SUM", [value * first for value in values])

        sums = self.strategy.run(of_replica, args=(values,))
        return [self.strategy.experimental_local_results(part)[0] for part in sums]


class StopAgreement:
    """About once a second during training, the workers agree whether to stop: at the same step,
    whichever of them has received a signal.

    Args:
        cluster: the workers.
        seconds: of training so far.

    Attributes:
        seconds: of training, on the clock of the chief, when the workers last agreed.

    Example:

    >>> cluster = pixelcnn_tf.training.cluster.Cluster(tf.distribute.get_strategy())
    >>> agreement = pixelcnn_tf.training.cluster.StopAgreement(cluster, seconds=2.5)
    >>> agreement.check(DeferredSignals(), step=7, clock=Clock())
    """

    def __init__(self, cluster: Cluster, seconds: float = 0.0):
        self.cluster = cluster
        self.seconds = seconds
        self._next_step = 0
        self._last: tuple[int, float] | None = None

    def check(self, signals: DeferredSignals, step: int, clock: Clock, now: bool = False) -> None:
        """Raises ``StopRequested`` on every worker after a signal to one of them.

        Args:
            signals: of this process.
            step: number of training steps made.
            clock: of this process.
            now: whether to agree also if they did so less than a second ago.
        """
        if self.cluster.n_workers > 1:
            if step < self._next_step and not now:
                return
            self._agree(signals, step, clock)
        signals.check()

    def _agree(self, signals: DeferredSignals, step: int, clock: Clock) -> None:
        """Takes the signal of any worker, and from the chief the time and the next step to agree
        at."""
        moment, speed = time.perf_counter(), 0.0
        if self._last is not None:
            speed = (step - self._last[0]) / (moment - self._last[1])
        self._last = step, moment
        own = signals.signum, clock.seconds, step + max(1, int(speed))
        everyone = self.cluster.all_gather(own)
        _, self.seconds, self._next_step = everyone[0]
        signals.signum = next((signum for signum, *_ in everyone if signum is not None), None)
