"""An environment that tells how long it takes. Built in a worker process."""

import time
from typing import Any

import gymnasium

from planet_tf2.configs import builders
from planet_tf2.envs import ImageObservation


class Timed(gymnasium.Wrapper):
    """Adds `physics_seconds` and `rendering_seconds` of the episode to `info`.

    Both include the reset. Wrappers around the simulator are in neither, nor is
    the writing of the episode. Environments that draw their own images do so
    as a part of their physics.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        self._seconds = {"physics": 0.0, "rendering": 0.0}
        layer = env
        while isinstance(layer, gymnasium.Wrapper):
            if isinstance(layer, ImageObservation):
                layer._render = self._timed("rendering", layer._render)
                layer = layer.env
                break
            layer = layer.env
        layer.step = self._timed("physics", layer.step)
        layer.reset = self._timed("physics", layer.reset)

    def reset(self, **kwargs: Any):
        self._seconds = dict.fromkeys(self._seconds, 0.0)
        return self.env.reset(**kwargs)

    def step(self, action: Any):
        *result, info = self.env.step(action)
        seconds = {f"{k}_seconds": v for k, v in self._seconds.items()}
        return *result, {**info, **seconds}

    def _timed(self, name: str, function: Any) -> Any:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            result = function(*args, **kwargs)
            self._seconds[name] += time.perf_counter() - start
            return result

        return timed


def make_env(**kwargs: Any) -> Timed:
    return Timed(builders.make_env(**kwargs))
