"""Opens the environments of tasks where the parameters of a run say."""

import contextlib
import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2 import envs
from planet_tf2.configs import tasks
from planet_tf2.configs.config_error import ConfigError
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
CONSTRUCTOR = "planet_tf2.configs.builders:make_env"
# Parameters of a run that are arguments of `make_env`.
_ARGUMENTS = (
    "action_repeat",
    "camera_id",
    "image_size",
    "image_supersampling",
    "shadow_size",
    "observations",
    "record_observations",
    "all_observations",
    "draw_images",
    "render_images",
    "vector_actions",
)


def env_spec(
    task_name: str, params: Mapping[str, Any], **extra: Any
) -> tuple[str, dict[str, Any]]:
    """Describes a task's environment, to be built in a worker.

    Args:
      task_name: Name of the task.
      params: Parameters of the run, of which those of `_ARGUMENTS`,
        `batch_shape`, `time_limit`, `grayscale`, and those named like a suite
        matter; missing ones and None stand for the defaults.
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
    task = tasks.get_task(task_name)
    if task.stretched and "batch_shape" in params:
        kwargs["min_length"] = params["batch_shape"][1]
    if params.get("time_limit") is not None:
        kwargs["max_length"] = params["time_limit"]
    if task.kind == tasks.SUITE:
        settings = {"grayscale": params.get("grayscale")}
        settings |= params.get(task_name.partition(":")[0]) or {}
        kwargs["settings"] = {
            name: value for name, value in settings.items() if value is not None
        }
    return CONSTRUCTOR, {**kwargs, **extra}


def draws(
    task_name: str, params: Mapping[str, Any], **extra: Any
) -> bool | None:
    """Whether a task's environment draws with OpenGL; None means maybe."""
    task = tasks.get_task(task_name)
    _, kwargs = env_spec(task_name, params, **extra)
    names = kwargs.get("observations")
    seen = "image" in names if names else kwargs.get("draw_images", True)
    # These draw their own observation, whoever reads it.
    return task.renders if seen or task.kind == tasks.SUITE else False


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
    render = draws(task_name, params, **extra)
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
    task_name: str,
    params: Mapping[str, Any],
    vector_actions: bool = True,
    **extra: Any,
) -> tuple[spaces.Dict, gymnasium.Space]:
    """Returns what a task observes, and how one acts in it.

    Only the environment knows it of tasks that are not in the table; it is
    built and closed again then. Of the others the image is all that is told,
    unless somebody wants other observations.

    Args:
      task_name: Name of the task.
      params: Parameters of the run.
      vector_actions: Whether actions are to be vectors in [-1, 1].
      **extra: More arguments of `make_env`.

    Raises:
      ConfigError: The environment says that it cannot be built this way.
      EnvError: It failed in any other way.
    """
    known = tasks.get_task(task_name).action_size
    wants_all = params.get("all_observations") or not vector_actions
    if known is None or wants_all or extra:
        extra = {"vector_actions": vector_actions, **extra}
        with _build_once(task_name, params, **extra) as env:
            return env.observation_space, env.action_space
    side = params["image_size"]
    image = spaces.Box(0, 255, (side, side, 3), np.uint8)
    return spaces.Dict({"image": image}), spaces.Box(-1.0, 1.0, (known,))


def probe(
    task_name: str, params: Mapping[str, Any], **extra: Any
) -> tuple[spaces.Dict, gymnasium.Space]:
    """Tries a task's environment out: builds it, resets it, takes a step.

    What it returns has to fit its spaces. When it crashes, hangs or raises an
    exception after it was built, a warning is all, unless the exception tells
    of a mistake in it: that may be the bad day of a fragile simulator. Whoever
    collects episodes counts such failures. Where a mistake and bad luck look
    the same, it is tried again; luck would hardly strike twice in one place.

    Returns:
      What it observes, and how one acts in it.

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
        return env.observation_space, space


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
