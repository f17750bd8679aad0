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
  strategy=multi_worker`. A task uses all GPUs that it sees, so one task per node is simplest. Ports
  start at 15000 + the last four digits of the number of the job.

Worker 0 is the chief (or the task of type `chief`): it writes checkpoints, TensorBoard's logs,
samples and results, and shows the progress. `runs_dir` must be a folder that all hosts share; this
is checked. `training.batch_size` counts the images of all devices together, and each worker reads
only its share. The images may be at another path on each host.

Before training, software, config, plugins and images are compared. A worker that differs is named,
with what differs, and all of them end. If a worker ends or does not answer for ten seconds, the
others end with one line that names it and status 2; the same command on every host continues from
the last checkpoint. Ctrl-C or SIGTERM to any worker saves and stops all of them.

`strategy: tpu` uses TensorFlow's `TPUStrategy`. It has not been tried on a TPU.

## The same weights

{steps} steps of small models with 2 and 3 processes on one machine, compared with one process that
trains on the same batches: the largest absolute difference in weights, moving averages, state of
the optimizer (Adam), and bits per dimension of the test set. Gradients are clipped.

| model | processes | weights | averages | optimizer | test score |
|---|---|---|---|---|---|
{compared}

Sums in another order round differently, and Adam, which divides a gradient by its own size, makes
more of that where a gradient is almost zero. Only dropout really differs between one process and
several, since each device draws its own masks.

## When a worker ends

Of three workers one is killed, stopped (so that it does not answer), or asked to stop, after its
first checkpoint. The second column says how soon the two others have ended (they report it within
a second, or after ten seconds without an answer; TensorFlow takes the rest to shut down), the third
with what status. Then all are started again; the last column is the largest difference in the
weights, averages, optimizer and test score from a run that was never stopped.

| signal | others end after | status | difference at the end |
|---|---|---|---|
{killed}

## Communication

At each step the gradients are all-reduced once, in float32, in packs of up to 32 MiB.
In a ring of N workers each one sends 2 (N - 1) / N times the size of the gradient. Measured on the
loopback device of one machine:

| workers | bytes of the gradient | bytes that each must send per step | bytes that each sent |
|---|---|---|---|
{traffic}

The rest is the protocol, and a short exchange about once a second, with which a signal to one
worker stops all of them at the same step.

## What 8, 64 and 512 GPUs need

Estimates, not measurements. A training step is taken as three times the operations of a forward
pass, which TensorFlow's profiler counts, and a GPU as one that sustains 50 TFLOP/s on these
convolutions; one that is twice as fast needs twice the images. The time of the all-reduce is that
of a ring at the bandwidth of the slowest link between two workers, 100 or 400 Gbit/s. The last
two columns say with how many images per GPU the step takes as long as the all-reduce; with
fewer, the all-reduce dominates.

| model | weights | TFLOP/image | GPUs | all-reduce, 100 Gbit/s | 400 | images, 100 Gbit/s | 400 |
|---|---|---|---|---|---|---|---|
{estimates}

- **8 GPUs of one host**: over NVLink, at 450 GB/s, the all-reduce for PixelCNN++ takes about
  a millisecond. The 16 images per GPU of its authors suffice.
- **64 GPUs, 8 hosts**: the time of the all-reduce hardly grows with the number of hosts. With 16
  images per GPU the global batch is 1,024: the learning rate and its warm-up have to be tuned
  again.
- **512 GPUs, 64 hosts**: a ring of 512 passes 1,022 messages in turn for each pack; with 20 µs
  each, 20 ms. The global batch is the real limit: 16 images per GPU are 8,192, and CIFAR-10 has
  50,000 training images, six steps per epoch.
"""


def estimates(root: Path) -> dict[str, str]:
    """Returns the rows of the estimates: for each model and number of GPUs, seconds and images."""
    import tensorflow as tf

    from pixelcnn_tf import load_config
    from pixelcnn_tf.models.build import build_model

    rows = []
    for name, file in (("masked PixelCNN", "cifar10_pixelcnn"), ("PixelCNN++", None)):
        config = load_config(root / "configs" / f"{file or 'cifar10_pixelcnn_pp'}.yml")
        model = build_model(config.resolved(32, 32, 3))
        spec = tf.TensorSpec([1, 32, 32, 3], tf.uint8)
        graph = tf.function(lambda x, model=model: model(x)).get_concrete_function(spec).graph
        options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
        options["output"] = "none"
        profile = tf.compat.v1.profiler.profile(graph, options=options)
        flop, size = 3 * profile.total_float_ops, 4 * model.count_params()
        for n in (8, 64, 512):
            times = [2 * (n - 1) / n * size / rate for rate in (12.5e9, 50e9)]
            images = [time * 50e12 / flop for time in times]
            rows.append(
                f"| {name} | {model.count_params():,} | {flop / 1e12:.3f} | {n} | "
                f"{1e3 * times[0]:.1f} ms | {1e3 * times[1]:.1f} ms | "
                f"{images[0]:.1f} | {images[1]:.1f} |"
            )
    return {"estimates": "\n".join(rows)}
