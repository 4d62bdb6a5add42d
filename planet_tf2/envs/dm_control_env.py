"""The DeepMind Control Suite behind Gymnasium's interface."""

from typing import Any

import gymnasium
import mujoco
import numpy as np
from absl import logging
from dm_control import suite
from dm_control.mujoco import Camera
from dm_control.rl import control
from gymnasium import spaces


class DMControl(gymnasium.Env):
    """One task of the control suite with its state observations.

    Observations are a dict of float32 arrays under the names that dm_control
    gives them (`position`, `velocity`, ...); scalars get shape `[1]`. Actions
    are bounded by the task's own action specification. Pixels come on demand
    from `render_pixels`, so that a wrapper can render once per decision
    instead of once per simulator step.

    An episode ends with `truncated` at the suite's time limit (1000 simulator
    steps for most tasks) and with `terminated` where the task says so.

    OpenGL is first touched by `render_pixels`, in the thread that calls it, and
    only that thread may render from then on.
    """

    metadata = {"render_modes": []}

    def __init__(
        self,
        domain: str,
        task: str,
        camera_id: int = 0,
        shadow_size: int | None = None,
    ):
        """Loads the task.

        Args:
          domain: Domain of the suite, for example `cheetah`.
          task: Task of that domain, for example `run`.
          camera_id: Number of the camera of the model that `render_pixels`
            looks through; -1 is the free camera.
          shadow_size: Side of the map, in texels, from which lights draw
            shadows. It is what software OpenGL takes most of its time for,
            whatever the size of the images. 0 is for no shadows, None for
            what the suite has, 2048.

        Raises:
          ValueError: The suite has no such task or the model no such camera,
            or the size is negative.
        """
        if (domain, task) not in suite.ALL_TASKS:
            raise ValueError(_unknown_task(domain, task))
        self._env = _load(domain, task)
        cameras = self._env.physics.model.ncam
        if not (_is_integer(camera_id) and -1 <= camera_id < cameras):
            raise ValueError(
                f"camera_id is {camera_id!r}, but {domain} {task} has cameras"
                f" 0 to {cameras - 1} (and -1, the free camera)."
            )
        if shadow_size is not None:
            _resize_shadows(self._env.physics.model, shadow_size)
        self._camera_id = int(camera_id)
        self._cameras: dict[tuple[int, int], Camera] = {}
        self._running = False
        self.observation_space = spaces.Dict(
            {
                key: spaces.Box(-np.inf, np.inf, spec.shape or (1,), np.float32)
                for key, spec in self._env.observation_spec().items()
            }
        )
        spec = self._env.action_spec()
        self.action_space = spaces.Box(
            spec.minimum.astype(np.float32),
            spec.maximum.astype(np.float32),
            dtype=np.float32,
        )

    @property
    def suite_env(self) -> control.Environment:
        """The suite's environment, for those who need its physics."""
        return self._env

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Starts an episode; a seed restarts the task's random numbers.

        Args:
          seed: Whole number of at least 0, of which the lowest 32 bits count;
            the same one as `random` in the suite's `task_kwargs` starts the
            same episode. None goes on with the current random numbers.
          options: Accepted for the interface's sake, unused.

        Returns:
          Tuple of the observation and an empty info dict.
        """
        super().reset(seed=seed)
        if seed is not None:
            self._env.task.random.seed(seed % 2**32)
        time_step = self._env.reset()
        self._running = True
        return self._convert(time_step.observation), {}

    def step(
        self, action: np.ndarray
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Advances by one simulator step of the suite.

        Args:
          action: Floats `[A]` within the action space.

        Returns:
          Tuple of observation, reward, terminated, truncated, info.

        Raises:
          gymnasium.error.ResetNeeded: The episode is over.
        """
        if not self._running:
            raise gymnasium.error.ResetNeeded(
                "The episode is over; call reset() before step()."
            )
        time_step = self._env.step(action)
        last = time_step.last()
        terminated = bool(last and time_step.discount == 0.0)
        truncated = bool(last and not terminated)
        self._running = not last
        return (
            self._convert(time_step.observation),
            float(time_step.reward or 0.0),
            terminated,
            truncated,
            {},
        )

    def render_pixels(self, height: int, width: int) -> np.ndarray:
        """Renders the current state.

        Returns:
          Image as uint8 `[height, width, 3]`, owned by the caller.
        """
        size = (height, width)
        if size not in self._cameras:
            self._cameras[size] = self._make_camera(height, width)
        return np.array(self._cameras[size].render(), order="C")

    def close(self) -> None:
        """Frees the physics and its OpenGL context; reset is impossible then.

        Call it from the thread that rendered.
        """
        self._running = False
        self._cameras.clear()
        self._env.physics.free()

    def _make_camera(self, height: int, width: int) -> Camera:
        """Makes a camera and a framebuffer that just holds its pictures.

        The models ask for a framebuffer of 640 x 480. A smaller one gives the
        same pixels and saves software OpenGL several milliseconds per frame.
        """
        physics = self._env.physics
        sizes = [*self._cameras, (height, width)]
        limits = physics.model.vis.global_
        limits.offheight = max(height for height, _ in sizes)
        limits.offwidth = max(width for _, width in sizes)
        if self._cameras:  # Then there is a framebuffer for smaller pictures.
            with physics.contexts.gl.make_current() as context:
                context.call(
                    mujoco.mjr_resizeOffscreen,
                    limits.offwidth,
                    limits.offheight,
                    physics.contexts.mujoco.ptr,
                )
        return Camera(physics, height, width, self._camera_id)

    def _convert(self, observation) -> dict[str, np.ndarray]:
        return {
            key: np.array(value, np.float32).reshape(
                self.observation_space[key].shape
            )
            for key, value in observation.items()
        }


def _load(domain: str, task: str):
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


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _resize_shadows(model: Any, size: int) -> None:
    if not _is_integer(size) or size < 0:
        raise ValueError(
            f"shadow_size is {size!r}, but must be a whole number of at"
            " least 0."
        )
    if size:
        model.vis.quality.shadowsize = size
    else:
        model.light_castshadow[:] = False


def _unknown_task(domain: str, task: str) -> str:
    tasks = sorted(task for name, task in suite.ALL_TASKS if name == domain)
    if tasks:
        known = f"the tasks of {domain} are {', '.join(tasks)}"
    else:
        domains = sorted({name for name, _ in suite.ALL_TASKS})
        known = f"the domains are {', '.join(domains)}"
    return f"The control suite has no {domain!r} {task!r}; {known}."
