"""The DeepMind Control Suite, and whatever else has dm_env's interface."""

import contextlib
import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium
import numpy as np
from absl import logging
from gymnasium import spaces

from planet_tf2.envs.calls import choose_arguments
from planet_tf2.envs.errors import ONE_ENVIRONMENT, InterfaceError, check_camera
from planet_tf2.envs.images import find_form
from planet_tf2.envs.interface import as_space
from planet_tf2.tools.nearest import did_you_mean


class DmEnv(gymnasium.Env):
    """Gives an environment of dm_env the interface of Gymnasium.

    Observations and actions are what its specs say; text is left out. An
    episode ends with `terminated` where the last discount is 0, and otherwise
    with `truncated`.

    Images are drawn from its physics, if that is dm_control's: on demand, so
    that a wrapper can draw once per decision instead of once per simulator
    step. OpenGL is first touched by `render`, in the thread that calls it, and
    only that thread may render from then on. Without physics, an observation
    that is the only image among them is called `image`.

    Args:
      env: Object with dm_env's `reset`, `step`, `action_spec` and
        `observation_spec`.
      camera_id: Number of the camera of the model to look through; -1 is the
        free camera.
      size: Side in pixels of the images that `render` returns.
      shadow_size: Side of the map, in texels, from which lights draw shadows.
        It is what software OpenGL takes most of its time for, whatever the size
        of the images. 0 is for no shadows, None for what the model has.

    Attributes:
      dm_env: The environment of dm_env.

    Raises:
      ValueError: The model has no such camera, or a spec no counterpart.
    """

    def __init__(
        self,
        env: Any,
        camera_id: int = 0,
        size: int = 64,
        shadow_size: int | None = None,
    ):
        self.dm_env = env
        self.max_episode_steps = getattr(env, "max_episode_steps", None)
        self._camera_id, self._size = camera_id, size
        self._shadow_size = shadow_size
        self._camera, self._model = None, None
        self._action = env.action_spec()
        if isinstance(self._action, list | tuple):
            raise ValueError(f"It has several agents: {ONE_ENVIRONMENT}.")
        self.action_space = as_space(self._action)
        # By its name here: the name there; None for an observation that is one.
        self._names: dict[str, Any] = {}
        self._choose_observations(env.observation_spec())
        self._physics = hasattr(getattr(env, "physics", None), "model")
        cameras = range(-1, env.physics.model.ncam) if self._physics else [0]
        check_camera(camera_id, cameras)
        self.render_mode = "rgb_array" if self._physics else None

    def reset(
        self, *, seed: int | None = None, options: dict | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Starts an episode; a seed restarts the task's random numbers.

        Of the seed, the lowest 32 bits count. It is for dm_control's generator,
        or a method `seed` if there is one; other environments do not hear of
        it.
        """
        super().reset(seed=seed)
        if seed is not None:
            self._seed(seed % 2**32)
        time_step = self._checked("reset", self.dm_env.reset())
        return self._observation(time_step), {}

    def step(
        self, action: Any
    ) -> tuple[dict[str, Any], Any, bool, bool, dict[str, Any]]:
        """Advances by one step."""
        if hasattr(self._action, "dtype"):
            action = np.asarray(action, self._action.dtype)
            if hasattr(self._action, "minimum"):
                # Not beyond them by what float32 rounds to.
                action = action.clip(self._action.minimum, self._action.maximum)
        time_step = self._checked("step", self.dm_env.step(action))
        last = time_step.last()
        terminated = bool(last and np.all(time_step.discount == 0.0))
        reward = 0.0 if time_step.reward is None else time_step.reward
        truncated = bool(last and not terminated)
        obs = self._observation(time_step)
        return obs, reward, terminated, truncated, {}

    def render(self) -> np.ndarray:
        """Draws the current state, uint8 `[size, size, 3]`."""
        physics = self.dm_env.physics
        # Some compile another model for every episode.
        if self._model is not physics.model.ptr:
            self._prepare(physics)
        return np.array(self._camera.render(), order="C")

    def close(self) -> None:
        """Frees the physics and its OpenGL context; reset is impossible then.

        Call it from the thread that rendered.
        """
        self._camera = self._model = None
        if self._physics:
            self.dm_env.physics.free()
        self.dm_env.close()

    def _choose_observations(self, spec: Any) -> None:
        if not isinstance(spec, Mapping):
            spec = {None: spec}
        known = {
            key: as_space(part)
            for key, part in spec.items()
            if getattr(part, "dtype", None) != np.dtype(object)
        }
        images = [
            key for key, space in known.items() if find_form(space, False)
        ]
        self._draws_itself = any(len(s.shape or ()) > 2 for s in known.values())
        self._names = {"state" if k is None else k: k for k in known}
        if len(images) == 1 and not hasattr(self.dm_env, "physics"):
            self._names.pop("state" if images[0] is None else images[0])
            self._names["image"] = images[0]
        self.observation_space = spaces.Dict(
            {name: known[key] for name, key in self._names.items()}
        )

    def _observation(self, time_step: Any) -> dict[str, Any]:
        obs = time_step.observation
        if None in self._names.values():
            obs = {None: obs}
        try:
            return {name: obs[key] for name, key in self._names.items()}
        except (KeyError, TypeError) as error:
            raise InterfaceError(
                f"The environment returned {type(obs).__name__} as the"
                f" observation, which lacks what its spec names: {error}."
            ) from error

    def _seed(self, seed: int) -> None:
        for owner in (self.dm_env, getattr(self.dm_env, "task", None)):
            for name in ("random", "random_state"):
                generator = getattr(owner, name, None)
                if isinstance(generator, np.random.RandomState):
                    generator.seed(seed)
        if callable(getattr(self.dm_env, "seed", None)):
            self.dm_env.seed(seed)

    def _checked(self, method: str, result: Any) -> Any:
        """Returns the time step, if it is one that there can be."""
        first = result.first() if hasattr(result, "first") else None
        if first == (method == "reset"):
            return result
        found = getattr(result, "step_type", type(result))
        raise InterfaceError(
            f"The environment's {method}() returned {found!r}, but it must"
            " return a dm_env.TimeStep, the first of an episode from reset()"
            " alone."
        )

    def _prepare(self, physics: Any) -> None:
        """Sets up drawing for the model of these physics."""
        model, size = physics.model, self._size
        if self._shadow_size == 0:
            model.light_castshadow[:] = False
        elif self._shadow_size is not None:
            model.vis.quality.shadowsize = self._shadow_size
        # The models ask for a framebuffer of 640 x 480. One that just holds the
        # pictures gives the same pixels and saves software OpenGL several
        # milliseconds per frame.
        limits = model.vis.global_
        if self._draws_itself:
            limits.offheight = max(size, limits.offheight)
            limits.offwidth = max(size, limits.offwidth)
        else:
            limits.offheight = limits.offwidth = size
        mujoco = importlib.import_module("dm_control.mujoco")
        self._camera = mujoco.Camera(physics, size, size, self._camera_id)
        self._model = model.ptr


def make_suite(
    domain: str,
    task: str,
    kwargs: Mapping[str, Any] | None = None,
    *drawing: int | None,
) -> DmEnv:
    """Makes one task of the control suite with its state observations.

    Observations are a dict of arrays under the names that dm_control gives them
    (`position`, `velocity`, ...). Actions are bounded by the task's own
    specification. An episode ends with `truncated` at the suite's time limit
    (1000 simulator steps for most tasks) and with `terminated` where the task
    says so.

    Args:
      domain: Domain of the suite, for example `cheetah`.
      task: Task of that domain, for example `run`.
      kwargs: What the suite calls `task_kwargs`, such as `time_limit` in
        seconds.
      *drawing: Further arguments of `DmEnv`: camera and sizes.

    Raises:
      ValueError: The suite has no such task, the task no such arguments, or the
        model no such camera.
    """
    suite_env = load_suite(domain, task, kwargs)
    env = DmEnv(suite_env, *drawing)
    if kwargs and "time_limit" in kwargs:
        seconds = kwargs["time_limit"]
        env.max_episode_steps = round(seconds / suite_env.control_timestep())
    return env


def load_suite(
    domain: str, task: str, kwargs: Mapping[str, Any] | None = None
) -> Any:
    """Loads a task of the suite as such; see `make_suite`."""
    # Which may load OpenGL, and is not needed for environments of others.
    suite = importlib.import_module("dm_control.suite")
    with quiet():
        # Some draw their physics when they are loaded, which have to be the
        # same in every process. What comes after that is random again.
        chosen = {"random": 0, **(kwargs or {})}
        if kwargs:
            function = getattr(suite, domain).SUITE[task]
            chosen = choose_arguments(function, chosen)
        env = suite.load(domain, task, task_kwargs=chosen)
        env.task.random.seed()
        return env


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps remarks on the models of others back, which no user can change."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def load_manipulation(environment_name: str, seed: int | None = None) -> Any:
    """Loads one of dm_control's manipulation environments by its name.

    Raises:
      ValueError: There is none of that name.
    """
    manipulation = importlib.import_module("dm_control.manipulation")
    if environment_name not in manipulation.ALL:
        hint = did_you_mean(environment_name, manipulation.ALL)
        known = ", ".join(manipulation.ALL)
        raise ValueError(
            f"There is no manipulation_{environment_name}.{hint} There are"
            f" {known}."
        )
    return manipulation.load(environment_name, seed)
