"""Agents: what learns from experience and acts.

An agent is a package, which offers

    Parameters    class: what can be set, see `configs.base_parameters`
    PRESETS       its presets: differences to the defaults, by name
    PRESET_HELP   what each of them is for
    LOSSES        what its losses mean, see `loss_info`
    OBSERVATIONS  names of the observations that it sees
    VECTOR_ACTIONS  whether it acts by vectors in [-1, 1], whatever the
                  environment's own action space is
    train_collects, test_collects
                  return the complete entries of what to collect, see
                  `configs.collects`
    make_agent    makes it: `make_agent(params, observation_space, action_space,
                  seed, strategy)`, see `agent`
    check_settings  raises `ValueError` for mistakes in a run's parameters that
                  only show when its parts are made

Only the last two need TensorFlow.

Programs find it by its name: `planet`, or a module of one's own, such as
`my_package.my_agent`.
"""

from planet_tf2.agents.finding import AGENTS, DEFAULT, find, of_run, resolve

__all__ = ["AGENTS", "DEFAULT", "find", "of_run", "resolve"]
