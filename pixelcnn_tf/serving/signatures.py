"""The functions of an exported model: graphs that need TensorFlow only.

``draw`` does the work of ``sample`` and ``complete``: every image has a seed, an index, a
temperature and a mask of its own, so that a server can answer several requests with one call. The
incremental loop is traced for a few batch sizes. A call divides its images into batches of these
sizes, and fills up the last one.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from pixelcnn_tf.layers.schedule import Schedule
from pixelcnn_tf.models.base import PixelModel
from pixelcnn_tf.sampling.loops import (
    Results,
    Tables,
    _incremental_loop,
    choose_values,
)
from pixelcnn_tf.sampling.uniforms import uniforms_of
from pixelcnn_tf.utils.values import dtype_for

#: The functions of an exported model.
SIGNATURES = ("log_prob", "sample", "complete", "draw")

#: Images that ``log_prob`` evaluates at once.
SCORED_AT_ONCE = 64


class ExportedModel(tf.Module):
    """The functions of a model, with the checks that graphs compiled by XLA cannot make.

    Images are uint8 (uint16 for a model of more than 256 values) ``[n, height, width, channels]``,
    values 0 to ``n_values - 1``; labels, which
    only functions of a class-conditional model take, int32 ``[n]`` or ``[1]``, for all images.
    Scalars are int32 (``n``, ``seed``) and float32 (``temperature``, ``top_p``). Every function
    returns a dictionary with one tensor. A wrong input raises ``tf.errors.InvalidArgumentError``.

    Args:
        model: a built ``PixelRNN`` or ``PixelCNNPlusPlus``.
        image_size: (height, width) of the images that are drawn.
        batch_sizes: the numbers of images that are drawn at once, ascending.
        jit_compile: whether XLA compiles the incremental loop, at the first use of each batch
            size.

    Attributes:
        log_prob: ``(images[, labels])``, of any size: log-probabilities in nats, float32 ``[n]``.
        sample: ``(n, seed, temperature, top_p[, labels])``: the images that ``generate_images``
            draws.
        complete: ``(images, known, seed[, labels])``: the images that ``complete_images`` draws
            with one completion per image. ``known`` is boolean ``[n, height, width, channels]``;
            the first and the last axis may be 1.
        draw: ``(images, known, seeds, indices, temperatures, top_ps[, labels])``: as
            ``complete``, with a seed, temperature and top-p for each image; image ``i`` is image
            ``indices[i]`` of ``seeds[i]``.

    Example:
        >>> from pixelcnn_tf.serving.signatures import ExportedModel
        >>> model = pixelcnn_tf.PixelRNN(2, 2, n_layers=1, n_channels=1, likelihood="bernoulli")
        >>> model.build((None, None, None, 1))
        >>> exported = ExportedModel(model, (4, 4), batch_sizes=[2], jit_compile=False)
        >>> images = exported.sample(n=3, seed=0, temperature=1.0, top_p=1.0)["images"]
        >>> bool(np.all(images == pixelcnn_tf.generate_images(model, 4, 3, seed=0)))
        True
    """

    def __init__(
        self,
        model: PixelModel,
        image_size: tuple[int, int],
        batch_sizes: Sequence[int],
        jit_compile: bool,
    ):
        super().__init__()
        self._weights = [weight.value for weight in model.weights]  # saved with the functions
        height, width = image_size
        channels = model.n_channels
        labels = {} if model.n_classes is None else {"labels": ([None], tf.int32)}
        dtype = tf.as_dtype(dtype_for(model.likelihood.n_values))
        images = {"images": ([None, height, width, channels], dtype)}
        known = {"known": ([None, height, width, None], tf.bool)}
        integer, number = ([], tf.int32), ([], tf.float32)
        integers, numbers = ([None], tf.int32), ([None], tf.float32)
        of_each = {"seeds": integers, "indices": integers}
        of_each |= {"temperatures": numbers, "top_ps": numbers}
        settings = {"seed": integer, "temperature": number, "top_p": number}
        any_size = {"images": ([None, None, None, channels], dtype)}
        graphs = _Graphs(model, image_size, batch_sizes, jit_compile)
        self.log_prob = _function(graphs.log_prob, **any_size, **labels)
        self.draw = graphs.draw = _function(graphs.draw, **images, **known, **of_each, **labels)
        self.sample = _function(graphs.sample, n=integer, **settings, **labels)
        self.complete = _function(graphs.complete, **images, **known, seed=integer, **labels)


def _function(python_function: Callable, **inputs) -> Callable:
    """Returns a function as a graph, given the shape and the dtype of each of its inputs."""
    specs = [tf.TensorSpec(shape, dtype, name) for name, (shape, dtype) in inputs.items()]
    return tf.function(python_function, autograph=False, input_signature=specs)


class _Graphs:
    """What the functions of an ``ExportedModel`` do; arguments as there."""

    def __init__(self, model, image_size, batch_sizes, jit_compile: bool):
        self.model, self.size, self.batch_sizes = model, image_size, batch_sizes
        self.dtype = tf.as_dtype(dtype_for(model.likelihood.n_values))

        def loop(size):
            call = functools.partial(self._loop, size)
            return tf.function(call, autograph=False, jit_compile=jit_compile)

        self.loops = [loop(size) for size in batch_sizes]

    def log_prob(self, images, labels=None):
        images, labels = self._checked(images, labels)

        def score(first):
            part = slice(first, first + SCORED_AT_ONCE)
            given = None if labels is None else labels[part]
            return SCORED_AT_ONCE, -self.model.nll(images[part], given)

        log_prob = _in_batches(score, tf.shape(images)[0], tf.float32)
        return {"log_prob": tf.ensure_shape(log_prob, [None])}

    def sample(self, n, seed, temperature, top_p, labels=None):
        with tf.control_dependencies([_check(n >= 1, "n={}: must be from 1 up", n)]):
            n = tf.identity(n)
        images = tf.zeros([n, *self.size, self.model.n_channels], self.dtype)
        known = tf.zeros([1, *self.size, 1], tf.bool)
        settings = tf.fill([n], temperature), tf.fill([n], top_p)
        given = [] if labels is None else [labels]
        return self.draw(images, known, tf.fill([n], seed), tf.range(n), *settings, *given)

    def complete(self, images, known, seed, labels=None):
        n = tf.shape(images)[0]
        settings = tf.ones([n]), tf.ones([n])
        given = [] if labels is None else [labels]
        return self.draw(images, known, tf.fill([n], seed), tf.range(n), *settings, *given)

    def draw(self, images, known, seeds, indices, temperatures, top_ps, labels=None):
        shape = tf.shape(images)
        each = {"seeds": seeds, "indices": indices, "temperatures": temperatures, "top_ps": top_ps}
        checks = [_check_number(name, values, shape[0]) for name, values in each.items()]
        ones = tf.constant([True, False, False, True])  # the axes that may be 1
        fits = (tf.shape(known) == shape) | ((tf.shape(known) == 1) & ones)
        checks += [
            _check_range("temperature", temperatures, 1e-3, 1e3),
            _check_range("top_p", top_ps, 1e-6, 1.0),
            _check(
                tf.reduce_all(fits),
                "known: of shape {}; must have that of the images, {}; its first and last axis may "
                "be 1",
                tf.shape(known),
                shape,
            ),
        ]
        with tf.control_dependencies(checks):
            known = tf.broadcast_to(known, shape)
        # What is not known must not show: the loop writes it before anything reads it.
        images, labels = self._checked(tf.where(known, images, tf.zeros_like(images)), labels)
        keys = tf.stack([seeds, indices], axis=1)
        parts = [images, known, keys, temperatures, top_ps]
        parts += [] if labels is None else [labels]
        weights = Schedule(self.model, 1, *self.size).weights()

        def draw_some(first):
            sizes = tf.constant(self.batch_sizes)
            # Filling up half of a batch takes less time than several smaller ones.
            enough = tf.reduce_sum(tf.cast(sizes <= 2 * (shape[0] - first), tf.int32))
            choice = tf.maximum(enough - 1, 0)
            draws = [
                functools.partial(self._draw_batch, which, first, weights, parts)
                for which in range(len(self.batch_sizes))
            ]
            return sizes[choice], tf.switch_case(choice, draws)

        drawn = _in_batches(draw_some, shape[0], self.dtype)
        return {"images": tf.ensure_shape(drawn, [None, *self.size, self.model.n_channels])}

    def _draw_batch(self, which: int, first, weights, parts):
        """Draws as many images from ``first`` on as there are and the batch size allows."""
        n = tf.shape(parts[0])[0]
        chosen = tf.minimum(first + tf.range(self.batch_sizes[which]), n - 1)
        images, known, keys, temperatures, top_ps, *labels = (tf.gather(x, chosen) for x in parts)
        n_dims = self.size[0] * self.size[1] * self.model.n_channels
        uniforms = tf.reshape(uniforms_of(keys, n_dims), tf.shape(images))
        uniforms = tf.ensure_shape(uniforms, images.shape)
        given = weights, images, known, uniforms, temperatures, top_ps, *labels
        return self.loops[which](*given)[: n - first]

    def _loop(self, batch, weights, images, known, uniforms, temperatures, top_ps, *labels):
        """Draws a batch of images, ``[batch, height, width, channels]``."""
        schedule = Schedule(self.model, batch, *self.size, *labels)
        per_lane = functools.partial(tf.tile, multiples=[schedule.rows])
        tables = Tables(
            images=_table(tf.cast(images, tf.float32)),
            known=_table(known),
            uniforms=_table(uniforms),
            temperature=per_lane(temperatures)[:, None],
            # The sum of all probabilities may be rounded to more than 1.
            top_p=per_lane(tf.where(top_ps == 1, 2.0, top_ps))[:, None],
        )
        rows, columns = np.indices(self.size)
        steps = np.int32(schedule.head_start + schedule.step_of(rows, columns) + 1)
        stop = tf.reduce_max(tf.where(tf.reduce_all(known, axis=[0, 3]), 0, steps))
        plain = tf.reduce_all((temperatures == 1) & (top_ps == 1))
        states, results = schedule.init_states(), Results(tables.images)
        loop = _incremental_loop(
            *(self.model, self.size, weights, tables, states, results, 0, stop),
            chooser=functools.partial(_choose_values, plain),
        )
        table = loop[1].images[:-1]
        return tf.cast(tf.reshape(tf.transpose(table, [2, 0, 1]), images.shape), self.dtype)

    def _checked(self, images, labels):
        """Returns images, and labels ``[n]`` or None, after a check of them."""
        n, height, width = tf.unstack(tf.shape(images)[:3])
        checks = [
            _check(n >= 1, "images: none; must be at least one"),
            _check(
                height * width > 0,
                "images of {}x{}: both sides must be at least 1",
                height,
                width,
            ),
            _check_range(
                "images", tf.cast(images, tf.int32), 0, self.model.likelihood.n_values - 1
            ),
        ]
        if labels is not None:
            one = tf.size(labels) == 1
            checks.append(_check_range("labels", labels, 0, self.model.n_classes - 1))
            labels = tf.cond(one, lambda: tf.repeat(labels, n), lambda: labels)
            checks.append(_check_number("labels", labels, n))
        with tf.control_dependencies(checks):
            return tf.identity(images), None if labels is None else tf.identity(labels)


def _choose_values(plain, tables: Tables, model: PixelModel) -> Callable:
    """Returns the function that chooses values, with temperature and top-p unless ``plain``, a
    scalar: most draws are without, and then take less time."""
    choices = [
        choose_values(each, model)
        for each in (tables._replace(temperature=None, top_p=None), tables)
    ]

    def choose(logits, pixels, pick, state):
        draws = [functools.partial(each, logits, pixels, pick, state) for each in choices]
        return tf.cond(plain, *(lambda draw=draw: draw()[0] for draw in draws)), state

    return choose


def _table(images):
    """Returns images ``[batch, height, width, channels]`` as a table of the loop."""
    batch, height, width, channels = images.shape
    table = tf.transpose(tf.reshape(images, [batch, height * width, channels]), [1, 2, 0])
    return tf.pad(table, [[0, 1], [0, 0], [0, 0]])


def _in_batches(call: Callable, n, dtype) -> tf.Tensor:
    """Returns what ``call`` returns for ``n`` images, some of them at a time.

    ``call`` takes the index of the first image, and returns the number of images that it does, and
    the results of as many of them as there are.
    """

    def body(first, i, results):
        count, result = call(first)
        return first + count, i + 1, results.write(i, result)

    array = tf.TensorArray(dtype, 0, dynamic_size=True, infer_shape=False)
    start = tf.constant(0), tf.constant(0), array
    # One at a time: all of them at once might not fit memory.
    loop = tf.while_loop(lambda first, *_: first < n, body, start, parallel_iterations=1)
    return loop[2].concat()


def _check(condition, message: str, *values):
    """Returns an assertion whose message holds the values."""
    return tf.debugging.Assert(condition, [tf.strings.format(message, values)])


def _check_number(name: str, values, n):
    return _check(
        tf.size(values) == n,
        f"{name}: {{}} for {{}} images; must be one for each",
        tf.size(values),
        n,
    )


def _check_range(name: str, values, least, most):
    wrong = tf.boolean_mask(values, ~((values >= least) & (values <= most)))
    return _check(
        tf.size(wrong) == 0, f"{name}: {{}}; must be from {least:g} to {most:g}", wrong[:3]
    )
