"""Builds the environments of the tasks, wrappers included."""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FilterObservation

from planet_tf2 import envs
from planet_tf2.configs import builders, tasks
from planet_tf2.configs.kinds import ConfigError
from planet_tf2.data.recorder import RecordEpisodes, check_names

_LOGGER = logging.getLogger(__name__)

_MISMATCH = envs.InterfaceError.__name__

CONSTRUCTOR = "planet_tf2.configs.environments:make_env"


def env_spec(
    task_name: str, params: Mapping[str, Any], **extra: Any
) -> tuple[str, dict[str, Any]]:
    """Describes a task's environment, to be built in a worker.

    Args:
      task_name: Name of the task.
      params: Parameters of the run, of which `action_repeat`, `camera_id`,
        `image_size`, `image_supersampling`, `shadow_size`, `observations`,
        `vector_actions` and `batch_shape` matter; missing ones and None stand
        for the defaults.
      **extra: More arguments of `make_env`, such as `record_dir`.

    Returns:
      Tuple of a constructor's name and its keyword arguments, as `envs.Async`
      takes them.

    Raises:
      ValueError: There is no such task.
    """
    names = (
        "action_repeat",
        "camera_id",
        "image_size",
        "image_supersampling",
        "shadow_size",
        "observations",
        "vector_actions",
    )
    chosen = {name: params[name] for name in names if name in params}
    chosen = {name: chosen[name] for name in chosen if chosen[name] is not None}
    if tasks.get_task(task_name).stretched and "batch_shape" in params:
        chosen["min_length"] = params["batch_shape"][1]
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
        environment gets a process, without `env_timeout_seconds` all the time
        that it wants.
      blocking: Whether to wait until it is built.
      **extra: More arguments of `make_env`, such as `record_dir`.

    Returns:
      The environment, to be closed by the caller.

    Raises:
      EnvError: It cannot be built; the message names the task.
    """
    constructor, kwargs = env_spec(task_name, params, **extra)
    see = "image" in (kwargs.get("observations") or ["image"])
    with _naming(task_name):
        return envs.Async(
            constructor,
            kwargs,
            strategy=params.get("isolate_envs") or "process",
            render=tasks.get_task(task_name).renders if see else False,
            blocking=blocking,
            timeout_seconds=params.get("env_timeout_seconds"),
        )


def action_size(task_name: str, params: Mapping[str, Any]) -> int:
    """Returns the entries of a task's actions, as vectors.

    Only the environment knows it of tasks that are not in the table; it is
    built and closed again then.

    Raises:
      ConfigError: The environment says that it cannot be built this way.
      EnvError: It failed in any other way.
    """
    known = tasks.get_task(task_name).action_size
    if known is not None:
        return known
    vectors = {**params, "vector_actions": True}
    with _build_once(task_name, vectors) as env:
        return env.action_space.shape[0]


def probe(task_name: str, params: Mapping[str, Any]) -> None:
    """Tries a task's environment out: builds it, resets it, takes a step.

    What it returns has to fit its spaces. When it crashes,
    hangs or raises an exception after it was built, a warning is all: that may
    be the bad day of a fragile simulator. Whoever collects episodes counts such
    failures.

    Raises:
      ConfigError: The environment says that it cannot be built this way, or
        what it returns does not fit.
      EnvError: It cannot be built for any other reason.
    """
    with _build_once(task_name, params) as env:
        try:
            check_names(env.observation_space)
        except ValueError as error:
            raise ConfigError(f"Task {task_name!r}: {error}") from None
        try:
            with _naming(task_name):
                _try_out(env)
        except envs.EnvError as error:
            if error.kind == _MISMATCH:
                raise ConfigError(_explanation(error)) from error
            _LOGGER.warning(
                "Tried the environment once, and it broke. %s. Going on all"
                " the same; if this is no accident, the run will fail.",
                error.summary.rstrip("."),
            )


def _try_out(env: envs.Async) -> None:
    space = env.action_space
    action = space.sample()
    if isinstance(space, spaces.Box):
        action = np.zeros(space.shape, space.dtype)
    observation, _ = env.reset(seed=0)
    _check_image(env, observation)
    observation, *_ = env.step(action)
    _check_image(env, observation)


def _check_image(env: envs.Async, observation: Mapping[str, Any]) -> None:
    """Also those that do not come from Gymnasium's `render` are looked at."""
    if "image" not in observation:
        return
    image, space = observation["image"], env.observation_space["image"]
    if getattr(image, "dtype", None) != np.uint8 or image.shape != space.shape:
        raise envs.EnvError(
            _MISMATCH,
            f"The environment's image is {getattr(image, 'dtype', '')}"
            f" {list(np.shape(image))}, but must be uint8"
            f" {list(space.shape)}.",
        )


