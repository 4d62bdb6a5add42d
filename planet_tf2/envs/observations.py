"""A wrapper that adds an image to the observations."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class PixelObservations(gymnasium.ObservationWrapper):
    """Adds a rendered image to the observation dict.

    The environment underneath has a method `render_pixels(height, width)`.
    Around `ActionRepeat` this renders once per decision of the agent.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        size: int | tuple[int, int] = 64,
        key: str = "image",
    ):
        """Wraps an environment.

        Args:
          env: Environment with a dict of observations and `render_pixels`.
          size: Side of the square image, or its height and width, in pixels.
          key: Name of the added entry, uint8 `[height, width, 3]`.

        Raises:
          ValueError: The environment already has an entry of that name.
        """
        super().__init__(env)
        if key in env.observation_space.spaces:
            raise ValueError(
                f"The environment already has an observation {key!r}; choose"
                " another key for the rendered image."
            )
        self._size = (size, size) if isinstance(size, int) else tuple(size)
        self._key = key
        self._render_pixels = env.get_wrapper_attr("render_pixels")
        image = spaces.Box(0, 255, (*self._size, 3), np.uint8)
        self.observation_space = spaces.Dict(
            {key: image, **env.observation_space.spaces}
        )

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Renders the current state beside the given observations."""
        return {self._key: self._render_pixels(*self._size), **observation}
