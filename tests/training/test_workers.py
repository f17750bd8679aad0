"""Several processes that train one model, on one machine."""

import os
import signal
import time

import numpy as np
import pytest
import tensorflow as tf
from helpers import make_trainer, small_config

from experiments import worker_runs
from pixelcnn_tf import UserError
from pixelcnn_tf.training.clock import Clock
from pixelcnn_tf.training.cluster import Cluster, StopAgreement
from pixelcnn_tf.training.optimizers import already_summed
from pixelcnn_tf.training.signals import DeferredSignals, StopRequested
from pixelcnn_tf.training.worker_checks import check_same_run
from pixelcnn_tf.utils.errors import WorkerLost


def settings(folder, model="masked PixelCNN", **more):
    sizes = worker_runs.MODELS[model][1]
    return {**worker_runs.SETTINGS, **sizes, "runs_dir": folder / "runs", **more}


def run(*own, config="config.yml", envs=()):
    return worker_runs.finish(worker_runs.start(config, own, envs))


def last_lines(results):
    return [(error or out).strip().splitlines()[-1] for _, out, error in results]


@pytest.mark.parametrize(
    ("model", "n_classes", "n_workers"),
    [
        ("masked PixelCNN", 10, 2),
        pytest.param("masked PixelCNN", None, 3, marks=pytest.mark.slow),
        pytest.param("PixelCNN++", None, 2, marks=pytest.mark.slow),
        pytest.param("PixelCNN++", 10, 3, marks=pytest.mark.slow),
    ],
)
def test_workers_train_as_one_process(model, n_classes, n_workers, tmp_path):
    config = worker_runs.MODELS[model][0]
    own = settings(tmp_path, model, **{"training.steps": 50})
    if n_classes:
        own["model.n_classes"] = n_classes
    one = run({**own, "name": "one"}, config=config)
    several = run(*[{**own, "name": "several"}] * n_workers, config=config)
    assert {status for status, *_ in one + several} == {0}, one + several
    printed = one[0][2].replace("\r", "\n").splitlines()
    assert [line for line in printed if line and not line.startswith("training:")] == []
    chief, *others = (out for _, out, _ in several)
    assert f"on {n_workers} CPUs of {n_workers} workers" in chief
    assert [out.count("\n") for out in others] == [2] * len(others)  # waiting, training
    gaps = worker_runs.differences(tmp_path / "runs/one", tmp_path / "runs/several", 50)
    # Rounding; but in one case (3 processes), a ReLU of an input of almost zero switches.
    assert max(gaps.values()) < (1e-5 if n_workers == 2 else 2e-4), gaps


def test_workers_that_differ_are_named(tmp_path):
    own = settings(tmp_path)
    results = run(own, {**own, "training.clip_norm": 0.7})
    assert [status for status, *_ in results] == [2, 2]
    for line in last_lines(results):
        assert "worker 1 (127.0.0.1:" in line and "clip_norm is 0.7, but 0.5 on worker 0" in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        ({"data.source": "nothing.npz"}, "nothing.npz' must be"),
        ({"runs_dir": "others"}, "is not the folder of the chief"),
        ({"data.source": "images.npz"}, "the checksum of the images of data.source is"),
    ],
)
def test_workers_with_other_data_or_folders_are_named(theirs, message, tmp_path, rng):
    images = rng.integers(256, size=(2, 60, 8, 8, 1)).astype(np.uint8)
    for name, part in zip(("chief.npz", "images.npz"), images, strict=True):
        np.savez(tmp_path / name, x_train=part, x_test=part)
    own = {**settings(tmp_path), "data.source": tmp_path / "chief.npz"}
    results = run(own, {**own, **{key: tmp_path / value for key, value in theirs.items()}})
    assert [status for status, *_ in results] == [2, 2]
    assert all(message in line for line in last_lines(results))
    assert not list(tmp_path.glob("runs/*/*")) and not (tmp_path / "others").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "victim"), [("SIGKILL", 1), ("SIGKILL", 0), ("SIGTERM", 1)])
def test_the_others_end_and_all_can_go_on(number, victim, tmp_path):
    own = settings(tmp_path, **{"training.steps": 500})
    processes = worker_runs.start("config.yml", [own] * 2)
    worker_runs.wait_for(tmp_path / "runs/digits/checkpoints/ckpt-25.index", processes)
    processes[victim].send_signal(signal.Signals[number])
    began = time.monotonic()
    results = worker_runs.finish(processes, timeout=60)
    assert time.monotonic() - began < 30
    ended = results[1 - victim]
    if number == "SIGKILL":
        assert ended[0] == 2 and f"worker {victim} (127.0.0.1:" in last_lines([ended])[0]
        assert "Traceback" not in ended[2]
    else:
        assert [status for status, *_ in results] == [128 + signal.SIGTERM] * 2
    assert [status for status, *_ in run(own, own)] == [0, 0]
    unbroken = {**own, "name": "unbroken"}
    assert [status for status, *_ in run(unbroken, unbroken)] == [0, 0]
    runs = tmp_path / "runs"
    gaps = worker_runs.differences(runs / "digits", runs / "unbroken", 500)
    assert max(gaps.values()) == 0, gaps


