import numpy as np
import pytest
import tensorflow as tf
from test_optimizers import (
    RATE,
    STEPS,
    assert_close,
    make_variables,
    numpy_adam,
)
from tf_fakes import tiny_params

from planet_tf2.agents.planet.build import make_learner, make_model
from planet_tf2.nets.optimizers import LearningRate, Optimizer


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_linear():
    schedule = LearningRate(0.2, "linear", decay=10, final=0.1)
    expected = [0.2, 0.182, 0.11, 0.02, 0.02]
    np.testing.assert_allclose(
        rates(schedule, [0, 1, 5, 10, 99]), expected, 1e-6
    )
    to_zero = LearningRate(0.2, "linear", decay=10, final=0.0)
    np.testing.assert_allclose(rates(to_zero, [5, 10]), [0.1, 0.0])


def test_exponential():
    schedule = LearningRate(0.2, "exponential", decay=10, final=0.01)
    expected = [0.2, 0.02, 0.002, 0.002]
    np.testing.assert_allclose(rates(schedule, [0, 5, 10, 99]), expected, 1e-5)


@pytest.mark.parametrize("name", ["constant", "linear", "exponential"])
def test_warmup(name):
    schedule = LearningRate(1.0, name, warmup=4, decay=10, final=0.25)
    # The first update counts already, and the decay starts after the warm-up.
    rising = rates(schedule, [0, 1, 2, 3, 4])
    np.testing.assert_allclose(rising, [0.25, 0.5, 0.75, 1, 1])
    expected = {"constant": 1, "linear": 0.625, "exponential": 0.5}[name]
    np.testing.assert_allclose(rates(schedule, [9]), expected)


def test_graph():
    schedule = LearningRate(0.2, "linear", warmup=2, decay=10, final=0.1)
    step = tf.Variable(0, dtype=tf.int64)
    compute = tf.function(lambda: schedule(step))
    for number in range(14):
        step.assign(number)
        np.testing.assert_allclose(compute(), schedule(number), 1e-6)


@pytest.mark.parametrize("graph", [False, True])
def test_adam_takes_the_rate_of_its_update(graph):
    schedule = LearningRate(RATE, "linear", warmup=2, decay=3, final=0.1)
    variables = make_variables()
    optimizer = Optimizer(variables, schedule)
    apply = tf.function(optimizer.apply) if graph else optimizer.apply
    moved = [v.numpy() for v in variables]
    for number, gradients in enumerate(STEPS):
        np.testing.assert_allclose(
            optimizer._adam.learning_rate, schedule(number)
        )
        apply([tf.constant(g) for g in gradients])
        # The step of a constant rate, scaled.
        before = numpy_adam(STEPS[:number], 1e-4, 1000)
        after = numpy_adam(STEPS[: number + 1], 1e-4, 1000)
        scale = float(schedule(number)) / RATE
        moved = [
            m + scale * (a - b)
            for m, a, b in zip(moved, after, before, strict=True)
        ]
        assert_close([v.numpy() for v in variables], moved)


def test_goes_on_from_checkpoints(tmp_path):
    schedule = LearningRate(RATE, "exponential", decay=9, final=0.01)
    paths, results = [], []
    for stopped in (False, True):
        variables = make_variables()
        optimizer = Optimizer(variables, schedule)
        module = tf.Module()
        module.all = variables
        checkpoint = tf.train.Checkpoint(optimizer=optimizer, variables=module)
        if stopped:
            checkpoint.restore(paths[0]).assert_consumed()
        else:
            for gradients in STEPS[:3]:
                optimizer.apply([tf.constant(g) for g in gradients])
            paths.append(checkpoint.save(str(tmp_path / "state")))
        np.testing.assert_allclose(
            optimizer._adam.learning_rate, schedule(3), 1e-6
        )
        for gradients in STEPS[3:]:
            optimizer.apply([tf.constant(g) for g in gradients])
        results.append([v.numpy() for v in variables])
    assert_close(*results)


def test_parameters():
    params = tiny_params(
        main_learning_rate=0.5,
        main_learning_rate_schedule="linear",
        main_learning_rate_warmup_updates=2,
        main_learning_rate_decay_updates=10,
        main_learning_rate_final=0.2,
        gradient_heads=["image"],
    )
    learner = make_learner(params, make_model(params, 2))
    expected = LearningRate(0.5, "linear", 2, 10, 0.2)
    assert set(learner.optimizers) == {"main", "reward"}
    for optimizer in learner.optimizers.values():
        schedule = optimizer._adam._learning_rate
        for step in (0, 5, 50):
            assert schedule(step) == expected(step)
    params = tiny_params(main_learning_rate=0.5)
    learner = make_learner(params, make_model(params, 2))
    assert learner.optimizers["main"]._adam.learning_rate == 0.5
