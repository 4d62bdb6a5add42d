"""Environments that live in another process or thread.

The three strategies have the same interface:

    process  A fresh Python process, the default. Rendering in software and
             TensorFlow crash each other within one process, and environments
             in processes run in parallel.
    thread   One thread of this process that owns the environment, as OpenGL
             contexts belong to the thread that made them.
    none     The caller's own thread.
"""

from typing import Any

from planet_tf2.envs import rendering
from planet_tf2.envs.channels import InlineChannel, Promise, ThreadChannel
from planet_tf2.envs.errors import EnvCrash, EnvError
from planet_tf2.envs.process_channel import ProcessChannel

__all__ = ["Async", "EnvCrash", "EnvError", "Promise"]

_CHANNELS = {
    "process": ProcessChannel,
    "thread": ThreadChannel,
    "none": InlineChannel,
}


class Async:
    """An environment whose steps can be started now and collected later.

    `reset` and `step` return what the environment returns. With
    `blocking=False` they return a `Promise`, a function without arguments that
    waits for the result; several environments step in parallel when all are
    started before the first is collected.

    Use it as a context manager, or call `close()`, which may be repeated. A
    forgotten one is closed with the interpreter.
    """

    def __init__(
        self,
        constructor: str,
        kwargs: dict[str, Any] | None = None,
        strategy: str = "process",
        render: bool = True,
        blocking: bool = True,
    ):
        """Starts the environment.

        Args:
          constructor: `module:function` that returns a Gymnasium environment.
          kwargs: Keyword arguments of that function; must be picklable.
          strategy: `process`, `thread` or `none`.
          render: Whether the environment draws with OpenGL. Then a working
            backend is looked for first; otherwise OpenGL is kept away.
          blocking: Whether to wait until the environment is built. Otherwise
            its errors come with the first use, and several are built at once.

        Raises:
          ValueError: The strategy is unknown, or would crash (see
            `rendering.check_isolation`).
          RenderingError: No OpenGL backend works.
          EnvError: The constructor failed.
          EnvCrash: The process died.
        """
        if strategy not in _CHANNELS:
            raise ValueError(
                f"The strategy is {strategy!r}, but must be one of"
                f" {', '.join(_CHANNELS)}."
            )
        variables = _prepare_rendering(strategy, render)
        self._channel = _CHANNELS[strategy](variables)
        try:
            self._spaces = self._channel.call(
                "construct", constructor, kwargs or {}
            )
            if blocking:
                self._spaces()
        except BaseException:
            self.close()
            raise

    @property
    def observation_space(self):
        """Observation space of the environment; waits until it is built."""
        return self._spaces()[0]

    @property
    def action_space(self):
        """Action space of the environment; waits until it is built."""
        return self._spaces()[1]

    @property
    def pid(self) -> int | None:
        """Process id of the worker, or None where there is none."""
        return self._channel.pid

    def reset(self, *, seed: int | None = None, blocking: bool = True):
        """Starts an episode.

        Args:
          seed: Seed of the environment's random numbers, or None to go on.
          blocking: Whether to wait for the result.

        Returns:
          Tuple of observation and info, or a promise of it.

        Raises:
          EnvError: The environment raised an exception.
          EnvCrash: The process died.
        """
        promise = self._channel.call("reset", seed)
        return promise() if blocking else promise

    def step(self, action, blocking: bool = True):
        """Steps the environment.

        Args:
          action: Action `[A]`.
          blocking: Whether to wait for the result.

        Returns:
          Tuple of observation, reward, terminated, truncated and info, or a
          promise of it.

        Raises:
          EnvError: The environment raised an exception.
          EnvCrash: The process died.
        """
        promise = self._channel.call("step", action)
        return promise() if blocking else promise

    def close(self) -> None:
        """Closes the environment and ends its process or thread."""
        self._channel.close()

    def __enter__(self) -> "Async":
        return self

    def __exit__(self, *exception) -> None:
        self.close()


def _prepare_rendering(strategy: str, render: bool) -> dict[str, str | None]:
    if not render:
        return rendering.gl_variables(None)
    if strategy != "process":
        rendering.check_in_process(strategy)
    return rendering.gl_variables(rendering.choose_backend().name)
