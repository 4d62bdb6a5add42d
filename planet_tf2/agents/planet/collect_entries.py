"""How PlaNet plans and explores in each entry of its collections."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from planet_tf2.configs import collects
from planet_tf2.configs.kinds import (
    Fraction,
    Integer,
    Positive,
    Reference,
    Scale,
)
from planet_tf2.tools.attr_dict import AttrDict

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