@pytest.mark.slow
def test_slurm_starts_workers(tmp_path):
    own = settings(tmp_path, **{"training.steps": 4, "strategy": "multi_worker"})
    step = {"NODELIST": "127.0.0.1", "TASKS_PER_NODE": "2"}
    job = {**os.environ, **{f"SLURM_STEP_{name}": value for name, value in step.items()}}
    envs = [{**job, "SLURM_PROCID": str(rank)} for rank in (0, 1)]
    assert [status for status, *_ in run(own, own, envs=envs)] == [0, 0]


def test_one_process_is_a_cluster_of_its_own(tmp_path):
    trainer = make_trainer(small_config(tmp_path))
    cluster = trainer.cluster
    assert (cluster.n_workers, cluster.index, cluster.is_chief) == (1, 0, True)
    assert cluster.all_gather({"a": [1]}) == [{"a": [1]}]
    cluster.check_same({"version": "1"})
    with pytest.raises(UserError, match="no such file"), cluster.joint_errors():
        raise UserError("no such file")
    with pytest.raises(tf.errors.UnavailableError), cluster.naming_lost_workers():
        raise tf.errors.UnavailableError(None, None, "Collective ops is aborted")


def test_differences_are_named_by_worker(monkeypatch):
    cluster = Cluster(tf.distribute.get_strategy())
    cluster.workers = cluster.workers._replace(addresses=("a:1", "b:2", "c:3"))
    records = [{"seed": 0, "extra": 1}, {"seed": 0, "extra": 1}, {"seed": 7}]
    monkeypatch.setattr(cluster, "all_gather", lambda value: records)
    with pytest.raises(UserError, match=r"^worker 2 \(c:3\): seed is 7, but 0 on worker 0 \(a:1\)"):
        cluster.check_same(records[0])
    problems = [None, "disk full", None]
    monkeypatch.setattr(cluster, "all_gather", lambda value: problems)
    with pytest.raises(UserError, match=r"^worker 1 \(b:2\): disk full$"), cluster.joint_errors():
        pass


def test_gradients_are_summed_once(tmp_path):
    optimizer = make_trainer(small_config(tmp_path)).optimizer
    pairs = [(tf.constant(1.0), tf.Variable(2.0))]
    assert callable(optimizer._all_reduce_sum_gradients)  # else Keras has changed
    with already_summed(optimizer):
        assert optimizer._all_reduce_sum_gradients(pairs) == pairs
    assert "_all_reduce_sum_gradients" not in vars(optimizer)


class Alone:
    """A stand-in for a cluster of two workers: the other has no signal."""

    n_workers = 2

    def all_gather(self, value):
        return [value, (None, *value[1:])]


def test_workers_agree_about_once_a_second_also_after_a_resume(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    agreement, signals, clock = StopAgreement(Alone()), DeferredSignals(), Clock()
    steps = []
    for step in range(100_000, 100_100):
        before = agreement._next_step
        agreement.check(signals, step, clock)
        if agreement._next_step != before:
            steps.append(step)
        now[0] += 0.1  # ten steps a second
    assert steps[:3] == [100_000, 100_001, 100_011]
    assert np.diff(steps[2:]).max() <= 10
    signals.signum = signal.SIGTERM
    with pytest.raises(StopRequested):
        agreement.check(signals, 100_200, clock)


@pytest.mark.parametrize("what", ["pixelcnn_tf", "TensorFlow", "plugin.py"])
def test_other_software_is_named(what, monkeypatch, tmp_path, images):
    (tmp_path / "plugin.py").write_text("")
    config = small_config(tmp_path).model_copy(update={"plugins": [str(tmp_path / "plugin.py")]})
    cluster = Cluster(tf.distribute.get_strategy())
    cluster.workers = cluster.workers._replace(addresses=("a:1", "b:2"))

    def other(values):
        key = next(key for key in values if what in key)
        return [values, {**values, key: "another"}]

    monkeypatch.setattr(cluster, "all_gather", other)
    with pytest.raises(UserError, match=rf"worker 1 \(b:2\): the .* of {what} is another, but"):
        check_same_run(cluster, config, images)


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("Collective ops is aborted by: Socket closed", "another worker ended"),
        ("unhealthy: /job:worker/replica:0/task:1", "worker 1 (b:2) ended"),
        ("failed to connect: ipv4:c:3 refused", "worker 2 (c:3) ended"),
        ("cuDNN launch failure /job:worker/replica:0/task:0/device:GPU:0", None),
    ],
)
def test_lost_workers_are_named(message, named):
    cluster = Cluster(tf.distribute.get_strategy())
    cluster.workers = cluster.workers._replace(addresses=("a:1", "b:2", "c:3"))
    error = tf.errors.InternalError(None, None, message)
    expected = WorkerLost if named else tf.errors.InternalError
    with pytest.raises(expected) as raised, cluster.naming_lost_workers():
        raise error
    assert named is None or str(raised.value).startswith(named)
