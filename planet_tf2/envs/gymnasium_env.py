"""The environments that Gymnasium, or classic `gym`, knows by an id."""

import contextlib
import functools
import importlib
import importlib.util
import io
import logging
import os
import pathlib
import re
from collections.abc import Mapping
from importlib import metadata
from types import ModuleType
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.envs.calls import adapt, choose_arguments, objection
from planet_tf2.envs.errors import check_camera
from planet_tf2.envs.interface import as_space
from planet_tf2.tools import importing

_LOGGER = logging.getLogger(__name__)
_NO_MODE = "unexpected keyword argument 'render_mode'"


class DrawnOnDemand(gymnasium.ObservationWrapper):
    """CarRacing that draws its observation only when it is asked to render it.

    By itself it draws one in every simulator step, which takes fifty times as
    long as all the rest. The picture that an agent sees is the same.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        self.observation_space = spaces.Dict({})
        self._draw = env.unwrapped._render
        blank = np.zeros(env.observation_space.shape, np.uint8)
        env.unwrapped._render = lambda mode: blank

    def observation(self, observation: Any) -> dict[str, Any]:
        """Returns no observation."""
        return {}

    def render(self) -> np.ndarray:
        """Draws what would be the observation, uint8 `[96, 96, 3]`."""
        return self._draw("state_pixels")


def make_gymnasium(
    env_id: str,
    camera_id: int = 0,
    size: int = 64,
    kwargs: Mapping[str, Any] | None = None,
) -> gymnasium.Env:
    """Makes an environment by its id, able to render.

    Args:
      env_id: For example `Pendulum-v1`, or `module:Name-v0` for one that a
        module registers when it is imported. Without a module, the packages of
        `plugins` are imported until one has registered it.
      camera_id: Camera of MuJoCo's models to look through; -1 is the free one.
        Where a model has none, 0 is the free one as well. Environments that do
        not use MuJoCo know 0 only.
      size: Side in pixels of the images that will be asked for.
      kwargs: Arguments of its constructor, or of `gymnasium.make`.

    Raises:
      ValueError: There is no such environment, argument or camera, or a package
        that the environment needs is missing, Box2D for example.
    """
    _register(env_id)
    kwargs = kwargs or {}
    spec = gymnasium.registry.get(env_id.rpartition(":")[2])
    entry = getattr(spec, "entry_point", None)
    if str(entry).startswith("gymnasium.envs.mujoco"):
        mujoco = importlib.import_module("mujoco")
        # It remarks on old attributes in Gymnasium's models. Later warnings go
        # to the log, and not into a file in the current folder.
        mujoco.set_mju_user_warning(lambda message: None)
        env = make_by_id(gymnasium, env_id, kwargs, width=size, height=size)
        mujoco.set_mju_user_warning(_LOGGER.warning)
        _look_through(env, camera_id, size)
        return env
    check_camera(camera_id, [0])
    env = make_by_id(gymnasium, env_id, kwargs)
    if type(env.unwrapped).__module__ == "gymnasium.envs.box2d.car_racing":
        return DrawnOnDemand(env)
    return env


@functools.cache
def plugins() -> tuple[str, ...]:
    """Names installed modules that may register environments when imported.

    Those are modules of packages that require Gymnasium, in whose first file
    something is registered. None is imported.
    """
    found = []
    for module, packages in metadata.packages_distributions().items():
        # Not every module has a file, nor every package a list.
        with contextlib.suppress(Exception):
            needs = sum((metadata.requires(n) or [] for n in packages), [])
            needs = [need for need in needs if re.match(r"gymnasium\b", need)]
            if needs and module != "gymnasium":
                path = importlib.util.find_spec(module).origin
                if b"regist" in pathlib.Path(path).read_bytes():
                    found.append(module)
    return tuple(found)


def _register(env_id: str) -> None:
    """Imports what may register an environment, the likeliest module first."""
    if ":" in env_id:
        importing.search_current_folder()
        return
    if env_id in gymnasium.registry:
        return

    def likeness(module: str) -> int:
        names = [re.sub(r"\W|_", "", n.lower()) for n in (module, env_id)]
        return len(os.path.commonprefix(names))

    for module in sorted(plugins(), key=likeness, reverse=True):
        if env_id not in gymnasium.registry:
            try:
                importlib.import_module(module)
            except (Exception, SystemExit) as error:
                text = "Cannot import %s, which may register environments: %s"
                _LOGGER.warning(text, module, error)


def make_by_id(
    package: ModuleType,
    env_id: str,
    kwargs: Mapping[str, Any],
    **fixed: Any,
) -> Any:
    """Makes an environment that a package has registered, able to render.

    Args:
      package: `gymnasium`, or `gym`.
      env_id: Id of the environment.
      kwargs: Arguments of a user's, which take precedence.
      **fixed: Other arguments.

    Raises:
      ValueError: There is no such environment or argument, or a package is
        missing.
    """
    # Results are checked in `interface`, with errors and not warnings.
    fixed["disable_env_checker"] = True
    given = {"render_mode": "rgb_array", **fixed, **kwargs}
    try:
        try:
            return package.make(env_id, **given)
        except TypeError as error:
            if _NO_MODE not in str(error) or "render_mode" in kwargs:
                raise
            # Maybe it observes images, or is told the mode when it renders.
            del given["render_mode"]
            return package.make(env_id, **given)
    except (package.error.Error, ImportError) as error:
        if "Box2D" in str(error):  # Which it would have built from sources.
            raise ValueError(
                f"{env_id} needs the package Box2D, which cannot be imported. "
                "Install it: pip install 'planet_tf2[box2d]'"
            ) from error
        name = package.__name__.capitalize()
        raise ValueError(f"{name} cannot make {env_id!r}: {error}") from error
    except TypeError as error:
        registry = package.envs.registration.registry
        spec = registry.get(env_id.rpartition(":")[2])
        creator = getattr(spec, "entry_point", None)
        if isinstance(creator, str) and importing.is_reference(creator):
            creator = importing.load(creator)
        if callable(creator):
            asked = {**spec.kwargs, **kwargs}
            asked.pop("max_episode_steps", None)
            choose_arguments(creator, asked, given)
            if kwargs:
                raise ValueError(objection(creator, kwargs, error)) from error
        raise


def _look_through(env: gymnasium.Env, camera_id: int, size: int) -> None:
    """Chooses the camera, and makes rendering no larger than the images."""
    model = env.unwrapped.model
    check_camera(camera_id, range(-1, max(1, model.ncam)))
    env.unwrapped.mujoco_renderer.camera_id = camera_id if model.ncam else -1
    # The models ask for a framebuffer of 640 x 480 and shadows of 4096 x 4096,
    # which makes software OpenGL four times slower, for images that small.
    visual = model.vis
    visual.global_.offwidth = visual.global_.offheight = size
    visual.quality.shadowsize = min(visual.quality.shadowsize, 1024)


class ClassicGym(gymnasium.Env):
    """Gives an environment of classic `gym` the interface of Gymnasium.

    That of `gym` 0.26 and the one before are understood, see `calls`, whichever
    class the environment is of.

    Args:
      env: Object with `reset`, `step`, `observation_space` and `action_space`,
        and `render` unless it observes images.

    Raises:
      ValueError: One of its spaces has no counterpart in Gymnasium.
    """

    render_mode = "rgb_array"

    def __init__(self, env: Any):
        self._env = adapt(env)
        self._widens = True
        self.observation_space = as_space(env.observation_space)
        self.action_space = as_space(env.action_space)
        spec = getattr(env, "spec", None)
        self.max_episode_steps = getattr(spec, "max_episode_steps", None)

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode."""
        return self._env.reset(seed=seed)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        """Steps the environment."""
        # As float32 they would not mix with Python's numbers the way they did
        # in the days of gym: its Pendulum and CarRacing break.
        if self._widens and getattr(action, "dtype", None) == np.float32:
            try:
                return self._env.step(action.astype(np.float64))
            except AssertionError:
                # Many look whether their space has the action; it has no wider
                # ones than its own.
                self._widens = False
        return self._env.step(action)

    def render(self) -> Any:
        """Returns the picture of the current state."""
        return self._env.render()

    def close(self) -> None:
        """Closes the environment."""
        if hasattr(self._env, "close"):
            self._env.close()


def make_classic_gym(
    env_id: str, kwargs: Mapping[str, Any] | None = None
) -> gymnasium.Env:
    """Makes an environment of classic `gym` by its id, and its arguments.

    Raises:
      ValueError: `gym` is not installed, or has no such environment.
    """
    try:
        # It says at length that it is out of date.
        with contextlib.redirect_stderr(io.StringIO()):
            gym = importlib.import_module("gym")
    except ImportError as error:
        raise ValueError(
            f"classic_gym:{env_id} needs the package gym, which is not"
            " installed: pip install -e '.[gym]'. Most of its environments are"
            f" in Gymnasium too: gym:{env_id}."
        ) from error
    return ClassicGym(make_by_id(gym, env_id, kwargs or {}))
