"""How long is a decision's search, beside other ways to write the same?"""

from collections.abc import Callable
from typing import Any

import cases
import harness
import tensorflow as tf
import variants

from planet_tf2.agents.planet import build
from planet_tf2.tools import seeds


def variant(name: str) -> Callable[[], Any]:
    """Makes a function that plans once, for one agent."""
    kind, changes = variants.split(name)
    if kind == "pytorch":
        network = variants.pytorch()
        import torch

        state = {"sample": torch.zeros(1, 30), "belief": torch.zeros(1, 200)}
        return lambda: network.plan(state).numpy()
    if kind == "plain_keras":
        network = variants.plain_keras()
        state = network.zero_state(1)
        return lambda: network.plan(state).numpy()
    params = cases.params(**changes)
    model = build.make_model(params, cases.ACTION_SIZE)
    plan = tf.function(
        build.make_planner(params, model, cases.ACTION_SIZE),
        autograph=False,
    )
    state, seed = model.cell.zero_state(1), seeds.derive(0)
    return lambda: plan(state, seed).numpy()


def run() -> harness.Result:
    times = harness.time_in_turn(variants.make_all(variant))
    params = cases.params()
    sizes = "{planner_iterations} x {planner_amount} candidates".format(
        **params
    )
    steps = f"{params['planner_horizon']} steps"
    return harness.compare(f"A plan: {sizes}, {steps}", times)


if __name__ == "__main__":
    harness.main(run)
