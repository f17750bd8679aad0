"""An HTTP server for a model that ``pixelcnn-tf export`` has written.

It needs TensorFlow, NumPy, FastAPI and uvicorn, and not the package pixelcnn_tf:

    pip install tensorflow fastapi uvicorn
    python examples/serve.py --model digits_model --port 8000

POST /sample, /complete and /log_prob take JSON; GET /health describes the model and the load, and
GET /docs all fields. Images are answered as JSON, or as the header ``Accept: image/png`` or
``application/x-npy`` says. Requests that wait at the same time are answered by one call of the
model. SIGTERM and Ctrl-C answer what was accepted, then stop.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import io
import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

try:
    import uvicorn  # isort: skip
    import numpy as np
    import tensorflow as tf
    from fastapi import FastAPI, HTTPException, Request, Response
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from pydantic import BaseModel, ConfigDict, Field
    from starlette.exceptions import HTTPException as AnyHTTPException
except ImportError as error:
    sys.exit(f"error: {error.name} is missing; pip install tensorflow fastapi uvicorn")

INT32 = {"ge": -(2**31), "lt": 2**31}


class Labels(BaseModel):
    """For a class-conditional model: one label for all images, or one for each."""

    model_config = ConfigDict(extra="forbid", strict=True)
    labels: list[int] | int | None = None


class Sampling(Labels):
    seed: Annotated[int, Field(**INT32)] = 0
    temperature: Annotated[float, Field(ge=0.001, le=1000, strict=False)] = 1.0
    top_p: Annotated[float, Field(ge=0.000001, le=1, strict=False)] = 1.0


class SampleRequest(Sampling):
    n: Annotated[int, Field(ge=1)] = 1


class CompleteRequest(Sampling):
    """Booleans [height][width], or of the shape of the images, say which pixels are known."""

    images: list
    known: list


class LogProbRequest(Labels):
    images: list


class Model:
    """An exported model, and what may be asked of it.

    Args:
        folder: as ``pixelcnn-tf export`` has written it.
        limits: ``max_images`` and ``max_values`` of a request.
    """

    def __init__(self, folder: Path, limits: argparse.Namespace):
        file = folder / "assets.extra" / "pixelcnn_tf.json"
        if not file.is_file():
            sys.exit(f"error: --model {folder}: holds no exported model; see pixelcnn-tf export")
        self.about = json.loads(file.read_text())
        self.limits = limits
        self.signatures = tf.saved_model.load(str(folder)).signatures

    def call(self, signature: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        outputs = self.signatures[signature](**{k: tf.constant(v) for k, v in inputs.items()})
        return next(iter(outputs.values())).numpy()

    def warm_up(self, threads: ThreadPoolExecutor) -> None:
        """Compiles the sampler for all batch sizes."""

        def compile_for(n: int) -> None:
            label = None if self.about["n_classes"] is None else 0
            self.call("draw", self.rows(Sampling(labels=label), n))
            print(f"ready for batches of {n}", flush=True)

        list(threads.map(compile_for, self.about["batch_sizes"]))

    def rows(self, request: Sampling, n: int) -> dict[str, np.ndarray]:
        """Returns the inputs of the signature ``draw`` for ``n`` images, nothing of them known."""
        shape = (n, *self.about["image_size"], self.about["n_channels"])
        return {
            "images": np.zeros(shape, dtype_for(self.about["n_values"])),
            "known": np.zeros(shape, bool),
            "seeds": np.full(n, request.seed, np.int32),
            "indices": np.arange(n, dtype=np.int32),
            "temperatures": np.full(n, request.temperature, np.float32),
            "top_ps": np.full(n, request.top_p, np.float32),
            **self.labels(request.labels, n),
        }

    def labels(self, labels: list[int] | int | None, n: int) -> dict[str, np.ndarray]:
        n_classes = self.about["n_classes"]
        if n_classes is None:
            if labels is not None:
                raise HTTPException(422, "labels: the model is not class-conditional")
            return {}
        given = np.full(n, labels) if isinstance(labels, int) else np.array(labels or [], object)
        if len(given) != n or not all(0 <= label < n_classes for label in given):
            wanted = f"one integer from 0 to {n_classes - 1}, or one for each of {n} images"
            raise HTTPException(422, f"labels: must be {wanted}")
        return {"labels": given.astype(np.int32)}

    def images(self, nested: list) -> np.ndarray:
        """Returns images [n, height, width, channels], checked."""
        channels, n_values = self.about["n_channels"], self.about["n_values"]
        images = as_array("images", nested)
        if images.ndim != 4 or 0 in images.shape or images.shape[3] != channels:
            wanted = f"[n][height][width][{channels}]"
            raise HTTPException(422, f"images of shape {list(images.shape)}: must be {wanted}")
        for number, most, name in (
            (len(images), self.limits.max_images, "images"),
            (images.size, self.limits.max_values, "values"),
        ):
            if number > most:
                raise HTTPException(422, f"images: {number} {name}; must be at most {most}")
        if images.dtype.kind not in "iu" or images.min() < 0 or images.max() >= n_values:
            raise HTTPException(422, f"images: must hold integers from 0 to {n_values - 1}")
        return images.astype(dtype_for(n_values))


def dtype_for(n_values: int) -> type:
    """Returns the dtype of images, as the signatures have it."""
    return np.uint8 if n_values <= 256 else np.uint16


def as_array(name: str, nested: list) -> np.ndarray:
    try:
        return np.array(nested)
    except (ValueError, OverflowError):  # lists of different lengths
        raise HTTPException(422, f"{name}: lists of different lengths") from None


@dataclasses.dataclass(eq=False)  # each is equal to itself only
class Job:
    """The inputs of a request, of which each array has as many rows as there are images."""

    signature: str
    inputs: dict[str, np.ndarray]
    answer: asyncio.Future

    @property
    def n_images(self) -> int:
        return len(self.inputs["images"])

    @property
    def kind(self) -> tuple:
        """Jobs of the same kind may be done by one call."""
        adjusted = self.inputs.get("temperatures", 1), self.inputs.get("top_ps", 1)
        plain = all(np.all(numbers == 1) for numbers in adjusted)
        return self.signature, self.inputs["images"].shape[1:], plain


class Batches:
    """Does jobs in threads. While they are busy others wait, and are then done together."""

    def __init__(self, model: Model, threads: ThreadPoolExecutor, limits: argparse.Namespace):
        self.model, self.threads, self.limits = model, threads, limits
        self.waiting: list[Job] = []
        self.running: set[asyncio.Task] = set()
        self.n_images = self.n_calls = 0

    async def do(self, signature: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Returns what the model gives for the inputs of one request."""
        job = Job(signature, inputs, asyncio.get_running_loop().create_future())
        if sum(other.n_images for other in self.waiting) + job.n_images > self.limits.max_waiting:
            raise HTTPException(
                503, "too many requests are waiting; try again in a second", {"Retry-After": "1"}
            )
        self.waiting.append(job)
        self.start()
        return await job.answer

    def start(self) -> None:
        while self.waiting and len(self.running) < self.limits.threads:
            task = asyncio.create_task(self.run(self.next_jobs()))
            self.running.add(task)
            task.add_done_callback(lambda task: (self.running.discard(task), self.start()))

    def next_jobs(self) -> list[Job]:
        """Takes the job that has waited longest, and others that fit in one batch with it."""
        room, chosen = self.model.about["batch_sizes"][-1], []
        for job in list(self.waiting):
            if not chosen or (job.kind == chosen[0].kind and job.n_images <= room):
                self.waiting.remove(job)
                chosen.append(job)
                room -= job.n_images
        return chosen

    async def run(self, jobs: list[Job]) -> None:
        inputs = {k: np.concatenate([job.inputs[k] for job in jobs]) for k in jobs[0].inputs}
        loop = asyncio.get_running_loop()
        try:
            results = await loop.run_in_executor(
                self.threads, self.model.call, jobs[0].signature, inputs
            )
        except Exception as error:
            for job in jobs:
                if not job.answer.done():
                    job.answer.set_exception(error)
            return
        self.n_calls, self.n_images = self.n_calls + 1, self.n_images + len(results)
        for job in jobs:
            answer, results = results[: job.n_images], results[job.n_images :]
            if not job.answer.done():  # the client may have gone
                job.answer.set_result(answer)


