"""Simulates control suite tasks, one way and the other, for the tests.

Run as a program of its own, since dm_control loads OpenGL when it is imported,
which must not happen in a process with TensorFlow.

    MUJOCO_GL=off python simulator_checks.py OUTPUT.npz
"""

import sys

import numpy as np
from dm_control import suite

from planet_tf2.envs.batch_simulator import BatchSimulator
from planet_tf2.envs.suite_rewards import REWARDS

# A task without a formula of its own, for the way through the suite.
TASKS = {**dict.fromkeys(REWARDS, 3), ("hopper", "stand"): 2}
DECISIONS = 25


def main(path):
    results = {}
    for (domain, task), repeat in TASKS.items():
        simulator = BatchSimulator(domain, task, repeat)
        results |= {
            f"{domain}_{task}/{name}": np.asarray(value)
            for name, value in {
                **follow(simulator, domain, task, repeat),
                **rewards(simulator),
            }.items()
        }
        simulator.close()
    np.savez(path, **results)


def follow(simulator, domain, task, repeat):
    """Predicts an episode step by step, beside the suite itself."""
    random = np.random.default_rng(0)
    # The same as `BatchSimulator.reset` with this seed, by the suite's own
    # means.
    env = suite.load(domain, task, task_kwargs={"random": 5})
    env.reset()
    state = simulator.reset(5)
    predicted, actual, predicted_rewards, rewards = [], [], [], []
    for _ in range(DECISIONS):
        action = random.uniform(-1, 1, simulator.action_size)
        # The other row has to stay out of it.
        states, reward = simulator.predict(
            np.stack([0.5 * state, state]), np.stack([-action, action])
        )
        predicted.append(states[1])
        predicted_rewards.append(reward[1])
        total = sum(env.step(action).reward for _ in range(repeat))
        rewards.append(total)
        before = simulator.state
        assert (before == state).all(), "Predicting changed the episode."
        own, done = simulator.step(action)
        assert not done
        assert np.isclose(own, total, 1e-5, 1e-6)
        state = simulator.state
        actual.append(state)
    physics = env.physics
    final = [physics.time(), *physics.data.qpos, *physics.data.qvel]
    return {
        "predicted": predicted,
        "actual": actual,
        "predicted_rewards": predicted_rewards,
        "rewards": rewards,
        "final": final,
    }


def rewards(simulator, amount=600):
    """Rewards of random states, by the formulas and by the suite."""
    random = np.random.default_rng(1)
    state = simulator.reset(7)
    states = np.repeat(state[None], amount, 0)
    num_positions = simulator._model.nq
    states[:, 1 : 1 + num_positions] += random.normal(
        size=(amount, num_positions)
    ) * random.choice([0.02, 0.1, 1], (amount, 1))
    states[:, 1 + num_positions :] = random.normal(
        size=states[:, 1 + num_positions :].shape
    ) * random.choice([0.1, 3, 20], (amount, 1))
    if simulator._name == ("ball_in_cup", "catch"):
        # Cup and ball where they start, and from there apart.
        states[:, 1:5] = random.normal(size=(amount, 4)) * 0.03
        states[:, 4] += 0.35
    actions = random.uniform(-1, 1, (amount, simulator.action_size))
    _, values = simulator.predict(states, actions)
    # The same by the suite's own reward, one simulator step at a time.
    expected = np.zeros(amount)
    model, repeat = simulator._model, simulator._repeat
    single = BatchSimulator(*simulator._name, 1)
    single.reset(7)
    assert (single.state == state).all() and single._model.nq == model.nq
    for _ in range(repeat):
        states, _ = single.predict(states, actions)
        expected += single.suite_rewards(states, actions)
    single.close()
    return {"values": values, "expected": expected}


if __name__ == "__main__":
    main(sys.argv[1])
