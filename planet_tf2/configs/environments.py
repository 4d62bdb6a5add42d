"""Builds the environments of the tasks, wrappers included."""

import os
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium

from planet_tf2 import data, envs
from planet_tf2.configs import tasks

CONSTRUCTOR = "planet_tf2.configs.environments:make_env"


def env_spec(
    task_name: str, params: Mapping[str, Any], **extra: Any
) -> tuple[str, dict[str, Any]]:
    """Describes a task's environment, to be built in a worker.

    Args:
      task_name: Name of the task.
      params: Parameters of the run, of which `action_repeat`, `camera_id` and
        `image_size` matter; missing ones and None stand for the defaults.
      **extra: More arguments of `make_env`, such as `record_dir`.

    Returns:
      Tuple of a constructor's name and its keyword arguments, as `envs.Async`
      takes them.

    Raises:
      ValueError: There is no such task.
    """
    tasks.get_task(task_name)
    names = ("action_repeat", "camera_id", "image_size")
    chosen = {name: params[name] for name in names if name in params}
    chosen = {name: chosen[name] for name in chosen if chosen[name] is not None}
    return CONSTRUCTOR, {"task": task_name, **chosen, **extra}


def open_env(
    task_name: str,
    params: Mapping[str, Any],
    blocking: bool = True,
    **extra: Any,
) -> envs.Async:
    """Starts a task's environment where `params.isolate_envs` says.

    Args:
      task_name: Name of the task.
      params: Parameters of the run; see `env_spec`. Without `isolate_envs` the
        environment gets a process.
      blocking: Whether to wait until it is built.
      **extra: More arguments of `make_env`, such as `record_dir`.

    Returns:
      The environment, to be closed by the caller.
    """
    constructor, kwargs = env_spec(task_name, params, **extra)
    return envs.Async(
        constructor,
        kwargs,
        strategy=params.get("isolate_envs") or "process",
        render=tasks.get_task(task_name).renders,
        blocking=blocking,
    )


def make_env(
    task: str,
    action_repeat: int | None = None,
    camera_id: int = 0,
    image_size: int = 64,
    max_length: int | None = None,
    record_dir: str | os.PathLike | None = None,
    staged: bool = False,
    pad_actions: int | None = None,
    image_only: bool = False,
) -> gymnasium.Env:
    """Builds a task's environment with all its wrappers.

    Args:
      task: Name of the task.
      action_repeat: Simulator steps per decision; the task's own by default.
      camera_id: Camera of the simulator for the images.
      image_size: Side of the square images in pixels.
      max_length: Length of episodes in simulator steps; the task's own by
        default. An episode has `max_length // action_repeat` decisions.
      record_dir: Folder to write finished episodes to, if any.
      staged: Whether those files wait to be published.
      pad_actions: Size to pad the actions to, when tasks share one agent.
      image_only: Whether to leave out all observations but the image.

    Returns:
      Environment whose observations are `image`, uint8
      `[image_size, image_size, 3]`, and float32 state components.

    Raises:
      ValueError: An argument is out of its range.
    """
    spec = tasks.get_task(task)
    repeat = spec.action_repeat if action_repeat is None else action_repeat
    length = spec.max_length if max_length is None else max_length
    _check_sizes(repeat, length, image_size)
    env = _BUILDERS[spec.kind](spec, repeat, camera_id, image_size)
    env = envs.MaximumDuration(env, length // repeat)
    env = envs.ConvertTo32Bit(env)
    if pad_actions is not None:
        env = envs.PadActions(env, pad_actions)
    if image_only:
        env = envs.SelectObservations(env, ["image"])
    if record_dir is not None:
        env = data.RecordEpisodes(env, record_dir, staged)
    return env


def _dm_control(
    spec: tasks.Task, repeat: int, camera_id: int, image_size: int
) -> gymnasium.Env:
    env = envs.DMControl(spec.domain, spec.task, camera_id)
    env = envs.ActionRepeat(env, repeat)
    return envs.PixelObservations(env, image_size)


def _dummy(
    spec: tasks.Task, repeat: int, camera_id: int, image_size: int
) -> gymnasium.Env:
    del spec, camera_id
    return envs.ActionRepeat(envs.DummyEnv(image_size), repeat)


# From a kind of task to the function that builds its environment up to the
# image and the repeated actions.
_BUILDERS: dict[str, Callable[..., gymnasium.Env]] = {
    tasks.DM_CONTROL: _dm_control,
    tasks.DUMMY: _dummy,
}


def _check_sizes(repeat: int, length: int, image_size: int) -> None:
    for name, value in (
        ("action_repeat", repeat),
        ("max_length", length),
        ("image_size", image_size),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(
                f"{name} is {value!r}, but must be a whole number of at"
                " least 1."
            )
    if repeat > length:
        raise ValueError(
            f"action_repeat is {repeat}, but an episode has only {length}"
            " simulator steps; use a smaller number."
        )
