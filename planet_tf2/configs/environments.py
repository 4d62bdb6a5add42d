"""Builds the environments of tasks, and opens them where a run wants them.

The arguments of `make_env`:
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
  learned: Names of the observations that have to be finite, since they are
    learned from; None for all.
  record_observations: Names of observations to keep although they are large.
  render_images: Whether to draw images although the environment observes some.
  vector_actions: Whether discrete actions become vectors in [-1, 1], with
    an entry per choice. Otherwise `Discrete`, `MultiDiscrete` and
    `MultiBinary` action spaces stay what they are.
  image_supersampling: How many times larger images are drawn, to be
    averaged over blocks of pixels.
  shadow_size: Side of the map that the shadows of the control suite are
    drawn with, see `DmEnv`; the suite's by default.
"""

import contextlib
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import FilterObservation

from planet_tf2 import envs
from planet_tf2.configs import tasks
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.data.episodes import RESERVED_NAMES
from planet_tf2.data.recorder import RecordEpisodes
from planet_tf2.tools.plain_text import shortened

_LOGGER = logging.getLogger(__name__)

_MISMATCH = envs.InterfaceError.__name__
# Arrays that do not fit, for example, or the nonsense that a server said.
_DOUBTFUL = (
    "ValueError",
    "ZeroDivisionError",
    "OverflowError",
    "RuntimeError",
    "Exception",
    "SystemExit",
)
# Parameters of a run that are arguments of `make_env`.
_ARGUMENTS = (
    "action_repeat",
    "camera_id",
    "image_size",
    "image_supersampling",
    "shadow_size",
    "observations",
    "record_observations",
    "render_images",
    "vector_actions",
)
# For environments that do not end their episodes themselves.
_DEFAULT_LENGTH = 1000


