"""A batch of environments as operations of a TensorFlow graph."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from planet_tf2.tools.signals import RolloutStopped


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
      action_space: that of each environment: Box, Discrete or MultiDiscrete.
      error: exception that ended the last graph, or `None`.
      busy_seconds: time that graphs have waited for the environments.
    """

    def __init__(
        self, batch_env: Any, should_stop: Callable[[], bool] = lambda: False
    ):
        self._batch_env = batch_env
        self._should_stop = should_stop
        # In one order everywhere.
        self._spaces = dict(sorted(batch_env.observation_space.items()))
        self._dtypes = [tf.as_dtype(s.dtype) for s in self._spaces.values()]
        self.action_space = batch_env.action_space
        self.error: BaseException | None = None
        self.busy_seconds = 0.0
        self._returns = np.zeros(len(batch_env), np.float32)
        self._lengths = np.zeros(len(batch_env), np.int64)
        self._finished: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._batch_env)

    def zero_observations(self) -> dict[str, tf.Tensor]:
        """Returns observations `[B, ...]` of nothing."""
        return {
            name: tf.zeros((len(self), *space.shape), space.dtype)
            for name, space in self._spaces.items()
        }

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
        outputs = self._call(self._reset, [indices, env_seeds], self._dtypes)
        return self._observations(outputs)

    def step(
        self, indices: tf.Tensor, action: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor, tf.Tensor]:
        """Takes one step in some of the environments.

        Args:
          indices: int `[N]`, which environments.
          action: actions of the action space's type: float32 `[N, ...]` for
            a Box, int `[N]` for Discrete, int `[N, A]` for MultiDiscrete.

        Returns:
          Observations `[N, ...]`, rewards float32 `[N]`, which episodes are
          over, bool `[N]`, and which of them not because of a time limit
          (`terminal`), bool `[N]`.
        """
        dtypes = [*self._dtypes, tf.float32, tf.bool, tf.bool]
        *observ, reward, done, terminal = self._call(
            self._step, [indices, action], dtypes
        )
        reward, done, terminal = (
            tf.ensure_shape(x, [None]) for x in (reward, done, terminal)
        )
        return self._observations(observ), reward, done, terminal

    def take_finished(self) -> list[dict[str, Any]]:
        """Returns the episodes that ended since the last call, in order.

        Returns:
          For each the environment's `index`, the episode's `return` and
          `length` in agent steps, and the `info` of its last step.
        """
        finished, self._finished = self._finished, []
        return finished

    def _observations(self, tensors: list[tf.Tensor]) -> dict[str, tf.Tensor]:
        return {
            name: tf.ensure_shape(tensor, (None, *space.shape))
            for (name, space), tensor in zip(
                self._spaces.items(), tensors, strict=True
            )
        }

    def _call(self, function: Callable, inputs: list, dtypes: list) -> list:
        def guarded(*args):
            start = time.monotonic()
            try:
                if self._should_stop():
                    raise RolloutStopped("The program is about to stop.")
                return function(*args)
            except BaseException as error:
                self.error = error
                raise
            finally:
                self.busy_seconds += time.monotonic() - start

        return tf.numpy_function(guarded, inputs, dtypes)

    def _reset(self, indices: np.ndarray, env_seeds: np.ndarray) -> list:
        observ = self._batch_env.reset(indices, env_seeds)
        self._returns[indices] = 0
        self._lengths[indices] = 0
        return [observ[name] for name in self._spaces]

    def _step(self, indices: np.ndarray, action: np.ndarray) -> list:
        observ, reward, terminal, truncated, infos = self._batch_env.step(
            action, indices
        )
        done = terminal | truncated
        # Also those after which the episode goes on.
        terminal |= np.array([info.get("terminal", False) for info in infos])
        self._returns[indices] += reward
        self._lengths[indices] += 1
        for index, over, info in zip(indices, done, infos, strict=True):
            if over:
                self._finished.append(
                    {
                        "index": int(index),
                        "return": float(self._returns[index]),
                        "length": int(self._lengths[index]),
                        "info": info,
                    }
                )
        observ = [observ[name] for name in self._spaces]
        return [*observ, reward, done, terminal]
