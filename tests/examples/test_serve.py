"""The example server, as a process of its own, over an exported model."""

import concurrent.futures
import io
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from command_line import ROOT
from helpers import assert_same_but_for_ties, small_model
from PIL import Image

from pixelcnn_tf import complete_images, export_model, generate_images, score

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

SIZE = (4, 6)


@pytest.fixture(scope="module")
def model():
    return small_model(3, "softmax-4", n_classes=3, n_layers=1, hidden_dim=2, out_dim=2)


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "m"
    export_model(model, folder, SIZE, batch_sizes=[1, 8], jit_compile=False)
    return folder


@pytest.fixture(scope="module")
def processes():
    """The servers that have been started."""
    started = []
    yield started
    for process, _ in started:
        process.kill()
        process.wait()


@pytest.fixture
def server(exported, processes):
    """The process of a server, and its address."""
    if not processes or processes[-1][0].poll() is not None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        limits = ["--threads", "1", "--max-images", "20", "--max-bytes", "5000"]
        command = [sys.executable, "serve.py", "--model", str(exported), "--port", str(port)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.Popen([*command, *limits], cwd=ROOT / "examples", **pipes)
        processes.append((process, f"http://127.0.0.1:{port}"))
        if not any(line.startswith("serving ") for line in process.stdout):
            pytest.fail(f"the server ended with status {process.wait()}")
    return processes[-1]


def ask(url, body=None, accept="application/json"):
    """Returns the status and the body of an answer."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Accept": accept}
    try:
        for _ in range(20):  # the socket is bound a moment after the server says that it is ready
            try:
                with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
                    return answer.status, answer.read()
            except urllib.error.URLError as error:
                if not isinstance(error.reason, ConnectionRefusedError):
                    raise
                time.sleep(0.1)
        raise AssertionError(f"{url}: nobody listens")
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def images_of(answer):
    status, body = answer
    assert status == 200, body
    return np.array(json.loads(body)["images"], np.uint8)


def test_answers_are_those_of_python(server, model):
    server = server[1]
    drawn = images_of(ask(f"{server}/sample", {"n": 3, "seed": 5, "labels": 1}))
    expected = generate_images(model, SIZE, 3, 5, labels=1)
    assert_same_but_for_ties(model, drawn, expected, 5, labels=[1, 1, 1])

    given = {"labels": [0, 2, 1], "temperature": 0.7, "top_p": 0.9}
    drawn = images_of(ask(f"{server}/sample", {"n": 3, "seed": -5, **given}))
    given["labels"] = np.array(given["labels"])
    expected = generate_images(model, SIZE, 3, -5, **given)
    assert_same_but_for_ties(model, drawn, expected, -5, **given)

    hidden = np.zeros(SIZE, bool)
    hidden[2:] = True
    body = {"images": drawn.tolist(), "known": (~hidden).tolist(), "labels": 0}
    filled = images_of(ask(f"{server}/complete", body))
    expected = complete_images(model, drawn, hidden, 1, 0, labels=0)[:, 0]
    assert_same_but_for_ties(model, filled, expected, 0, labels=[0, 0, 0])

    status, text = ask(f"{server}/log_prob", {"images": drawn.tolist(), "labels": 2})
    assert status == 200
    np.testing.assert_allclose(json.loads(text)["log_prob"], -score(model, drawn, 2), rtol=1e-5)


def test_images_as_files(server):
    server = server[1]
    body = {"n": 2, "labels": 0}
    drawn = images_of(ask(f"{server}/sample", body))
    _, npy = ask(f"{server}/sample", body, "application/x-npy")
    np.testing.assert_array_equal(np.load(io.BytesIO(npy)), drawn)
    _, png = ask(f"{server}/sample", body, "image/png")
    row = np.asarray(Image.open(io.BytesIO(png)))
    np.testing.assert_array_equal(row, np.concatenate(list(drawn * 85), axis=1))


IMAGE = [[[[0, 1, 2]] * 6] * 4]
WRONG = [
    ("sample", {"labels": 0, "n": 0}, "n: Input should be greater than or equal to 1"),
    ("sample", {"labels": 0, "n": 21}, "21 images: must be at most 20"),
    ("sample", {"labels": 0, "n": 1.5}, "n: Input should be a valid integer"),
    ("sample", {"labels": 0, "seed": 2**31}, "seed: Input should be less than"),
    ("sample", {"labels": 0, "top_p": 0}, "top_p: Input should be greater than"),
    ("sample", {"labels": 0, "tempo": 1}, "tempo: Extra inputs are not permitted"),
    ("sample", {}, "labels: must be one integer from 0 to 2, or one for each of 1 images"),
    ("sample", {"labels": 3}, "labels: must be one integer from 0 to 2"),
    ("sample", {"labels": [0, 1]}, "labels: must be one integer from 0 to 2"),
    ("sample", b"{", "the body is not JSON"),
    ("sample", b"[]", "Input should be a valid dictionary"),
    ("sample", b" " * 5001, "5001 bytes: must be at most 5000"),
    ("log_prob", {"labels": 0, "images": [[1]]}, "images of shape [1, 1]: must be [n][height]"),
    ("log_prob", {"labels": 0, "images": [[1], 2]}, "images: lists of different lengths"),
    ("log_prob", {"labels": 0, "images": [[[[0, 1, 4]]]]}, "must hold integers from 0 to 3"),
    ("log_prob", {"labels": 0, "images": [[[[0, 1, 0.5]]]]}, "must hold integers from 0 to 3"),
    ("complete", {"labels": 0, "images": [[[[0, 1, 2]]]], "known": []}, "must be of 4x6 pixels"),
    ("complete", {"labels": 0, "images": IMAGE, "known": [[True]]}, "known: must be booleans"),
    ("complete", {"labels": 0, "images": IMAGE}, "known: Field required"),
    ("nothing", {}, "Not Found"),
    ("health", {}, "Method Not Allowed"),
]


@pytest.mark.parametrize(("path", "body", "words"), WRONG)
def test_wrong_requests_get_one_line(path, body, words, server):
    status, text = ask(f"{server[1]}/{path}", body)
    assert 400 <= status < 500
    error = json.loads(text)
    assert set(error) == {"error"} and words in error["error"] and "\n" not in error["error"]


def test_health(server):
    status, text = ask(f"{server[1]}/health")
    about = json.loads(text)
    assert status == 200 and about["status"] == "ok" and about["waiting"] == 0
    assert about["model"]["image_size"] == list(SIZE) and about["model"]["n_classes"] == 3


def test_sigterm_answers_what_was_accepted_in_few_calls(server, model):
    """Requests of several clients are answered by fewer calls, all of them right."""
    process, server = server
    cooler = {"temperature": 0.5, "top_p": 0.9}
    before = json.loads(ask(f"{server}/health")[1])
    with concurrent.futures.ThreadPoolExecutor(24) as clients:
        bodies = [
            {"seed": seed, "labels": 1, "n": 3, **({} if seed % 3 else cooler)}
            for seed in range(24)
        ]
        jobs = [clients.submit(ask, f"{server}/sample", body) for body in bodies]
        jobs[0].result()
        time.sleep(0.2)  # all of them are accepted
        health = json.loads(ask(f"{server}/health")[1])
        process.send_signal(signal.SIGTERM)
        answers = [job.result() for job in jobs]
    rest = process.stdout.read()
    process.wait(20)
    n_calls, n_images = (health[name] - before[name] for name in ("calls", "images"))
    assert n_calls < n_images / 3
    assert re.search(r"stopped: \d+ requests answered", rest)
    assert all(status == 200 for status, _ in answers)
    for seed, settings in ((0, cooler), (23, {})):
        drawn = images_of(answers[seed])
        expected = generate_images(model, SIZE, 3, seed, labels=1, **settings)
        assert_same_but_for_ties(model, drawn, expected, seed, labels=[1, 1, 1], **settings)


def test_a_missing_package_is_named():
    script = (
        "import runpy, sys; sys.modules['uvicorn'] = None; "
        f"runpy.run_path({str(ROOT / 'examples' / 'serve.py')!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == "error: uvicorn is missing; pip install tensorflow fastapi uvicorn\n"
