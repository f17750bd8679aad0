"""The incremental and the naive sampling loop, and how the value of a sub-pixel is chosen.

Both loops keep the data of every sub-pixel in tables ``[height * width + 1, channels,
batch]``, pixels in raster order; the last row stands for pixels outside of the image.
"""

import functools
import os
import warnings
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from pixelcnn_tf.layers.schedule import Schedule
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.models.keras_data import present


class Tables(NamedTuple):
    """The inputs of the loops. Without ``uniforms`` the values are those of ``images``.

    Attributes:
        images: float32 table of values 0 to ``n_values - 1``, where they are known.
        known: boolean table; None where nothing is known.
        uniforms: float32 table of numbers in [0, 1).
        temperature, top_p: as in ``SamplingSettings``; None for 1.
        labels: int32 ``[batch]``, for a class-conditional model.
        condition: ``[batch, height, width, channels]``, for a conditional model.

    Example:
        >>> tables = Tables(images=tf.zeros([17, 1, 2]))  # two greyscale images of 4x4, all known
        >>> tables.uniforms is None
        True
    """

    images: tf.Tensor
    known: tf.Tensor | None = None
    uniforms: tf.Tensor | None = None
    temperature: tf.Tensor | None = None
    top_p: tf.Tensor | None = None
    labels: tf.Tensor | None = None
    condition: tf.Tensor | None = None


class Results(NamedTuple):
    """The outputs of the loops.

    Attributes:
        images: float32 table of the values.
        logits: float32 table ``[..., n_params]`` of the logits that the values were drawn from; if
            they are wanted.
        state: what the chooser of the values keeps from one sub-pixel to the next, if anything.

    Example:
        >>> Results(images=tf.zeros([17, 1, 2])).logits
        ()
    """

    images: tf.Tensor
    logits: tf.Tensor | tuple = ()
    state: Any = ()


# A value is chosen from the logits [n, n_params] of n sub-pixels and a function that picks their
# entries [n] from a table.


def _given(tables: Tables) -> Callable:
    """Returns a function that chooses the values of the given images (teacher forcing)."""
    return lambda logits, pick: pick(tables.images)


def _draw(tables: Tables, likelihood) -> Callable:
    """Returns a function that draws values from the model."""

    def choose(logits, pick):
        uniforms = pick(tables.uniforms)
        return likelihood.draw(logits, uniforms, tables.temperature, tables.top_p)

    return choose


def _keep(tables: Tables, otherwise: Callable) -> Callable:
    """Returns a function that chooses the known values, and for others calls ``otherwise``."""

    def choose(logits, pick):
        return tf.where(pick(tables.known), pick(tables.images), otherwise(logits, pick))

    return choose


def _chooser(tables: Tables, likelihood) -> Callable:
    if tables.uniforms is None:
        return _given(tables)
    drawn = _draw(tables, likelihood)
    return drawn if tables.known is None else _keep(tables, drawn)


def choose_values(tables: Tables, model: PixelModel) -> Callable:
    """Returns the function that chooses values as ``tables`` say, for ``incremental_loop``.

    Its arguments are the logits ``[lanes, n_params]``, the ``ActivePixels``, a function that picks
    the entries ``[lanes]`` of these sub-pixels from a table, and ``Results.state``; it returns the
    values, float32 ``[lanes]``, and the new state.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> choose = choose_values(Tables(images=tf.zeros([17, 1, 2])), model)
        >>> values, state = choose(tf.zeros([2, 1]), None, lambda table: table[0, 0], ())
        >>> values.numpy().tolist()  # those of the images
        [0.0, 0.0]
    """
    choose = _chooser(tables, model.likelihood)
    return lambda logits, pixels, pick, state: (choose(logits, pick), state)


