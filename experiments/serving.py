"""Load the example server from several clients on this machine, send it wrong requests, and stop it
while it works. Writes the figures of docs/serving.md.

The server needs FastAPI and uvicorn: pip install ".[serve]".

examples:
  python -m experiments.serving --run runs/digits
  python -m experiments.serving --run runs/digits --seconds 2 --out /tmp/serving.md
"""

import contextlib
import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from docs.generate.pages import replace_section
from experiments.commands import ROOT
from pixelcnn_tf.cli.parsing import Parser, exit_with, whole_number
from pixelcnn_tf.utils.atomic_files import check_writable, replacing
from pixelcnn_tf.utils.errors import UserError
from pixelcnn_tf.utils.machine import cores
from pixelcnn_tf.utils.progress import progress

CLIENTS = (1, 8, 32)

#: Requests that must be refused: what is wrong, path and body.
WRONG = [
    ("no images", "/sample", b'{"n": 0}'),
    ("too many images", "/sample", b'{"n": 1000000}'),
    ("a temperature of 0", "/sample", b'{"temperature": 0}'),
    ("an unknown field", "/sample", b'{"temprature": 1}'),
    ("a body that is not JSON", "/sample", b"n=3"),
    ("a value that is no pixel", "/log_prob", b'{"images": [[[[0, 0, 256]]]]}'),
    ("lists of different lengths", "/log_prob", b'{"images": [[[[0, 0, 0]], []]]}'),
    ("images of another size", "/complete", b'{"images": [[[[0, 0, 0]]]], "known": [[true]]}'),
    ("nine megabytes", "/log_prob", b" " * 9_000_000),
]

FIGURES = """
Written by `python -m experiments.serving --run runs/digits`: the model of `config.yml`, {weights}
 weights, images of {size}, on {cores}, which the clients share with the server. Every
client sends its next request when the last one is answered, over one connection, for {seconds}
seconds.

| request | clients | requests/s | images/s | images per call | p50 | p99 |
|---|---|---|---|---|---|---|
{rows}

{n_wrong} wrong requests were each refused with one line and a status from 400 to 422: {wrong}.

**SIGTERM** while {n_clients} clients were sending requests of 4 images, in {n_stops} trials: the
server ended after {stop_seconds}. The clients had {n_answers:,} answers, all complete, which is as
many as the server counts; then {n_refused} requests were refused, because it no longer listened."""


class Answer(NamedTuple):
    """An answer: status (0 if the connection was refused or closed before one came), body, and
    seconds from the request on."""

    status: int
    body: bytes
    seconds: float


class Client:
    """One connection to the server at a port."""

    def __init__(self, port: int):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, path: str, body: bytes | None = None) -> Answer:
        """Sends a request. An answer that breaks off raises an ``http.client`` exception."""
        start = time.perf_counter()
        headers = {"Content-Type": "application/json"}
        try:
            self.connection.request("GET" if body is None else "POST", path, body, headers)
            response = self.connection.getresponse()
        except (ConnectionError, http.client.RemoteDisconnected):
            self.connection.close()
            return Answer(0, b"", 0.0)
        return Answer(response.status, response.read(), time.perf_counter() - start)


