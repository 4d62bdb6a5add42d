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

import gymnasium

from planet_tf2.envs import rendering
from planet_tf2.envs.channels import Channel, ProcessChannel, ThreadChannel
from planet_tf2.envs.child_process import Variables
from planet_tf2.envs.errors import EnvError

_CHANNELS = {
    "process": ProcessChannel,
    "thread": ThreadChannel,
    "none": Channel,
}


class Async:
    """An environment whose steps can be started now and collected later.

    `reset` and `step` return what the environment returns. With
    `blocking=False` they return a promise, a function without arguments that
    waits for the result; several environments step in parallel when all are
    started before the first is collected.

    An environment that crashed, hung or raised an exception is in a state that
    nobody knows. The next `reset` therefore closes what is left of it and
    builds a new one, in a new process; until then every step fails.

    Use it as a context manager, or call `close()`, which may be repeated. A
    forgotten one is closed with the interpreter.

    What a promise raises, and a call that blocks:
      EnvError: The environment raised an exception.
      EnvCrash: The process died.
      EnvTimeout: It took too long.
    """

    def __init__(
        self,
        constructor: str,
        kwargs: dict[str, Any] | None = None,
        strategy: str = "process",
        render: bool | None = True,
        blocking: bool = True,
        timeout_seconds: float | None = None,
    ):
        """Starts the environment.

        Args:
          constructor: `module:function` that returns a Gymnasium environment.
          kwargs: Keyword arguments of that function; must be picklable.
          strategy: `process`, `thread` or `none`.
          render: Whether the environment draws with OpenGL. Then a working
            backend is looked for first; otherwise OpenGL is kept away. None
            stands for maybe: it gets a backend where there is a safe one.
          blocking: Whether to wait until the environment is built. Otherwise
            its errors come with the first use, and several are built at once.
          timeout_seconds: How long a reset or a step may take before it counts
            as hanging, and building, which always has `BUILD_SECONDS`. Then a
            process is killed, and a thread left to itself. It means nothing to
            `none`. None waits for ever.

        Raises:
          ValueError: The strategy is unknown, or would crash (see
            `rendering.check_isolation`).
          RenderingError: No OpenGL backend works.
        """
        rendering.check_strategy(strategy)
        variables = _gl_variables(strategy, render)
        self._open = lambda: _CHANNELS[strategy](variables, timeout_seconds)
        self._request = ("construct", constructor, kwargs or {})
        self._closed = False
        self._known_spaces: tuple | None = None
        self._start()
        if blocking:
            try:
                self._checked_spaces()
            except BaseException:
                self.close()
                raise

    @property
    def observation_space(self) -> gymnasium.Space:
        """Observation space of the environment; waits until it is built."""
        return (self._known_spaces or self._checked_spaces())[0]

    @property
    def action_space(self) -> gymnasium.Space:
        """Action space of the environment; waits until it is built."""
        return (self._known_spaces or self._checked_spaces())[1]

    @property
    def pid(self) -> int | None:
        """Process id of the worker, or None where there is none."""
        return self._channel.pid

    @property
    def failed(self) -> bool:
        """Whether it broke, so that the next `reset` will start it anew."""
        return self._channel.failed

    def restart(self) -> None:
        """Closes what there is and starts anew, in a new process or thread.

        Does not wait until it is built; errors come with the next use.
        """
        self._channel.close()
        self._start()

    def reset(self, *, seed: int | None = None, blocking: bool = True):
        """Starts an episode.

        Args:
          seed: Seed of the environment's random numbers, or None to go on.
          blocking: Whether to wait for the result.

        Returns:
          Tuple of observation and info, or a promise of it.
        """
        if self.failed and not self._closed:
            self.restart()
        answer = self._channel.call("reset", seed)

        def promise():
            self._checked_spaces()  # Raises what a constructor raised.
            return answer()

        return promise() if blocking else promise

    def step(self, action: Any, blocking: bool = True):
        """Steps the environment.

        Args:
          action: Action of the environment's action space.
          blocking: Whether to wait for the result.

        Returns:
          Tuple of observation, reward, terminated, truncated and info, or a
          promise of it.
        """
        promise = self._channel.call("step", action)
        return promise() if blocking else promise

    def close(self) -> None:
        """Closes the environment and ends its process or thread."""
        self._closed = True
        self._channel.close()

    def __enter__(self) -> "Async":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _start(self) -> None:
        self._channel = self._open()
        try:
            self._spaces = self._channel.call(*self._request)
        except BaseException:
            self._channel.close()
            raise

    def _checked_spaces(self) -> tuple[gymnasium.Space, gymnasium.Space]:
        """Waits for the spaces; an environment keeps them when it restarts."""
        spaces = self._spaces()
        if self._known_spaces is None:
            self._known_spaces = spaces
        if spaces != self._known_spaces:
            self._channel.failed = True
            raise EnvError(
                "ValueError",
                f"After its restart the environment has the spaces {spaces},"
                f" but before it had {self._known_spaces}.",
            )
        return spaces


def _gl_variables(strategy: str, render: bool | None) -> Variables:
    if render is False:
        return rendering.gl_variables(None)
    try:
        if strategy != "process":
            rendering.check_in_process(strategy)
        return rendering.gl_variables(rendering.choose_backend().name)
    except (ValueError, rendering.RenderingError):
        if render:
            raise
        return rendering.gl_variables(None)
