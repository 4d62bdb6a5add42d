"""Builds the environment of each kind of task, with images and repeats."""

from collections.abc import Callable

import gymnasium
from gymnasium import spaces

from planet_tf2 import envs
from planet_tf2.configs import tasks
from planet_tf2.configs.tasks import Task

# For environments that do not end their episodes themselves.
_DEFAULT_LENGTH = 1000


def build(
    spec: Task,
    action_repeat: int,
    camera_id: int,
    image_size: int,
    max_length: int | None,
    image_supersampling: int = 1,
) -> gymnasium.Env:
    """Builds a task's environment up to the end of its episodes.

    Args:
      spec: The task.
      action_repeat: Simulator steps per decision.
      camera_id: Camera of the simulator for the images.
      image_size: Side of the square images in pixels.
      max_length: Length of episodes in simulator steps, or None for that of
        the environment itself.
      image_supersampling: How many times larger images are drawn.

    Returns:
      Environment with an observation `image`, actions in [-1, 1] and episodes
      of at most `max_length // action_repeat` decisions.

    Raises:
      ValueError: The environment cannot be made, or has no such camera.
    """
    env = _BUILDERS[spec.kind](
        spec, camera_id, image_size * image_supersampling
    )
    if max_length is None:
        max_length = envs.episode_limit(env) or _DEFAULT_LENGTH
    env = envs.ActionRepeat(_in_unit_range(env), action_repeat)
    env = envs.add_image(env, image_size, image_supersampling)
    return envs.MaximumDuration(env, max(1, max_length // action_repeat))


def _dm_control(spec: Task, camera_id: int, image_size: int) -> gymnasium.Env:
    del image_size
    return envs.DMControl(spec.domain, spec.task, camera_id)


def _dummy(spec: Task, camera_id: int, image_size: int) -> gymnasium.Env:
    del spec, camera_id
    return envs.DummyEnv(image_size)


def _gymnasium(spec: Task, camera_id: int, image_size: int) -> gymnasium.Env:
    env = envs.make_gymnasium(spec.task, camera_id, image_size)
    return envs.adapt_interface(env)


def _classic_gym(spec: Task, camera_id: int, image_size: int) -> gymnasium.Env:
    del image_size
    if camera_id:
        raise ValueError(
            f"camera_id is {camera_id!r}, but {spec.name} has one view only,"
            " which is 0."
        )
    return envs.adapt_interface(envs.make_classic_gym(spec.task))


def _custom(spec: Task, camera_id: int, image_size: int) -> gymnasium.Env:
    arguments = {"image_size": image_size, "camera_id": camera_id}
    return envs.adapt_interface(envs.make_custom(spec.task, arguments))


_BUILDERS: dict[str, Callable[[Task, int, int], gymnasium.Env]] = {
    tasks.DM_CONTROL: _dm_control,
    tasks.DUMMY: _dummy,
    tasks.GYMNASIUM: _gymnasium,
    tasks.CLASSIC_GYM: _classic_gym,
    tasks.CUSTOM: _custom,
}


def _in_unit_range(env: gymnasium.Env) -> gymnasium.Env:
    """Makes actions range over [-1, 1], if they do not yet."""
    space = env.action_space
    unit = spaces.Box(-1.0, 1.0, space.shape, space.dtype)
    if space == unit:
        return env
    return envs.NormalizeActions(envs.vector_actions(env))
