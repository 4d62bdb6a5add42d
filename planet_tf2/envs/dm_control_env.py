"""The DeepMind Control Suite behind Gymnasium's interface."""

from typing import Any

import gymnasium
import numpy as np
from absl import logging
from dm_control import suite
from dm_control.mujoco import Camera
from dm_control.rl import control
from gymnasium import spaces

from planet_tf2.envs.errors import check_camera


class DMControl(gymnasium.Env):
    """One task of the control suite with its state observations.

    Observations are a dict of float32 arrays under the names that dm_control
    gives them (`position`, `velocity`, ...); scalars get shape `[1]`. Actions
    are bounded by the task's own action specification. Pixels come on demand
    from `render`, so that a wrapper can draw once per decision instead of once
    per simulator step.

    An episode ends with `truncated` at the suite's time limit (1000 simulator
    steps for most tasks) and with `terminated` where the task says so.

    OpenGL is first touched by `render`, in the thread that calls it, and only
    that thread may render from then on.

    Args:
      domain: Domain of the suite, for example `cheetah`.
      task: Task of that domain, for example `run`.
      camera_id: Number of the camera of the model to look through; -1 is the
        free camera.
      size: Side in pixels of the images that `render` returns.
      shadow_size: Side of the map, in texels, from which lights draw shadows.
        It is what software OpenGL takes most of its time for, whatever the size
        of the images. 0 is for no shadows, None for what the suite has, 2048.

    Attributes:
      suite_env: The suite's environment, for those who need its physics.

    Raises:
      ValueError: The suite has no such task or the model no such camera.
    """

    render_mode = "rgb_array"

    def __init__(
        self,
        domain: str,
        task: str,
        camera_id: int = 0,
        size: int = 64,
        shadow_size: int | None = None,
    ):
        self.suite_env = _load(domain, task)
        model = self.suite_env.physics.model
        check_camera(camera_id, range(-1, model.ncam), f"{domain} {task}")
        if shadow_size == 0:
            model.light_castshadow[:] = False
        elif shadow_size is not None:
            model.vis.quality.shadowsize = shadow_size
        self._camera_id, self._size = camera_id, size
        self._camera: Camera | None = None
        self._running = False
        self.observation_space = spaces.Dict(
            {
                key: spaces.Box(-np.inf, np.inf, spec.shape or (1,), np.float32)
                for key, spec in self.suite_env.observation_spec().items()
            }
        )
        spec = self.suite_env.action_spec()
        self.action_space = spaces.Box(
            spec.minimum.astype(np.float32),
            spec.maximum.astype(np.float32),
            dtype=np.float32,
        )

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Starts an episode; a seed restarts the task's random numbers.

        Of the seed, the lowest 32 bits count; the same one as `random` in the
        suite's `task_kwargs` starts the same episode.
        """
        super().reset(seed=seed)
        if seed is not None:
            self.suite_env.task.random.seed(seed % 2**32)
        time_step = self.suite_env.reset()
        self._running = True
        return self._convert(time_step.observation), {}

    def step(
        self, action: np.ndarray
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Advances by one simulator step of the suite with an action `[A]`.

        Raises:
          gymnasium.error.ResetNeeded: The episode is over.
        """
        if not self._running:
            raise gymnasium.error.ResetNeeded(
                "The episode is over; call reset() before step()."
            )
        time_step = self.suite_env.step(action)
        last = time_step.last()
        terminated = bool(last and time_step.discount == 0.0)
        self._running = not last
        return (
            self._convert(time_step.observation),
            float(time_step.reward or 0.0),
            terminated,
            bool(last and not terminated),
            {},
        )

    def render(self) -> np.ndarray:
        """Draws the current state, uint8 `[size, size, 3]`."""
        if self._camera is None:
            # The models ask for a framebuffer of 640 x 480. One that just holds
            # the pictures gives the same pixels and saves software OpenGL
            # several milliseconds per frame.
            physics, size = self.suite_env.physics, self._size
            limits = physics.model.vis.global_
            limits.offheight = limits.offwidth = size
            self._camera = Camera(physics, size, size, self._camera_id)
        return np.array(self._camera.render(), order="C")

    def close(self) -> None:
        """Frees the physics and its OpenGL context; reset is impossible then.

        Call it from the thread that rendered.
        """
        self._running = False
        self._camera = None
        self.suite_env.physics.free()

    def _convert(self, observation) -> dict[str, np.ndarray]:
        return {
            key: np.array(value, np.float32).reshape(
                self.observation_space[key].shape
            )
            for key, value in observation.items()
        }


def _load(domain: str, task: str) -> control.Environment:
    # MuJoCo remarks on old attributes in the suite's own models, which no user
    # of them can change.
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        # Some draw their physics when they are loaded, which have to be the
        # same in every process. What comes after that is random again.
        env = suite.load(domain, task, task_kwargs={"random": 0})
        env.task.random.seed()
        return env
    finally:
        logging.set_verbosity(verbosity)