@contextlib.contextmanager
def _build_once(
    task_name: str, params: Mapping[str, Any]
) -> Iterator[envs.Async]:
    """Opens an environment as long as there is no run."""
    try:
        env = open_env(task_name, params)
    except envs.EnvError as error:
        if error.kind in (ValueError.__name__, _MISMATCH):
            raise ConfigError(_explanation(error)) from error
        # There is no run yet, whose FAIL file could tell where it was.
        _LOGGER.error(
            "Cannot build the environment of %s.\n%s",
            task_name,
            error.traceback,
        )
        raise
    with env:
        yield env


@contextlib.contextmanager
def _naming(task_name: str) -> Iterator[None]:
    """Lets errors of environments name the task."""
    try:
        yield
    except envs.EnvError as error:
        error.name_task(task_name)
        raise


def _explanation(error: envs.EnvError) -> str:
    """What an environment objects to, without the type of the exception."""
    return error.summary.replace(f"{error.kind}: ", "", 1)


def make_env(
    task: str,
    action_repeat: int | None = None,
    camera_id: int = 0,
    image_size: int = 64,
    max_length: int | None = None,
    min_length: int | None = None,
    record_dir: str | os.PathLike | None = None,
    staged: bool = False,
    pad_actions: int | None = None,
    observations: Sequence[str] | None = None,
    vector_actions: bool = True,
    image_supersampling: int = 1,
    shadow_size: int | None = None,
) -> gymnasium.Env:
    """Builds a task's environment with all its wrappers.

    Args:
      task: Name of the task.
      action_repeat: Simulator steps per decision; the task's own by default.
      camera_id: Camera of the simulator for the images.
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
      vector_actions: Whether discrete actions become vectors in [-1, 1], with
        an entry per choice. Otherwise `Discrete`, `MultiDiscrete` and
        `MultiBinary` action spaces stay what they are.
      image_supersampling: How many times larger images are drawn, to be
        averaged over blocks of pixels.
      shadow_size: Side of the map that the shadows of the control suite are
        drawn with, see `DMControl`; the suite's by default.

    Returns:
      Environment whose observations are `image`, uint8
      `[image_size, image_size, 3]`, and float32 state components. Its episodes
      are truncated at their time limit and terminated by the simulator.

    Raises:
      ValueError: An argument is out of its range, or there is no observation
        of a name.
    """
    spec = tasks.get_task(task)
    repeat = spec.action_repeat if action_repeat is None else action_repeat
    length = spec.max_length if max_length is None else max_length
    _check_sizes(repeat, length, image_size, image_supersampling)
    env = builders.build(
        spec,
        repeat,
        camera_id,
        image_size,
        length,
        image_supersampling,
        shadow_size,
        vector_actions,
        see=observations is None or "image" in observations,
    )
    if spec.stretched and min_length is not None:
        env = envs.MinimumDuration(env, min_length)
    env = envs.ConvertTo32Bit(env)
    if pad_actions is not None:
        env = envs.PadActions(env, pad_actions)
    if observations is not None:
        env = FilterObservation(env, _known(env, observations))
    if record_dir is not None:
        env = RecordEpisodes(env, record_dir, staged)
    return env


def _known(env: gymnasium.Env, names: Sequence[str]) -> list[str]:
    known = list(env.observation_space)
    missing = [name for name in names if name not in known]
    if missing:
        raise ValueError(
            f"observations names {missing[0]!r}, but the environment has"
            f" {', '.join(known)}."
        )
    return list(names)


def _check_sizes(
    repeat: int, length: int | None, image_size: int, supersampling: int
) -> None:
    for name, value in (
        ("action_repeat", repeat),
        ("max_length", length),
        ("image_size", image_size),
        ("image_supersampling", supersampling),
    ):
        if name == "max_length" and value is None:
            continue  # The environment knows.
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(
                f"{name} is {value!r}, but must be a whole number of at"
                " least 1."
            )
    if length is not None and repeat > length:
        raise ValueError(
            f"action_repeat is {repeat}, but an episode has only {length}"
            " simulator steps; use a smaller number."
        )
