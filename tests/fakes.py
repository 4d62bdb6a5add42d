"""Small environments with known behaviour, without TensorFlow.

Tests refer to them by name, `fakes:CountingEnv`, where a worker builds them.
"""

import os
import signal
import subprocess
import sys
import threading

import gymnasium
import numpy as np
from gymnasium import spaces

from planet_tf2.envs import BatchEnv


class CountingEnv(gymnasium.Env):
    """Every number can be computed by hand.

    After step t, all pixels of `image` are t % 256, `count` is `[t]` and the
    reward is t. `noise` is drawn from the seeded random numbers. The episode
    terminates after `length` steps. Without an `image_size` there is no image.
    """

    metadata = {"render_modes": ["rgb_array"]}
    render_mode = "rgb_array"

    def __init__(self, length=5, action_size=2, image_size=4, low=-1, high=1):
        observations = {
            "count": spaces.Box(-np.inf, np.inf, (1,), np.float32),
            "noise": spaces.Box(-np.inf, np.inf, (3,), np.float32),
        }
        if image_size:
            size = (image_size, image_size, 3)
            observations["image"] = spaces.Box(0, 255, size, np.uint8)
        self.observation_space = spaces.Dict(observations)
        self.action_space = spaces.Box(low, high, (action_size,), np.float32)
        self.actions = []
        self.closed = 0
        self._length = length
        self._step = None

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._step = 0
        self.actions = []
        return self._observe(), {}

    def step(self, action):
        if self._step is None:
            raise gymnasium.error.ResetNeeded("Call reset() first.")
        assert np.shape(action) == self.action_space.shape
        self.actions.append(np.array(action))
        self._step += 1
        obs, reward = self._observe(), float(self._step)
        over = self._step >= self._length
        if over:
            self._step = None
        return obs, reward, over, False, {}

    def render(self):
        return np.full((4, 4, 3), (self._step or 0) % 256, "u1")

    def close(self):
        self.closed += 1

    def _observe(self):
        obs = {
            "count": np.array([self._step], np.float32),
            "noise": self.np_random.normal(size=3).astype(np.float32),
        }
        if "image" in self.observation_space.spaces:
            size = self.observation_space["image"].shape
            obs["image"] = np.full(size, self._step % 256, np.uint8)
        return obs


class ReportingEnv(CountingEnv):
    """Tells in `info` about the process and thread that it lives in."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._made_by = threading.get_ident()

    def step(self, action):
        *result, info = super().step(action)
        info = {
            "modules": sorted(sys.modules),
            "main": getattr(sys.modules["__main__"].__spec__, "name", None),
            "environ": dict(os.environ),
            "pid": os.getpid(),
            "made_by": self._made_by,
            "stepped_by": threading.get_ident(),
        }
        return *result, info


class ScreenEnv(CountingEnv):
    """Draws on pygame's screen, unless that is SDL's dummy."""

    def _observe(self):
        import pygame

        screen = pygame.display.set_mode((4, 4))
        if os.environ["SDL_VIDEODRIVER"] != "dummy":
            screen.fill((10, 200, 30))
        pygame.event.get()
        return {
            **super()._observe(),
            "image": pygame.surfarray.array3d(screen),
        }


class FailingEnv(CountingEnv):
    """Fails on the step after the given number of good ones.

    `how` is one of `raise`, `exit` (code 7), `sys.exit` (code 3), `kill`,
    `hang`, `unpicklable`.
    """

    gate = threading.Event()  # Opens for nobody.

    def __init__(self, how, good_steps=1):
        super().__init__(length=100)
        self._how = how
        self._good_steps = good_steps

    def step(self, action):
        if self._step == self._good_steps:
            self._fail()
        *result, info = super().step(action)
        if self._how == "unpicklable":
            info = {"function": lambda: None}
        return *result, info

    def _fail(self):
        if self._how == "raise":
            raise ZeroDivisionError("the fake failed")
        if self._how == "exit":
            os._exit(7)
        if self._how == "sys.exit":
            sys.exit(3)
        if self._how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._how == "hang":
            self.gate.wait()


class ServerEnv(FailingEnv):
    """Starts a program that only ends when somebody ends it.

    `info` tells its process id, and what it does when it is terminated.
    """

    def __init__(self, how="", good_steps=0):
        super().__init__(how, good_steps)
        program = (
            "import signal, time\n"
            "print(signal.getsignal(signal.SIGTERM).name, flush=True)\n"
            "while True: signal.pause()"
        )
        self._server = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
        )

    def reset(self, *, seed=None, options=None):
        obs, info = super().reset(seed=seed)
        signal_does = self._server.stdout.readline().strip()
        return obs, {"pid": self._server.pid, "SIGTERM": signal_does}


class MeetingEnv(CountingEnv):
    """Steps only while another one, with the other mode, steps as well.

    Opening a named pipe waits until both ends are open. An alarm ends the
    process if nobody comes.
    """

    def __init__(self, pipe, mode):
        super().__init__(length=100)
        self._pipe = pipe
        self._mode = mode

    def step(self, action):
        signal.alarm(60)
        with open(self._pipe, self._mode):
            signal.alarm(0)
        return super().step(action)


class Promises:
    """Has the interface of `Async`, without a process or thread."""

    def __init__(self, env):
        self._env = env

    def __getattr__(self, name):
        return getattr(self._env, name)

    def reset(self, *, seed, blocking):
        result = self._env.reset(seed=seed)
        return lambda: result

    def step(self, action, blocking):
        result = self._env.step(action)
        return lambda: result


def batch(envs):
    """Steps one environment after the other."""
    return BatchEnv([Promises(env) for env in envs])


class Clock:
    """Time that passes only when told to."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __call__(self):
        return self.seconds

    def tick(self, seconds):
        self.seconds += seconds


def hanging_constructor():
    threading.Event().wait()


def failing_constructor():
    raise KeyError("no such thing")
