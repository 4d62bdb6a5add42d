"""Several environments as one with a batch axis."""

from collections.abc import Sequence
from typing import Any

import numpy as np


class BatchEnv:
    """Steps several environments together and stacks what they return.

    All steps are started before the first result is collected, so that
    environments in processes or threads run in parallel.
    """

    def __init__(self, envs: Sequence[Any], blocking: bool = False):
        """Combines environments.

        Args:
          envs: Environments with equal spaces. Unless `blocking`, their `reset`
            and `step` accept `blocking=False` as those of `Async` do.
          blocking: Whether to step one after the other, as plain Gymnasium
            environments need it.

        Raises:
          ValueError: There is none, or their spaces differ.
        """
        if not envs:
            raise ValueError("A BatchEnv needs at least one environment.")
        self._envs = list(envs)
        self._blocking = blocking
        self.observation_space = self._envs[0].observation_space
        self.action_space = self._envs[0].action_space
        for name in ("observation_space", "action_space"):
            for index, env in enumerate(self._envs):
                if getattr(env, name) != getattr(self, name):
                    raise ValueError(
                        f"All environments of a batch need the same {name}, but"
                        f" that of number {index} is {getattr(env, name)} and"
                        f" that of number 0 is {getattr(self, name)}."
                    )

    def __len__(self) -> int:
        """Number of environments."""
        return len(self._envs)

    def __getitem__(self, index: int) -> Any:
        """One of the environments."""
        return self._envs[index]

    def reset(
        self,
        indices: Sequence[int] | None = None,
        seeds: Sequence[int | None] | None = None,
    ) -> dict[str, np.ndarray]:
        """Starts an episode in some or all environments.

        Args:
          indices: Which ones, `[n]`; all by default.
          seeds: A seed or None for each of them, `[n]`.

        Returns:
          Observations `[n, ...]`, in the order of the indices.

        Raises:
          ValueError: An index or the number of seeds is wrong.
          EnvError: An environment raised an exception.
        """
        chosen = self._select(indices)
        seeds = [None] * len(chosen) if seeds is None else list(seeds)
        if len(seeds) != len(chosen):
            raise ValueError(
                f"Got {len(seeds)} seeds for {len(chosen)} environments."
            )
        results = self._collect(
            [
                self._start(env.reset, seed=_plain_seed(seed))
                for env, seed in zip(chosen, seeds, strict=True)
            ]
        )
        return _stack([obs for obs, _ in results])

    def step(
        self,
        actions: np.ndarray,
        indices: Sequence[int] | None = None,
    ) -> tuple[
        dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray, list[dict]
    ]:
        """Steps some or all environments.

        Args:
          actions: Finite numbers `[n, ...]`, a row per environment: `[n, A]`
            for a vector, `[n]` for a discrete action.
          indices: Which ones, `[n]`; all by default.

        Returns:
          Tuple of observations `[n, ...]`, rewards float32 `[n]`, terminated
          bool `[n]`, truncated bool `[n]`, and the info dicts. An episode is
          over when either is true; it is truncated at a time limit.

        Raises:
          ValueError: An index is wrong, or the actions have another shape or
            are not finite.
          EnvError: An environment raised an exception.
        """
        chosen = self._select(indices)
        actions = self._check_actions(actions, len(chosen))
        results = self._collect(
            [
                self._start(env.step, action)
                for env, action in zip(chosen, actions, strict=True)
            ]
        )
        observs, rewards, terminated, truncated, infos = zip(
            *results, strict=True
        )
        return (
            _stack(observs),
            np.array(rewards, np.float32),
            np.array(terminated, bool),
            np.array(truncated, bool),
            list(infos),
        )

    def close(self) -> None:
        """Closes all environments."""
        for env in self._envs:
            env.close()

    def _start(self, method, *args, **kwargs):
        if self._blocking:
            result = method(*args, **kwargs)
            return lambda: result
        return method(*args, blocking=False, **kwargs)

    def _collect(self, promises) -> list[tuple]:
        # Every result is waited for before the first error is raised, so that
        # all environments are ready for the next request.
        results, errors = [], []
        for promise in promises:
            try:
                results.append(promise())
            except RuntimeError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return results

    def _select(self, indices: Sequence[int] | None) -> list[Any]:
        if indices is None:
            return self._envs
        indices = [int(index) for index in indices]
        amount = len(self._envs)
        wrong = [index for index in indices if not 0 <= index < amount]
        if wrong or not indices or len(set(indices)) < len(indices):
            raise ValueError(
                f"The environment indices are {indices}, but must be different"
                f" numbers from 0 to {amount - 1}, at least one of them."
            )
        return [self._envs[index] for index in indices]

    def _check_actions(self, actions: np.ndarray, amount: int) -> np.ndarray:
        actions = np.asarray(actions)
        expected = (amount, *self.action_space.shape)
        if actions.shape != expected:
            raise ValueError(
                f"The actions have shape {list(actions.shape)}, but must have"
                f" shape {list(expected)}: one row per environment."
            )
        if not np.isfinite(actions).all():
            raise ValueError(f"The actions are not finite: {actions}.")
        return actions


def _plain_seed(seed: int | None) -> int | None:
    # Gymnasium refuses NumPy's integers.
    return None if seed is None else int(seed)


def _stack(observs: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {
        key: np.stack([observ[key] for observ in observs]) for key in observs[0]
    }
