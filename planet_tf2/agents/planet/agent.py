"""PlaNet as an agent: a world model, its training, and planning in it."""

import inspect
from collections.abc import Mapping
from typing import Any

import gymnasium
import tensorflow as tf

from planet_tf2.agents.agent import (
    Agent,
    Batch,
    Plan,
    Prediction,
    State,
)
from planet_tf2.agents.learner import Learner, weights_of
from planet_tf2.agents.planet import build, objectives
from planet_tf2.agents.planet.losses import has_density
from planet_tf2.agents.planet.mpc_agent import MPCAgent
from planet_tf2.agents.planet.unroll import imagine, open_loop
from planet_tf2.agents.planet.world_model import WorldModel
from planet_tf2.tools import seeds

Params = Mapping[str, Any]


class PlaNet(Agent):
    """Learns latent dynamics from images, and plans in them.

    Args:
      params: parameters of the run.
      learner: trains the world model.
      action_size: A, entries of an action.
      observation_space: of the environments.

    Attributes:
      learner: the same.
      model: the world model.
    """

    actor_settings = ("horizon", "objective")
    has_model = True
    has_plans = True

    def __init__(
        self,
        params: Params,
        learner: Learner,
        action_size: int,
        observation_space: gymnasium.spaces.Dict,
    ):
        super().__init__("planet")
        self.learner = learner
        self.model: WorldModel = learner.model
        self.train_step = learner.train_step
        self.test_step = learner.test_step
        self.loss_names = learner.loss_names
        self.norm_names = learner.norm_names
        self.truth = self.model.truth
        self.describe = self.model.cell.describe
        self.latent = self.model.cell.latent
        self.features = self.model.cell.features_from_state
        self.divergence = self.model.cell.divergence_from_states
        self.horizon = params["planner_horizon"]
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (action_size,))
        self.observation_space = gymnasium.spaces.Dict(
            {"image": observation_space["image"]}
        )
        shapes = {name: part.shape for name, part in observation_space.items()}
        shapes["reward"] = ()
        self.batch_spec = {
            "action": (action_size,),
            **{name: shapes[name] for name in self.model.heads},
        }
        self._params = params

    @property
    def trained_variables(self) -> list[tf.Variable]:
        return [v for group in self.model.groups.values() for v in group]

    @property
    def saved(self) -> dict[str, Any]:
        return {"learner": self.learner}

    @property
    def weights(self) -> dict[str, Any]:
        return {"learner": weights_of(self.learner, "model")}

    def actor(
        self, batch_size: int = 1, settings: Mapping[str, Any] | None = None
    ) -> MPCAgent:
        settings = settings or {}
        planner = build.make_planner(
            self._params,
            self.model,
            self.action_space.shape[0],
            settings.get("horizon"),
            settings.get("objective"),
        )
        return MPCAgent(
            batch_size, self.action_space.shape[0], self.model, planner
        )

    def filter(
        self, batch: Batch, seed: tf.Tensor
    ) -> tuple[Prediction, Prediction]:
        image_seed, latent_seed = seeds.split(seed, 2)
        batch = self.model.prepare(batch, image_seed)
        prior, posterior = self.model.infer(batch, latent_seed)
        return self._predict(prior, batch), self._predict(posterior, batch)

    def open_loop(
        self, batch: Batch, context: int, seed: tf.Tensor
    ) -> Prediction:
        image_seed, latent_seed = seeds.split(seed, 2)
        batch = self.model.prepare(batch, image_seed)
        cell, action = self.model.cell, batch["action"]
        size, length = action.shape[:2]
        embedded = self.model.encoder(batch["image"][:, :context])
        noise = cell.noise(latent_seed, [length, size], observing=True)
        states = open_loop(cell, embedded, action, context, noise)
        if batch["image"].shape[1] != length:
            batch = {}
        return self._predict(states, batch)

    def imagine(
        self, state: State, action: tf.Tensor, seed: tf.Tensor
    ) -> Prediction:
        # What is known beforehand keeps its place in the graph.
        size, length = (
            action.shape[axis] or tf.shape(action)[axis] for axis in (0, 1)
        )
        noise = self.model.cell.noise(seed, [length, size])
        return self._predict(imagine(self.model.cell, state, action, noise), {})

    def plan(self, state: State, seed: tf.Tensor) -> Plan:
        planner = build.PLANNERS[self._params["planner"]]
        trace = "trace" in inspect.signature(planner).parameters
        plan = build.make_planner(
            self._params, self.model, self.action_space.shape[0], trace=trace
        )
        found = plan(state, seed)
        return Plan(*found) if trace else Plan(found)

    def _predict(self, states: State, batch: Batch) -> Prediction:
        """Returns what the heads say, beside what the prepared batch holds."""
        features = self.model.cell.features_from_state(states)
        heads = self.model.heads
        mean = {name: head.mean(features) for name, head in heads.items()}
        target = {name: batch[name] for name in heads if name in batch}
        log_prob = {}
        for name, value in target.items():
            if has_density(dist := heads[name](features)):
                log_prob[name] = dist.log_prob(value)
        # The model's images range from -0.5 to 0.5.
        for values in (mean, target):
            if "image" in values:
                values["image"] = values["image"] + 0.5
        return Prediction(states, mean, target, log_prob)


def make_agent(
    params: Params,
    observation_space: gymnasium.spaces.Dict,
    action_space: gymnasium.spaces.Box,
    seed: int = 0,
    strategy: tf.distribute.Strategy | None = None,
) -> PlaNet:
    """Makes the agent of a run, with all its variables.

    Args:
      params: parameters of the run.
      observation_space: what its environments observe: `image`, and what the
        heads of `state_diagnostics` predict.
      action_space: vectors `[A]` in [-1, 1].
      seed: determines the initial weights.
      strategy: the devices to train on.

    Raises:
      ConfigError: parameters name a head that there is not.
    """
    strategy = strategy or tf.distribute.get_strategy()
    components = build.diagnosed_components(params, observation_space)
    size = action_space.shape[0]
    with strategy.scope():
        model = build.make_model(params, size, seed, components)
        learner = build.make_learner(params, model, strategy)
    return PlaNet(params, learner, size, observation_space)


def check_settings(params: Params) -> None:
    """Finds mistakes that would show only later, before a run exists.

    Raises:
      ValueError: an objective cannot be found.
    """
    collects = [*params["train_collects"], *params["test_collects"]]
    names = {entry.get("objective") for entry in collects} - {None}
    for name in sorted({*names, params["collect_objective"]}):
        objectives.get_objective(name)
