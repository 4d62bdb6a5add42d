"""Puts agents together: the planner, and what it maximises."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from planet_tf2.agents.planet import acting_parameters as collects
from planet_tf2.agents.planet import objectives
from planet_tf2.agents.planet.mpc_agent import MPCAgent
from planet_tf2.agents.planet.planners import PLANNERS
from planet_tf2.agents.planet.world_model import WorldModel

Params = Mapping[str, Any]


def make_planner(
    params: Params,
    model: WorldModel,
    action_size: int,
    horizon: int | None = None,
    objective: str | None = None,
    trace: bool = False,
) -> Callable[[dict[str, tf.Tensor], tf.Tensor], Any]:
    """Makes a function from states and a seed to plans `[B, H, A]`.

    With `trace` it returns a `search_trace.Trace` too, if the planner can.
    """
    planner = PLANNERS[params["planner"]]
    prefix = f"{params['planner']}_"
    options = {
        name.removeprefix(prefix): params[name]
        for name in params
        if name.startswith(prefix)
    }
    if trace:
        options["trace"] = True
    objective_fn = objectives.make_objective(
        objective or params["collect_objective"],
        model.cell,
        model.heads,
        params,
    )

    def plan(state: dict[str, tf.Tensor], seed: tf.Tensor) -> Any:
        return planner(
            model.cell,
            objective_fn,
            state,
            action_size,
            horizon or params["planner_horizon"],
            params["planner_amount"],
            params["planner_topk"],
            params["planner_iterations"],
            seed=seed,
            **options,
        )

    return plan


def make_agent(
    params: Params,
    model: WorldModel,
    action_size: int,
    batch_size: int = 1,
    horizon: int | None = None,
    objective: str | None = None,
) -> MPCAgent:
    """Makes a batch of agents that plan with a world model."""
    return MPCAgent(
        batch_size,
        action_size,
        model.cell,
        model.encoder,
        model.preprocess,
        make_planner(params, model, action_size, horizon, objective),
    )


def check_objectives(params: Params) -> None:
    """Makes sure that all objectives of a run can be found.

    Raises:
      ValueError: naming the one that cannot.
    """
    chosen = [*collects.train_collects(params), *collects.test_collects(params)]
    for name in {entry["objective"] for entry in chosen}:
        objectives.get_objective(name)
