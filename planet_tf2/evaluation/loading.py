"""Loads what a run has learned, and acts with it."""

import dataclasses
import functools
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import tensorflow as tf

from planet_tf2.agents import of_run
from planet_tf2.agents.agent import Agent
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.envs.imagined import ImaginedEnv
from planet_tf2.evaluation import runs
from planet_tf2.evaluation.checkpoints import (
    CheckpointError,
    find_checkpoint,
    load_weights,
)
from planet_tf2.evaluation.dreams import Dreams, as_observed
from planet_tf2.evaluation.frames import beside, is_image
from planet_tf2.tools import seeds
from planet_tf2.tools.attr_dict import AttrDict

_LOOKS = 5


@dataclasses.dataclass(frozen=True)
class LoadedRun:
    """What a run has learned, and what belongs to it.

    Attributes:
      folder: the run's folder.
      params: the run's parameters.
      agent: the agent with the weights of the checkpoint.
      checkpoint: path of the checkpoint, without suffix.
      step: global step of the checkpoint, in sequences.
      state: `finished`, `running`, `stopped` or `failed`.
    """

    folder: RunFolder
    params: AttrDict
    agent: Agent
    checkpoint: str
    step: int
    state: str

    @property
    def action_size(self) -> int:
        """A, entries of an action; 1 where one of several is chosen."""
        return int(np.prod(self.agent.action_space.shape))

    @functools.cached_property
    def images(self) -> list[str]:
        """Names of the images that the agent's model predicts."""
        spaces = self.agent.observation_space
        return [n for n in self._predicted if is_image(spaces[n])]

    @functools.cached_property
    def others(self) -> list[str]:
        """Names of what else it may predict beside the reward."""
        names = [n for n in self._predicted if n not in self.images]
        return [*names, "cont"]

    @property
    def _predicted(self) -> list[str]:
        agent = self.agent
        if not agent.has_model:
            return []
        every = agent.predicted is None
        return list(agent.observation_space if every else agent.predicted)

    def imagined(self, found: Mapping[str, tf.Tensor]) -> "Imagined":
        """Sorts what `imagine` found, as arrays."""
        arrays = {name: x.numpy() for name, x in found.items()}
        images = [arrays.pop(name) for name in self.images]
        image = beside(images) if images else None
        return Imagined(image, arrays.pop("reward"), arrays)

    def check_predicts(self, what: str = "rewards") -> None:
        """Checks that there is something to be shown.

        Args:
          what: `rewards`, for which any model of the world will do, `images`,
            or `observations`.

        Raises:
          UnusableRun: the agent predicts none.
        """
        there = {
            "rewards": self.agent.has_model,
            "images": self.images,
            "observations": self._predicted,
        }
        if not there[what]:
            raise runs.UnusableRun(
                f"The agent of {self.folder.path} predicts no {what}, so that "
                "there is nothing to show."
            )


class Imagined(NamedTuple):
    """What an agent expects.

    Attributes:
      image: the images, uint8 `[T, H, W, 3]`, several beside each other; None
        if it predicts none.
      reward: the rewards, float32 `[T]`.
      others: what else it expects, by name, `[T, ...]`: further observations,
        and `cont`, the probability that the episode goes on.
    """

    image: np.ndarray | None
    reward: np.ndarray
    others: Mapping[str, np.ndarray] = {}


class LoadedAgent:
    """A trained agent: shown what there is to see, it chooses an action.

    Each decision is random only as far as the planner is, and follows from the
    seed, the number of the episode and the number of the decision.

    Args:
      run: what was loaded of the run.
      seed: determines all randomness; a whole number of at least 0.

    Attributes:
      run: the same.
      params: the parameters of the run.
      action_size: A, entries of an action.
    """

    def __init__(self, run: LoadedRun, seed: int = 0):
        self.run = run
        self.params = run.params
        self.action_size = run.action_size
        self._seed = seed
        self._episode, self._time = -1, 0
        self._actor = run.agent.actor()
        self._perform = tf.function(self._actor.perform, autograph=False)
        self._imagine = tf.function(
            functools.partial(imagine, run.agent),
            autograph=False,
            reduce_retracing=True,
        )
        self.reset()

    @functools.cached_property
    def dreams(self) -> Dreams:
        """What `planet_tf2.envs.imagined.ImaginedEnv` asks."""
        return Dreams(self.run)

    def reset(self) -> None:
        """Forgets what it has seen and done; to be called between episodes."""
        self._actor.begin_episode(tf.constant([0]))
        self._episode += 1
        self._time = 0

    def act(
        self, observation: np.ndarray | Mapping[str, np.ndarray]
    ) -> np.ndarray:
        """Chooses the next action, without exploration noise.

        The agent takes it for granted that the action is executed.

        Args:
          observation: what is seen now, by name, or the image alone, uint8
            `[H, H, 3]`, rendered as in training.

        Returns:
          Action in the agent's action space: float32 `[A]` in [-1, 1], or a
          number of `Discrete`.

        Raises:
          ValueError: an observation is missing or has another shape or type.
        """
        space = self.run.agent.observation_space
        if not isinstance(observation, Mapping):
            observation = dict.fromkeys(space, observation)
        seen = {
            name: tf.constant(_check(name, part, observation.get(name))[None])
            for name, part in space.items()
        }
        seed = seeds.derive(self._seed, 1, self._episode, self._time)
        action = self._perform(tf.constant([0]), seen, seed=seed)
        self._time += 1
        return action[0].numpy()

    def imagine(self, actions: np.ndarray) -> Imagined:
        """Predicts what a sequence of actions would lead to from here.

        The first action stands in place of the one that `act` chose last. What
        the agent knows does not change.

        Args:
          actions: `[T, ...]` of the agent's action space, T at least 1; float
            `[T, A]` in [-1, 1], say.

        Returns:
          The images and rewards that follow each of the actions.

        Raises:
          ValueError: the actions have another shape, nothing has been seen
            since the last `reset`, or the agent has no model to imagine with.
        """
        if not self.run.agent.has_model:
            raise ValueError("This agent has no model to imagine with.")
        actions = check_actions(actions, self.run.agent.action_space)
        if not self._time:
            raise ValueError(
                "The agent has seen nothing since reset(). Show it an image "
                "with act(image) before asking it to imagine."
            )
        seed = seeds.derive(self._seed, 2, self._episode, self._time)
        found = self._imagine(self._actor.state, tf.constant(actions), seed)
        return self.run.imagined(found)


