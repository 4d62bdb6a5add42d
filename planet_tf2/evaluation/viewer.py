"""Watches an agent act: what it sees beside what it had expected to see."""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from planet_tf2.evaluation import rollouts
from planet_tf2.evaluation.frames import beside
from planet_tf2.evaluation.loading import LoadedAgent
from planet_tf2.evaluation.window import Window
from planet_tf2.tools import video

_LABELS = ("sees", "expected")


class Shown(NamedTuple):
    """A moment of an episode.

    Attributes:
      episode: its number, from 1.
      decision: decisions that were made, 0 after the reset.
      image: what the environment shows, uint8 `[H, W, 3]`.
      expected: what the agent had expected to see, or the same after a reset;
        None if it expects no images.
      reward: of the last decision.
      score: sum of the rewards so far.
      done: whether the episode is over.
    """

    episode: int
    decision: int
    image: np.ndarray
    expected: np.ndarray | None
    reward: float
    score: float
    done: bool


def watch(
    agent: LoadedAgent,
    task: str,
    window: Callable[[int, int], Window],
    episodes: int = 1,
    seed: int = 0,
    fps: float = 20,
    size: int = 320,
) -> None:
    """Shows noise-free episodes in a window until they or the user end.

    Args:
      agent: the agent.
      task: task to play.
      window: opens a window of some width and height.
      episodes: how many to play; 0 for no end.
      seed: determines the episodes; a whole number of at least 0.
      fps: decisions per second, at most; planning may take longer.
      size: height of the pictures in pixels, about.

    Raises:
      ValueError: the agent cannot act in the task.
    """
    moments = play(agent, task, episodes, seed)
    first = next(moments)
    height, width = lay_out(first, describe(first), size).shape[:2]
    shown_at = -np.inf
    with window(width, height) as opened:
        for moment in itertools.chain([first], moments):
            state = describe(moment)
            picture = lay_out(moment, state, size)
            time.sleep(max(0, shown_at + 1 / fps - time.monotonic()))
            shown_at = time.monotonic()
            title = f"{task}, episode {moment.episode}, {state}"
            if not opened.show(picture, title):
                print("The window was closed.")
                return
            if moment.done:
                print(title)


def play(
    agent: LoadedAgent, task: str, episodes: int, seed: int
) -> Iterator[Shown]:
    """Plays episodes and yields every moment; for the arguments see `watch`."""
    numbers = itertools.count() if not episodes else range(episodes)
    seen = agent.run.images
    names = seen or ["image"]
    with rollouts.open_task(agent.run, task, blocking=True, images=True) as env:
        for number in numbers:
            agent.reset()
            observation, _ = env.reset(seed=rollouts.env_seed(seed, number))
            image = beside([observation[name] for name in names])
            expected = image if seen else None
            moment = Shown(number + 1, 0, image, expected, 0.0, 0.0, False)
            yield moment
            while not moment.done:
                action = agent.act(observation)
                if seen:
                    expected = agent.imagine(action[None]).image[0]
                observation, reward, terminated, truncated, _ = env.step(action)
                moment = moment._replace(
                    decision=moment.decision + 1,
                    image=beside([observation[name] for name in names]),
                    expected=expected,
                    reward=reward,
                    score=moment.score + reward,
                    done=terminated or truncated,
                )
                yield moment


def lay_out(moment: Shown, caption: str, size: int) -> np.ndarray:
    """Returns the pictures of a moment with words, uint8 `[H, W, 3]`."""
    images = [moment.image, moment.expected]
    rows = [image[None, None] for image in images if image is not None]
    frames = video.side_by_side(*rows, separator=1)  # [1, H, W, 3]
    frames = video.magnify(frames, moment.image.shape[0], size)
    return video.add_labels(frames, _LABELS[: len(rows)], [caption])[0]


def describe(moment: Shown) -> str:
    """Says in a line where an episode stands."""
    end = ", over" if moment.done else ""
    return (
        f"decision {moment.decision}: reward {moment.reward:.2f}, return "
        f"{moment.score:.1f}{end}"
    )
