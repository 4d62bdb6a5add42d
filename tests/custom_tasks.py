"""Functions that make environments, as users write them, right and wrong."""

import os
import threading

import gymnasium
import numpy as np
from gymnasium import spaces


class Tiny(gymnasium.Env):
    """Shows its camera; its own limit is 30 steps."""

    max_episode_steps = 30

    def __init__(self, image_size=16, camera_id=0):
        shape = (image_size, image_size, 3)
        self.observation_space = spaces.Box(0, 255, shape, np.uint8)
        self.action_space = spaces.Discrete(3)
        self._camera = camera_id

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observe(), {}

    def step(self, action):
        return self._observe(), float(action), False, False, {}

    def _observe(self):
        return np.full(self.observation_space.shape, self._camera, np.uint8)


def plain():
    return Tiny()


def sized(image_size):
    return Tiny(image_size)


def all_of_them(**arguments):
    assert set(arguments) == {"image_size", "camera_id"}
    return Tiny(**arguments)


def wants_more(image_size, map_name):
    return Tiny(image_size)


def raises():
    return 1 / 0


def returns_nothing():
    Tiny()


def returns_the_class():
    return Tiny


def returns_a_blind_one():
    env = Tiny()
    env.observation_space = spaces.Box(-1, 1, (2,))
    return env


class Mistaken(Tiny):
    """Does one thing in another way than it should."""

    def __init__(self, mistake):
        super().__init__()
        self._mistake = mistake

    def step(self, action):
        if self._mistake == "three":
            return self._observe(), 1.0, False
        if isinstance(self._mistake, Exception):
            raise self._mistake
        if self._mistake == "raise":
            raise OSError("the simulator is gone")
        if self._mistake == "crash":
            os._exit(3)
        if self._mistake == "hang":
            threading.Event().wait()
        return super().step(action)


def three_values():
    return Mistaken("three")


def looks_up():
    return Mistaken(KeyError("camera"))


def is_unfinished():
    return Mistaken(NotImplementedError())


class Unlucky(Tiny):
    """Breaks wherever a file does not say that it has."""

    def step(self, action):
        path = os.environ["UNLUCKY"]
        if not os.path.exists(path):
            open(path, "w").close()
            return super().step(float("nonsense"))
        return super().step(action)


class Unpacks(gymnasium.Wrapper):
    def step(self, action):
        obs, reward, *ends, more, info = self.env.step(action)[:3]
        return obs, reward, *ends, info


def unpacks():
    return Unpacks(Tiny())


def divides():
    return Mistaken(ZeroDivisionError("division by zero"))


class Misspelt(Tiny):
    def reset(self, **kwargs):
        return super().reset(sead=3)


def exits():
    raise SystemExit("no licence")


def wrong_constructor(**arguments):
    return Tiny(size=3)


gymnasium.register("Wrong-v0", wrong_constructor)


def breaks():
    return Mistaken("raise")


def crashes():
    return Mistaken("crash")


def hangs():
    return Mistaken("hang")


not_callable = {"name": "wrong"}


def reserved_name():
    env = Tiny()
    image = env.observation_space
    env.observation_space = spaces.Dict(
        {"image": image, "reward": spaces.Box(-1, 1, (1,))}
    )
    return env


class Crowded(Tiny):
    """Observes more than anybody learns from, some of it endless."""

    def __init__(self):
        super().__init__()
        parts = {
            "image": self.observation_space,
            "wind": spaces.Box(-np.inf, np.inf, (2,), np.float32),
            "map": spaces.Box(-9, 9, (40, 50), np.int16),
            "side": spaces.Box(0, 255, (3, 120, 160), np.uint8),
        }
        self.observation_space = spaces.Dict(parts)

    def _observe(self):
        parts = self.observation_space.spaces
        values = {name: np.ones(s.shape, s.dtype) for name, s in parts.items()}
        return {**values, "wind": np.array([np.nan, -np.inf], "f4")}


def crowded():
    return Crowded()


def gymnasium_vector():
    return gymnasium.vector.SyncVectorEnv([plain])


class _Several:
    """What the interfaces of other packages have in common."""

    num_envs = 2
    observation_space = spaces.Box(-1, 1, (3,))
    action_space = spaces.Discrete(2)

    def reset(self):
        raise AssertionError("It is not looked at.")

    step = reset


def baselines_vector():
    return _Several()


def gym3_vector():
    class Gym3:
        num, ob_space, ac_space = 2, "Tensor", "Tensor"

    return Gym3()


def batched():
    env = Tiny()
    env.num_envs = 4
    return gymnasium.Wrapper(env)


def two_agents():
    class Parallel(_Several):
        num_envs = None
        possible_agents = ("left", "right")

    return Parallel()


def old_spaces():
    class Discrete:
        n, start = 4, 1

    env = Tiny()
    env.action_space = Discrete()
    return env
