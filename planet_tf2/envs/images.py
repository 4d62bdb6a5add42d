"""Images of environments that do not come in the size that is asked for."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from PIL import Image

from planet_tf2.envs.errors import InterfaceError


def resize(
    image: np.ndarray,
    height: int,
    width: int,
    method: Image.Resampling = Image.Resampling.BILINEAR,
) -> np.ndarray:
    """Scales a whole image, with smoothing where it shrinks.

    The proportions follow the new size, so that nothing is cut off.

    Args:
      image: uint8 `[h, w, 3]`, or `[h, w]` and `[h, w, 1]` for shades of grey.
      method: How to smooth; `BOX` takes the mean of whole blocks of pixels.

    Returns:
      uint8 `[height, width, 3]`, owned by the caller.
    """
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.shape == (height, width, 3):
        return np.array(image, order="C")
    picture = Image.fromarray(image).convert("RGB")
    if picture.size != (width, height):
        picture = picture.resize((width, height), method)
    return np.array(picture)


def is_image(space: gymnasium.Space) -> bool:
    """Whether a space is that of images, in colours or shades of grey."""
    return (
        isinstance(space, spaces.Box)
        and space.dtype == np.uint8
        and 0 not in space.shape
        and (len(space.shape) == 2 or space.shape[2:] in ((1,), (3,)))
    )


class ResizeImages(gymnasium.ObservationWrapper):
    """Brings the image among the observations to the size that is asked for."""

    def __init__(
        self,
        env: gymnasium.Env,
        size: int = 64,
        key: str = "image",
        method: Image.Resampling = Image.Resampling.BILINEAR,
    ):
        """Wraps an environment.

        Args:
          env: Environment with a dict of observations.
          size: Side of the square image in pixels.
          key: Name of the image among the observations.
          method: How to smooth, see `resize`.

        Raises:
          ValueError: That observation is no image.
        """
        super().__init__(env)
        space = env.observation_space[key]
        if not is_image(space):
            raise ValueError(
                f"The observation {key!r} must be uint8 of shape [height,"
                f" width, 3], but its space is {space}."
            )
        self._size, self._key, self._method = size, key, method
        image = spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.observation_space = spaces.Dict(
            {**env.observation_space.spaces, key: image}
        )

    def observation(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Returns the observations with the scaled image."""
        image = observation[self._key]
        image = resize(image, self._size, self._size, self._method)
        return {**observation, self._key: image}


class RenderPixels(gymnasium.Wrapper):
    """Gives an environment `render_pixels`, by means of its `render`."""

    def render_pixels(self, height: int, width: int) -> np.ndarray:
        """Renders the current state as uint8 `[height, width, 3]`.

        Raises:
          InterfaceError: `render` returned no image.
        """
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
        return resize(frame, height, width)


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
