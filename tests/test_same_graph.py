import tensorflow as tf

from planet_tf2.tools.same_graph import SameGraph


def test_does_what_the_function_does():
    traced = []

    def add(batch, number):
        traced.append(1)
        return {"sum": tf.reduce_sum(batch["a"]) + number}

    call = SameGraph(tf.function(add, autograph=False))
    for size in (3, 3, 4, 4, 3):
        found = call({"a": tf.ones([size])}, tf.constant(2.0))
        assert float(found["sum"]) == size + 2
    assert len(traced) == 2
    # What is no tensor.
    assert float(call({"a": [1.0, 2.0]}, 3.0)["sum"]) == 6


def test_other_functions():
    assert SameGraph(lambda x, y: x + y)(1, 2) == 3
