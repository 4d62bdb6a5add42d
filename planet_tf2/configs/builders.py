"""Builds the environment of each kind of task, with images and repeats."""

import dataclasses
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
    shadow_size: int | None = None,
    vector_actions: bool = True,
    see: bool = True,
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
      shadow_size: Side of the map that the shadows of the control suite are
        drawn with, or None for the suite's.
      vector_actions: Whether discrete actions become vectors.
      see: Whether there is an observation `image`.

    Returns:
      Environment with named observations, vectors in [-1, 1] or discrete
      choices as actions, and episodes of at most
      `max_length // action_repeat` decisions.

    Raises:
      ValueError: The environment cannot be made, or has no such camera.
    """
    view = View(camera_id, image_size * image_supersampling, shadow_size)
    env = _BUILDERS[spec.kind](spec, view)
    if spec.kind in _FOREIGN:
        env = envs.adapt_interface(env, vector_actions)
    if max_length is None:
        max_length = envs.episode_limit(env) or _DEFAULT_LENGTH
    env = envs.ActionRepeat(_in_unit_range(env), action_repeat)
    if see:
        env = envs.add_image(env, image_size, image_supersampling)
    return envs.MaximumDuration(env, max(1, max_length // action_repeat))


@dataclasses.dataclass(frozen=True)
class View:
    """How an environment is drawn, as far as it lets others say so.

    Attributes:
      camera_id: Camera of the simulator.
      image_size: Side of the images to draw, in pixels.
      shadow_size: Side of the map for shadows; None is the environment's.
    """

    camera_id: int
    image_size: int
    shadow_size: int | None


def _dm_control(spec: Task, view: View) -> gymnasium.Env:
    return envs.DMControl(
        spec.domain, spec.task, view.camera_id, view.shadow_size
    )


def _dummy(spec: Task, view: View) -> gymnasium.Env:
    del spec
    return envs.DummyEnv(view.image_size)


def _gymnasium(spec: Task, view: View) -> gymnasium.Env:
    return envs.make_gymnasium(spec.task, view.camera_id, view.image_size)


def _classic_gym(spec: Task, view: View) -> gymnasium.Env:
    if view.camera_id:
        raise ValueError(
            f"camera_id is {view.camera_id!r}, but {spec.name} has one view"
            " only, which is 0."
        )
    return envs.make_classic_gym(spec.task)


def _custom(spec: Task, view: View) -> gymnasium.Env:
    arguments = {"image_size": view.image_size, "camera_id": view.camera_id}
    return envs.make_custom(spec.task, arguments)


_BUILDERS: dict[str, Callable[[Task, View], gymnasium.Env]] = {
    tasks.DM_CONTROL: _dm_control,
    tasks.DUMMY: _dummy,
    tasks.GYMNASIUM: _gymnasium,
    tasks.CLASSIC_GYM: _classic_gym,
    tasks.CUSTOM: _custom,
}
# Written by others, so that what they return is checked.
_FOREIGN = (tasks.GYMNASIUM, tasks.CLASSIC_GYM, tasks.CUSTOM)


def _in_unit_range(env: gymnasium.Env) -> gymnasium.Env:
    """Makes actions range over [-1, 1], if they do not yet."""
    space = env.action_space
    if not isinstance(space, spaces.Box):
        return env
    unit = spaces.Box(-1.0, 1.0, space.shape, space.dtype)
    if space == unit:
        return env
    return envs.NormalizeActions(envs.vector_actions(env))
