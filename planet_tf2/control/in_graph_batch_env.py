"""A batch of environments as operations of a TensorFlow graph."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf


class RolloutStopped(Exception):
    """An episode was broken off because the program is about to stop."""


class InGraphBatchEnv:
    """Steps a batch of environments from inside a `tf.function`.

    The environments are NumPy programs, so each call leaves the graph for a
    moment through `tf.numpy_function`. TensorFlow reports an exception there
    as text only; the original is kept in `error` for whoever runs the graph.

    Args:
      batch_env: the `BatchEnv` to step.
      should_stop: asked before each step; if it returns true the step raises
        `RolloutStopped`, which ends the graph.

    Attributes:
      finished: `info` of the last step of every episode since the last reset
        of all environments, by the environment's index.
      error: exception that ended the last graph, or `None`.
      busy_seconds: time that graphs have waited for the environments.
    """

    def __init__(
        self, batch_env: Any, should_stop: Callable[[], bool] = lambda: False
    ):
        self._batch_env = batch_env
        self._should_stop = should_stop
        spaces = batch_env.observation_space.spaces
        self._names = sorted(spaces)
        self._dtypes = [tf.as_dtype(spaces[k].dtype) for k in self._names]
        self._shapes = [spaces[k].shape for k in self._names]
        self.finished: dict[int, dict[str, Any]] = {}
        self.error: BaseException | None = None
        self.busy_seconds = 0.0

    def __len__(self) -> int:
        return len(self._batch_env)

    @property
    def action_size(self) -> int:
        """A, entries of an action."""
        return self._batch_env.action_space.shape[0]

    def reset(
        self, indices: tf.Tensor, env_seeds: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Starts new episodes.

        Args:
          indices: int `[N]`, which environments.
          env_seeds: int64 `[N]`, one seed for each of them.

        Returns:
          First observations, tensors `[N, ...]`.
        """
        outputs = tf.numpy_function(
            self._guard(self._reset), [indices, env_seeds], self._dtypes
        )
        return self._observations(outputs)

    def step(
        self, indices: tf.Tensor, action: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        """Takes one step in some of the environments.

        Args:
          indices: int `[N]`, which environments.
          action: float32 `[N, A]`.

        Returns:
          Observations `[N, ...]`, rewards float32 `[N]`, and done flags
          bool `[N]`.
        """
        outputs = tf.numpy_function(
            self._guard(self._step),
            [indices, action],
            [*self._dtypes, tf.float32, tf.bool],
        )
        *observ, reward, done = outputs
        reward = tf.ensure_shape(reward, [None])
        done = tf.ensure_shape(done, [None])
        return self._observations(observ), reward, done

    def _observations(self, tensors: list[tf.Tensor]) -> dict[str, tf.Tensor]:
        return {
            name: tf.ensure_shape(tensor, (None, *shape))
            for name, tensor, shape in zip(
                self._names, tensors, self._shapes, strict=True
            )
        }

    def _guard(self, function: Callable) -> Callable:
        def guarded(*args):
            start = time.monotonic()
            try:
                return function(*args)
            except BaseException as error:
                self.error = error
                raise
            finally:
                self.busy_seconds += time.monotonic() - start

        return guarded

    def _reset(self, indices: np.ndarray, env_seeds: np.ndarray) -> list:
        self._raise_if_stopping()
        for index in indices:
            self.finished.pop(int(index), None)
        observ = self._batch_env.reset(indices, env_seeds)
        return [observ[name] for name in self._names]

    def _step(self, indices: np.ndarray, action: np.ndarray) -> list:
        self._raise_if_stopping()
        observ, reward, terminated, truncated, infos = self._batch_env.step(
            action, indices
        )
        done = terminated | truncated
        for index, over, info in zip(indices, done, infos, strict=True):
            if over:
                self.finished[int(index)] = info
        return [*(observ[name] for name in self._names), reward, done]

    def _raise_if_stopping(self) -> None:
        if self._should_stop():
            raise RolloutStopped("The program is about to stop.")
