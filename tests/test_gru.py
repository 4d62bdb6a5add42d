import keras
import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.nets import GRUCell

INPUTS, UNITS = 3, 4


@pytest.fixture
def gru():
    cell = GRUCell(UNITS)
    cell.build(INPUTS)
    random = np.random.default_rng(0)
    for variable in cell.trainable_variables:
        variable.assign(random.normal(size=variable.shape))
    return cell


@pytest.fixture
def data():
    random = np.random.default_rng(1)
    return (
        random.normal(size=(5, INPUTS)).astype(np.float32),
        random.uniform(-1, 1, (5, UNITS)).astype(np.float32),
    )


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_gru(cell, inputs, state):
    weights = {
        name: variable.numpy().astype(np.float64)
        for name, variable in cell.original_variables().items()
    }
    gates = np.concatenate([inputs, state], 1) @ weights["gates/kernel"]
    gates = sigmoid(gates + weights["gates/bias"])
    reset, update = gates[:, :UNITS], gates[:, UNITS:]
    candidate = np.concatenate([inputs, reset * state], 1)
    candidate = candidate @ weights["candidate/kernel"]
    candidate = np.tanh(candidate + weights["candidate/bias"])
    return update * state + (1 - update) * candidate


@pytest.mark.parametrize("graph", [False, True])
def test_formula(gru, data, graph):
    call = tf.function(gru.call) if graph else gru.call
    np.testing.assert_allclose(
        call(*data), numpy_gru(gru, *data), rtol=1e-5, atol=1e-6
    )


def test_same_as_keras_with_other_order_of_gates(gru, data):
    gates, candidate = gru.gates_kernel.numpy(), gru.candidate_kernel.numpy()
    bias = gru.gates_bias.numpy()
    # Keras has update, reset, candidate, and input and state apart.
    kernel = np.concatenate([gates[:, UNITS:], gates[:, :UNITS], candidate], 1)
    reference = keras.layers.GRUCell(UNITS, reset_after=False)
    reference.build((None, INPUTS))
    reference.set_weights(
        [
            kernel[:INPUTS],
            kernel[INPUTS:],
            np.concatenate(
                [bias[UNITS:], bias[:UNITS], gru.candidate_bias.numpy()]
            ),
        ]
    )
    inputs, state = data
    expected, _ = reference(inputs, state)
    np.testing.assert_allclose(
        gru(inputs, state), expected, rtol=1e-5, atol=1e-6
    )


def test_initial_biases():
    cell = GRUCell(UNITS)
    cell.build(INPUTS)
    np.testing.assert_array_equal(cell.gates_bias, np.ones(2 * UNITS))
    np.testing.assert_array_equal(cell.candidate_bias, np.zeros(UNITS))
