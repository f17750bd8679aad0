"""The page on many hosts, docs/scaling.md, and the estimates in it; see ``worker_runs``."""

from pathlib import Path

PAGE = """# Many hosts

This page is written by `python -m experiments.worker_runs`.

## How to

The same command runs on every host:

    python main.py --config config.yml --set strategy=multi_worker

Each process learns from its environment who the others are:

- **Kubernetes, Vertex AI, by hand**: `TF_CONFIG`, as in
  `{{"cluster": {{"worker": ["host0:2222", "host1:2222"]}},
  "task": {{"type": "worker", "index": 0}}}}`
  with another `index` on every host. Kubeflow's `TFJob` and Vertex AI set it. With
  `strategy: auto`, it is enough.
- **SLURM**: `srun --nodes=4 --ntasks-per-node=1 python main.py --config config.yml --set
  strategy=multi_worker`. A task uses all GPUs that it sees, so one task per node is simplest. The
  ports are the 50 from 15000 on, plus 50 times the last three digits of the job's number.

Worker 0 is the chief (or the task of type `chief`): it writes checkpoints, TensorBoard's logs,
samples and results, and shows the progress. `runs_dir` must be a folder that all hosts share; this
is checked. `training.batch_size` counts the images of all devices together; every worker must have
the same number of devices. A worker reads only its share of each training batch, and all of the
images that are evaluated. The images may be at another path on each host.

Before training, the command compares versions, config, plugins and images. A worker that differs is
named, with what differs, and all of them end. If a worker ends or does not answer for ten seconds,
the others end with one line that names it and status 2; the same command on every host continues
from the last checkpoint. Ctrl-C or SIGTERM to any worker saves and stops all of them within about a
second; during an evaluation or sampling, after it; after the last step, the run just finishes. A
worker that still waits for the others is ended by Ctrl-C or SIGKILL; TensorFlow ignores SIGTERM
then.

`strategy: tpu` uses TensorFlow's `TPUStrategy`. It has not been tried on a TPU.

## The same weights

{steps} steps of small models with 2 and 3 processes on one machine, compared with one process that
trains on the same batches: the largest absolute difference in weights, moving averages, state of
the optimizer (Adam), and bits per dimension of the test set. Gradients are clipped.

| model | processes | weights | averages | optimizer | test score |
|---|---|---|---|---|---|
{compared}

Sums in another order round differently. Where the difference is larger than elsewhere, it begins in
a single feature, probably because an input of a ReLU was so near to zero that rounding decided its
sign. Only dropout really differs between one process and several, since each device draws its own
masks.

## When a worker ends

Of three workers one is killed, stopped (so that it does not answer), or asked to stop, after its
first checkpoint. The second column says how soon the two others have ended, the third with what
status. TensorFlow waits up to ten seconds for an answer, and again before it shuts down. Then all
are started again; the last column is the largest difference in the weights, averages, optimizer and
test score from a run that was never stopped.

| signal | others end after | status | difference at the end |
|---|---|---|---|
{killed}

## Communication

At each step the gradients are all-reduced once, in float32, in packs of up to 32 MiB. In a ring of
N workers each one sends 2 (N - 1) / N times the size of the gradient. Measured on the loopback
device of one machine:

| workers | bytes of the gradient | bytes that each must send per step | bytes that each sent |
|---|---|---|---|
{traffic}

The rest is the protocol, and a short exchange about once a second, with which a signal to one
worker stops all of them at the same step.

## What 8, 64 and 512 GPUs need

Estimates, not measurements, with 16 images per GPU. A training step is taken as three times the
operations of a forward pass, which TensorFlow's profiler counts, on a GPU that sustains 50 TFLOP/s
on these convolutions. The all-reduce is a ring at the bandwidth of the slowest link between two
workers: each sends 2 (N - 1) / N times the gradient in 2 (N - 1) messages, for each pack, with a
latency taken as 5 µs each. It follows the backward pass: the two do not overlap, so that the share
of the time that is training is step / (step + all-reduce).

| model | gradient | GPUs | step | all-reduce, 100 Gbit/s | share | all-reduce, 400 Gbit/s | share |
|---|---|---|---|---|---|---|---|
{estimates}

The all-reduce dominates where the share is below 50%: in a ring of 512, for both models at 100
Gbit/s and for the small one at 400. More images per GPU make the step longer and the all-reduce no
longer, but the global batch grows: 16 images on each of 512 GPUs are 8,192, and CIFAR-10 has 50,000
training images, six steps per epoch.

- **8 GPUs of one host** are linked by NVLink, some 450 GB/s, so that the all-reduce of PixelCNN++
  takes a millisecond. Its authors used 16 images on each of 8 GPUs.
- **64 GPUs, 8 hosts**: the global batch of 1,024 asks for another learning rate and warm-up.
- **512 GPUs, 64 hosts**: the latency of the ring dominates. NCCL then chooses trees, whose latency
  grows with the logarithm of N; these are not in the table.
"""


def estimates(root: Path) -> dict[str, str]:
    """Returns the rows of the estimates: for each model and number of GPUs, seconds and images."""
    import tensorflow as tf

    from pixelcnn_tf import load_config
    from pixelcnn_tf.models.build import build_model

    rows = []
    for name, file in {
        "masked PixelCNN": "cifar10_pixelcnn",
        "PixelCNN++": "cifar10_pixelcnn_pp",
    }.items():
        config = load_config(root / "configs" / f"{file}.yml")
        model = build_model(config.resolved(32, 32, 3))
        spec = tf.TensorSpec([1, 32, 32, 3], tf.uint8)
        graph = tf.function(lambda x, model=model: model(x)).get_concrete_function(spec).graph
        options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
        options["output"] = "none"
        profile = tf.compat.v1.profiler.profile(graph, options=options)
        step = 16 * 3 * profile.total_float_ops / 50e12
        size = 4 * model.count_params()
        packs = -(-size // (32 << 20))
        for n in (8, 64, 512):
            cells = [name, f"{size / 1e6:,.1f} MB", str(n), f"{1e3 * step:.1f} ms"]
            for bandwidth in (12.5e9, 50e9):
                seconds = 2 * (n - 1) * (size / n / bandwidth + packs * 5e-6)
                cells += [f"{1e3 * seconds:.1f} ms", f"{step / (step + seconds):.0%}"]
            rows.append(f"| {' | '.join(cells)} |")
    return {"estimates": "\n".join(rows)}
