"""From any environment with Gymnasium's interface to what agents work with."""

import contextlib
import math
import numbers
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from PIL import Image

from planet_tf2.envs.actions import DISCRETE, vector_actions
from planet_tf2.envs.checking import CheckResults
from planet_tf2.envs.images import RenderPixels, ResizeImages, is_image
from planet_tf2.envs.observations import PixelObservations

_RENDER_MODES = ("rgb_array", "rgb_array_list")


class NamedObservations(gymnasium.ObservationWrapper):
    """Gives every observation a name, and the form of an array.

    A bare image is called `image`, everything else that is bare `state`; a dict
    keeps its names. Arrays stay as they are, other observations become vectors
    (a discrete one becomes one-hot), and what has no fixed size is left out.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        space = env.observation_space
        self._bare = None
        if not isinstance(space, spaces.Dict):
            self._bare = "image" if is_image(space) else "state"
            space = spaces.Dict({self._bare: space})
        self._inner = space
        self.observation_space = spaces.Dict(
            {
                key: array
                for key, part in space.items()
                if (array := _array_space(part)) is not None
            }
        )

    def observation(self, observation: Any) -> dict[str, np.ndarray]:
        """Returns the observations by name."""
        if self._bare is not None:
            observation = {self._bare: observation}
        return {
            key: _as_array(self._inner[key], space, observation[key])
            for key, space in self.observation_space.items()
        }


def adapt_interface(env: gymnasium.Env, vectors: bool = True) -> gymnasium.Env:
    """Checks an environment's results and names its observations.

    Args:
      env: Environment with Gymnasium's interface.
      vectors: Whether discrete actions become vectors as well.

    Returns:
      Environment with a dict of arrays as observations. Its actions are bounded
      vectors `[A]`, or discrete ones unless `vectors`.

    Raises:
      ValueError: The environment does not have Gymnasium's interface, or has
        actions of another kind.
    """
    for name in ("observation_space", "action_space"):
        if not isinstance(getattr(env, name, None), gymnasium.Space):
            raise ValueError(
                f"The environment {_name(env)} has no {name}, which must be one"
                " of gymnasium.spaces."
            )
    if vectors or not isinstance(env.action_space, DISCRETE):
        env = vector_actions(env)
    return NamedObservations(CheckResults(env))


def add_image(
    env: gymnasium.Env, size: int, supersampling: int = 1
) -> gymnasium.Env:
    """Gives an environment its `image` of the right size.

    Args:
      env: What `adapt_interface` returned, maybe wrapped. Around `ActionRepeat`
        this draws once per decision.
      size: Side of the square image in pixels.
      supersampling: How many times larger it is drawn, to be averaged over
        blocks of pixels. What is thinner than a pixel fades, where it would
        flicker otherwise.

    Returns:
      Environment with an observation `image`, uint8 `[size, size, 3]`: its own
      if it has one, otherwise what it renders.

    Raises:
      ValueError: It has none, and cannot render.
    """
    if _has_image(env):
        return ResizeImages(env, size)
    if not (_has_render_pixels(env) or _renders(env)):
        raise ValueError(
            f"The environment {_name(env)} cannot be seen: give it an"
            " observation 'image' (uint8 [height, width, 3]), or make it with"
            " render_mode='rgb_array'. Its render_mode is"
            f" {env.render_mode!r}."
        )
    if not _has_render_pixels(env):
        env = RenderPixels(env)
    env = PixelObservations(env, size * supersampling)
    if supersampling == 1:
        return env
    return ResizeImages(env, size, method=Image.Resampling.BOX)


def episode_limit(env: gymnasium.Env) -> int | None:
    """Returns the steps after which an environment ends its episodes itself.

    It is known of registered environments, inside of Gymnasium's `TimeLimit`,
    and where there is an attribute `max_episode_steps`.
    """
    limits = [getattr(env.spec, "max_episode_steps", None)]
    for name in ("max_episode_steps", "_max_episode_steps"):
        with contextlib.suppress(AttributeError):
            limits.append(env.get_wrapper_attr(name))
    # Some say -1 or infinity where there is no limit.
    return next((int(limit) for limit in limits if _is_limit(limit)), None)


def _is_limit(value: Any) -> bool:
    return isinstance(value, numbers.Real) and 1 <= value < math.inf


def _has_image(env: gymnasium.Env) -> bool:
    return "image" in env.observation_space.spaces


def _has_render_pixels(env: gymnasium.Env) -> bool:
    with contextlib.suppress(AttributeError):
        return callable(env.get_wrapper_attr("render_pixels"))
    return False


def _renders(env: gymnasium.Env) -> bool:
    return env.render_mode in _RENDER_MODES


def _name(env: gymnasium.Env) -> str:
    return type(env.unwrapped).__name__


def _array_space(space: gymnasium.Space) -> spaces.Box | None:
    if isinstance(space, spaces.Box):
        if space.shape:
            return space
        return spaces.Box(
            space.low.reshape(1), space.high.reshape(1), dtype=space.dtype
        )
    try:
        flat = spaces.flatten_space(space) if space.is_np_flattenable else None
    except NotImplementedError:  # Somebody's own kind of space.
        flat = None
    if not isinstance(flat, spaces.Box):
        return None
    return spaces.Box(-np.inf, np.inf, flat.shape, np.float32)


def _as_array(
    inner: gymnasium.Space, space: spaces.Box, value: Any
) -> np.ndarray:
    if not isinstance(inner, spaces.Box):
        value = spaces.flatten(inner, value)
    return np.asarray(value, space.dtype).reshape(space.shape)
