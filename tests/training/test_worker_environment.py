"""Who the workers are, from ``TF_CONFIG`` or SLURM's variables."""

import json

import pytest

from pixelcnn_tf import UserError
from pixelcnn_tf.utils.workers import Workers, workers_for


def tf_config(cluster=None, kind="worker", index=0):
    cluster = cluster or {"worker": ["a:1", "b:2"]}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def slurm(nodes, tasks, rank, job="31234567"):
    names = "STEP_NODELIST", "STEP_TASKS_PER_NODE", "PROCID", "JOB_ID"
    return {
        f"SLURM_{name}": str(v) for name, v in zip(names, (nodes, tasks, rank, job), strict=True)
    }


@pytest.mark.parametrize(
    ("strategy", "environ", "expected"),
    [
        ("auto", {}, None),
        ("one", tf_config(), None),
        ("mirrored", tf_config(), None),
        ("auto", tf_config(index=1), (("a:1", "b:2"), 1)),
        ("auto", tf_config({"worker": ["a:1"]}), None),
        ("multi_worker", tf_config({"worker": ["a:1"]}), (("a:1",), 0)),
        ("auto", tf_config({"chief": ["c:1"], "worker": ["a:1"]}), (("c:1", "a:1"), 1)),
        ("auto", tf_config({"worker": ["a:1"], "chief": ["c:1"]}, "chief"), (("c:1", "a:1"), 0)),
        ("auto", slurm("n[1-2]", "1(x2)", 0), None),
        ("multi_worker", slurm("n9,n10", "1(x2)", 1), (("n9:43350", "n10:43350"), 1)),
        (
            "multi_worker",
            slurm("n[08-10],login", "1(x3),2", 4),
            (("n08:43350", "n09:43350", "n10:43350", "login:43350", "login:43351"), 4),
        ),
        (
            "multi_worker",
            slurm("r[0-1]n[3,5]", "1(x4)", 0, 7),
            (("r0n3:15350", "r0n5:15350", "r1n3:15350", "r1n5:15350"), 0),
        ),
    ],
)
def test_workers(strategy, environ, expected):
    assert workers_for(strategy, environ) == (expected and Workers(*expected))


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "no TF_CONFIG, .*SLURM_PROCID.* missing.*such as"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG: is not JSON .*must be like"),
        ({"TF_CONFIG": "[]"}, "TF_CONFIG: has not the form"),
        ({"TF_CONFIG": '{"cluster": {}}'}, "TF_CONFIG: has not the form"),
        (tf_config({"worker": ["a :1"]}), "'a :1' is no HOST:PORT"),
        (tf_config({"worker": ["http://a:1"]}), "is no HOST:PORT"),
        (slurm("n[1-2]", "1(x2)", -1), "SLURM_PROCID=-1"),
        (tf_config(index=2), "task 2 of type 'worker', which its cluster does not have"),
        (tf_config(index=-1), "task -1"),
        (tf_config(index="0"), "task '0'"),
        (tf_config(index=True), "task True"),
        (tf_config(kind=["worker"]), "type .*, which its cluster does not have"),
        (tf_config({"worker": ["a:99999"]}), "'a:99999' is no HOST:PORT"),
        ({**slurm("n[1-2]", "2(x2)", 1), "SLURM_NODEID": "1"}, "runs on n2, not on n1; start one"),
        (tf_config(kind="evaluator"), "task 0 of type 'evaluator'"),
        (tf_config({"ps": ["p:1"], "worker": ["a:1"]}), "type 'ps', but only"),
        (tf_config({"worker": ["a:1", "b"]}), "'b' is no HOST:PORT"),
        (tf_config({"worker": ["a:1", "a:1"]}), "one address twice"),
        (slurm("n[1-2]", "1", 0), "SLURM_STEP_NODELIST=.*do not describe"),
        (slurm("n[1-2]", "1(x2)", 2), "SLURM_PROCID=2"),
        (slurm("n[x]", "1", 0), "do not describe"),
        (slurm("n1", "many", 0), "do not describe"),
    ],
)
def test_what_cannot_be_understood_is_named(environ, message):
    with pytest.raises(UserError, match=message):
        workers_for("multi_worker", environ)
