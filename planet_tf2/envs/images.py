"""The image that an agent sees, in the size that it asks for."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from PIL import Image

from planet_tf2.envs.errors import InterfaceError


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
        if self._renders:
            _check_renders(env)
        elif not is_image(known["image"]):
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
        frame = self.env.render()
        if isinstance(frame, list) and frame:
            frame = frame[-1]  # As render_mode="rgb_array_list" does.
        if (
            not isinstance(frame, np.ndarray)
            or frame.dtype != np.uint8
            or frame.ndim != 3
            or frame.shape[2] != 3
        ):
            raise InterfaceError(
                f"The environment's render() returned {_shown(frame)}, but it"
                " must return an image, uint8 [height, width, 3], as with"
                f" render_mode='rgb_array'.{_advice(frame)}"
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


def _check_renders(env: gymnasium.Env) -> None:
    if env.render_mode not in ("rgb_array", "rgb_array_list"):
        raise ValueError(
            f"The environment {type(env.unwrapped).__name__} cannot be seen:"
            " give it an observation 'image' (uint8 [height, width, 3]), or"
            " make it with render_mode='rgb_array'. Its render_mode is"
            f" {env.render_mode!r}."
        )


def _advice(frame: Any) -> str:
    if not isinstance(frame, np.ndarray):
        return ""
    if np.issubdtype(frame.dtype, np.floating):
        return " Scale it to the range from 0 to 255, then .astype(np.uint8)."
    if frame.ndim == 3 and frame.shape[0] == 3:
        return " np.moveaxis(image, 0, 2) puts its colours last."
    return ""


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return "None" if value is None else type(value).__name__
