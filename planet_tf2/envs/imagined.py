"""A Gymnasium environment whose steps a trained world model imagines."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np

OBSERVE = ("observations", "latent")

gymnasium.register(
    "planet_tf2/Imagined-v0",
    entry_point="planet_tf2.evaluation.loading:imagined_env",
)


class ImaginedEnv(gymnasium.Env):
    """What a world model expects, step by step; no simulator is needed.

    An episode starts from what the model believes after some real steps: at a
    random place of the run's stored episodes, or at the end of an episode that
    is handed to `reset`. It ends as often as the model expects an end, and is
    cut off after `horizon` steps. What is observed is a prediction, which gets
    worse the longer an episode lasts. `info["cont"]` is the probability that
    the episode goes on.

    Args:
      agent: of `planet_tf2.load_agent`.
      horizon: steps after which episodes are cut off; by default as many as
        the agent itself looks ahead.
      observe: `observations`, what the model predicts of them, by name, or
        `latent`, what its heads see of the latent state, float32 `[F]`, which
        is all that the model knows.
      context: real steps that the model sees at most before an episode; 1 is
        just an observation.
      render_mode: `rgb_array`, or None.

    Raises:
      ValueError: an argument is out of range, or there is no model, or nothing
        that it predicts.
    """

    metadata = {"render_modes": ["rgb_array"]}

    def __init__(
        self,
        agent: Any,
        horizon: int | None = None,
        observe: str = "observations",
        context: int = 10,
        render_mode: str | None = None,
    ):
        self._dreams = agent.dreams
        self._horizon = self._dreams.horizon if horizon is None else horizon
        self._observe, self._context = observe, context
        self.render_mode = render_mode
        for name, value in (("horizon", self._horizon), ("context", context)):
            if value < 1:
                raise ValueError(f"{name} is {value}, but must be at least 1.")
        if observe not in OBSERVE:
            raise ValueError(
                f"observe is {observe!r}, but must be {' or '.join(OBSERVE)}."
            )
        self._shown = observe == "observations" or render_mode is not None
        self.action_space = self._dreams.action_space
        self.observation_space = self._dreams.latent_space
        if observe == "observations":
            self.observation_space = self._dreams.observation_space
            if not self.observation_space.spaces:
                raise ValueError(
                    "This model predicts no observations; say observe='latent'."
                )
        self._dream: Any = None
        self._time = 0

    def reset(
        self,
        *,
        seed: int | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Starts from real steps.

        Args:
          seed: determines all randomness from now on.
          options: `episode` holds the real steps to start from, `[T, ...]` by
            name: observations, and `action`, where each entry led to the
            observation beside it. The first may be zeros.
        """
        super().reset(seed=seed)
        episode = (options or {}).get("episode")
        if episode is None:
            episode = self._dreams.draw(self.np_random, self._context)
        self._time = 0
        self._dream = self._dreams.start(episode, self._seed(), self._shown)
        return self._seen()

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        """Imagines what an action leads to."""
        if self._dream is None:
            raise gymnasium.error.ResetNeeded("Call reset() before step().")
        if not self.action_space.contains(action):
            raise ValueError(
                f"The action {action!r} is not in {self.action_space}."
            )
        self._dream = self._dreams.step(
            self._dream.state, action, self._seed(), self._shown
        )
        self._time += 1
        terminated = bool(self.np_random.random() >= self._dream.cont)
        truncated = not terminated and self._time >= self._horizon
        seen, info = self._seen()
        return seen, self._dream.reward, terminated, truncated, info

    def render(self) -> np.ndarray | None:
        """Returns the predicted images beside each other, uint8."""
        if self.render_mode is None or self._dream is None:
            return None
        return self._dreams.frame(self._dream.observation)

    def _seen(self) -> tuple[Any, dict[str, float]]:
        dream = self._dream
        info = {"cont": dream.cont}
        if self._observe == "latent":
            return dream.latent, info
        return dream.observation, info

    def _seed(self) -> int:
        return int(self.np_random.integers(2**31))
