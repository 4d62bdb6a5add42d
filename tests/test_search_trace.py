"""What planners tell of their search, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from planning_cases import (
    ACTION,
    BATCH,
    HORIZON,
    SEED,
    numpy_return,
    plan,
    start_states,
)
from tf_fakes import LinearCell, tiny_params

from planet_tf2.agents.planet import build
from planet_tf2.agents.planet.build import PLANNERS
from planet_tf2.tools import seeds

AMOUNT, TOPK, ITERATIONS = 30, 6, 3
SMALL = {"amount": AMOUNT, "topk": TOPK, "iterations": ITERATIONS}
# Then both planners do the same: the paper's, in NumPy below.
PLAIN = {
    "cem": {},
    "icem": {
        "noise_exponent": 0.0,
        "stddev": 1.0,
        "decay": 1.0,
        "keep": 0.0,
        "momentum": 0.0,
    },
}


@pytest.fixture(params=PLANNERS)
def name(request):
    return request.param


def numpy_search(sample, goal, noise):
    """Searches as the paper says; returns what each iteration has made."""
    mean, stddev = np.zeros((HORIZON, ACTION)), np.ones((HORIZON, ACTION))
    made = {"mean": [mean], "stddev": [stddev]}
    made |= {"best": [], "elite": [], "average": []}
    silence = np.zeros((HORIZON, 2))
    for one in noise:
        candidates = np.clip(mean + stddev * one, -1, 1)
        returns = np.array(
            [numpy_return(sample, goal, c, silence) for c in candidates]
        )
        order = np.argsort(-returns)[:TOPK]
        mean, stddev = candidates[order].mean(0), candidates[order].std(0)
        made["mean"].append(mean)
        made["stddev"].append(stddev)
        made["best"].append(returns.max())
        made["elite"].append(returns[order].mean())
        made["average"].append(returns.mean())
    return {key: np.stack(value) for key, value in made.items()}


@pytest.mark.parametrize("graph", [False, True])
def test_in_numpy(name, graph):
    state = start_states()
    random = np.random.default_rng(0)
    shape = (ITERATIONS, BATCH, AMOUNT, HORIZON, ACTION)
    noise = random.normal(size=shape).astype(np.float32)
    _, trace = plan(
        PLANNERS[name],
        state,
        graph,
        noise=tf.constant(noise),
        trace=True,
        **SMALL,
        **PLAIN[name],
    )
    # The last iteration of iCEM has the mean among its candidates.
    count = ITERATIONS if name == "cem" else ITERATIONS - 1
    for agent in range(BATCH):
        expected = numpy_search(
            state["sample"][agent].numpy().astype(float),
            state["goal"][agent].numpy().astype(float),
            noise[:count, agent],
        )
        for key, value in expected.items():
            found = getattr(trace, key)[: len(value), agent]
            np.testing.assert_allclose(found, value, rtol=2e-4, atol=2e-3)
    assert trace.mean.shape == (ITERATIONS + 1, BATCH, HORIZON, ACTION)
    assert trace.best.shape == (ITERATIONS, BATCH)


@pytest.mark.parametrize("graph", [False, True])
def test_plans_stay_the_same(name, graph):
    """Watching changes nothing."""
    cell = LinearCell(0.5)
    kwargs = {"cell": cell, "graph": graph, **SMALL}
    expected = plan(PLANNERS[name], start_states(), **kwargs)
    found, trace = plan(PLANNERS[name], start_states(), trace=True, **kwargs)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    if name == "cem":
        np.testing.assert_array_equal(found, trace.mean[-1])
    assert (trace.best >= trace.elite).numpy().all()
    assert (trace.elite >= trace.average).numpy().all()


@pytest.mark.parametrize("graph", [False, True])
def test_no_iterations(name, graph):
    found, trace = plan(
        PLANNERS[name], start_states(), graph, iterations=0, trace=True
    )
    np.testing.assert_array_equal(found, np.zeros((BATCH, HORIZON, ACTION)))
    assert trace.mean.shape == (1, BATCH, HORIZON, ACTION)
    assert trace.best.shape == (0, BATCH)


def test_costs_nothing_where_nobody_looks(name):
    """The graph has no operation that is there for the trace alone."""

    def operations(**kwargs):
        def call():
            return PLANNERS[name](
                LinearCell(),
                lambda s: tf.reduce_sum(s["sample"], [1, 2]),
                start_states(),
                ACTION,
                HORIZON,
                **SMALL,
                seed=SEED,
                **kwargs,
            )

        graph = tf.function(call, autograph=False).get_concrete_function().graph
        functions = graph.as_graph_def().library.function
        return [n.op for f in functions for n in f.node_def]

    lists = [op for op in operations() if op.startswith("TensorList")]
    assert not lists
    assert any(op.startswith("TensorList") for op in operations(trace=True))


def test_of_a_run_without_building_graphs_again():
    params = tiny_params()
    model = build.make_model(params, 2)
    search = tf.function(
        build.make_planner(params, model, 2, trace=True), autograph=False
    )
    found = [
        search(model.cell.zero_state(3), seeds.derive(number))
        for number in range(3)
    ]
    assert search.experimental_get_tracing_count() == 1
    actions, trace = found[0]
    usual = build.make_planner(params, model, 2)
    expected = usual(model.cell.zero_state(3), seeds.derive(0))
    np.testing.assert_allclose(actions, expected, rtol=1e-4, atol=1e-5)
    assert trace.mean.shape == (params.planner_iterations + 1, 3, 2, 2)
