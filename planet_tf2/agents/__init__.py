"""Agents: what learns from experience and acts.

An agent is a package, which offers

    Parameters    class: what can be set, see `configs.base_parameters`
    PRESETS       its presets: differences to the defaults, by name
    PRESET_HELP   what each of them is for
    LOSSES        what its losses mean, see `loss_info`
    make_agent    makes it, see `agent`; only this needs TensorFlow

Programs find it by its name: `planet`, or a module of one's own, such as
`my_package.my_agent`.
"""

from planet_tf2.agents.finding import AGENTS, DEFAULT, find, of_run, resolve

__all__ = ["AGENTS", "DEFAULT", "find", "of_run", "resolve"]
