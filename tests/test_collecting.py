import numpy as np
import pytest

from planet_tf2.training.collecting import Collector
from planet_tf2.training.trainer import Trainer


class FakeRollout:
    def __init__(self):
        self.calls = []

    def __call__(self, env_seeds, seed, action_noise):
        self.calls.append((*env_seeds, *seed.numpy().tolist(), action_noise))
        return [
            {"info": {"episode": {"return": float(number)}}}
            for number, _ in enumerate(env_seeds)
        ]


def make(index=0, agents=2, **schedule):
    entry = {"name": "main", "after": 5000, "every": 5000, "until": -1}
    envs = [None] * agents
    return Collector({**entry, **schedule}, "walk", index, envs, FakeRollout())


@pytest.fixture
def steps(tmp_path):
    """Two epochs of the default preset's training phase."""
    trainer = Trainer(tmp_path, {}, 1)
    trainer.add_phase("train", 50000, 50, [])
    trainer.add_phase("test", 50, 50, [])
    found = [trainer.step_at(n)[1] for n in range(0, 2 * 50050, 50)]
    return [step for step in found if step.phase == "train"]


def test_due_by_training_steps(steps):
    due = [step.phase_step for step in steps if make().due(step)]
    assert due == [*range(5000, 100000, 5000)]
    # Test phases in between do not count.
    assert [s.global_step for s in steps if s.phase_step == 50000] == [50050]
    collector = make(after=120, every=60000, until=60000)
    assert [s.phase_step for s in steps if collector.due(s)] == [150]
    assert not any(make(every=0).due(step) for step in steps)


def test_noise_by_training_steps(steps):
    def noise(**schedule):
        collector = make(action_noise=0.3, **schedule)
        return [
            collector.noise_at(step)
            for step in steps
            if step.phase_step in (0, 25000, 50000, 75000)
        ]

    np.testing.assert_allclose(noise(), [0.3] * 4)
    np.testing.assert_allclose(
        noise(action_noise_ramp=100000), [0, 0.075, 0.15, 0.225]
    )
    np.testing.assert_allclose(
        noise(action_noise_ramp=-50000, action_noise_min=0.1),
        [0.3, 0.15, 0.03, 0.03],
    )


def test_collect():
    collector = make()
    results = collector.collect((1, 2, 3), 0.25)
    assert results == [{"return": 0.0}, {"return": 1.0}]
    for other, seed in ((make(), (1, 2, 4)), (make(index=1), (1, 2, 3))):
        other.collect(seed, 0.25)
        collector.rollout.calls += other.rollout.calls
    collector.collect((1, 2, 3), 0.25)
    first, second, third, again = collector.rollout.calls
    assert first == again and first[-1] == 0.25
    # Every environment and every agent has random numbers of its own.
    numbers = [*first[:4], *second[:4], *third[:4]]
    assert len(set(numbers)) == 12
    assert min(numbers) >= 0
