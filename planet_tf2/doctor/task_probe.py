"""Plays a task at random, and says what an agent would see of it.

Run as `python -m planet_tf2.doctor.task_probe TASK AGENT SECONDS`. Prints a
JSON object with lists of texts: `notes`, and `remarks` on what cannot be
learned.
"""

import json
import sys
import time

import numpy as np

from planet_tf2 import agents
from planet_tf2.configs.environments import open_env, probe
from planet_tf2.data.first_look import remarks
from planet_tf2.doctor import full_run
from planet_tf2.envs import EnvError


def main(task: str, agent: str, seconds: float) -> None:
    """Plays for about so many seconds, at most an episode."""
    end = time.monotonic() + seconds
    package = agents.find(agent)
    preset = full_run.presets(agent)[0]
    params = agents.resolve(preset, "", {"tasks": [task]}, agent)
    interface = {
        "learned": agents.learned(package, params),
        "vector_actions": package.VECTOR_ACTIONS,
    }
    probe(task, params, **interface)
    with open_env(task, params, **interface) as env:
        env.action_space.seed(0)
        steps, rewards = [env.reset(seed=0)[0]], []
        over = False
        while not over and time.monotonic() < end:
            obs, reward, *ends, _ = env.step(env.action_space.sample())
            steps.append(obs)
            rewards.append(reward)
            over = any(ends)
        notes = env.notes
    episode = {name: np.stack([obs[name] for obs in steps]) for name in obs}
    found = remarks({**episode, "reward": np.array(rewards)}, params)
    print(json.dumps({"notes": notes, "remarks": found}), flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
    except (ValueError, EnvError) as error:
        sys.exit(getattr(error, "summary", str(error)))
