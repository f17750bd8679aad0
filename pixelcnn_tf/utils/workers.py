"""The processes that train one model together, as their environment describes them."""

import json
import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from pixelcnn_tf.utils.errors import UserError

_EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
)
_SLURM = ("SLURM_PROCID", "SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE")


class Workers(NamedTuple):
    """The workers of a cluster; the first is the chief.

    Attributes:
        addresses: ``HOST:PORT`` of each.
        index: of this process.

    Examples:
        >>> Workers(("a:2222", "b:2222"), 1).name
        'worker 1 (b:2222)'
    """

    addresses: tuple[str, ...]
    index: int

    @property
    def name(self) -> str:
        """Number and address of this process."""
        return self.name_of(self.index)

    def name_of(self, index: int) -> str:
        """Number and address of a worker, for messages."""
        return f"worker {index} ({self.addresses[index]})"


def workers_for(strategy: str, environ: Mapping[str, str] = os.environ) -> Workers | None:
    """Returns the workers with which a config is to be trained; None for this process alone.

    They are read from ``TF_CONFIG``, which Kubeflow and Vertex AI set, or from the variables that
    SLURM's ``srun`` sets. With ``'auto'``, only a ``TF_CONFIG`` of several workers counts.

    Args:
        strategy: that of a config.
        environ: the environment variables.

    Raises:
        UserError: the variables cannot be understood, or, with ``'multi_worker'``, are missing.

    Examples:
        >>> both = '"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}'
        >>> workers_for("auto", {"TF_CONFIG": "{" + both + "}"})
        Workers(addresses=('a:1', 'b:1'), index=1)
        >>> slurm = {"SLURM_PROCID": "0", "SLURM_STEP_NODELIST": "n[1-2]", "SLURM_JOB_ID": "7"}
        >>> workers_for("multi_worker", {**slurm, "SLURM_STEP_TASKS_PER_NODE": "1(x2)"})
        Workers(addresses=('n1:15350', 'n2:15350'), index=0)
    """
    if strategy not in ("auto", "multi_worker"):
        return None
    if "TF_CONFIG" in environ:
        workers = _from_tf_config(environ["TF_CONFIG"])
        return workers if strategy == "multi_worker" or len(workers.addresses) > 1 else None
    if strategy == "auto":
        return None
    if missing := [name for name in _SLURM if name not in environ]:
        raise UserError(
            "strategy: multi_worker, but there is no TF_CONFIG, and not all variables of SLURM "
            f"({', '.join(missing)} missing); set TF_CONFIG on every host, such as {_EXAMPLE}"
        )
    return _from_slurm(environ)


def _from_tf_config(text: str) -> Workers:
    def wrong(problem: str) -> UserError:
        return UserError(f"TF_CONFIG: {problem}; must be like {_EXAMPLE}")

    try:
        config = json.loads(text)
        cluster, task = config["cluster"], config["task"]
        kind, index = str(task["type"]), task["index"]
        jobs = {job: list(cluster[job]) for job in cluster}
    except ValueError as error:
        raise wrong(f"is not JSON ({error})") from None
    except (KeyError, TypeError, AttributeError):
        raise wrong("has not the form of 'cluster' and 'task' with 'type' and 'index'") from None
    if unknown := sorted(set(jobs) - {"chief", "worker"}):
        raise wrong(f"has tasks of type {unknown[0]!r}, but only 'chief' and 'worker' can train")
    if kind not in jobs or type(index) is not int or not 0 <= index < len(jobs[kind]):
        raise wrong(f"is for task {index!r} of type {kind!r}, which its cluster does not have")
    chief, others = jobs.get("chief", []), jobs.get("worker", [])
    addresses = [*chief, *others]
    for address in addresses:
        port = re.fullmatch(r"[^\s/]+:(\d+)", str(address))
        if not port or not 0 < int(port[1]) < 65536:
            raise wrong(f"{address!r} is no HOST:PORT")
    if len(chief) > 1 or len(set(addresses)) < len(addresses):
        raise wrong("names two chiefs, or one address twice")
    return Workers(tuple(addresses), index + (len(chief) if kind == "worker" else 0))


def _from_slurm(environ: Mapping[str, str]) -> Workers:
    """As TensorFlow's ``SlurmClusterResolver``, but with the hosts in the order of SLURM's ranks
    (TensorFlow sorts them by name, n10 before n9), also without GPUs, and with 50 ports that the
    next jobs on the host do not use."""
    nodes, tasks = environ["SLURM_STEP_NODELIST"], environ["SLURM_STEP_TASKS_PER_NODE"]
    try:
        index, job = (int(environ.get(f"SLURM_{key}", "0")) for key in ("PROCID", "JOB_ID"))
        if index < 0:
            raise IndexError(index)
        hosts, counts = _expanded(nodes), []
        for part in tasks.split(","):
            count, repeats = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part).groups()  # pyright: ignore
            counts += [int(count)] * int(repeats or 1)
        first = 15000 + job % 1000 * 50
        places = [(host, i) for host, n in zip(hosts, counts, strict=True) for i in range(n)]
        host = places[index][0]
        node = hosts[int(environ.get("SLURM_NODEID", hosts.index(host)))]
    except (ValueError, AttributeError, IndexError):
        raise UserError(
            f"SLURM_STEP_NODELIST={nodes}, SLURM_STEP_TASKS_PER_NODE={tasks}, SLURM_PROCID="
            f"{environ['SLURM_PROCID']}: do not describe the tasks of a job step; set TF_CONFIG"
        ) from None
    if host != node:
        raise UserError(
            f"SLURM_PROCID={index}: runs on {node}, not on {host}; start one task per node, or use "
            "srun --distribution=block"
        )
    return Workers(tuple(f"{host}:{first + i}" for host, i in places), index)


def _expanded(nodes: str) -> list[str]:
    """Returns the hosts of a list such as ``a,n[08-10,12]``, in its order."""
    hosts = []
    for part in re.findall(r"(?:\[[^\]]*\]|[^,\[\]])+", nodes):
        found = re.fullmatch(r"([^\[]*)\[([^\]]+)\](.*)", part)
        if not found:
            hosts.append(part)
            continue
        before, ranges, after = found.groups()
        for span in ranges.split(","):
            first, _, last = span.partition("-")
            for number in range(int(first), int(last or first) + 1):
                hosts += _expanded(f"{before}{number:0{len(first)}d}{after}")
    return hosts
