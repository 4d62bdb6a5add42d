"""What can be set of how PlaNet acts: collections, exploration, planner."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from typing_extensions import TypedDict

from planet_tf2.configs import collects
from planet_tf2.configs.base_parameters import Group
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.kinds import (
    Fraction,
    Integer,
    Name,
    Natural,
    Number,
    Positive,
    Reference,
    Scale,
)
from planet_tf2.tools.attr_dict import AttrDict

Objective = Literal["reward", "discounted_reward"] | Reference


class CollectEntry(TypedDict, total=False):
    """An entry of `train_collects` or `test_collects`. All is optional."""

    __pydantic_config__ = ConfigDict(
        extra="forbid", use_attribute_docstrings=True
    )

    name: Name
    """Name for the logs: `main` for the first entry."""
    batch_size: Positive
    """Agents that collect an episode each, at the same time."""
    horizon: Positive
    """Agent steps that a plan looks ahead: `planner_horizon`."""
    objective: Objective
    """What plans are rated by: `collect_objective`."""
    after: Natural
    """First training step to collect at: `collect_every`. This and the next two
    are for training; tests collect once per test phase."""
    every: Integer
    """Training steps between collections: `collect_every`. 0 means never."""
    until: Annotated[Integer, Field(ge=-1)]
    """No collection at or behind this training step. -1 means no end."""
    action_noise: Scale
    """Standard deviation of the noise: `train_action_noise`, but tests have
    none, whatever it is."""
    action_noise_ramp: Integer
    """As the parameter, which is its default."""
    action_noise_min: Fraction
    """As the parameter, which is its default."""


class Collections(Group):
    """What to collect, and how."""

    GROUP = "Schedule"

    train_collects: list[CollectEntry] = [{}]
    """What to collect for training; docs/parameters.md has its entries."""
    test_collects: list[CollectEntry] = [{}]
    """What to collect in the test phases; its entries are those of
    `train_collects`."""

    @model_validator(mode="after")
    def _check_collects(self) -> Self:
        collects.check_names("train_collects", self.train_collects)
        collects.check_names("test_collects", self.test_collects)
        return self


class Exploration(Group):
    """The noise of actions."""

    GROUP = "Exploration"

    train_action_noise: Scale = 0.3
    """Standard deviation of the noise added to actions while collecting
    training data. Actions lie in [-1, 1]."""
    action_noise_ramp: Integer = 0
    """Training steps over which the noise grows from nothing, or, if negative,
    fades to nothing. 0 keeps it constant."""
    action_noise_min: Fraction = 0.0
    """Fraction of the noise that is kept whatever the ramp says."""


class Planner(Group):
    """The search for actions."""

    GROUP = "Planner"

    planner: Literal["cem", "icem"] = "cem"
    """Planning algorithm: the cross-entropy method of the paper, or its
    improvement by Pinneri et al. (2020)."""
    planner_horizon: Positive = 12
    """Agent steps that a plan looks ahead."""
    planner_amount: Positive = 1000
    """Action sequences per iteration."""
    planner_topk: Positive = 100
    """Best action sequences that the next iteration is fitted to."""
    planner_iterations: Natural = 10
    """Iterations per decision. 0 plans to do nothing, so that only the action
    noise acts."""
    collect_objective: Objective = "reward"
    """What plans are rated by. See docs/algorithm.md for your own."""
    objective_discount: Fraction = 0.99
    """What `discounted_reward` multiplies rewards by, per agent step."""
    icem_noise_exponent: Scale = 2.0
    """`icem`: how fast the power of the candidates' noise falls with the
    frequency. 0 is white noise."""
    icem_stddev: Scale = 0.5
    """`icem`: standard deviation of the first candidates."""
    icem_decay: Annotated[Number, Field(ge=1)] = 1.25
    """`icem`: factor by which every iteration has fewer candidates than the one
    before."""
    icem_keep: Fraction = 0.3
    """`icem`: fraction of the best candidates that the next iteration tries
    again."""
    icem_momentum: Fraction = 0.1
    """`icem`: part of the old mean and standard deviation that stays."""

    @model_validator(mode="after")
    def _check_planner(self) -> Self:
        if self.planner_topk > self.planner_amount:
            raise ConfigError(
                "Parameter 'planner_topk' must be at most planner_amount, "
                f"which is {self.planner_amount}, not {self.planner_topk}."
            )
        return self


def train_collects(params: Mapping[str, Any]) -> list[AttrDict]:
    """Returns what to collect while training, each entry complete.

    Adds `horizon, objective, action_noise, action_noise_ramp, action_noise_min`
    to those of the base.
    """
    return collects.train_collects(
        params,
        horizon=params["planner_horizon"],
        objective=params["collect_objective"],
        action_noise=params["train_action_noise"],
        action_noise_ramp=params["action_noise_ramp"],
        action_noise_min=params["action_noise_min"],
    )


def test_collects(params: Mapping[str, Any]) -> list[AttrDict]:
    """Returns what to collect while testing, by default without noise."""
    return collects.test_collects(
        params,
        horizon=params["planner_horizon"],
        objective=params["collect_objective"],
        action_noise=0.0,
        action_noise_ramp=0,
        action_noise_min=0.0,
    )
