"""Puts a whole program together from its parameters."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from planet_tf2.agents.learner import Learner
from planet_tf2.agents.loss_scale import LossScale
from planet_tf2.agents.planet import acting_parameters as collects
from planet_tf2.agents.planet.cells import POLICIES, make_cell
from planet_tf2.agents.planet.heads import (
    diagnosed_components,
    head_scales,
    make_heads,
)
from planet_tf2.agents.planet.make_agent import make_agent
from planet_tf2.agents.planet.preprocess import preprocess
from planet_tf2.agents.planet.world_model import Overshooting, WorldModel
from planet_tf2.configs.environments import action_size, open_env
from planet_tf2.control.in_graph_batch_env import InGraphBatchEnv
from planet_tf2.control.simulate import Rollout
from planet_tf2.data.episodes import clean_staged
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.envs import Async, BatchEnv
from planet_tf2.nets.conv_ha import Encoder
from planet_tf2.nets.learning_rate import LearningRate
from planet_tf2.nets.optimizers import Optimizer
from planet_tf2.tools.bind import bind
from planet_tf2.tools.devices import make_strategy
from planet_tf2.tools.guard import Guard
from planet_tf2.training.attempts import Attempts
from planet_tf2.training.batches import make_batches
from planet_tf2.training.collecting import Collector
from planet_tf2.training.progress import Progress
from planet_tf2.training.session import Parts
from planet_tf2.training.summaries import Summaries

Params = Mapping[str, Any]


def make_model(
    params: Params,
    action_size: int,
    seed: int = 0,
    components: Mapping[str, tuple[int, ...]] | None = None,
) -> WorldModel:
    """Makes the world model, with all its variables.

    Args:
      params: parameters of the run.
      action_size: A, entries of an action.
      seed: determines the initial weights.
      components: shapes of the state components to predict, by name; see
        `diagnosed_components`.
    """
    keras.utils.set_random_seed(seed)
    policy = POLICIES[params["precision"]]
    encoder = Encoder(params["cnn_depth"], params["image_size"], dtype=policy)
    encoder.build()
    cell = make_cell(params)
    cell.build(action_size, encoder.embedding_size)
    heads = make_heads(params, cell.feature_size, components or {})
    return WorldModel(
        cell,
        encoder,
        heads,
        lambda image, seed: preprocess(image, params["image_bits"], seed),
        {**loss_scales(params), **head_scales(params, heads)},
        params["free_nats"],
        params["gradient_heads"],
        Overshooting(
            params["overshooting_distance"], params["os_stop_posterior_grad"]
        ),
    )


def loss_scales(params: Params) -> dict[str, float]:
    """Returns the scales of all losses to compute but those of the heads."""
    scales = {
        "global_divergence": params["global_div_scale"],
        "overshooting": params["overshooting_scale"],
        "overshooting_reward": params["overshooting_reward_scale"],
    }
    wanted = {name: scale for name, scale in scales.items() if scale}
    return {"divergence": params["divergence_scale"], **wanted}


def make_learner(
    params: Params,
    model: WorldModel,
    strategy: tf.distribute.Strategy | None = None,
) -> Learner:
    """Makes the training step of a world model."""
    return Learner(
        model,
        bind(
            Optimizer,
            learning_rate=_learning_rate(params),
            epsilon=params["main_adam_epsilon"],
            clipping=params["main_gradient_clipping"],
        ),
        LossScale() if params["precision"] == "float16" else None,
        params["micro_batches"],
        strategy,
    )


def _learning_rate(params: Params) -> float | LearningRate:
    name = "main_learning_rate"
    rate, schedule = params[name], params[f"{name}_schedule"]
    warmup = params[f"{name}_warmup_updates"]
    if schedule == "constant" and not warmup:
        return rate
    decay, final = params[f"{name}_decay_updates"], params[f"{name}_final"]
    return LearningRate(rate, schedule, warmup, decay, final)


class Environments:
    """The environments of a run, started as they are needed.

    Train and test collections of a task share their environments, and so the
    graph that runs the agent in them.

    Args:
      params: parameters of the run.
      folder: the run's folder.

    Attributes:
      attempts: what to do when one of them breaks.
    """

    def __init__(self, params: Params, folder: RunFolder):
        self._params = params
        self.attempts = Attempts(params["env_max_failures"], self._recover)
        # Where finished episodes wait until they are announced.
        self._record_dir = str(folder.scratch or folder.train_episodes)
        self._shared = shared_interface(params)
        self._envs: dict[str, list[Async]] = {}
        try:
            for task in params["tasks"]:
                self.get(task, 1)
        except BaseException:
            self.close()
            raise

    def get(self, task: str, amount: int) -> list[Async]:
        """Returns `amount` environments of a task."""
        envs = self._envs.setdefault(task, [])
        while len(envs) < amount:
            envs.append(
                open_env(
                    task,
                    self._params,
                    blocking=False,
                    record_dir=self._record_dir,
                    staged=True,
                    **self._shared,
                )
            )
        return envs[:amount]

    def _recover(self) -> None:
        """Starts those anew that broke, and removes what was recorded.

        An episode that another agent has finished meanwhile is repeated too.
        """
        clean_staged(self._record_dir)
        for envs in self._envs.values():
            for env in envs:
                # Here, since a process follows the thread that starts it.
                if env.failed:
                    env.restart()

    def close(self) -> None:
        """Ends all of them."""
        for envs in self._envs.values():
            for env in envs:
                env.close()


def shared_interface(params: Params) -> dict[str, Any]:
    """What environments need so that one agent can act in all of them.

    Actions are padded to the largest space; observations are images only,
    since the tasks' state components differ.
    """
    names = params["tasks"]
    if len(names) == 1:
        return {}
    sizes = [action_size(name, params) for name in names]
    return {"pad_actions": max(sizes), "observations": ["image"]}


def make_collectors(
    params: Params,
    model: WorldModel,
    environments: Environments,
    should_stop: Callable[[], bool],
) -> dict[str, list[Collector]]:
    """Makes the collectors of both splits, those of a kind sharing a graph."""
    rollouts: dict[tuple, tuple[InGraphBatchEnv, Rollout]] = {}

    def rollout(task: str, entry: Mapping[str, Any]):
        key = (task, entry["batch_size"], entry["horizon"], entry["objective"])
        if key not in rollouts:
            batch_env = BatchEnv(environments.get(task, entry["batch_size"]))
            env = InGraphBatchEnv(batch_env, should_stop)
            agent = make_agent(
                params,
                model,
                env.action_size,
                entry["batch_size"],
                entry["horizon"],
                entry["objective"],
            )
            rollouts[key] = env, Rollout(agent, env)
        return rollouts[key]

    entries = {
        "train": collects.train_collects(params),
        "test": collects.test_collects(params),
    }
    result: dict[str, list[Collector]] = {"train": [], "test": []}
    for split, chosen in entries.items():
        for task in params["tasks"]:
            for entry in chosen:
                env, run = rollout(task, entry)
                result[split].append(
                    Collector(
                        name=entry["name"],
                        task=task,
                        index=len(result[split]),
                        env=env,
                        rollout=run,
                        attempts=environments.attempts,
                        **{
                            name: entry[name]
                            for name in (
                                "after",
                                "every",
                                "until",
                                "action_noise",
                                "action_noise_ramp",
                                "action_noise_min",
                            )
                        },
                    )
                )
    return result


def make_parts(
    params: Params,
    folder: RunFolder,
    seed: int,
    guard: Guard = Guard(),
) -> Parts:
    """Makes everything that a training session needs.

    Args:
      params: parameters of the run.
      folder: the run's folder.
      seed: the run's seed.
      guard: says when to stop, and whether the run may be written to.
    """
    strategy = make_strategy(params["num_gpus"])
    environments = Environments(params, folder)
    try:
        first = environments.get(params["tasks"][0], 1)[0]
        with strategy.scope():
            model = make_model(
                params,
                first.action_space.shape[0],
                seed,
                diagnosed_components(params, first.observation_space),
            )
            learner = make_learner(params, model, strategy)
        collectors = make_collectors(
            params, model, environments, guard.should_stop
        )

        summaries = Summaries(
            folder.train,
            folder.test,
            model,
            params["image_bits"],
            guard=guard,
            scratch=folder.scratch,
        )
        progress = Progress(params["max_steps"])
        closing = contextlib.ExitStack()
        for part in (environments, summaries, progress):
            closing.callback(part.close)
        return Parts(
            learner=learner,
            collectors=collectors,
            seed_envs={t: environments.get(t, 1)[0] for t in params["tasks"]},
            make_batches=bind(
                make_batches, params, folder, _sizes(first, model), guard
            ),
            summaries=summaries,
            progress=progress,
            close=closing.close,
            attempts=environments.attempts,
        )
    except BaseException:
        environments.close()
        raise


def _sizes(env: Any, model: WorldModel) -> dict[str, tuple[int, ...]]:
    """Returns what an episode has to hold of each time step, by name."""
    shapes = {key: part.shape for key, part in env.observation_space.items()}
    shapes |= {"action": env.action_space.shape, "reward": ()}
    return {key: shapes[key] for key in ("action", *model.heads)}
