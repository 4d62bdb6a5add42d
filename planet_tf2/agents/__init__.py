"""Agents: what learns from experience and acts.

An agent is a package, which offers

    Parameters    class: what can be set, see `configs.common_parameters`
    PRESETS       its presets: differences to the defaults, by name
    PRESET_HELP   what each of them is for
    LOSSES        what its losses mean, see `loss_info`
    OBSERVATIONS  names of the observations that it sees, or None: parameters
                  choose from all that there are
    VECTOR_ACTIONS  whether it acts by vectors in [-1, 1], whatever the
                  environment's own action space is
    train_collects, test_collects
                  return the complete entries of what to collect, see
                  `configs.collects`
    schedule      in their place: returns the `configs.step_schedule` of agents
                  that are trained by steps, given the parameters
    environment_arguments
                  if there is one, returns more arguments of
                  `configs.builders.make_env`, given the parameters
    make_agent    makes it: `make_agent(params, observation_space, action_space,
                  seed, strategy)`, see `agent`
    check_settings  raises `ValueError` for mistakes in a run's parameters that
                  only show when its parts are made

Only the last two need TensorFlow. An agent that is trained by steps, as Dreamer
is, has no `train_collects` and `test_collects`, but

    schedule      returns when to act, to learn and to be tested: a
                  `configs.step_schedule.StepSchedule` for parameters
    environment_arguments
                  returns further arguments of `configs.builders.make_env` for
                  parameters; optional
    check_interface  raises `ValueError` if spaces of observations and actions,
                  those common to all tasks, do not suit parameters:
                  `check_interface(params, observation_space, action_space)`;
                  optional

Programs find it by its name: `planet`, or a module of one's own, such as
`my_package.my_agent`.
"""

import importlib
import types
from collections.abc import Mapping
from typing import Any

from planet_tf2.configs import resolve as resolving
from planet_tf2.configs.step_schedule import StepSchedule
from planet_tf2.tools.attr_dict import AttrDict
from planet_tf2.tools.importing import search_current_folder
from planet_tf2.tools.nearest import did_you_mean

DEFAULT = "planet"
AGENTS = {
    "planet": "planet_tf2.agents.planet",
    "dreamer": "planet_tf2.agents.dreamer",
}


def find(name: str = DEFAULT) -> types.ModuleType:
    """Returns the package of an agent, without importing TensorFlow.

    Args:
      name: One of `AGENTS`, or a module that can be imported. The current
        folder is searched, too.

    Raises:
      ValueError: There is no such agent.
    """
    if name in AGENTS:
        return importlib.import_module(AGENTS[name])
    search_current_folder()
    try:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ModuleNotFoundError(name=name)
        agent = importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A package that it needs may be what is missing.
        if not f"{name}.".startswith(f"{error.name}."):
            raise ValueError(
                f"Cannot import agent {name!r}: {error}."
            ) from error
        raise ValueError(
            f"Unknown agent {name!r}.{did_you_mean(name, AGENTS)} Known are "
            f"{', '.join(AGENTS)}, or your own as my_package.my_agent."
        ) from None
    if not hasattr(agent, "Parameters"):
        raise ValueError(f"Module {name!r} is no agent: it has no Parameters.")
    return agent


def name_of_run(config: Mapping[str, Any]) -> str:
    """Returns the name of the agent that a run's `config.yaml` says."""
    return config.get("agent", DEFAULT)


def of_run(config: Mapping[str, Any]) -> types.ModuleType:
    """Returns the package of the agent that a run's `config.yaml` names."""
    return find(name_of_run(config))


def learned(
    agent: types.ModuleType, params: Mapping[str, Any]
) -> list[str] | None:
    """Returns the names of the observations to learn from, None for all."""
    if params.get("state_diagnostics"):
        return None
    return agent.OBSERVATIONS and list(agent.OBSERVATIONS)


def schedule(
    agent: types.ModuleType, params: Mapping[str, Any]
) -> StepSchedule | None:
    """Returns the schedule of an agent that is trained by steps, or None."""
    if not hasattr(agent, "schedule"):
        return None
    return agent.schedule(params)


def resolve(
    config: str = "default",
    params_text: str = "",
    overrides: Mapping[str, Any] | None = None,
    agent: str = DEFAULT,
) -> AttrDict:
    """Puts the parameters of a run together and checks them.

    As `configs.resolve.resolve`, but with the name of the agent.
    """
    return resolving.resolve(find(agent), config, params_text, overrides)
