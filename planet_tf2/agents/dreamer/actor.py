"""Acts: infers the latent state of what it sees, and asks its policy."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf

from planet_tf2.agents.agent import Actor
from planet_tf2.agents.dreamer.base_world_model import BaseWorldModel
from planet_tf2.agents.dreamer.policy import Policy
from planet_tf2.tools import seeds

_map = tf.nest.map_structure


class DreamerActor(Actor):
    """Acts in B environments by a policy over latent states.

    It remembers, in variables, the latent state of each environment and the
    action that follows it. What to do is told by `explore`: 0 evaluates, with
    the mode of the policy; 1 samples from it; 2 asks the explorer. Vectors are
    clipped to the box of the environments, but remembered as they were.

    Args:
      batch_size: B.
      model: the world model.
      policy: the policy of the task.
      explorer: another policy, to explore with; None for chance.
      action_space: of the environments.
      use_mode: whether evaluation takes the most likely latent states, too.
      samples: whether evaluation samples from the policy, too.
    """

    def __init__(
        self,
        batch_size: int,
        model: BaseWorldModel,
        policy: Policy,
        explorer: Policy | None,
        action_space: gymnasium.Space,
        use_mode: bool = False,
        samples: bool = False,
    ):
        super().__init__("dreamer_actor")
        self._model, self._policy, self._explorer = model, policy, explorer
        self._space, self._use_mode = action_space, use_mode
        self._samples = samples
        memory = {
            "latent": model.rssm.initial(batch_size),
            "action": tf.zeros([batch_size, policy.size]),
            "is_first": tf.ones([batch_size], tf.bool),
        }
        self._memory = _map(lambda x: tf.Variable(x, trainable=False), memory)

    @property
    def state(self) -> dict[str, tf.Tensor]:
        return _map(tf.identity, self._memory["latent"])

    @property
    def saved(self) -> dict[str, Any]:
        return dict(self._memory)

    @property
    def latents(self) -> dict[str, tf.Tensor]:
        return self._model.stored(self.state)

    def begin_episode(self, indices: tf.Tensor) -> None:
        ones = tf.ones_like(indices, tf.bool)
        _assign_rows(self._memory["is_first"], indices, ones)

    def perform(
        self,
        indices: tf.Tensor,
        observ: Mapping[str, tf.Tensor],
        explore: float | tf.Tensor = 0.0,
        seed: tf.Tensor | None = None,
    ) -> tf.Tensor:
        seed = seeds.new_seed() if seed is None else seed
        latent_seed, policy_seed, explore_seed = seeds.split(seed, 3)
        model, count = self._model, tf.shape(indices)[0]
        before = _map(lambda x: tf.gather(x, indices), self._memory)
        evaluates = tf.equal(explore, 0.0)
        noise = model.rssm.noise(latent_seed, [count])
        if self._use_mode:
            noise = tf.where(evaluates, 0.0, noise)
        state, _ = model.rssm.obs_step(
            before["latent"],
            before["action"],
            model.encoder(model.prepare(check_shapes(model, observ))),
            before["is_first"],
            noise,
        )
        features = model.rssm.features(state)
        policy = self._policy(features)
        sample = policy.sample_from(self._policy.noise(policy_seed, [count]))
        if self._samples:
            action = sample
        else:
            action = tf.where(evaluates, policy.mode(), sample)
        other = self._explore(features, explore_seed)
        action = tf.where(tf.equal(explore, 2.0), other, action)
        after = {
            "latent": state,
            "action": action,
            "is_first": tf.zeros_like(before["is_first"]),
        }
        _map(
            lambda variable, rows: _assign_rows(variable, indices, rows),
            self._memory,
            after,
        )
        return self.as_space(action)

    def _explore(self, features: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        count = tf.shape(features)[0]
        if self._explorer is None:
            return self._policy.uniform(seed, count)
        noise = self._explorer.noise(seed, [count])
        return self._explorer(features).sample_from(noise)

    def as_space(self, action: tf.Tensor) -> tf.Tensor:
        """Returns action vectors `[..., A]` as the environments have them."""
        return as_space(self._policy, self._space, action)


def as_space(
    policy: Policy, space: gymnasium.Space, action: tf.Tensor
) -> tf.Tensor:
    """Returns action vectors `[..., A]` in the form of a space."""
    if isinstance(space, gymnasium.spaces.Box):
        return tf.clip_by_value(action, space.low, space.high)
    numbers = tf.cast(policy.numbers(action), space.dtype)
    if isinstance(space, gymnasium.spaces.Discrete):
        numbers = numbers[..., 0]
    return numbers + tf.constant(np.asarray(space.start), numbers.dtype)


def check_shapes(
    model: BaseWorldModel, observ: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Returns the observations that a model reads, `[N, ...]`.

    Raises:
      ValueError: one is missing, or has another shape than it was built for.
    """
    found = {}
    for name, expected in model.observations.items():
        if name not in observ:
            raise ValueError(
                f"The observation {name!r} is missing. There are only "
                f"{', '.join(observ)}."
            )
        found[name] = tf.convert_to_tensor(observ[name])
        shape = found[name].shape[1:]
        if not shape.is_compatible_with(expected):
            raise ValueError(
                f"The observation {name!r} has the shape {list(shape)}, but "
                f"must have {list(expected)}."
            )
    return found


def _assign_rows(
    variable: tf.Variable, indices: tf.Tensor, rows: tf.Tensor
) -> None:
    variable.scatter_nd_update(tf.cast(indices, tf.int64)[:, None], rows)
