"""DreamerV3 as an agent: a world model, and behavior learned inside of it."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import keras
import tensorflow as tf

from planet_tf2.agents.agent import Agent, Batch, Plan, Prediction, State
from planet_tf2.agents.dreamer import build
from planet_tf2.agents.dreamer.actor import DreamerActor, as_space
from planet_tf2.agents.dreamer.base_world_model import check_observations
from planet_tf2.agents.dreamer.edition_2025 import build as build_2025
from planet_tf2.agents.dreamer.edition_2025.learner import JointLearner
from planet_tf2.agents.dreamer.imagination import imagine
from planet_tf2.agents.dreamer.learner import DreamerLearner, make_learner
from planet_tf2.agents.dreamer.world_model import WorldModel
from planet_tf2.agents.learner import weights_of
from planet_tf2.tools import seeds

Params = Mapping[str, Any]

_map = tf.nest.map_structure

# What makes world model, behavior and learner of each.
_EDITIONS = {
    2023: (WorldModel, build.make_behavior, make_learner),
    2025: (
        build_2025.WorldModel,
        build_2025.make_behavior,
        build_2025.make_learner,
    ),
}


class Dreamer(Agent):
    """Learns latent dynamics, and a policy from what these imagine.

    Args:
      params: parameters of the run.
      learner: trains all of it.
      observation_space: of the environments.
      action_space: of the environments: vectors in [-1, 1], or choices.

    Attributes:
      learner: the same.
      model: the world model.
      behavior: the actor and the critic of the task.
    """

    has_model = True
    has_plans = True

    def __init__(
        self,
        params: Params,
        learner: DreamerLearner | JointLearner,
        observation_space: gymnasium.spaces.Dict,
        action_space: gymnasium.Space,
    ):
        super().__init__("dreamer")
        self.learner = learner
        self.model: WorldModel = learner.model
        self.behavior = getattr(learner.behavior, "task", learner.behavior)
        self.train_step = learner.train_step
        self.test_step = learner.test_step
        self.loss_names = learner.loss_names
        self.norm_names = learner.norm_names
        self.scalar_names = learner.scalar_names
        self.divergence = self.model.rssm.divergence
        self.features = self.model.rssm.features
        self.horizon = params["imag_horizon"]
        self.predicted = self.model.predicted
        self.action_space = action_space
        names = self.model.observations
        self.observation_space = gymnasium.spaces.Dict(
            {name: observation_space[name] for name in names}
        )
        self.batch_spec = {
            "action": action_space.shape,
            **dict.fromkeys(("reward", "is_first", "terminal"), ()),
            **self.model.observations,
        }
        self.fresh_latents = learner.fresh_latents
        self.replay_latents = {
            name: (tuple(v.shape[2:]), v.dtype.as_numpy_dtype)
            for name, v in learner.fresh_latents.items()
        }
        self._params = params

    @property
    def trained_variables(self) -> list[tf.Variable]:
        return [
            v
            for group in self.learner.optimizers.values()
            for v in group.variables_to_train
        ]

    @property
    def saved(self) -> dict[str, Any]:
        return {"learner": self.learner}

    @property
    def weights(self) -> dict[str, Any]:
        return {"learner": weights_of(self.learner, "model", "behavior")}

    def actor(
        self, batch_size: int = 1, settings: Mapping[str, Any] | None = None
    ) -> DreamerActor:
        explorer = {
            "greedy": self.behavior,
            "random": None,
            "plan2explore": getattr(self.learner.behavior, "explorer", None),
        }[self._params["expl_behavior"]]
        return DreamerActor(
            batch_size,
            self.model,
            self.behavior.actor,
            explorer and explorer.actor,
            self.action_space,
            self._params["eval_state_mean"],
            samples=self._params["edition"] == 2025,
        )

    def filter(
        self, batch: Batch, seed: tf.Tensor
    ) -> tuple[Prediction, Prediction]:
        batch = self.model.prepare(batch)
        posterior, prior = self._observe(batch, seed)
        return self._predict(prior, batch), self._predict(posterior, batch)

    def open_loop(
        self, batch: Batch, context: int, seed: tf.Tensor
    ) -> Prediction:
        batch = self.model.prepare(batch)
        length = batch["action"].shape[1]
        seen_seed, seed = seeds.split(seed, 2)
        seen = {name: x[:, :context] for name, x in batch.items()}
        states, _ = self._observe(seen, seen_seed)
        if context < length:
            last = _map(lambda x: x[:, -1], states)
            future = self._imagine(last, batch["action"][:, context:], seed)
            states = _map(lambda *x: tf.concat(x, 1), states, future)
        whole = {n: x for n, x in batch.items() if x.shape[1] == length}
        return self._predict(states, whole)

    def imagine(
        self, state: State, action: tf.Tensor, seed: tf.Tensor
    ) -> Prediction:
        states = self._imagine(state, self.model.action_vector(action), seed)
        return self._predict(states, {})

    def truth(self, batch: Batch) -> Batch:
        names = {*self.observation_space, "reward", "cont"}
        prepared = self.model.prepare(batch)
        return {name: x for name, x in prepared.items() if name in names}

    def describe(self, state: State) -> dict[str, tf.Tensor]:
        entropy = self.model.rssm.distribution(state).entropy()
        return {"entropy": entropy}

    def latent(self, state: State) -> tf.Tensor:
        """Returns the sample of the stochastic state, `[B, T, D]`."""
        return self.model.rssm.latents.flat(state["stoch"])

    def plan(self, state: State, seed: tf.Tensor) -> Plan:
        """Imagines what its policy does from states `[B, ...]`.

        Of the states `[B, H + 1]` on the way it says what it expects: `reward`,
        `value`, which is the return from there on, and `cont`, the probability
        that the episode goes on.
        """
        model, policy = self.model, self.behavior.actor
        count = tf.shape(tf.nest.flatten(state)[0])[0]
        latent_seed, policy_seed = seeds.split(seed, 2)
        noise = (
            model.rssm.noise(latent_seed, [self.horizon, count]),
            policy.noise(policy_seed, [self.horizon + 1, count]),
        )
        _, features, action = imagine(
            model.rssm, policy, state, self.horizon + 1, noise
        )
        expected = {
            "reward": model.heads["reward"](features).mode(),
            "value": self.behavior.critic(features).mode(),
            "cont": model.heads["cont"](features).mean(),
        }
        action = tf.transpose(action[:-1], [1, 0, 2])
        return Plan(
            as_space(policy, self.action_space, action),
            expected={k: tf.transpose(x) for k, x in expected.items()},
        )

    def _observe(self, batch: Batch, seed: tf.Tensor) -> tuple[State, State]:
        """Returns posterior and prior of a prepared batch."""
        embed = self.model.encoder(batch)
        size, length = embed.shape[:2]
        size = tf.shape(embed)[0] if size is None else size
        is_first = batch.get("is_first")
        if is_first is None:
            is_first = tf.zeros([size, length], tf.bool)
        noise = self.model.rssm.noise(seed, [length, size])
        return self.model.rssm.observe(embed, batch["action"], is_first, noise)

    def _imagine(
        self, state: State, action: tf.Tensor, seed: tf.Tensor
    ) -> State:
        """Returns the states that action vectors `[B, T, A]` lead to."""
        size, length = (
            action.shape[axis] or tf.shape(action)[axis] for axis in (0, 1)
        )
        noise = self.model.rssm.noise(seed, [length, size])
        return self.model.rssm.imagine(state, action, noise)

    def _predict(self, states: State, batch: Batch) -> Prediction:
        """Returns what the heads say, beside what the prepared batch holds."""
        dists = self.model.predict(self.model.rssm.features(states))
        mean = {name: dist.mode() for name, dist in dists.items()}
        mean["cont"] = dists["cont"].mean()
        target = {name: batch[name] for name in dists if name in batch}
        log_prob = {
            name: dists[name].log_prob(value) for name, value in target.items()
        }
        return Prediction(states, mean, target, log_prob)


def make_agent(
    params: Params,
    observation_space: gymnasium.spaces.Dict,
    action_space: gymnasium.Space,
    seed: int = 0,
    strategy: tf.distribute.Strategy | None = None,
) -> Dreamer:
    """Makes the agent of a run, with all its variables.

    Args:
      params: parameters of the run.
      observation_space: what its environments observe.
      action_space: vectors `[A]` in [-1, 1], Discrete or MultiDiscrete.
      seed: determines the initial weights.
      strategy: the devices to train on.

    Raises:
      ConfigError: no observation is chosen, or the actor's distribution does
        not suit the actions.
    """
    strategy = strategy or tf.distribute.get_strategy()
    keras.utils.set_random_seed(seed)
    make_model, make_behavior, make_learner = _EDITIONS[params["edition"]]
    with strategy.scope():
        model = make_model(params, observation_space, action_space)
        behavior = make_behavior(params, model, action_space)
        learner = make_learner(params, model, behavior, strategy)
    return Dreamer(params, learner, observation_space, action_space)


def check_settings(params: Params) -> None:
    """Does nothing: what needs no environment is checked in `parameters`."""


def check_interface(
    params: Params,
    observation_space: gymnasium.spaces.Dict,
    action_space: gymnasium.Space,
) -> None:
    """Checks whether parameters suit what environments offer.

    Raises:
      ConfigError: see `check_observations`; or the actor's distribution does
        not suit the actions.
    """
    check_observations(params, observation_space)
    if params["edition"] == 2023:
        build.policy_distribution(params, action_space)
