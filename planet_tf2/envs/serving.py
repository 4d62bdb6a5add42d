"""Answers requests for an environment, wherever that environment lives."""

import contextlib
import importlib
import traceback
from typing import Any

import gymnasium

from planet_tf2.envs.places import place_of

# What a worker says: a value, or an exception as (type, message, traceback,
# place).
VALUE = "value"
ERROR = "error"


def construct(constructor: str, kwargs: dict[str, Any]) -> gymnasium.Env:
    """Builds an environment from the name of its constructor.

    Args:
      constructor: `module:function`, importable by that name.
      kwargs: Keyword arguments of the function.

    Raises:
      ValueError: The name does not have that form, or the module no such
        function.
    """
    module_name, _, name = constructor.partition(":")
    if not module_name or not name:
        raise ValueError(
            f"The environment constructor is {constructor!r}, but must look"
            " like module:function."
        )
    module = importlib.import_module(module_name)
    function = getattr(module, name, None)
    if not callable(function):
        raise ValueError(f"Module {module_name} has no function {name!r}.")
    return function(**kwargs)


class Server:
    """Holds one environment and turns requests into answers.

    Requests are tuples of a name and arguments: `construct`, `reset`, `step`
    and `close`. Answers are tuples `(VALUE, result)` or `(ERROR, details)`;
    nothing raises. `construct` answers with the two spaces.
    """

    def __init__(self):
        self._env: gymnasium.Env | None = None

    def answer(self, request: tuple) -> tuple[str, Any]:
        """Carries out one request."""
        name, *arguments = request
        try:
            return VALUE, getattr(self, f"_{name}")(*arguments)
        except Exception as error:
            return describe(error)

    def close(self) -> None:
        """Closes the environment; a failure to do so is of no interest."""
        with contextlib.suppress(Exception):
            self._close()

    def _construct(self, constructor: str, kwargs: dict[str, Any]):
        self._env = construct(constructor, kwargs)
        return self._env.observation_space, self._env.action_space

    def _reset(self, seed: int | None):
        return self._built().reset(seed=seed)

    def _step(self, action):
        return self._built().step(action)

    def _built(self) -> gymnasium.Env:
        if self._env is None:
            raise RuntimeError("There is no environment: it was not built.")
        return self._env

    def _close(self) -> None:
        env, self._env = self._env, None
        if env is not None:
            env.close()


def describe(error: BaseException) -> tuple[str, tuple[str, str, str, str]]:
    """Returns the answer that stands for an exception."""
    text = "".join(traceback.format_exception(error))
    return ERROR, (type(error).__name__, str(error), text, place_of(error))
