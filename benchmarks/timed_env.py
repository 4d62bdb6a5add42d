"""An environment that tells how long it takes. Built in a worker process."""

import time
from typing import Any

import gymnasium

from planet_tf2.configs import environments
from planet_tf2.envs import PixelObservations


class Timed(gymnasium.Wrapper):
    """Adds `stepping_seconds` and `rendering_seconds` so far to `info`.

    Rendering is part of stepping. Both start anew with every episode.
    """

    def __init__(self, env: gymnasium.Env):
        super().__init__(env)
        self._seconds = {"stepping": 0.0, "rendering": 0.0}
        layer = env
        while not isinstance(layer, PixelObservations):
            layer = layer.env
        layer._render_pixels = self._timed("rendering", layer._render_pixels)
        self._step = self._timed("stepping", env.step)

    def reset(self, **kwargs: Any):
        result = self.env.reset(**kwargs)
        self._seconds = dict.fromkeys(self._seconds, 0.0)
        return result

    def step(self, action: Any):
        *result, info = self._step(action)
        seconds = {f"{k}_seconds": v for k, v in self._seconds.items()}
        return *result, {**info, **seconds}

    def _timed(self, name: str, function: Any) -> Any:
        def timed(*args: Any) -> Any:
            start = time.perf_counter()
            result = function(*args)
            self._seconds[name] += time.perf_counter() - start
            return result

        return timed


def make_env(**kwargs: Any) -> Timed:
    return Timed(environments.make_env(**kwargs))
