"""One imagined step after the other, from where stored episodes were."""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from gymnasium import spaces

from planet_tf2.agents.agent import Agent, Prediction, State
from planet_tf2.data import episodes
from planet_tf2.evaluation.frames import beside, is_image
from planet_tf2.evaluation.runs import UnusableRun
from planet_tf2.tools import seeds


class Dream(NamedTuple):
    """What a world model believes, and what it expects there.

    Attributes:
      state: the belief; only the agent looks into it.
      latent: what the heads see of it, float32 `[F]`.
      reward: the expected one.
      cont: probability that the episode goes on; 1 where nobody predicts it.
      observation: what is expected to be seen, by name; empty if not asked for.
    """

    state: State
    latent: np.ndarray
    reward: float
    cont: float
    observation: dict[str, np.ndarray]


class Dreams:
    """The world model of a loaded run, to be walked through step by step.

    Args:
      run: the loaded run.

    Attributes:
      observation_space: what its model predicts, by name.
      latent_space: Box `[F]`.
      action_space: of its agent.
      horizon: steps that the agent itself looks ahead.

    Raises:
      UnusableRun: the agent has no model of the world.
    """

    def __init__(self, run: Any):
        run.check_predicts()
        agent: Agent = run.agent
        self._run, self._agent = run, agent
        every = agent.predicted is None
        names = agent.observation_space if every else agent.predicted
        seen = agent.observation_space
        self.observation_space = spaces.Dict({n: seen[n] for n in names})
        self.action_space = agent.action_space
        self.horizon = agent.horizon
        state = agent.actor().state
        shape = agent.features(state).shape[1:]
        self.latent_space = spaces.Box(-np.inf, np.inf, shape, np.float32)
        self._imagine, self._filter = (
            tf.function(function, autograph=False, reduce_retracing=True)
            for function in (self._imagined, self._filtered)
        )

    @functools.cached_property
    def _files(self) -> list[Any]:
        folder = self._run.folder.train_episodes
        files = [folder / name for name in episodes.list_episodes(folder)]
        if not files:
            raise UnusableRun(
                f"There are no episodes in {folder} to start from. Put one back"
                " there, or start from one of your own: reset(options="
                '{"episode": ...}).'
            )
        return files

    def draw(self, rng: np.random.Generator, context: int) -> dict[str, Any]:
        """Cuts at most `context` steps from an episode, as it is stored."""
        file = self._files[rng.integers(len(self._files))]
        episode = episodes.load_episode(file)
        first = rng.integers(max(1, len(episode["reward"]) - context + 1))
        return {k: x[first : first + context] for k, x in episode.items()}

    def start(
        self, episode: Mapping[str, np.ndarray], seed: int, shown: bool
    ) -> Dream:
        """Infers what was the case at the end of some real steps.

        Args:
          episode: `[T, ...]`, T at least 1: all that the agent observes, by
            name, and `action`, each the one that led to the observation.
          seed: determines the sample of the belief.
          shown: whether to predict observations.

        Raises:
          ValueError: an entry is missing or has another shape.
        """
        agent, batch = self._agent, {}
        wanted = {
            **agent.observation_space.spaces,
            "action": agent.action_space,
        }
        for name, space in wanted.items():
            found = np.asarray(episode.get(name))
            if found.shape[1:] != space.shape or not found.size:
                size = ", ".join(["T", *map(str, space.shape)])
                raise ValueError(
                    f"An episode to start from needs {name!r} of shape [{size}]"
                    f", but has {list(found.shape)}."
                )
            batch[name] = tf.constant(found[None].astype(space.dtype))
        return self._dream(self._filter(batch, seeds.derive(seed), shown))

    def step(self, state: State, action: Any, seed: int, shown: bool) -> Dream:
        """Imagines what an action leads to, by one sample."""
        action = tf.constant(np.asarray(action, self.action_space.dtype)[None])
        return self._dream(
            self._imagine(state, action, seeds.derive(seed), shown)
        )

    def frame(self, observation: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Lays the images of an observation beside each other."""
        images = [observation[name] for name in self._run.images]
        return beside(images) if images else None

    def _filtered(self, batch: Any, seed: tf.Tensor, shown: bool) -> Any:
        return self._last(self._agent.filter(batch, seed)[1], shown)

    def _imagined(
        self, state: State, action: tf.Tensor, seed: tf.Tensor, shown: bool
    ) -> Any:
        found = self._agent.imagine(state, action[:, None], seed)
        return self._last(found, shown)

    def _last(self, found: Prediction, shown: bool) -> Any:
        state = tf.nest.map_structure(lambda x: x[:, -1], found.state)
        mean = {name: x[0, -1] for name, x in found.mean.items()}
        cont = mean.get("cont", tf.ones([]))
        seen = {name: mean[name] for name in self.observation_space if shown}
        latent = self._agent.features(state)[0]
        return (
            state,
            tf.cast(latent, tf.float32),
            mean["reward"],
            cont,
            as_observed(self._agent, seen),
        )

    def _dream(self, found: Any) -> Dream:
        state, latent, reward, cont, seen = found
        observation = {}
        for name, x in seen.items():
            space = self.observation_space[name]
            value = x.numpy().astype(space.dtype).reshape(space.shape)
            observation[name] = np.clip(value, space.low, space.high)
        return Dream(
            state, latent.numpy(), float(reward), float(cont), observation
        )


def as_observed(
    agent: Agent, mean: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Returns what an agent expects with images as uint8."""
    found = dict(mean)
    for name, space in agent.observation_space.items():
        if name in found and is_image(space):
            # As convert_image_dtype, but without an operation of its own.
            scaled = tf.clip_by_value(255.5 * found[name], 0, 255)
            found[name] = tf.cast(scaled, tf.uint8)
    return found