def _incremental_loop(
    model, size, weights, tables, states, results, first, stop, chooser=choose_values
):
    """Steps ``first`` to ``stop - 1`` of the ``Schedule``.

    Args:
        model: a ``PixelRNN`` or ``PixelCNNPlusPlus``.
        size: (height, width).
        weights, states: from ``Schedule``, or from the previous call.
        tables: ``Tables``.
        results: ``Results``, from the previous call if there was one.
        first, stop: int32 scalars.
        chooser: makes the function that chooses values, see ``choose_values``.

    Returns:
        the states and the results after these steps.
    """
    schedule = Schedule(model, tables.images.shape[2], *size)
    choose = chooser(tables, model)

    def step(time, states, results):
        pixels = schedule.pixels(time, weights, states)

        def pick(table):
            return tf.reshape(tf.gather(table, pixels.index)[:, pixels.channel], [schedule.lanes])

        def write(table, parts):
            new = [tf.reshape(part, [schedule.rows, *table.shape[2:]]) for part in parts]
            return tf.tensor_scatter_nd_update(table, pixels.index[:, None], tf.stack(new, axis=1))

        model.advance(pixels)
        all_values, all_logits, state = [], [], results.state
        for channel in range(model.n_channels):
            pixels.channel = channel
            logits = model.step(pixels)
            values, state = choose(logits, pixels, pick, state)
            model.observe(values, pixels)
            all_values.append(values)
            all_logits.append(logits)
        images = write(results.images, all_values)
        logits = write(results.logits, all_logits) if tf.is_tensor(results.logits) else ()
        return time + 1, pixels.end(), Results(images, logits, state)

    start = (first, states, results)
    loop = tf.while_loop(lambda time, *_: time < stop, step, start, parallel_iterations=1)
    return loop[1:]