def answer_with(images: np.ndarray, accept: str, n_values: int) -> Response:
    if "application/x-npy" in accept:
        file = io.BytesIO()
        np.save(file, images)
        return Response(file.getvalue(), media_type="application/x-npy")
    if "image/png" in accept:
        if images.shape[3] not in (1, 3):
            raise HTTPException(406, "image/png: the model's images have neither 1 nor 3 channels")
        row = np.concatenate(list(images), axis=1)  # side by side
        shown = np.round(row * (255 / (n_values - 1))).astype(np.uint8)
        return Response(tf.io.encode_png(shown).numpy(), media_type="image/png")
    return JSONResponse({"images": images.tolist()})


def make_app(model: Model, limits: argparse.Namespace) -> FastAPI:
    """Returns the application."""
    threads = ThreadPoolExecutor(limits.threads)
    batches = Batches(model, threads, limits)
    answered = 0

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI):
        await asyncio.get_running_loop().run_in_executor(None, model.warm_up, threads)
        print(f"serving {limits.model} on http://{limits.host}:{limits.port}", flush=True)
        yield
        print(f"stopped: {answered} requests answered", flush=True)

    app = FastAPI(title="An exported pixelcnn_tf model", lifespan=lifespan)

    @app.middleware("http")
    async def count_and_limit(request: Request, call_next):
        nonlocal answered
        length = request.headers.get("content-length", "0" if request.method == "GET" else "")
        if not length.isdigit() or "transfer-encoding" in request.headers:
            response = one_line(411, "the header Content-Length is missing")
        elif int(length) > limits.max_bytes:
            response = one_line(413, f"{length} bytes: must be at most {limits.max_bytes}")
        else:
            response = await call_next(request)
        answered += 1
        return response

    @app.exception_handler(AnyHTTPException)
    async def http_error(_: Request, error: AnyHTTPException):
        return one_line(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(RequestValidationError)
    async def wrong_request(_: Request, error: RequestValidationError):
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            return one_line(422, "the body is not JSON")
        where = ".".join(str(part) for part in first["loc"][1:])
        return one_line(422, f"{where}: {first['msg']}" if where else first["msg"])

    @app.exception_handler(tf.errors.OpError)
    async def model_error(_: Request, error: tf.errors.OpError):
        found = re.search(r"assertion failed: \[(.*)\]", error.message)
        return one_line(422 if found else 500, found[1] if found else "the model failed")

    @app.exception_handler(Exception)
    async def other_error(_: Request, error: Exception):
        return one_line(500, f"the server failed: {type(error).__name__}")

    @app.get("/health")
    async def health() -> dict[str, Any]:
        waiting = sum(job.n_images for job in batches.waiting)
        counts = {"images": batches.n_images, "calls": batches.n_calls, "waiting": waiting}
        return {"status": "ok", "model": model.about, **counts}

    @app.post("/sample")
    async def sample(request: SampleRequest, http: Request) -> Response:
        if request.n > limits.max_images:
            raise HTTPException(422, f"{request.n} images: must be at most {limits.max_images}")
        images = await batches.do("draw", model.rows(request, request.n))
        return answer_with(images, http.headers.get("accept", ""), model.about["n_values"])

    @app.post("/complete")
    async def complete(request: CompleteRequest, http: Request) -> Response:
        images, known = model.images(request.images), as_array("known", request.known)
        size = tuple(model.about["image_size"])
        if images.shape[1:3] != size:
            raise HTTPException(422, f"images: must be of {size[0]}x{size[1]} pixels")
        if known.shape == size:
            known = known[..., None]
        if known.dtype != bool or known.shape not in (images.shape, images.shape[1:], (*size, 1)):
            raise HTTPException(422, "known: must be booleans [height][width], or as the images")
        rows = model.rows(request, len(images))
        rows |= {"images": images, "known": np.broadcast_to(known, images.shape)}
        drawn = await batches.do("draw", rows)
        return answer_with(drawn, http.headers.get("accept", ""), model.about["n_values"])

    @app.post("/log_prob")
    async def log_prob(request: LogProbRequest) -> dict[str, list[float]]:
        images = model.images(request.images)
        inputs = {"images": images, **model.labels(request.labels, len(images))}
        return {"log_prob": (await batches.do("log_prob", inputs)).tolist()}

    return app


def one_line(status: int, message: str, headers: Any = None) -> JSONResponse:
    return JSONResponse({"error": " ".join(message.split())}, status, headers)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="the folder of the model")
    parser.add_argument("--host", default="127.0.0.1", help="address (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port (default 8000)")
    for name, default, text in (
        ("--max-images", 64, "images of one request"),
        ("--max-values", 2**20, "sub-pixels of the images that a request sends"),
        ("--max-bytes", 2**23, "bytes of one request"),
        ("--max-waiting", 1024, "images of requests that wait"),
        ("--threads", min(os.cpu_count() or 1, 4), "calls of the model at the same time"),
    ):
        parser.add_argument(name, type=int, default=default, help=f"{text} ({default})")
    limits = parser.parse_args()
    app = make_app(Model(limits.model, limits), limits)
    uvicorn.run(app, host=limits.host, port=limits.port, log_level="warning")


if __name__ == "__main__":
    main()
