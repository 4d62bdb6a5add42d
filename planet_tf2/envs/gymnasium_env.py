"""The environments that Gymnasium knows by an id."""

import importlib
import logging
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.envs.errors import check_camera
from planet_tf2.tools.importing import search_current_folder

_LOGGER = logging.getLogger(__name__)


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
    env_id: str, camera_id: int = 0, size: int = 64
) -> gymnasium.Env:
    """Makes an environment by its id, able to render.

    Args:
      env_id: For example `Pendulum-v1`, or `module:Name-v0` for one that a
        module registers when it is imported.
      camera_id: Camera of MuJoCo's models to look through; -1 is the free one.
        Where a model has none, 0 is the free one as well. Environments that do
        not use MuJoCo know 0 only.
      size: Side in pixels of the images that will be asked for.

    Raises:
      ValueError: There is no such environment or camera, or a package that the
        environment needs is missing, Box2D for example.
    """
    if ":" in env_id:
        search_current_folder()
    entry = getattr(gymnasium.registry.get(env_id), "entry_point", None)
    if str(entry).startswith("gymnasium.envs.mujoco"):
        mujoco = importlib.import_module("mujoco")
        # It remarks on old attributes in Gymnasium's models. Later warnings go
        # to the log, and not into a file in the current folder.
        mujoco.set_mju_user_warning(lambda message: None)
        env = _make(env_id, width=size, height=size)
        mujoco.set_mju_user_warning(_LOGGER.warning)
        _look_through(env, env_id, camera_id, size)
        return env
    check_camera(camera_id, [0], env_id)
    env = _make(env_id)
    if type(env.unwrapped).__module__ == "gymnasium.envs.box2d.car_racing":
        return DrawnOnDemand(env)
    return env


def _make(env_id: str, **kwargs: Any) -> gymnasium.Env:
    # Results are checked in `interface`, with errors and not warnings.
    kwargs["disable_env_checker"] = True
    try:
        try:
            return gymnasium.make(env_id, render_mode="rgb_array", **kwargs)
        except TypeError as error:
            if "'render_mode'" not in str(error):
                raise
            # Maybe it observes images.
            return gymnasium.make(env_id, **kwargs)
    except (gymnasium.error.Error, ImportError) as error:
        text = f"Gymnasium cannot make {env_id!r}: {error}"
        raise ValueError(text) from error


def _look_through(
    env: gymnasium.Env, env_id: str, camera_id: int, size: int
) -> None:
    """Chooses the camera, and makes rendering no larger than the images."""
    model = env.unwrapped.model
    check_camera(camera_id, range(-1, max(1, model.ncam)), env_id)
    env.unwrapped.mujoco_renderer.camera_id = camera_id if model.ncam else -1
    # The models ask for a framebuffer of 640 x 480 and shadows of 4096 x 4096,
    # which makes software OpenGL four times slower, for images that small.
    visual = model.vis
    visual.global_.offwidth = visual.global_.offheight = size
    visual.quality.shadowsize = min(visual.quality.shadowsize, 1024)
