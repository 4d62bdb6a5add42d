"""Games of the Atari 2600, emulated by `ale-py`."""

import functools
import math
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from PIL import Image

from planet_tf2.envs.suites import packages

LIMIT = 108_000  # Frames of an episode: half an hour.
_STICKY = 0.25  # Probability with which the action before is done again.
_GREY = np.array([0.299, 0.587, 1 - (0.299 + 0.587)])
# By the names that programs have for them. None is the mean over an area.
_FILTERS = {
    "area": None,
    "opencv": None,
    "nearest": Image.Resampling.NEAREST,
    "pillow": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
}


class Atari(gymnasium.Env):
    """A game, a frame per step; `ActionRepeat` makes decisions of them.

    It is seen by `render`, which is called once per decision: the brighter of
    the last two frames at each pixel, since many games draw objects in every
    other frame only. They are the last two that the emulator drew, however
    early an episode, or a life, ended.

    Args:
      game: Name of the game, as `pong` or `ms_pacman`.
      image_size: Side of the square images in pixels.
      grayscale: Whether images are grey, all three channels alike.
      sticky: Whether the emulator does the action before again, with a
        probability of 0.25 in each frame.
      noops: An episode begins with 0 to `noops - 1` frames without an action.
      lives: What the loss of a life is: `unused` nothing, `discount` a terminal
        step, after which the episode goes on (`info["terminal"]`), and `reset`
        the end of the episode.
      actions: `all` 18, or those `needed` in the game.
      resize: `area`, the mean of what a pixel covers, or `nearest`; `opencv`
        and `pillow` are the names that other programs have for the two.
        `bilinear` is Pillow's filter of that name.
      limit_is_end: Whether an episode of `LIMIT` frames ends as if the game
        were over.

    Raises:
      ValueError: There is no such game or choice, or the package is missing.
    """

    render_mode = "rgb_array"
    max_episode_steps = LIMIT

    def __init__(
        self,
        game: str,
        *,
        image_size: int = 64,
        grayscale: bool = False,
        sticky: bool = True,
        noops: int = 0,
        lives: str = "unused",
        actions: str = "all",
        resize: str = "area",
        limit_is_end: bool = False,
    ):
        ale_py = packages.load("ale_py", "atari")
        roms = packages.load("ale_py.roms", "atari")
        game = "jamesbond" if game == "james_bond" else game
        packages.choose("The game", game, roms.get_all_rom_ids())
        self._lives_mean = packages.choose(
            "lives", lives, ("unused", "discount", "reset")
        )
        self._filter = _FILTERS[packages.choose("resize", resize, _FILTERS)]
        packages.choose("actions", actions, ("all", "needed"))
        if isinstance(noops, bool) or not isinstance(noops, int) or noops < 0:
            raise ValueError(f"noops is {noops!r}, but must be 0 or more.")
        self._size, self._grey, self._noops = image_size, grayscale, noops
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self._ale = ale_py.ALEInterface()
        self._ale.setFloat("repeat_action_probability", sticky * _STICKY)
        self._rom = roms.get_rom_path(game)
        self._load(0)
        needed = actions == "needed"
        self._actions = (
            self._ale.getMinimalActionSet()
            if needed
            else self._ale.getLegalActionSet()
        )
        self.action_space = spaces.Discrete(len(self._actions))
        self.observation_space = spaces.Dict({})
        self._frames = np.zeros((2, *self._ale.getScreenDims(), 3), np.uint8)
        self._lives = 0
        self._limit = LIMIT if limit_is_end else math.inf
        self._frame = 0

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts a game; a seed restarts the emulator's random numbers."""
        super().reset(seed=seed)
        if seed is not None:
            self._load(int(self.np_random.integers(2**31)))
        self._ale.reset_game()
        for _ in range(self.np_random.integers(max(1, self._noops))):
            self._ale.act(0)
            if self._ale.game_over():
                self._ale.reset_game()
        self._lives, self._frame = self._ale.lives(), 0
        self._ale.getScreenRGB(self._frames[1])
        self._frames[0] = self._frames[1]
        return {}, {}

    def step(
        self, action: int
    ) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        """Emulates a frame."""
        reward = self._ale.act(self._actions[action])
        self._frames[0] = self._frames[1]
        self._ale.getScreenRGB(self._frames[1])
        self._frame += 1
        over = self._ale.game_over(with_truncation=False)
        over = over or self._frame >= self._limit
        lost = self._ale.lives() < self._lives
        self._lives = self._ale.lives()
        if lost and self._lives_mean == "reset":
            over = True
        info = {"terminal": lost and self._lives_mean == "discount"}
        return {}, float(reward), over, False, info

    def render(self) -> np.ndarray:
        """Returns the image, uint8 `[size, size, 3]`, or 2-D if it is grey."""
        image, size = self._frames.max(0), self._size
        if self._filter is None:
            image = resize_area(image, size)
        else:
            picture = Image.fromarray(image)
            image = np.array(picture.resize((size, size), self._filter))
        # Rounded down, after the image was made smaller, as others do.
        return (image @ _GREY).astype(np.uint8) if self._grey else image

    def _load(self, seed: int) -> None:
        """Starts the emulator anew, the only way to seed it."""
        self._ale.setInt("random_seed", seed)
        self._ale.loadROM(self._rom)


def resize_area(image: np.ndarray, size: int) -> np.ndarray:
    """Scales an image to a square of means over what each pixel covers.

    Args:
      image: uint8 `[h, w, c]`.
      size: Side of the square in pixels.

    Returns:
      uint8 `[size, size, c]`.
    """
    rows, columns = (_coverage(n, size) for n in image.shape[:2])
    means = np.einsum("ih,hwc,jw->ijc", rows, image, columns, optimize=True)
    return np.rint(means).astype(np.uint8)


@functools.cache
def _coverage(length: int, size: int) -> np.ndarray:
    """Share `[size, length]` of each old pixel in each new one."""
    edges = np.arange(size + 1) * (length / size)
    old = np.arange(length)
    ends = np.minimum(edges[1:, None], old + 1)
    covered = np.maximum(ends - np.maximum(edges[:-1, None], old), 0)
    return (covered / covered.sum(1, keepdims=True)).astype(np.float32)
