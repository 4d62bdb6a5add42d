"""Acts: infers the latent state of what it sees, and asks its policy."""

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
import tensorflow as tf

from planet_tf2.agents.dreamer.base_world_model import BaseWorldModel
from planet_tf2.agents.dreamer.policy import Policy
from planet_tf2.agents.recurrent import RecurrentActor
from planet_tf2.tools import seeds


class DreamerActor(RecurrentActor):
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
        self._model, self._policy, self._explorer = model, policy, explorer
        self._space, self._use_mode = action_space, use_mode
        self._samples = samples
        super().__init__("dreamer_actor", batch_size)

    def initial(self, count: int | tf.Tensor) -> dict[str, Any]:
        """Returns the initial state; `is_first` alone would do."""
        return {
            "latent": self._model.rssm.initial(count),
            "action": tf.zeros([count, self._policy.size]),
            "is_first": tf.ones([count], tf.bool),
        }

    @property
    def saved(self) -> dict[str, Any]:
        return dict(self._memory)

    @property
    def latents(self) -> dict[str, tf.Tensor]:
        return self._model.stored(self.state)

    def begin_episode(self, indices: tf.Tensor) -> None:
        self._assign(indices, {"is_first": tf.ones_like(indices, tf.bool)})

    def step(
        self,
        memory: dict[str, Any],
        observ: Mapping[str, tf.Tensor],
        explore: float | tf.Tensor,
        seed: tf.Tensor,
    ) -> tuple[tf.Tensor, dict[str, Any]]:
        latent_seed, *policy_seeds = seeds.split(seed, 3)
        model = self._model
        noise = self._latent_noise(
            latent_seed, tf.shape(memory["is_first"])[0], explore
        )
        state, _ = model.rssm.obs_step(
            memory["latent"],
            memory["action"],
            model.encoder(model.prepare(check_shapes(model, observ))),
            memory["is_first"],
            noise,
        )
        action = self._choose(model.rssm.features(state), policy_seeds, explore)
        return self.as_space(action), {
            "latent": state,
            "action": action,
            "is_first": tf.zeros_like(memory["is_first"]),
        }

    def _latent_noise(
        self, seed: tf.Tensor, count: tf.Tensor, explore: float | tf.Tensor
    ) -> tf.Tensor | None:
        if self._use_mode and tf.get_static_value(explore) == 0:
            return None
        noise = self._model.rssm.noise(seed, [count])
        if self._use_mode:
            noise = tf.where(tf.equal(explore, 0.0), 0.0, noise)
        return noise

    def _choose(
        self,
        features: tf.Tensor,
        policy_seeds: Sequence[tf.Tensor],
        explore: float | tf.Tensor,
    ) -> tf.Tensor:
        """Returns action vectors `[N, A]`."""
        policy_seed, explore_seed = policy_seeds
        count = tf.shape(features)[0]
        policy = self._policy(features)
        evaluates = tf.get_static_value(explore) == 0
        if evaluates and not self._samples:
            return policy.mode()
        action = policy.sample_from(self._policy.noise(policy_seed, [count]))
        if evaluates:
            return action
        if not self._samples:
            is_zero = tf.equal(explore, 0.0)
            action = tf.where(is_zero, policy.mode(), action)
        other = self._explore(features, explore_seed)
        return tf.where(tf.equal(explore, 2.0), other, action)

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
