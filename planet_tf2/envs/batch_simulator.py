"""The true simulator as a model to plan with: many futures of one episode."""

import mujoco
import numpy as np
from mujoco import rollout

from planet_tf2.envs.dm_control_env import make_suite
from planet_tf2.envs.suite_rewards import REWARDS, USES_SENSORS, Simulated
from planet_tf2.envs.wrappers import ActionRepeat, Duration

_STATE = mujoco.mjtState.mjSTATE_FULLPHYSICS


class BatchSimulator:
    """An episode of a control suite task, and simulations that start from it.

    A state is MuJoCo's full physics state, float64 `[S]`: time, positions,
    velocities and activations. Together with the model, which an episode may
    change (reacher moves its target), it tells all that the future needs.
    Nothing is ever drawn.

    Rewards of the tasks in `suite_rewards` are computed for all states at once.
    Those of other tasks are asked of the suite, state by state, which takes
    many times longer, and is exact only if they do not depend on forces.
    """

    def __init__(
        self,
        domain: str,
        task: str,
        action_repeat: int = 1,
        num_threads: int = 1,
        max_length: int = 1000,
    ):
        """Loads the task.

        Args:
          domain: Domain of the suite, for example `cheetah`.
          task: Task of that domain, for example `run`.
          action_repeat: Simulator steps per decision.
          num_threads: Threads that simulate.
          max_length: Length of an episode in simulator steps.

        Raises:
          ValueError: The suite has no such task.
        """
        env = make_suite(domain, task)
        self._suite = env.dm_env
        self._env = Duration(
            ActionRepeat(env, action_repeat), max_length // action_repeat
        )
        self._name = (domain, task)
        self._repeat = action_repeat
        physics = self._suite.physics
        self._substeps = round(
            self._suite.control_timestep() / physics.timestep()
        )
        self._model = physics.model.ptr
        self._scratch = physics.copy(share_model=True)
        self._datas = [mujoco.MjData(self._model) for _ in range(num_threads)]
        # Without threads of its own it works in the caller's.
        self._rollout = rollout.Rollout(
            nthread=num_threads if num_threads > 1 else 0
        )

    @property
    def action_size(self) -> int:
        """A, entries of an action."""
        return self._env.action_space.shape[0]

    @property
    def state(self) -> np.ndarray:
        """State that the episode is in, float64 `[S]`."""
        state = np.empty(mujoco.mj_stateSize(self._model, _STATE))
        data = self._suite.physics.data.ptr
        mujoco.mj_getState(self._model, data, state, _STATE)
        return state

    def reset(self, seed: int) -> np.ndarray:
        """Starts an episode and returns its state."""
        self._env.reset(seed=seed)
        return self.state

    def step(self, action: np.ndarray) -> tuple[float, bool]:
        """Takes a decision `[A]` in the episode.

        Returns:
          Reward, summed over the repeated action, and whether it is over.
        """
        _, reward, terminated, truncated, _ = self._env.step(action)
        return reward, terminated or truncated

    def predict(
        self, states: np.ndarray, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Simulates a decision from each of many states.

        The episode stays as it is.

        Args:
          states: float64 `[N, S]`.
          actions: `[N, A]`.

        Returns:
          States after the decisions, float64 `[N, S]`, and rewards, float32
          `[N]`, summed over the repeated actions.
        """
        substeps, steps = self._substeps, self._repeat * self._substeps
        control = np.asarray(actions, np.float64)[:, None]
        # Sensors tell of the state that a step starts from, so those of the
        # last state need one more step.
        extra = int(self._name in USES_SENSORS)
        path, sensors = self._rollout.rollout(
            self._model,
            self._datas,
            np.asarray(states, np.float64),
            np.repeat(control, steps + extra, 1),
        )
        last = path[:, steps - 1]
        path = path[:, substeps - 1 : steps : substeps]
        sensors = sensors[:, substeps::substeps] if extra else sensors[:, :0]
        rewards = self._rewards(
            path, np.repeat(control, self._repeat, 1), sensors
        )
        return last, rewards.sum(1).astype(np.float32)

    def close(self) -> None:
        """Ends the threads and frees the physics."""
        self._rollout.close()
        self._env.close()
        self._scratch.free()

    def _rewards(
        self, states: np.ndarray, control: np.ndarray, sensors: np.ndarray
    ) -> np.ndarray:
        """Returns the rewards `[N, T]` of states `[N, T, S]`."""
        if self._name not in REWARDS:
            return self.suite_rewards(states, control)
        num_positions, num_velocities = self._model.nq, self._model.nv
        position = states[..., 1 : 1 + num_positions]
        velocity = states[..., 1 + num_positions :][..., :num_velocities]
        simulated = Simulated(self._model, position, velocity, control, sensors)
        return REWARDS[self._name](simulated)

    def suite_rewards(
        self, states: np.ndarray, control: np.ndarray
    ) -> np.ndarray:
        """Asks the suite for the reward of each state, one after the other.

        Args:
          states: `[..., S]`.
          control: what the actuators were set to before each, `[..., A]`.
        """
        physics, task = self._scratch, self._suite.task
        data = physics.data.ptr
        rewards = np.empty(states.shape[:-1])
        for index in np.ndindex(rewards.shape):
            mujoco.mj_setState(self._model, data, states[index], _STATE)
            mujoco.mj_step1(self._model, data)
            physics.set_control(control[index])
            rewards[index] = task.get_reward(physics)
        return rewards
