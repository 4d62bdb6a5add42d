"""Wrappers that change an environment's time and images, and check numbers."""

from collections.abc import Callable, Collection
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import TransformObservation, TransformReward
from PIL import Image

from planet_tf2.envs.errors import InterfaceError, as_array, what_is
from planet_tf2.envs.images import find_form


class ActionRepeat(gymnasium.Wrapper):
    """Repeats every action some times and sums the rewards.

    The observation and info are those of the last repetition, but `log_*`
    observations are summed as well. An episode that ends in between cuts the
    repetition short, and so does a terminal step after which it goes on
    (`info['terminal']`). `info['simulator_steps']` tells how many steps of the
    simulator were done.
    """

    def __init__(self, env: gymnasium.Env, amount: int):
        super().__init__(env)
        self._amount = amount
        names = env.observation_space.spaces
        self._logged = [name for name in names if name.startswith("log_")]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        """Repeats the action until the amount or the end is reached."""
        total_reward, steps, over = 0.0, 0, False
        logged = dict.fromkeys(self._logged, np.float32(0))
        while not over and steps < self._amount:
            obs, reward, terminated, truncated, info = self.env.step(action)
            total_reward += float(reward)
            steps += info.get("simulator_steps", 1)
            over = terminated or truncated or info.get("terminal", False)
            for name in logged:
                logged[name] = logged[name] + obs[name]
        obs = {**obs, **logged} if logged else obs
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


def check_finite(
    env: gymnasium.Env, learned: Collection[str] | None = None
) -> gymnasium.Env:
    """Refuses numbers that are not finite, and returns rewards as float32.

    Such a number is an `InterfaceError` here, where the simulator that made it
    is known, rather than a broken model later. Observations are looked at that
    are learned from, all by default.
    """

    def check(observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        for name, array in observation.items():
            if learned is not None and name not in learned:
                continue
            if array.dtype != np.uint8 and not np.isfinite(array).all():
                raise InterfaceError(
                    f"The environment returned {name!r} with values that are"
                    " not finite."
                )
        return observation

    env = TransformObservation(env, check, env.observation_space)
    return TransformReward(env, _finite_reward)


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
      render: Whether to draw it although the environment observes an image.
      advice: What helps where there is no image.

    Attributes:
      source: Where images come from, in words.

    Raises:
      ValueError: The environment's own image is none, or it has none and
        cannot render.
    """

    def __init__(
        self,
        env: gymnasium.Env,
        size: int,
        supersampling: int = 1,
        render: bool = False,
        advice: str = "",
    ):
        super().__init__(env)
        self._size, self._supersampling = size, supersampling
        known = env.observation_space.spaces
        self._read = None
        self.source = "render()"
        can_render = env.render_mode == "rgb_array"
        if "image" in known and not render:
            self._read, self.source = _own_image(known["image"])
            if can_render:
                self.source += "; render_images: true takes render()'s"
        elif not can_render:
            raise ValueError(
                f"The environment {type(env.unwrapped).__name__} cannot be"
                " seen: give it an observation 'image' (uint8 [height, width,"
                " 3]), or make it with render_mode='rgb_array'. Its render_mode"
                f" is {env.render_mode!r}{_hint(env.unwrapped, render)}."
                f"{advice and ' '}{advice}"
            )
        image = spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.observation_space = spaces.Dict({**known, "image": image})

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Returns the observations with the image of the right size."""
        if self._read is None:
            image = resize(self._render(), self._size * self._supersampling)
            if self._supersampling > 1:
                image = resize(image, self._size, Image.Resampling.BOX)
        else:
            image = resize(self._read(observation["image"]), self._size)
        return {**observation, "image": image}

    def _render(self) -> np.ndarray:
        drawn = self.env.render()
        frame = as_array(drawn)
        # Grey, in colours, or with a fourth channel for how opaque they are.
        fits = (
            frame.ndim == 2 or frame.ndim == 3 and frame.shape[2] in (1, 3, 4)
        )
        if fits and frame.dtype.kind in "iu" and frame.size:
            is_byte = frame.dtype == np.uint8
            if is_byte or 0 <= frame.min() <= frame.max() < 256:
                frame = frame.astype(np.uint8, copy=False)
                return frame if frame.ndim == 2 else frame[..., :3]
        raise InterfaceError(
            f"The environment's render() returned {what_is(drawn)}, but it must"
            " return an image, uint8 [height, width, 3], as with"
            " render_mode='rgb_array'."
        )


def _hint(env: gymnasium.Env, render: bool) -> str:
    """Says what of an environment may be the image, after `render_mode`."""
    if render:
        return ", but render_images is true"
    if hasattr(env, "dm_env"):
        return f", and {type(env.dm_env).__name__} has no dm_control physics"
    parts = env.observation_space
    parts = parts.spaces if isinstance(parts, spaces.Dict) else {}
    alike = [repr(n) for n in parts if find_form(parts[n], named=False)]
    names = " or ".join(alike)
    return f". If {names} is the image, call it 'image'" if alike else ""


def _own_image(
    space: gymnasium.Space,
) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    """Returns how to read an environment's own image, and what it is."""
    form = find_form(space)
    if form is None:
        raise ValueError(
            "The observation 'image' must be uint8 of shape [height, width, 3],"
            f" but its space is {space}. Also understood are grey images,"
            " channels first, stacks of frames along the first axis or of 3"
            " channels each along the last, and other numbers if their bounds"
            " are 0 and 1 or 0 and 255. Four channels may be opacity or frames:"
            " hand in image[..., :3] or image[..., -1:]. With render_images:"
            " true it is not looked at."
        )
    source = f"the observation 'image', {space.dtype} {list(space.shape)}"
    return form.read, f"{source}, {form.what}" if form.what else source


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
