"""Gymnasium's CarRacing, without the pictures that nobody looks at."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.envs.images import resize


class DrawnOnDemand(gymnasium.ObservationWrapper):
    """CarRacing that draws its observation only when it is asked for.

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

    def render_pixels(self, height: int, width: int) -> np.ndarray:
        """Draws what would be the observation, `[height, width, 3]`."""
        return resize(self._draw("state_pixels"), height, width)


def is_car_racing(env: gymnasium.Env) -> bool:
    """Whether this is Gymnasium's CarRacing, in the form known here."""
    module = type(env.unwrapped).__module__
    return module == "gymnasium.envs.box2d.car_racing" and callable(
        getattr(env.unwrapped, "_render", None)
    )
