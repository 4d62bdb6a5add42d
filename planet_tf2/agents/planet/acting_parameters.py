"""What can be set of how PlaNet acts: planner, exploration, collections.

Part of `parameters.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from planet_tf2.configs import collects
from planet_tf2.configs.base_parameters import BaseParameters
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.kinds import (
    Fraction,
    Integer,
    Natural,
    Number,
    Positive,
    Reference,
    Scale,
    group,
)
from planet_tf2.tools.attr_dict import AttrDict

_schedule = group("Schedule")
_exploration = group("Exploration")
_planner = group("Planner")

Objective = Literal["reward", "discounted_reward"] | Reference


class CollectEntry(collects.CollectEntry, total=False):
    """The settings of PlaNet. All of them are optional."""

    horizon: Annotated[
        Positive,
        Field(
            description="Agent steps that a plan looks ahead: "
            "`planner_horizon`."
        ),
    ]
    objective: Annotated[
        Objective,
        Field(description="What plans are rated by: `collect_objective`."),
    ]
    action_noise: Annotated[
        Scale,
        Field(
            description="Standard deviation of the noise: "
            "`train_action_noise`, but tests have none, whatever it is."
        ),
    ]
    action_noise_ramp: Annotated[
        Integer,
        Field(description="As the parameter, which is its default."),
    ]
    action_noise_min: Annotated[
        Fraction,
        Field(description="As the parameter, which is its default."),
    ]


class ActingParameters(BaseParameters):
    """How to collect, plan and explore."""

    train_collects: list[CollectEntry] = _schedule(
        [{}],
        "What to collect for training; docs/parameters.md has its entries.",
    )
    test_collects: list[CollectEntry] = _schedule(
        [{}],
        "What to collect in the test phases; its entries are those of "
        "`train_collects`.",
    )

    train_action_noise: Scale = _exploration(
        0.3,
        "Standard deviation of the noise added to actions while collecting "
        "training data. Actions lie in [-1, 1].",
    )
    action_noise_ramp: Integer = _exploration(
        0,
        "Training steps over which the noise grows from nothing, or, if "
        "negative, fades to nothing. 0 keeps it constant.",
    )
    action_noise_min: Fraction = _exploration(
        0.0, "Fraction of the noise that is kept whatever the ramp says."
    )

    planner: Literal["cem", "icem"] = _planner(
        "cem",
        "Planning algorithm: the cross-entropy method of the paper, or its "
        "improvement by Pinneri et al. (2020).",
    )
    planner_horizon: Positive = _planner(
        12, "Agent steps that a plan looks ahead."
    )
    planner_amount: Positive = _planner(1000, "Action sequences per iteration.")
    planner_topk: Positive = _planner(
        100, "Best action sequences that the next iteration is fitted to."
    )
    planner_iterations: Natural = _planner(
        10,
        "Iterations per decision. 0 plans to do nothing, so that only the "
        "action noise acts.",
    )
    collect_objective: Objective = _planner(
        "reward", "What plans are rated by. See docs/planning.md for your own."
    )
    objective_discount: Fraction = _planner(
        0.99, "What `discounted_reward` multiplies rewards by, per agent step."
    )
    icem_noise_exponent: Scale = _planner(
        2.0,
        "`icem`: how fast the power of the candidates' noise falls with the "
        "frequency. 0 is white noise.",
    )
    icem_stddev: Scale = _planner(
        0.5, "`icem`: standard deviation of the first candidates."
    )
    icem_decay: Number = _planner(
        1.25,
        "`icem`: factor by which every iteration has fewer candidates than "
        "the one before.",
        ge=1,
    )
    icem_keep: Fraction = _planner(
        0.3,
        "`icem`: fraction of the best candidates that the next iteration "
        "tries again.",
    )
    icem_momentum: Fraction = _planner(
        0.1, "`icem`: part of the old mean and standard deviation that stays."
    )

    @model_validator(mode="after")
    def _check_planner(self) -> Self:
        if self.planner_topk > self.planner_amount:
            raise ConfigError(
                "Parameter 'planner_topk' must be at most planner_amount, "
                f"which is {self.planner_amount}, not {self.planner_topk}."
            )
        return self

    @model_validator(mode="after")
    def _check_collects(self) -> Self:
        collects.check_names("train_collects", self.train_collects)
        collects.check_names("test_collects", self.test_collects)
        return self


def train_collects(params: Mapping[str, Any]) -> list[AttrDict]:
    """Returns what to collect while training, each entry complete.

    Adds `horizon, objective, action_noise, action_noise_ramp, action_noise_min`
    to those of the base.
    """
    common = {
        "horizon": params["planner_horizon"],
        "objective": params["collect_objective"],
        "action_noise": params["train_action_noise"],
        "action_noise_ramp": params["action_noise_ramp"],
        "action_noise_min": params["action_noise_min"],
    }
    entries = collects.train_collects(params)
    return [AttrDict({**common, **entry}).lock() for entry in entries]


def test_collects(params: Mapping[str, Any]) -> list[AttrDict]:
    """Returns what to collect while testing, by default without noise."""
    common = {
        "horizon": params["planner_horizon"],
        "objective": params["collect_objective"],
        "action_noise": 0.0,
        "action_noise_ramp": 0,
        "action_noise_min": 0.0,
    }
    entries = collects.test_collects(params)
    return [AttrDict({**common, **entry}).lock() for entry in entries]
