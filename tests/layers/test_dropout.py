"""Dropout, on one device and on two."""

import itertools

import keras
import numpy as np
import tensorflow as tf
from helpers import two_devices

from pixelcnn_tf.layers.pointwise import Dropout


def test_dropout_draws_other_masks_on_every_device():
    strategy = two_devices()
    with strategy.scope():
        layer = Dropout(0.5, seed=1)
    alone = keras.layers.Dropout(0.5, seed=1)
    step = tf.function(lambda: strategy.run(lambda: layer(tf.ones([200]), training=True)))
    seen = []
    for _ in range(2):
        first, second = (part.numpy() for part in strategy.experimental_local_results(step()))
        np.testing.assert_array_equal(first, alone(tf.ones([200]), training=True))
        seen += [first, second]
    assert {0.0, 2.0} == set(np.unique(seen))
    assert len({mask.tobytes() for mask in seen}) == 4
    assert all(0.3 < (one == two).mean() < 0.7 for one, two in itertools.combinations(seen, 2))


def test_dropout_is_that_of_keras_on_one_device():
    ours, theirs = Dropout(0.3, seed=5), keras.layers.Dropout(0.3, seed=5)
    x = np.ones([4, 3, 3, 2], "float32")
    for training in (True, False, True):
        np.testing.assert_array_equal(ours(x, training=training), theirs(x, training=training))


def test_dropout_works_in_a_scope():
    with two_devices().scope():
        dropped = Dropout(0.5)(tf.ones([200]), training=True)
    assert {0.0, 2.0} == set(np.unique(dropped))
