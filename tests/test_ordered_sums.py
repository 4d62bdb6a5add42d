import itertools

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.ops import gen_math_ops
from tf_fakes import random_batch, tiny_params

from planet_tf2.agents.planet import build
from planet_tf2.nets.ordered_sums import ordered_sums


def sums(graph):
    """All operations of a graph that add up three numbers or more."""
    definition = graph.as_graph_def()
    functions = (f.node_def for f in definition.library.function)
    nodes = itertools.chain(definition.node, *functions)
    return [
        node.name
        for node in nodes
        if node.op.startswith(("AddN", "Accumulate"))
        and node.attr["N"].i > 2
        and tf.as_dtype(node.attr["T"].type).is_floating
    ]


def gradient(x):
    """Of a tensor with five uses, three of them in a loop."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x * x
        z = tf.while_loop(
            lambda n, _: n < 3,
            lambda n, z: (n + 1, z * y + tf.sin(y) + z * tf.cos(y)),
            (0, tf.ones_like(x)),
        )[1]
        total = tf.reduce_sum(z * y + tf.exp(y))
    return tape.gradient(total, x)


def test_same_gradient_as_without():
    x = tf.constant([0.1, 0.2, 0.3])
    expected = tf.function(gradient, autograph=False)(x)
    with ordered_sums():
        ordered = tf.function(gradient, autograph=False)(x)
        eager = gradient(x)
    np.testing.assert_allclose(ordered, expected, rtol=1e-6)
    np.testing.assert_allclose(eager, expected, rtol=1e-6)


def test_no_sum_of_three_is_left():
    def ordered(x):
        with ordered_sums():
            return gradient(x)

    spec = tf.TensorSpec([3])
    graphs = [
        tf.function(f, autograph=False).get_concrete_function(spec).graph
        for f in (gradient, ordered)
    ]
    assert sums(graphs[0]) and not sums(graphs[1])


def test_everything_is_as_before_afterwards():
    before = gen_math_ops.add_n
    with pytest.raises(ZeroDivisionError), ordered_sums():
        assert gen_math_ops.add_n is not before
        raise ZeroDivisionError
    assert gen_math_ops.add_n is before


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"micro_batches": 2},
        {
            "overshooting_distance": 3,
            "overshooting_scale": 1.0,
            "overshooting_reward_scale": 1.0,
            "global_div_scale": 0.1,
        },
        {"model": "ssm"},
        {"model": "drnn"},
    ],
    ids=lambda params: next(iter(params), "default"),
)
def test_no_update_has_a_sum_whose_order_is_open(params):
    params = tiny_params(**params)
    learner = build.make_learner(params, build.make_model(params, 2))
    graph = learner.train_step.get_concrete_function(
        random_batch(), tf.constant([1, 2])
    ).graph
    assert sums(graph) == []
