"""A simulator that breaks when it is told to, in all the ways there are.

    tasks: [fragile:make]

The file that the environment variable FRAGILE_PLAN names has a word per line,
each for one episode, in the order in which episodes start, whichever process
they start in. `ok` and what comes behind the last line are episodes that work.
The file with the suffix `.log` gets the words that were read.
"""

import fcntl
import os
import pathlib
import signal
import threading

import gymnasium
import numpy as np
from gymnasium import spaces

LENGTH = 8
# On the step in the middle of an episode.
FAILURES = (
    "exit",
    "segfault",
    "hang",
    "raise",
    "nan reward",
    "no tuple",
)
FAILURES_IN_RESET = ("exit in reset", "hang in reset", "raise in reset")


def plan(monkeypatch, folder, words):
    """Tells the simulator what to do; returns a function that reads the log."""
    path = pathlib.Path(folder) / "plan"
    path.write_text("".join(f"{word}\n" for word in words))
    monkeypatch.setenv("FRAGILE_PLAN", str(path))
    log = path.with_suffix(".log")
    return lambda: log.read_text().splitlines() if log.exists() else []


def make(image_size):
    return FragileEnv(image_size)


def _next_word():
    """Takes the first line from the plan."""
    path = pathlib.Path(os.environ["FRAGILE_PLAN"])
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        first, *rest = file.read().splitlines() or ["ok"]
        file.seek(0)
        file.truncate()
        file.write("".join(f"{word}\n" for word in rest))
        with path.with_suffix(".log").open("a") as log:
            log.write(f"{first}\n")
    return first


def _break(how):
    if how == "exit":
        os._exit(3)
    if how == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "hang":
        threading.Event().wait()
    if how == "raise":
        raise OSError("the simulator is gone")


class FragileEnv(gymnasium.Env):
    """A dot that the action moves; the reward is where it is.

    All pixels but those of the dot tell the step, so that episodes that are
    put together from pieces would show.
    """

    def __init__(self, size):
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (size, size, 3), np.uint8),
                "place": spaces.Box(-10, 10, (1,), np.float32),
            }
        )
        self.action_space = spaces.Box(-1, 1, (2,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._word = _next_word()
        if self._word in FAILURES_IN_RESET:
            _break(self._word.removesuffix(" in reset"))
        self._time = 0
        self._place = self.np_random.uniform(-1, 1)
        return self._observe(), {}

    def step(self, action):
        self._time += 1
        self._place += float(action[0])
        result = self._observe(), self._place, False, self._over(), {}
        if self._time == LENGTH // 2 and self._word in FAILURES:
            _break(self._word)
            return self._wrong(*result)
        return result

    def _over(self):
        return self._time == LENGTH

    def _observe(self):
        image = np.full(self.observation_space["image"].shape, self._time, "u1")
        return {"image": image, "place": np.array([self._place], "f4")}

    def _wrong(self, observ, reward, *flags):
        if self._word == "no tuple":
            return observ
        return observ, np.nan, *flags
