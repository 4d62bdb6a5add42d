"""Builds the environment of a task, wrappers included; called in the worker.

The arguments of `make_env`:
  task: Name of the task.
  action_repeat: Simulator steps per decision; the task's own by default.
  blind: What helps where there is neither an image nor a way to draw one.
  camera_id: Camera of the simulator for the images; the task's own by default.
  image_size: Side of the square images in pixels.
  max_length: Length of episodes in simulator steps; the task's own by
    default. An episode has `max_length // action_repeat` decisions.
  min_length: Decisions that shorter episodes are stretched to, of tasks
    that allow it.
  record_dir: Folder to write finished episodes to, if any.
  staged: Whether those files wait to be published.
  pad_actions: Size to pad the actions to, when tasks share one agent.
  observations: Names of the observations to keep; all by default. Without
    `image` nothing is drawn.
  learned: Names of the observations that have to be finite, since they are
    learned from; None for all.
  record_observations: Names of observations to keep although they are large.
  all_observations: Whether to keep all of them, however large.
  draw_images: Whether there is an observation `image`, where `observations`
    does not say it.
  render_images: Whether to draw images although the environment observes some.
  vector_actions: Whether discrete actions become vectors in [-1, 1], with
    an entry per choice. Otherwise `Discrete`, `MultiDiscrete` and
    `MultiBinary` action spaces stay what they are.
  image_supersampling: How many times larger images are drawn, to be
    averaged over blocks of pixels.
  settings: Further settings of a suite, of which its function takes those that
    it knows.
  shadow_size: Side of the map that the shadows of the control suite are
    drawn with, see `DmEnv`; the suite's by default.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gymnasium
from gymnasium.wrappers import FilterObservation

from planet_tf2 import envs
from planet_tf2.configs import tasks
from planet_tf2.data.episodes import RESERVED_NAMES
from planet_tf2.data.recorder import RecordEpisodes

# For environments that do not end their episodes themselves.
_DEFAULT_LENGTH = 1000
_LEFT_OUT = "Not stored unless record_observations names it"


def make_env(
    task: str,
    action_repeat: int | None = None,
    *,
    blind: str = "",
    camera_id: int | None = None,
    image_size: int = 64,
    max_length: int | None = None,
    min_length: int | None = None,
    record_dir: str | os.PathLike | None = None,
    staged: bool = False,
    pad_actions: int | None = None,
    observations: Sequence[str] | None = None,
    learned: Sequence[str] | None = (),
    record_observations: Sequence[str] = (),
    all_observations: bool = False,
    draw_images: bool = True,
    render_images: bool = False,
    vector_actions: bool = True,
    image_supersampling: int = 1,
    shadow_size: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> gymnasium.Env:
    """Builds a task's environment with its wrappers; see above on arguments.

    Returns:
      Environment that observes `image`, uint8 `[image_size, image_size, 3]`,
      and float32 components, and truncates episodes at their time limit. Its
      `notes` tell where images come from, and what is left out.

    Raises:
      ValueError: The environment cannot be made, it has no such camera or
        observation, or one whose name means something else in episodes.
    """
    spec = tasks.get_task(task)
    repeat = spec.action_repeat if action_repeat is None else action_repeat
    length = spec.max_length if max_length is None else max_length
    env = _simulator(
        spec,
        spec.camera if camera_id is None else camera_id,
        image_size * image_supersampling,
        shadow_size,
        settings or {},
    )
    wanted = [*record_observations, *(observations or ())]
    env = envs.CheckedInterface(env, None if all_observations else wanted)
    left_out = env.left_out
    notes = [f"{_LEFT_OUT}: {name}" for name in left_out]
    if vector_actions or not isinstance(env.action_space, envs.DISCRETE):
        env = envs.vector_actions(env)
    if length is None:
        length = envs.episode_limit(env) or _DEFAULT_LENGTH
    env = envs.ActionRepeat(env, repeat)
    if observations is None and not draw_images:
        names = env.observation_space.spaces
        observations = [name for name in names if name != "image"]
    if observations is None or "image" in observations:
        env = envs.ImageObservation(
            env, image_size, image_supersampling, render_images, blind
        )
        notes.append(f"Images come from {env.source}")
    shortest = min_length if spec.stretched and min_length else 1
    env = envs.Duration(env, max(1, length // repeat), shortest)
    env = envs.check_finite(env, learned)
    if pad_actions is not None:
        env = envs.pad_actions(env, pad_actions)
    _check_names(env.observation_space.spaces, record_observations, left_out)
    if observations == []:
        raise ValueError("It observes nothing but images, which nobody reads.")
    if observations is not None:
        env = FilterObservation(env, list(observations))
    if record_dir is not None:
        env = RecordEpisodes(env, record_dir, staged)
    env.notes = notes
    return env


def _check_names(
    names: Iterable[str], wanted: Iterable[str], left_out: Iterable[str]
) -> None:
    """Checks that there is what is wanted, and all can be stored."""
    for name in wanted:
        if name not in names:
            raise ValueError(
                f"record_observations names {name!r}, but there are only"
                f" {', '.join([*names, *left_out])}."
            )
    taken = RESERVED_NAMES & set(names)
    if taken:
        raise ValueError(
            f"An observation is called {min(taken)!r}, a name that episode"
            " files need for something else. Rename the observation."
        )


def _simulator(
    spec: tasks.Task,
    camera_id: int,
    size: int,
    shadow_size: int | None,
    settings: Mapping[str, Any],
) -> gymnasium.Env:
    """Makes a task's simulator, to be drawn with images of that size."""
    if spec.kind == tasks.DUMMY:
        return envs.DummyEnv(size)
    kwargs = spec.kwargs
    if spec.kind == tasks.DM_CONTROL:
        drawing = camera_id, size, shadow_size
        return envs.make_suite(spec.domain, spec.task, kwargs, *drawing)
    if spec.kind == tasks.GYMNASIUM:
        env = envs.make_gymnasium(spec.task, camera_id, size, kwargs)
    elif spec.kind == tasks.CLASSIC_GYM:
        envs.check_camera(camera_id, [0])
        env = envs.make_classic_gym(spec.task, kwargs)
    else:
        offered = {"image_size": size, "camera_id": camera_id}
        if spec.kind == tasks.SUITE:
            offered |= settings
        env = envs.make_custom(spec.task, offered, kwargs)
    envs.check_single(env)
    return envs.adapt(env)