def make_env(
    task: str,
    action_repeat: int | None = None,
    *,
    camera_id: int = 0,
    image_size: int = 64,
    max_length: int | None = None,
    min_length: int | None = None,
    record_dir: str | os.PathLike | None = None,
    staged: bool = False,
    pad_actions: int | None = None,
    observations: Sequence[str] | None = None,
    learned: Sequence[str] | None = (),
    record_observations: Sequence[str] = (),
    render_images: bool = False,
    vector_actions: bool = True,
    image_supersampling: int = 1,
    shadow_size: int | None = None,
) -> gymnasium.Env:
    """Builds a task's environment with its wrappers; see above on arguments.

    Returns:
      Environment whose observations are `image`, uint8
      `[image_size, image_size, 3]`, and float32 state components. Its episodes
      are truncated at their time limit and terminated by the simulator. Its
      attribute `notes` tells where images come from, and what is left out.

    Raises:
      ValueError: The environment cannot be made, it has no such camera or
        observation, or one whose name means something else in episodes.
    """
    spec = tasks.get_task(task)
    repeat = spec.action_repeat if action_repeat is None else action_repeat
    length = spec.max_length if max_length is None else max_length
    drawn_size = image_size * image_supersampling
    wanted = [*record_observations, *(observations or ())]
    env = _simulator(spec, camera_id, drawn_size, shadow_size, wanted)
    left_out = getattr(env, "left_out", [])
    text = "Not stored unless record_observations names it: "
    notes = [text + name for name in left_out]
    if vector_actions or not isinstance(env.action_space, envs.DISCRETE):
        env = envs.vector_actions(env)
    if length is None:
        length = envs.episode_limit(env) or _DEFAULT_LENGTH
    env = envs.ActionRepeat(env, repeat)
    if observations is None or "image" in observations:
        env = envs.ImageObservation(
            env, image_size, image_supersampling, render_images
        )
        notes.append(f"Images come from {env.source}")
    shortest = min_length if spec.stretched and min_length else 1
    env = envs.Duration(env, max(1, length // repeat), shortest)
    env = envs.check_finite(env, learned)
    if pad_actions is not None:
        env = envs.pad_actions(env, pad_actions)
    _check_names(env.observation_space.spaces, record_observations, left_out)
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
    wanted: Sequence[str],
) -> gymnasium.Env:
    """Makes a task's simulator, to be drawn with images of that size."""
    if spec.kind == tasks.DUMMY:
        return envs.DummyEnv(size)
    kwargs = spec.kwargs
    if spec.kind == tasks.DM_CONTROL:
        drawing = camera_id, size, shadow_size
        env = envs.make_suite(spec.domain, spec.task, kwargs, *drawing)
    elif spec.kind == tasks.GYMNASIUM:
        env = envs.make_gymnasium(spec.task, camera_id, size, kwargs)
    elif spec.kind == tasks.CLASSIC_GYM:
        envs.check_camera(camera_id, [0])
        env = envs.make_classic_gym(spec.task, kwargs)
    else:
        offered = {"image_size": size, "camera_id": camera_id}
        env = envs.make_custom(spec.task, offered, kwargs)
    envs.check_single(env)
    return envs.CheckedInterface(envs.adapt(env), wanted)


def env_spec(
    task_name: str, params: Mapping[str, Any], **extra: Any
) -> tuple[str, dict[str, Any]]:
    """Describes a task's environment, to be built in a worker.

    Args:
      task_name: Name of the task.
      params: Parameters of the run, of which those of `_ARGUMENTS` and
        `batch_shape` matter; missing ones and None stand for the defaults.
      **extra: More arguments of `make_env`, such as `record_dir`.

    Returns:
      Tuple of a constructor's name and its keyword arguments, as `envs.Async`
      takes them.

    Raises:
      ValueError: There is no such task.
    """
    kwargs = {"task": task_name}
    if extra.get("record_dir"):  # Simulators may change the current folder.
        extra["record_dir"] = os.path.abspath(extra["record_dir"])
    for name in _ARGUMENTS:
        if params.get(name) is not None:
            kwargs[name] = params[name]
    if tasks.get_task(task_name).stretched and "batch_shape" in params:
        kwargs["min_length"] = params["batch_shape"][1]
    return f"{__name__}:make_env", {**kwargs, **extra}


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
    render = tasks.get_task(task_name).renders
    if "image" not in (kwargs.get("observations") or ["image"]):
        render = False
    with _naming(task_name):
        return envs.Async(
            constructor,
            kwargs,
            strategy=params.get("isolate_envs") or "process",
            render=render,
            blocking=blocking,
            timeout_seconds=params.get("env_timeout_seconds"),
        )


def task_spaces(
    task_name: str, params: Mapping[str, Any], vector_actions: bool = True
) -> tuple[spaces.Dict, gymnasium.Space]:
    """Returns what a task observes, and how one acts in it.

    Only the environment knows it of tasks that are not in the table; it is
    built and closed again then. Of the others the image is all that is told.

    Args:
      task_name: Name of the task.
      params: Parameters of the run.
      vector_actions: Whether actions are to be vectors in [-1, 1].

    Raises:
      ConfigError: The environment says that it cannot be built this way.
      EnvError: It failed in any other way.
    """
    known = tasks.get_task(task_name).action_size
    if known is None:
        chosen = {**params, "vector_actions": vector_actions}
        with _build_once(task_name, chosen) as env:
            return env.observation_space, env.action_space
    side = params["image_size"]
    image = spaces.Box(0, 255, (side, side, 3), np.uint8)
    return spaces.Dict({"image": image}), spaces.Box(-1.0, 1.0, (known,))


def probe(task_name: str, params: Mapping[str, Any], **extra: Any) -> None:
    """Tries a task's environment out: builds it, resets it, takes a step.

    What it returns has to fit its spaces. When it crashes, hangs or raises an
    exception after it was built, a warning is all, unless the exception tells
    of a mistake in it: that may be the bad day of a fragile simulator. Whoever
    collects episodes counts such failures. Where a mistake and bad luck look
    the same, it is tried again; luck would hardly strike twice in one place.

    Raises:
      ConfigError: There is a mistake in the environment, it says that it cannot
        be built this way, or what it returns does not fit.
      EnvError: It cannot be built for any other reason.
    """
    with _build_once(task_name, params, **extra) as env:
        space = env.action_space
        action = space.sample()
        if isinstance(space, spaces.Box):
            action = np.zeros(space.shape, space.dtype)
        error = _failure(task_name, env, action)
        if error is not None and error.kind in _DOUBTFUL:
            again = _failure(task_name, env, action)
            error.mistake = again is not None and again.summary == error.summary
        if error is not None:
            if error.mistake or error.kind == _MISMATCH:
                raise _config_error(error) from error
            _LOGGER.warning(
                "Tried the environment once, and it broke. %s. Going on all"
                " the same; if this is no accident, the run will fail.",
                error.summary.rstrip("."),
            )


def _failure(
    task_name: str, env: envs.Async, action: Any
) -> envs.EnvError | None:
    """Returns what goes wrong in the first steps of an episode, if anything."""
    try:
        with _naming(task_name):
            env.reset(seed=0)
            env.step(action)
    except envs.EnvError as error:
        return error
    return None


@contextlib.contextmanager
def _build_once(
    task_name: str, params: Mapping[str, Any], **extra: Any
) -> Iterator[envs.Async]:
    """Opens an environment as long as there is no run."""
    try:
        env = open_env(task_name, params, **extra)
    except envs.EnvError as error:
        if error.mistake or error.kind in (ValueError.__name__, _MISMATCH):
            raise _config_error(error) from error
        # There is no run yet, whose FAIL file could tell where it was.
        text = "Cannot build the environment of %s.\n%s"
        _LOGGER.error(text, task_name, shortened(error.traceback, 5000))
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


def _config_error(error: envs.EnvError) -> ConfigError:
    """Says what an environment objects to, or where a mistake in it is."""
    if error.mistake:
        return ConfigError(error.summary)
    return ConfigError(error.summary.replace(f"{error.kind}: ", "", 1))