def imagine(
    agent: Agent, state: Any, actions: tf.Tensor, seed: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Predicts what actions `[T, ...]` lead to from one state.

    Returns:
      What is expected by name, `[T, ...]`, images as uint8.
    """
    mean = agent.imagine(state, actions[None], seed).mean
    return as_observed(agent, {name: x[0] for name, x in mean.items()})


def check_actions(actions: Any, space: gymnasium.Space) -> np.ndarray:
    """Returns actions `[T, ...]` as an array, if all are of a space.

    Raises:
      ValueError: they are not, or there are none.
    """
    actions = np.atleast_1d(actions)
    is_box = isinstance(space, gymnasium.spaces.Box)
    if is_box or np.equal(actions, actions.astype(space.dtype)).all():
        actions = actions.astype(space.dtype)
    if not len(actions) or not all(map(space.contains, actions)):
        size = ", ".join(["T", *map(str, space.shape)])
        within = "lie in [-1, 1]" if is_box else f"be of {space}"
        raise ValueError(
            f"The actions must have shape [{size}], with T of at least 1, and "
            f"{within}."
        )
    return actions


def load_agent(
    run_dir: str | os.PathLike[str],
    checkpoint: str | int | os.PathLike[str] | None = None,
    seed: int = 0,
) -> LoadedAgent:
    """Loads a trained agent. Writes nothing.

    Args:
      run_dir: folder of a run, or of an experiment with a single one.
      checkpoint: which one, such as 12 or `ckpt-12` or a path; the newest by
        default. Given one, runs that failed can be loaded as well.
      seed: determines all randomness of the agent.

    Returns:
      Agent with `reset()`, `act(observation)` and `imagine(actions)`.

    Raises:
      RunFolderError: a `ValueError`; the folder is empty, not that of a run, or
        the run failed or has not learned anything yet.
    """
    folder = runs.find_run(run_dir, allow_failed=checkpoint is not None)
    return LoadedAgent(load_run(folder, checkpoint), seed)


def imagined_env(
    run_dir: str | os.PathLike[str],
    checkpoint: str | int | os.PathLike[str] | None = None,
    **settings: Any,
) -> ImaginedEnv:
    """Makes an environment of the model of a run; see `ImaginedEnv`."""
    return ImaginedEnv(load_agent(run_dir, checkpoint), **settings)


def load_run(
    folder: RunFolder, checkpoint: str | int | os.PathLike[str] | None = None
) -> LoadedRun:
    """Loads the agent of a run.

    The run may still be going on: its checkpoints are complete whenever they
    can be seen, and if one is removed meanwhile, the next newest is taken.

    Args:
      folder: the run's folder.
      checkpoint: which one; see `load_agent`.

    Raises:
      CheckpointError: there is none, or it does not fit or cannot be read.
    """
    params = runs.read_params(folder)
    find_checkpoint(folder, checkpoint)  # Before anything is built.
    config = folder.read_config()
    package = of_run(config)
    agent = package.make_agent(params, *runs.read_spaces(folder, params))
    for _ in range(_LOOKS):
        path = find_checkpoint(folder, checkpoint)
        step = load_weights(agent.weights, path, config.get("id", ""))
        if step is not None:
            break
    else:
        raise CheckpointError(f"The checkpoint {path} cannot be read.")
    if step == 0 and checkpoint is None:
        raise CheckpointError(
            f"The run {folder.path} is unfinished: it has not learned anything "
            "yet. Train it further first."
        )
    state = runs.run_state(folder)
    return LoadedRun(folder, params, agent, path, step, state)


def _check(name: str, space: gymnasium.Space, value: Any) -> np.ndarray:
    """Returns an observation as an array, if it is what the agent sees."""
    if value is None:
        raise ValueError(f"The observation {name!r} is missing.")
    value = np.asarray(value)
    if np.issubdtype(space.dtype, np.floating):
        value = value.astype(space.dtype)
    if value.dtype != space.dtype or value.shape != space.shape:
        raise ValueError(
            f"The {name} is {value.dtype} {list(value.shape)}, but must be "
            f"{space.dtype} {list(space.shape)}."
        )
    return value