@contextlib.contextmanager
def served(model: Path) -> Iterator[tuple[subprocess.Popen, int]]:
    """Yields the process of a server, and its port, once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "examples/serve.py"), "--model", str(model)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen([*command, "--port", str(port)], **pipes)
    assert process.stdout is not None
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            if line.startswith("serving "):
                break
        else:
            raise UserError(f"the server did not start: {lines[-1] if lines else 'no output'}")
        while Client(port).ask("/health").status != 200:
            time.sleep(0.05)
        yield process, port
    finally:
        process.kill()
        process.wait()


def together(n_clients: int, port: int, work: Callable[[Client, int], list]) -> list[list]:
    """Returns what ``work(client, i)`` returns for each of several clients at the same time."""
    with ThreadPoolExecutor(n_clients) as threads:
        return list(threads.map(lambda i: work(Client(port), i), range(n_clients)))


def load(port: int, path: str, body: Callable[[int], dict], n_clients: int, seconds: float) -> str:
    """Returns the cells of a row: how fast requests of several clients are answered."""

    def work(client: Client, i: int) -> list[Answer]:
        answers, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            seed = 1_000_000 * i + len(answers)
            answers.append(client.ask(path, json.dumps(body(seed)).encode()))
        return answers

    together(n_clients, port, lambda client, i: [client.ask(path, json.dumps(body(i)).encode())])
    before, start = json.loads(Client(port).ask("/health").body), time.monotonic()
    answers = [answer for part in together(n_clients, port, work) for answer in part]
    taken = time.monotonic() - start
    after = json.loads(Client(port).ask("/health").body)
    failed = [answer for answer in answers if answer.status != 200]
    if failed:
        raise UserError(f"{path}: {len(failed)} requests failed: {failed[0]}")
    n_images, n_calls = (after[name] - before[name] for name in ("images", "calls"))
    p50, p99 = np.percentile([answer.seconds for answer in answers], [50, 99])
    figures = [f"{len(answers) / taken:,.1f}", f"{n_images / taken:,.1f}"]
    figures += [f"{n_images / n_calls:.1f}", f"{1e3 * p50:,.0f} ms", f"{1e3 * p99:,.0f} ms"]
    return " | ".join(figures)


def refused(port: int) -> list[str]:
    """Returns what was wrong with the requests that were refused with one line; all must be."""
    for name, path, body in WRONG:
        answer = Client(port).ask(path, body)
        error = json.loads(answer.body).get("error", "")
        if not 400 <= answer.status <= 422 or not error or "\n" in error:
            raise UserError(f"{name}: answered with status {answer.status}: {answer.body[:200]}")
    return [name for name, *_ in WRONG]


def stopped(model: Path, n_clients: int) -> tuple[int, int, float]:
    """Stops a server at work; returns the numbers of answers and of refused requests, and how many
    seconds it took to end. Raises UserError if an answer is missing."""

    def work(client: Client, i: int) -> list[Answer]:
        answers = [client.ask("/sample", json.dumps({"n": 4, "seed": i}).encode())]
        while answers[-1].status:
            body = {"n": 4, "seed": 1_000 * i + len(answers)}
            answers.append(client.ask("/sample", json.dumps(body).encode()))
        return answers

    with served(model) as (process, port), ThreadPoolExecutor(1) as thread:
        before = 1  # /health
        everything = thread.submit(together, n_clients, port, work)
        time.sleep(2)
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        answers = [answer for part in everything.result() for answer in part]
        assert process.stdout is not None
        counted = re.search(r"stopped: (\d+) requests answered", process.stdout.read())
        process.wait()
        seconds = time.monotonic() - start
    complete = [answer for answer in answers if answer.status == 200]
    for answer in complete:
        assert len(json.loads(answer.body)["images"]) == 4
    if counted is None or int(counted[1]) - before != len(complete):
        raise UserError(f"{len(complete)} answers, but the server counts {counted and counted[1]}")
    return len(complete), len(answers) - len(complete), seconds


def measured(run: str, seconds: float, n_stops: int) -> str:
    """Returns the figures of docs/serving.md."""
    from pixelcnn_tf import export_model, generate_images, load_config, load_model

    model, size = load_model(run), load_config(Path(run) / "config.yml").data.image_size
    assert size is not None
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "model"
        about = export_model(model, exported, size)
        images = generate_images(model, size, 8, 0).tolist()
        labels = {} if about["n_classes"] is None else {"labels": 0}
        requests = [
            ("draw 1 image", "/sample", lambda seed: {"seed": seed, **labels}),
            ("draw 8 images", "/sample", lambda seed: {"seed": seed, "n": 8, **labels}),
            ("score 8 images", "/log_prob", lambda _: {"images": images, **labels}),
        ]
        jobs = [(*request, n) for request in requests for n in CLIENTS]
        with served(exported) as (_, port):
            rows = [
                f"| {name} | {n} | {load(port, path, body, n, seconds)} |"
                for name, path, body, n in progress("loading", len(jobs), "row", jobs)
            ]
            wrong = refused(port)
        light = Path(folder) / "light"  # compiled in less time
        export_model(model, light, size, batch_sizes=[8])
        stops = [
            stopped(light, CLIENTS[-1])
            for _ in progress("stopping", n_stops, "time", range(n_stops))
        ]
    times = sorted(taken for *_, taken in stops)
    text = FIGURES.strip().format(
        weights=f"{model.count_params():,}",
        size="x".join(map(str, (*size, model.n_channels))),
        cores=f"{cores()} CPU cores",
        seconds=f"{seconds:g}",
        rows="\n".join(rows),
        n_wrong=len(wrong),
        wrong=", ".join(wrong),
        n_clients=CLIENTS[-1],
        n_stops=n_stops,
        stop_seconds=f"{times[0]:.1f} to {times[-1]:.1f} s",
        n_answers=sum(n for n, *_ in stops),
        n_refused=sum(n for _, n, _ in stops),
    )
    paragraphs = text.split("\n\n")
    return "\n\n".join(p if p[0] == "|" else textwrap.fill(p, 100) for p in paragraphs)


def main(argv: list[str] | None = None) -> int:
    """Measures, and writes the page."""
    parser = Parser(__doc__, "python -m experiments.serving")
    parser.add_argument("--run", required=True, metavar="DIR", help="a run folder")
    parser.add_argument(
        "--seconds", type=whole_number, default=10, metavar="N", help="seconds for each row"
    )
    parser.add_argument(
        "--stops", type=whole_number, default=3, metavar="N", help="times the server is stopped"
    )
    parser.add_argument(
        "--out", default=str(ROOT / "docs/serving.md"), metavar="FILE", help="the page to write"
    )
    args = parser.parse_args(argv)
    out = check_writable(args.out, ".md")
    text = (ROOT / "docs/serving.md").read_text()
    page = replace_section(text, "figures", measured(args.run, args.seconds, args.stops))
    with replacing(out) as temporary:
        temporary.write_text(page)
    print(f"figures: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(exit_with(main))
