"""The tasks of the DeepMind Control Suite."""

from collections.abc import Mapping
from typing import Any

from absl import logging
from dm_control import suite
from dm_control.rl import control

from planet_tf2.envs.calls import choose_arguments
from planet_tf2.envs.dm_env_adapter import DmEnv


def make_suite(
    domain: str,
    task: str,
    kwargs: Mapping[str, Any] | None = None,
    **drawing: Any,
) -> DmEnv:
    """Makes one task of the control suite with its state observations.

    Observations are a dict of arrays under the names that dm_control gives them
    (`position`, `velocity`, ...). Actions are bounded by the task's own
    specification. An episode ends with `truncated` at the suite's time limit
    (1000 simulator steps for most tasks) and with `terminated` where the task
    says so.

    Args:
      domain: Domain of the suite, for example `cheetah`.
      task: Task of that domain, for example `run`.
      kwargs: What the suite calls `task_kwargs`, such as `time_limit` in
        seconds.
      **drawing: Arguments of `DmEnv`: camera and sizes.

    Raises:
      ValueError: The suite has no such task, the task no such arguments, or the
        model no such camera.
    """
    suite_env = load_suite(domain, task, kwargs)
    env = DmEnv(suite_env, name=f"{domain} {task}", **drawing)
    if kwargs and "time_limit" in kwargs:
        seconds = kwargs["time_limit"]
        env.max_episode_steps = round(seconds / suite_env.control_timestep())
    return env


def load_suite(
    domain: str, task: str, kwargs: Mapping[str, Any] | None = None
) -> control.Environment:
    """Loads a task of the suite as such; see `make_suite`."""
    # MuJoCo remarks on old attributes in the suite's own models, which no user
    # of them can change.
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        # Some draw their physics when they are loaded, which have to be the
        # same in every process. What comes after that is random again.
        chosen = {"random": 0, **(kwargs or {})}
        if kwargs:
            function = getattr(suite, domain).SUITE[task]
            chosen = choose_arguments(function, chosen)
        env = suite.load(domain, task, task_kwargs=chosen)
        env.task.random.seed()
        return env
    finally:
        logging.set_verbosity(verbosity)
