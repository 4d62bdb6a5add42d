"""Wrappers that change an environment's time and images, and check numbers."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TransformObservation, TransformReward
from PIL import Image

from planet_tf2.envs.errors import InterfaceError


class ActionRepeat(gymnasium.Wrapper):
    """Repeats every action some times and sums the rewards.

    The observation and info are those of the last repetition. An episode that
    ends in between cuts the repetition short. `info['simulator_steps']` tells
    how many steps of the simulator were done.
    """

    def __init__(self, env: gymnasium.Env, amount: int):
        super().__init__(env)
        self._amount = amount

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        """Repeats the action until the amount or the end is reached."""
        total_reward, steps, over = 0.0, 0, False
        while not over and steps < self._amount:
            obs, reward, terminated, truncated, info = self.env.step(action)
            total_reward += float(reward)
            steps += info.get("simulator_steps", 1)
            over = terminated or truncated
        info = {**info, "simulator_steps": steps}
        return obs, total_reward, terminated, truncated, info


class Duration(gymnasium.Wrapper):
    """Bounds the number of steps of an episode.

    Longer episodes are truncated. Shorter ones are stretched, since a model
    that trains on chunks of a fixed length cannot use them: the last
    observation is repeated with zero reward, as in an absorbing state. An
    environment whose episode is over need not accept another step.

    Args:
      env: Environment to wrap.
      maximum: Steps of this wrapper after which episodes are truncated.
      minimum: Steps that shorter episodes are stretched to.
    """

    def __init__(self, env: gymnasium.Env, maximum: int, minimum: int = 1):
        super().__init__(env)
        self._maximum, self._minimum = maximum, minimum
        self._step: int | None = None
        self._end: tuple[Any, bool, bool] | None = None

    def reset(self, *, seed: int | None = None, options: dict | None = None):
        """Starts an episode and the count of its steps."""
        result = self.env.reset(seed=seed, options=options)
        self._step, self._end = 0, None
        return result

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict]:
        """Steps the environment, or repeats its last observation.

        An episode that is stretched ends as the environment's own did:
        terminated or truncated. Repetitions count as no simulator steps.
        """
        if self._step is None:
            raise gymnasium.error.ResetNeeded(
                "The episode is over; call reset() before step()."
            )
        self._step += 1
        if self._end is None:
            obs, reward, terminated, truncated, info = self.env.step(action)
            if not terminated and self._step >= self._maximum:
                truncated = True
            if terminated or truncated:
                self._end = obs, terminated, truncated
        else:
            obs, terminated, truncated = self._end
            reward, info = 0.0, {"simulator_steps": 0}
        if self._step < self._minimum:
            terminated = truncated = False
        if terminated or truncated:
            self._step = None
        return obs, reward, terminated, truncated, info


def check_finite(env: gymnasium.Env) -> gymnasium.Env:
    """Refuses numbers that are not finite, and returns rewards as float32.

    Such a number is an `InterfaceError` here, where the simulator that made it
    is known, rather than a broken model later.
    """
    env = TransformObservation(env, _finite_observation, env.observation_space)
    return TransformReward(env, _finite_reward)


def _finite_observation(
    observation: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    for name, array in observation.items():
        if array.dtype != np.uint8 and not np.isfinite(array).all():
            raise InterfaceError(
                f"The environment returned {name!r} with values that are not"
                " finite."
            )
    return observation


def _finite_reward(reward: float) -> np.float32:
    reward = np.float32(reward)
    if not np.isfinite(reward):
        raise InterfaceError(f"The environment returned the reward {reward}.")
    return reward


class ImageObservation(gymnasium.ObservationWrapper):
    """Gives an environment its observation `image`, uint8 `[size, size, 3]`.

    It is the environment's own if it has one, otherwise what `render` returns.
    Around `ActionRepeat` this draws once per decision of the agent.

    Args:
      env: Environment with named observations.
      size: Side of the square image in pixels.
      supersampling: How many times larger it is drawn, to be averaged over
        blocks of pixels. What is thinner than a pixel fades, where it would
        flicker otherwise.

    Raises:
      ValueError: The environment's own image is none, or it has none and
        cannot render.
    """

    def __init__(self, env: gymnasium.Env, size: int, supersampling: int = 1):
        super().__init__(env)
        self._size, self._supersampling = size, supersampling
        known = env.observation_space.spaces
        self._renders = "image" not in known
        if self._renders and env.render_mode != "rgb_array":
            raise ValueError(
                f"The environment {type(env.unwrapped).__name__} cannot be"
                " seen: give it an observation 'image' (uint8 [height, width,"
                " 3]), or make it with render_mode='rgb_array'. Its render_mode"
                f" is {env.render_mode!r}."
            )
        if not self._renders and not is_image(known["image"]):
            raise ValueError(
                "The observation 'image' must be uint8 of shape [height,"
                f" width, 3], but its space is {known['image']}."
            )
        image = spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.observation_space = spaces.Dict({**known, "image": image})

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Returns the observations with the image of the right size."""
        if self._renders:
            image = resize(self._render(), self._size * self._supersampling)
            if self._supersampling > 1:
                image = resize(image, self._size, Image.Resampling.BOX)
        else:
            image = resize(observation["image"], self._size)
        return {**observation, "image": image}

    def _render(self) -> np.ndarray:
        frame = np.asarray(self.env.render())
        if frame.dtype != np.uint8 or frame.shape[2:] != (3,):
            raise InterfaceError(
                f"The environment's render() returned {frame.dtype}"
                f" {list(frame.shape)}, but it must return an image, uint8"
                " [height, width, 3], as with render_mode='rgb_array'."
            )
        return frame


def resize(
    image: np.ndarray,
    size: int,
    method: Image.Resampling = Image.Resampling.BILINEAR,
) -> np.ndarray:
    """Scales a whole image to a square, with smoothing where it shrinks.

    Nothing is cut off; the proportions change.

    Args:
      image: uint8 `[h, w, 3]`, or `[h, w]` and `[h, w, 1]` for shades of grey.
      size: Side of the square in pixels.
      method: How to smooth; `BOX` takes the mean of whole blocks of pixels.

    Returns:
      uint8 `[size, size, 3]`, owned by the caller.
    """
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.shape == (size, size, 3):
        return np.array(image, order="C")
    picture = Image.fromarray(image).convert("RGB")
    if picture.size != (size, size):
        picture = picture.resize((size, size), method)
    return np.array(picture)


def is_image(space: gymnasium.Space) -> bool:
    """Whether a space is that of images, in colours or shades of grey."""
    return (
        isinstance(space, spaces.Box)
        and space.dtype == np.uint8
        and 0 not in space.shape
        and (len(space.shape) == 2 or space.shape[2:] in ((1,), (3,)))
    )
