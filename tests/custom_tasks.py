"""Functions that make environments, as users write them, right and wrong."""

import os
import sys
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


def fail(error):
    raise error


class Mistaken(Tiny):
    """Does something in its constructor, in `reset` or in every step."""

    max_episode_steps = 4
    acts = {
        "raise": lambda: fail(OSError("the simulator is gone")),
        "crash": lambda: os._exit(3),
        "hang": lambda: threading.Event().wait(),
        "exit": lambda: sys.exit("no licence"),
        "look up": lambda: {}["camera"],
        "leave open": lambda: fail(NotImplementedError()),
        "divide": lambda: 1 / 0,
        "give up": lambda: fail(RuntimeError("odd")),
        "leave": lambda: sys.exit(2),
        "lack": lambda: fail(gymnasium.error.DependencyNotInstalled("pygame")),
        "convert": lambda: float("nonsense"),
        "misspell": lambda: Tiny().reset(sead=3),
    }

    def __init__(self, act, when="step"):
        super().__init__()
        self._name, self._when = act, when
        self._act("construct")

    def reset(self, **kwargs):
        self._act("reset")
        return super().reset(**kwargs)

    def step(self, action):
        self._act("step")
        return super().step(action)

    def _act(self, when):
        if when == self._when:
            self.acts[self._name]()


def three_values():
    env = Tiny()
    env.step = lambda action: (env.reset()[0], 1.0, False)
    return env


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


without_signature = dict
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


class Several:
    """As other packages offer several environments, or agents, in one."""

    observation_space = spaces.Box(-1, 1, (3,))
    action_space = spaces.Discrete(2)

    def __init__(self, **attributes):
        vars(self).update(attributes)

    def reset(self):
        raise AssertionError("It is not looked at.")

    step = reset


def gymnasium_vector():
    return gymnasium.vector.SyncVectorEnv([plain])


def batched():
    env = Tiny()
    env.num_envs = 4
    return gymnasium.Wrapper(env)


def old_spaces():
    class Discrete:
        n, start = 4, 1

    env = Tiny()
    env.action_space = Discrete()
    return env
