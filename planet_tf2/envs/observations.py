"""Wrappers that select, join and add observations."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class ObservationDict(gymnasium.ObservationWrapper):
    """Puts the bare observations of an environment into a dict."""

    def __init__(self, env: gymnasium.Env, key: str = "state"):
        super().__init__(env)
        self._key = key
        self.observation_space = spaces.Dict({key: env.observation_space})

    def observation(self, observation: Any) -> dict[str, Any]:
        """Returns the observation under its key."""
        return {self._key: observation}


class SelectObservations(gymnasium.ObservationWrapper):
    """Keeps some entries of the observation dict.

    Raises:
      ValueError: The environment has no such entry.
    """

    def __init__(self, env: gymnasium.Env, keys: Sequence[str]):
        super().__init__(env)
        self._keys = _known_keys(env, keys)
        self.observation_space = spaces.Dict(
            {key: env.observation_space[key] for key in self._keys}
        )

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Returns the selected entries, in the order of the selection."""
        return {key: observation[key] for key in self._keys}


class ConcatObservations(gymnasium.ObservationWrapper):
    """Joins entries of the observation dict into one flat vector.

    Raises:
      ValueError: The environment has no such entry.
    """

    def __init__(
        self, env: gymnasium.Env, keys: Sequence[str], name: str = "state"
    ):
        """Wraps an environment.

        Args:
          env: Environment with a dict of Box observations.
          keys: Entries to join, in this order; other entries stay.
          name: Key of the joined vector, float32 `[sum of sizes]`.
        """
        super().__init__(env)
        self._keys = _known_keys(env, keys)
        self._name = name
        parts = [env.observation_space[key] for key in self._keys]
        rest = {
            key: space
            for key, space in env.observation_space.items()
            if key not in self._keys
        }
        joined = spaces.Box(
            np.concatenate([part.low.ravel() for part in parts], dtype="f4"),
            np.concatenate([part.high.ravel() for part in parts], dtype="f4"),
            dtype=np.float32,
        )
        self.observation_space = spaces.Dict({**rest, name: joined})

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Replaces the joined entries by their concatenation."""
        rest = {k: v for k, v in observation.items() if k not in self._keys}
        parts = [np.ravel(observation[key]) for key in self._keys]
        return {**rest, self._name: np.concatenate(parts, dtype=np.float32)}


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


def _known_keys(env: gymnasium.Env, keys: Sequence[str]) -> tuple[str, ...]:
    known = list(env.observation_space.spaces)
    missing = [key for key in keys if key not in known]
    if missing:
        raise ValueError(
            f"The environment has no observation {missing[0]!r}; it has"
            f" {', '.join(known)}."
        )
    return tuple(keys)