def _naive_loop(model, size, tables, results, first, stop):
    """Sub-pixels ``first`` to ``stop - 1``: for each, the whole model is evaluated again on the
    rows up to its own. Arguments as in ``_incremental_loop``.

    Returns:
        the results after these steps; logits are not written.
    """
    height, width = size
    channels, n = tables.images.shape[1:]
    choose = _chooser(tables, model.likelihood)
    batch = tf.range(n)
    shape = [height, width, channels, n]
    images = tf.transpose(tf.reshape(results.images[:-1], shape), [3, 0, 1, 2])

    def step(i, images):
        row, column, channel = i // (width * channels), i // channels % width, i % channels
        given = present(labels=tables.labels, condition=tables.condition)
        # A condition is that of the whole image.
        seen = images if "condition" in given else images[:, : row + 1]
        logits = model(seen, **given, training=False)[:, row, column, channel]
        values = choose(logits, lambda table: table[i // channels, channel])
        where = [tf.fill([n], at) for at in (row, column, channel)]
        indices = tf.stack([batch, *where], axis=1)
        return i + 1, tf.tensor_scatter_nd_update(images, indices, values)

    start = (first, images)
    images = tf.while_loop(lambda i, _: i < stop, step, start, parallel_iterations=1)[1]
    table = tf.reshape(tf.transpose(images, [1, 2, 3, 0]), [-1, channels, n])
    return Results(tf.concat([table, results.images[-1:]], axis=0))


#: The graphs of each model; they live as long as it does.
_graphs: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


#: The environment variable that switches XLA off (``0``) where ``jit_compile`` is None.
XLA_VARIABLE = "PIXELCNN_TF_XLA"

#: Models that XLA has refused to compile.
_refused: weakref.WeakSet = weakref.WeakSet()


def _graph(loop: Callable, model, jit_compile: bool, size, *tensors, **options) -> Callable:
    """``loop`` for ``model`` and images of ``size`` as a graph, one for each shape of tensors."""
    shapes = [getattr(t, "shape", None) for t in tf.nest.flatten(tensors)]
    key = (loop, jit_compile, size, *options.values(), *shapes)
    graphs = _graphs.setdefault(model, {})
    if key not in graphs:
        model = weakref.ref(model)
        # A partial, because TensorFlow takes all lambdas of one line for one function that is
        # traced too often, and warns.
        call = functools.partial(_call, loop, model, size, **options)
        graphs.setdefault(key, tf.function(call, autograph=False, jit_compile=jit_compile))
    return graphs[key]


def _call(loop: Callable, model: weakref.ref, size, *arguments, **options):
    return loop(model(), size, *arguments, **options)


def incremental_loop(
    model: PixelModel,
    size: tuple[int, int],
    weights: list,
    tables: Tables,
    states: list,
    results: Results,
    first: tf.Tensor,
    stop: tf.Tensor,
    jit_compile: bool | None = None,
    chooser: Callable = choose_values,
) -> tuple[list, Results]:
    """``_incremental_loop`` as a graph, compiled by XLA (``jit_compile=True``), not (False), or
    where XLA can (None); see ``compiles``.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> model.build((None, None, None, 1))
        >>> tables = Tables(tf.zeros([17, 1, 2]), uniforms=tf.random.uniform([17, 1, 2]))
        >>> schedule = Schedule(model, batch=2, height=4, width=4)
        >>> steps = tf.constant(0), tf.constant(schedule.n_steps)
        >>> states, results = incremental_loop(
        ...     model, (4, 4), split_weights(model), tables, schedule.init_states(),
        ...     Results(tables.images), *steps, jit_compile=False,
        ... )
        >>> results.images.shape
        TensorShape([17, 1, 2])
    """
    arguments = weights, tables, states, results, first, stop

    def run(compiled: bool):
        graph = _graph(_incremental_loop, model, compiled, size, tables, results, chooser=chooser)
        return graph(*arguments)

    if jit_compile is not None:
        return run(jit_compile)
    if not compiles(model):
        return run(False)
    try:
        return run(True)
    except XLA_ERRORS as error:
        give_up_compiling(model, error)
        return run(False)


#: What is raised if XLA cannot compile a graph.
XLA_ERRORS = (
    tf.errors.InternalError,
    tf.errors.InvalidArgumentError,
    tf.errors.NotFoundError,
    tf.errors.UnimplementedError,
)


def give_up_compiling(model: PixelModel, error: tf.errors.OpError) -> None:
    """Makes ``compiles`` return False for ``model`` from now on, and warns.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1)
        >>> with warnings.catch_warnings(action="ignore"):
        ...     give_up_compiling(model, tf.errors.UnimplementedError(None, None, "no such kernel"))
        >>> compiles(model)
        False
    """
    _refused.add(model)
    reason = (str(error.message).splitlines() or ["no reason given"])[0][:200]
    warnings.warn(f"sampling without XLA, which cannot compile it: {reason}", stacklevel=3)


def compiles(model: PixelModel) -> bool:
    """Returns whether ``incremental_loop`` compiles ``model`` with XLA by default: unless the
    environment variable ``PIXELCNN_TF_XLA`` is 0, or XLA has refused to do so.

    Example:
        >>> compiles(pixelcnn_tf.PixelRNN(2, 2, n_layers=1)) or "PIXELCNN_TF_XLA" in os.environ
        True
    """
    return model not in _refused and os.environ.get(XLA_VARIABLE) != "0"


def naive_loop(
    model: PixelModel,
    size: tuple[int, int],
    tables: Tables,
    results: Results,
    first: tf.Tensor,
    stop: tf.Tensor,
) -> Results:
    """``_naive_loop`` as a graph.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> model.build((None, None, None, 1))
        >>> tables = Tables(tf.zeros([17, 1, 2]), uniforms=tf.random.uniform([17, 1, 2]))
        >>> steps = tf.constant(0), tf.constant(16)
        >>> naive_loop(model, (4, 4), tables, Results(tables.images), *steps).images.shape
        TensorShape([17, 1, 2])
    """
    graph = _graph(_naive_loop, model, False, size, tables, results)
    return graph(tables, results, first, stop)


def _split_weights(model, _):
    return Schedule(model, 1, 1, 1).weights()


def split_weights(model: PixelModel) -> list:
    """The weights of ``model`` for ``incremental_loop``, as they are now: of its layers and of
    their windows, see ``Schedule.weights``.

    Example:
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> model.build((None, None, None, 1))
        >>> len(split_weights(model)) - len(model.incremental_layers())  # windows
        2
    """
    return _graph(_split_weights, model, False, None)()
