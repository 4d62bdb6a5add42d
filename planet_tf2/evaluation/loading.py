"""Loads what a run has learned, and acts with it."""

import dataclasses
import os
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from planet_tf2.agents.planet.make_agent import make_agent
from planet_tf2.agents.planet.unroll import imagine
from planet_tf2.agents.planet.world_model import WorldModel
from planet_tf2.configs.environments import action_size
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import runs
from planet_tf2.evaluation.checkpoints import (
    CheckpointError,
    find_checkpoint,
    first_line,
    load_weights,
)
from planet_tf2.tools import seeds
from planet_tf2.tools.attr_dict import AttrDict
from planet_tf2.training import assemble

_LOOKS = 5


@dataclasses.dataclass(frozen=True)
class LoadedRun:
    """A run's world model and what belongs to it.

    Attributes:
      folder: the run's folder.
      params: the run's parameters.
      model: the world model with the weights of the checkpoint.
      action_size: A, entries of an action.
      checkpoint: path of the checkpoint, without suffix.
      step: global step of the checkpoint, in sequences.
      state: `finished`, `running`, `stopped` or `failed`.
    """

    folder: RunFolder
    params: AttrDict
    model: WorldModel
    action_size: int
    checkpoint: str
    step: int
    state: str


class Imagined(NamedTuple):
    """What a model expects.

    Attributes:
      image: the images, uint8 `[T, H, H, 3]`.
      reward: the rewards, float32 `[T]`.
    """

    image: np.ndarray
    reward: np.ndarray


class Agent:
    """A trained agent: shown an image, it plans and chooses an action.

    Each decision is random only as far as the planner is, and follows from the
    seed, the number of the episode and the number of the decision.

    Args:
      run: what was loaded of the run.
      seed: determines all randomness; a whole number of at least 0.
    """

    def __init__(self, run: LoadedRun, seed: int = 0):
        self.run = run
        self._seed = seed
        self._episode, self._time = -1, 0
        self._agent = make_agent(run.params, run.model, run.action_size)
        self._everyone = tf.constant([0])
        self._perform = tf.function(
            lambda image, seed: self._agent.perform(
                self._everyone, {"image": image}, seed=seed
            )[0],
            autograph=False,
        )
        self._expect = tf.function(
            self._imagine,
            autograph=False,
            input_signature=[
                tf.TensorSpec([1, None, run.action_size], tf.float32),
                tf.TensorSpec([2], tf.int32),
            ],
        )
        self.reset()

    @property
    def params(self) -> AttrDict:
        """The parameters of the run."""
        return self.run.params

    @property
    def action_size(self) -> int:
        """A, entries of an action."""
        return self.run.action_size

    def reset(self) -> None:
        """Forgets what it has seen and done; to be called between episodes."""
        self._agent.begin_episode(self._everyone)
        self._episode += 1
        self._time = 0

    def act(self, image: np.ndarray) -> np.ndarray:
        """Chooses the next action, without exploration noise.

        The agent takes it for granted that the action is executed.

        Args:
          image: what is seen now, uint8 `[H, H, 3]`, rendered as in training;
            H is the run's `image_size`.

        Returns:
          Action in [-1, 1], float32 `[A]`.

        Raises:
          ValueError: the image has another shape or type.
        """
        image = _check_image(image, self.run.params["image_size"])
        seed = seeds.derive(self._seed, 1, self._episode, self._time)
        action = self._perform(tf.constant(image[None]), seed)
        self._time += 1
        return action.numpy()

    def imagine(self, actions: np.ndarray) -> Imagined:
        """Predicts what a sequence of actions would lead to from here.

        The first action stands in place of the one that `act` chose last. What
        the agent knows does not change.

        Args:
          actions: float `[T, A]` in [-1, 1], T at least 1.

        Returns:
          The images and rewards that follow each of the actions.

        Raises:
          ValueError: the actions have another shape, or nothing has been seen
            since the last `reset`.
        """
        actions = self._check_actions(actions)
        if not self._time:
            raise ValueError(
                "The agent has seen nothing since reset(). Show it an image "
                "with act(image) before asking it to imagine."
            )
        seed = seeds.derive(self._seed, 2, self._episode, self._time)
        image, reward = self._expect(tf.constant(actions[None]), seed)
        image = tf.image.convert_image_dtype(image[0] + 0.5, tf.uint8, True)
        return Imagined(image.numpy(), reward[0].numpy())

    def _imagine(
        self, actions: tf.Tensor, seed: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        cell, heads = self.run.model.cell, self.run.model.heads
        noise = tf.random.stateless_normal(
            [tf.shape(actions)[1], 1, cell.latent_size], seed
        )
        states = imagine(cell, self._agent.state, actions, noise)
        features = cell.features_from_state(states)
        return heads["image"](features).mean(), heads["reward"].mean(features)

    def _check_actions(self, actions: np.ndarray) -> np.ndarray:
        actions = np.asarray(actions, np.float32)
        size = self.action_size
        if actions.ndim != 2 or actions.shape[1] != size or not len(actions):
            raise ValueError(
                f"The actions have shape {list(actions.shape)}, but must have "
                f"shape [T, {size}] with T of at least 1."
            )
        if not (np.abs(actions) <= 1).all():
            raise ValueError("The actions must lie in [-1, 1].")
        return actions


def load_agent(
    run_dir: str | os.PathLike[str],
    checkpoint: str | int | os.PathLike[str] | None = None,
    seed: int = 0,
) -> Agent:
    """Loads a trained agent. Writes nothing.

    Args:
      run_dir: folder of a run, or of an experiment with a single one.
      checkpoint: which one, such as 12 or `ckpt-12` or a path; the newest by
        default. Given one, runs that failed can be loaded as well.
      seed: determines all randomness of the agent.

    Returns:
      Agent with `reset()`, `act(image)` and `imagine(actions)`.

    Raises:
      RunFolderError: a `ValueError`; the folder is empty, not that of a run, or
        the run failed or has not learned anything yet.
    """
    folder = runs.find_run(
        run_dir,
        allow_failed=checkpoint is not None,
        if_failed="Name a checkpoint to load what there is.",
    )
    return Agent(load_run(folder, checkpoint), seed)


def load_run(
    folder: RunFolder, checkpoint: str | int | os.PathLike[str] | None = None
) -> LoadedRun:
    """Loads the world model of a run.

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
    size = max(action_size(name, params) for name in params["tasks"])
    components = runs.read_components(folder, params)
    model = assemble.make_model(params, size, components=components)
    for look in range(_LOOKS):
        path = find_checkpoint(folder, checkpoint)
        try:
            step = load_weights(assemble.make_learner(params, model), path)
            break
        except tf.errors.NotFoundError as error:
            if checkpoint is not None or look == _LOOKS - 1:
                raise CheckpointError(
                    f"The checkpoint {path} cannot be read: {first_line(error)}"
                ) from None
    if step == 0 and checkpoint is None:
        raise CheckpointError(
            f"The run {folder.path} is unfinished: it has not learned anything "
            "yet. Train it further first."
        )
    return LoadedRun(
        folder, params, model, size, path, step, runs.run_state(folder)
    )


def _check_image(image: np.ndarray, size: int) -> np.ndarray:
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.shape != (size, size, 3):
        raise ValueError(
            f"The image is {image.dtype} {list(image.shape)}, but must be "
            f"uint8 {[size, size, 3]}."
        )
    return image
