"""Several environments as one with a batch axis."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

Observations = dict[str, np.ndarray]


class BatchEnv:
    """Steps several environments together and stacks what they return.

    All steps are started before the first result is collected, so that
    environments in processes or threads run in parallel.

    Args:
      envs: Environments with equal spaces, whose `reset` and `step` accept
        `blocking=False` as those of `Async` do.

    Raises:
      ValueError: There is none, or their spaces differ.
    """

    def __init__(self, envs: Sequence[Any]):
        if not envs:
            raise ValueError("A BatchEnv needs at least one environment.")
        self._envs = list(envs)
        spaces = [(env.observation_space, env.action_space) for env in envs]
        self.observation_space, self.action_space = spaces[0]
        for index, other in enumerate(spaces):
            if other != spaces[0]:
                raise ValueError(
                    "All environments of a batch need the same spaces, but"
                    f" those of number {index} are {other} and those of number"
                    f" 0 are {spaces[0]}."
                )

    def __len__(self) -> int:
        """Number of environments."""
        return len(self._envs)

    def reset(
        self,
        indices: Sequence[int] | None = None,
        seeds: Sequence[int | None] | None = None,
    ) -> Observations:
        """Starts an episode in some or all environments.

        Args:
          indices: Which ones, `[n]`; all by default.
          seeds: A seed or None for each of them, `[n]`.

        Returns:
          Observations `[n, ...]`, in the order of the indices.
        """
        chosen = self._select(indices)
        if seeds is None:
            seeds = [None] * len(chosen)
        # Gymnasium refuses NumPy's integers.
        seeds = [None if seed is None else int(seed) for seed in seeds]
        results = _collect(
            env.reset(seed=seed, blocking=False)
            for env, seed in zip(chosen, seeds, strict=True)
        )
        return _stack([obs for obs, _ in results])

    def step(
        self,
        actions: np.ndarray,
        indices: Sequence[int] | None = None,
    ) -> tuple[Observations, np.ndarray, np.ndarray, np.ndarray, list[dict]]:
        """Steps some or all environments.

        Args:
          actions: Finite numbers `[n, ...]`, a row per environment: `[n, A]`
            for a vector, `[n]` for a discrete action.
          indices: Which ones, `[n]`; all by default.

        Returns:
          Tuple of observations `[n, ...]`, rewards float32 `[n]`, terminated
          bool `[n]`, truncated bool `[n]`, and the info dicts.

        Raises:
          ValueError: The actions have another shape or are not finite.
          EnvError: An environment raised an exception.
        """
        chosen = self._select(indices)
        actions = np.asarray(actions)
        expected = (len(chosen), *self.action_space.shape)
        if actions.shape != expected or not np.isfinite(actions).all():
            raise ValueError(
                f"The actions must be finite, of shape {list(expected)}, but"
                f" they have shape {list(actions.shape)}: {actions}."
            )
        results = _collect(
            env.step(action, blocking=False)
            for env, action in zip(chosen, actions, strict=True)
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

    def _select(self, indices: Sequence[int] | None) -> list[Any]:
        if indices is None:
            return self._envs
        return [self._envs[index] for index in indices]


def _collect(promises: Iterable[Callable[[], tuple]]) -> list[tuple]:
    """Waits for every result before the first error is raised.

    All environments are ready for the next request then.
    """
    results, first_error = [], None
    for promise in list(promises):
        try:
            results.append(promise())
        except RuntimeError as error:
            first_error = first_error or error
    if first_error is not None:
        raise first_error
    return results


def _stack(observs: Sequence[Observations]) -> Observations:
    return {
        key: np.stack([observ[key] for observ in observs]) for key in observs[0]
    }
