"""What a model infers from stored episodes, and what it predicts of them."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from planet_tf2.evaluation.frames import beside
from planet_tf2.evaluation.held_out import HeldOut
from planet_tf2.evaluation.loading import LoadedRun
from planet_tf2.tools import seeds

BATCH = 16  # Sequences that are predicted at once.
_ROUND = 25  # Whole episodes are padded to multiples of that.


class Window(NamedTuple):
    """A sequence cut from an episode.

    Attributes:
      episode: position of the episode in a list.
      start: its first time step.
    """

    episode: int
    start: int


class Filtered(NamedTuple):
    """What a model makes of an episode that it sees from the beginning.

    Attributes:
      states: posterior states, nested arrays `[T+1, ...]`.
      reward: predicted from them, float32 `[T+1]`.
      image_error: half the squared error of the images predicted from them,
        summed over pixels, `[T+1]`; None if no images are predicted.
      divergence: KL(posterior || prior) in nats, `[T+1]`.
      others: what else is predicted from them, by name, `[T+1, ...]`.
    """

    states: Any
    reward: np.ndarray
    image_error: np.ndarray | None
    divergence: np.ndarray
    others: Mapping[str, np.ndarray] = {}


class OpenLoop(NamedTuple):
    """What a model predicts of N sequences.

    Attributes:
      image: the images, float32 `[N, L, H, W, 3]` in -0.5 to 0.5, several
        beside each other; None if it predicts none.
      reward: float32 `[N, L]`.
      others: what else it predicts, by name, `[N, L, ...]`: observations that
        are no images, and `cont`, the probability that the episode goes on.
    """

    image: np.ndarray | None
    reward: np.ndarray
    others: Mapping[str, np.ndarray]


class Predictor:
    """Runs a trained model on stored episodes.

    Latent states are sampled once, as they are when the agent acts, if nothing
    else is said. All randomness follows from the seed.

    Args:
      run: the loaded run.
      seed: a whole number of at least 0.
    """

    def __init__(self, run: LoadedRun, seed: int = 0):
        self._run = run
        self._seed = seed
        self._calls = 0
        self.bits: int = run.params.get("image_bits", 8)
        self.horizon: int = run.agent.horizon

    def filter(self, episode: HeldOut) -> Filtered:
        """Shows the model a whole episode."""
        length = episode.length + 1
        # What comes behind the end changes nothing before it, and so there are
        # few graphs for episodes of many lengths.
        rows = np.minimum(np.arange(-(-length // _ROUND) * _ROUND), length - 1)
        batch = {
            name: tf.constant(episode.arrays[name][rows][None])
            for name in (*self._run.agent.observation_space, "action")
        }
        result = self._filter(batch, self._next_seed())
        cut_off = tf.nest.map_structure(
            lambda x: None if x is None else x[0, :length].numpy(), result
        )
        return Filtered(*cut_off)

    def open_loop(
        self,
        episodes: Sequence[HeldOut],
        windows: Sequence[Window],
        context: int,
        length: int,
        action: np.ndarray | None = None,
        futures: int = 1,
    ) -> OpenLoop:
        """Predicts sequences of which the model sees the beginning.

        Args:
          episodes: the episodes that the windows are of.
          windows: N sequences, at most `BATCH`.
          context: time steps that are seen.
          length: L, time steps of a sequence, with those that are seen.
          action: `[N, L, ...]` in place of the actions of the sequences.
          futures: how often the latent states are sampled. The more, the
            closer the mean comes to what the model expects.

        Returns:
          What it predicts; of several futures the means.
        """
        if action is None:
            action = cut(episodes, windows, "action", length)
        # Always as many at once, so that the graph is built only once.
        count = len(windows)
        rows = np.arange(BATCH) % count
        batch = {"action": tf.constant(action[rows])}
        for name in self._run.agent.observation_space:
            seen = cut(episodes, windows, name, context)[rows]
            batch[name] = tf.constant(seen)
        total: dict[str, Any] = {}
        for _ in range(futures):
            mean = self._predict(batch, context, self._next_seed())
            total = {name: total.get(name, 0.0) + mean[name] for name in mean}
        found = {k: x[:count].numpy() / futures for k, x in total.items()}
        images = [found.pop(name) for name in self._run.images]
        image = beside(images) if images else None
        return OpenLoop(image, found.pop("reward"), found)

    def values(self, episode: HeldOut, filtered: Filtered) -> np.ndarray:
        """Predicts the return of the actions that were taken.

        For each time step t from the state at t, the sum of the rewards of time
        steps t + 1 to t + H, with the planner's horizon H.

        Returns:
          Predicted returns `[T + 1 - H]`; empty for shorter episodes.
        """
        amount = episode.length + 1 - self.horizon
        if amount < 1:
            return np.zeros([0], np.float32)
        following = np.arange(amount)[:, None] + np.arange(1, self.horizon + 1)
        states = tf.nest.map_structure(lambda x: x[:amount], filtered.states)
        action = episode.arrays["action"][following]
        return self._values(
            tf.nest.map_structure(tf.constant, states),
            tf.constant(action),
            self._next_seed(),
        ).numpy()

    def plan(
        self, filtered: Filtered, times: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Plans from the states at some time steps, as the agent does.

        Returns:
          The plans `[N, H, ...]`, and the return that the model expects of each
          of them, `[N]`.
        """
        plans = [
            self._plan(state_at(filtered.states, time), self._next_seed())
            for time in times
        ]
        actions, values = zip(*plans, strict=True)
        return np.concatenate(actions), np.concatenate(values)

    def _next_seed(self) -> tf.Tensor:
        self._calls += 1
        return seeds.derive(self._seed, 3, self._calls)

    @tf.function(autograph=False)
    def _filter(self, batch: dict[str, tf.Tensor], seed: tf.Tensor):
        agent = self._run.agent
        prior, posterior = agent.filter(batch, seed)
        errors, mean = [], dict(posterior.mean)
        for name in self._run.images:
            error = mean.pop(name) - agent.truth(batch)[name]
            errors.append(tf.reduce_sum(tf.square(error), [2, 3, 4]) / 2)
        return (
            posterior.state,
            mean.pop("reward"),
            tf.add_n(errors) if errors else None,
            agent.divergence(posterior.state, prior.state),
            {name: mean[name] for name in self._run.others if name in mean},
        )

    @tf.function(autograph=False)
    def _predict(
        self, batch: dict[str, tf.Tensor], context: int, seed: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        mean = self._run.agent.open_loop(batch, context, seed).mean
        images, others = self._run.images, self._run.others
        return {
            **{name: mean[name] - 0.5 for name in images},
            **{name: mean[name] for name in others if name in mean},
            "reward": mean["reward"],
        }

    @tf.function(autograph=False, reduce_retracing=True)
    def _values(
        self, states: Any, action: tf.Tensor, seed: tf.Tensor
    ) -> tf.Tensor:
        mean = self._run.agent.imagine(states, action, seed).mean
        return tf.reduce_sum(mean["reward"], 1)

    @tf.function(autograph=False)
    def _plan(self, state: Any, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        plan_seed, value_seed = seeds.split(seed, 2)
        plan = self._run.agent.plan(state, plan_seed).action
        shape = self._run.agent.action_space.shape
        plan = tf.ensure_shape(plan, [1, self.horizon, *shape])
        return plan, self._values(state, plan, value_seed)


def state_at(states: Any, time: int) -> Any:
    """Returns the state of a time step, tensors `[1, ...]`, of `[T, ...]`."""
    return tf.nest.map_structure(
        lambda x: tf.constant(x[time : time + 1]), states
    )


def choose_windows(
    lengths: Sequence[int], length: int, per_episode: int
) -> list[Window]:
    """Chooses sequences, evenly spread over every episode.

    Args:
      lengths: entries of each episode, T + 1.
      length: time steps of a sequence.
      per_episode: sequences of an episode, where so many can differ.

    Returns:
      The sequences. Episodes that are too short have none.
    """
    windows = []
    for episode, available in enumerate(lengths):
        last = available - length
        if last < 0:
            continue
        starts = np.linspace(0, last, min(per_episode, last + 1)).round()
        windows += [Window(episode, int(start)) for start in starts]
    return windows


def cut(
    episodes: Sequence[HeldOut],
    windows: Sequence[Window],
    key: str,
    length: int,
) -> np.ndarray:
    """Cuts sequences from episodes, `[N, length, ...]`."""
    return _cut([episode.arrays[key] for episode in episodes], windows, length)


def cut_images(
    episodes: Sequence[HeldOut], windows: Sequence[Window], length: int
) -> np.ndarray:
    """Cuts the images that are predicted, uint8 `[N, length, H, W, 3]`."""
    return _cut([episode.shown for episode in episodes], windows, length)


def _cut(
    arrays: Sequence[np.ndarray], windows: Sequence[Window], length: int
) -> np.ndarray:
    return np.stack(
        [arrays[w.episode][w.start : w.start + length] for w in windows]
    )
