"""When episodes are collected and how, also where an environment breaks."""

import traceback

import numpy as np
import pytest
from session_fakes import TIMES, Program

from planet_tf2.data import episodes
from planet_tf2.envs import EnvError
from planet_tf2.training.collecting import Collector, EnvUnreliable, retry
from planet_tf2.training.trainer import Trainer


class FakeRollout:
    def __init__(self):
        self.calls = []

    def __call__(self, env_seeds, seed, action_noise):
        self.calls.append((*env_seeds, *seed.numpy().tolist(), action_noise))
        return [
            {"info": {"episode": {"return": float(number)}}, **TIMES}
            for number, _ in enumerate(env_seeds)
        ]


def make(index=0, **schedule):
    entry = {"name": "main", "after": 5000, "every": 5000, "until": -1}
    envs = [None] * 2
    return Collector({**entry, **schedule}, "walk", index, envs, FakeRollout())


@pytest.fixture
def steps(tmp_path):
    """Two epochs of the default preset's training phase."""
    trainer = Trainer(tmp_path, {}, 1)
    trainer.add_phase("train", 50000, 50, [])
    trainer.add_phase("test", 50, 50, [])
    found = [trainer.step_at(n) for n in range(0, 2 * 50050, 50)]
    return [step for step in found if step.phase == "train"]


class TestCollector:
    def test_due_by_training_steps(self, steps):
        due = [step.phase_step for step in steps if make().due(step)]
        assert due == [*range(5000, 100000, 5000)]
        # Test phases in between do not count.
        assert [s.global_step for s in steps if s.phase_step == 50000] == [
            50050
        ]
        collector = make(after=120, every=60000, until=60000)
        assert [s.phase_step for s in steps if collector.due(s)] == [150]
        assert not any(make(every=0).due(step) for step in steps)

    def test_noise_by_training_steps(self, steps):
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

    def test_collect(self):
        collector = make()
        results = collector.collect((1, 2, 3), 0.25)
        assert results == [{"return": 0.0, **TIMES}, {"return": 1.0, **TIMES}]
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


class Breaking:
    """Fails in some of its calls, counted over all of its life."""

    def __init__(self, *calls):
        self.calls = 0
        self._failing = calls
        self._error = EnvError("OSError", "gone.", "the traceback")

    def __call__(self, *args):
        self.calls += 1
        if self.calls - 1 in self._failing:
            raise self._error
        return args


class TestRetry:
    def test_failures_count_in_a_row(self):
        work = Breaking(0, 1, 3, 4, 6)
        found = [retry("testing", work, 3) for _ in range(3)]
        assert found == [(2,), (2,), (1,)]

    @pytest.mark.parametrize(
        "most,words", [(1, "failed once"), (3, "failed 3 times in a row")]
    )
    def test_gives_up(self, most, words):
        work = Breaking(*range(9))
        with pytest.raises(EnvUnreliable, match=words) as caught:
            retry("testing it", work, most)
        assert work.calls == most
        summary = caught.value.summary
        assert "env_max_failures" in summary and "OSError: gone." in summary
        assert str(caught.value) == summary and "the trace" not in summary
        text = "".join(traceback.format_exception(caught.value))
        assert text.count("the traceback") == 1


@pytest.fixture(scope="module")
def smooth(tmp_path_factory):
    program = Program(tmp_path_factory.mktemp("smooth"))
    program.run()
    return program


class TestSession:
    """Training goes on, with the episodes that were complete."""

    # Rollouts of a whole run: training and test episodes of two epochs.
    ROLLOUTS = 4

    def test_repeated_rollouts_have_seeds_of_their_own(self, tmp_path, smooth):
        def calls(program):
            return [
                (tuple(env_seeds), tuple(seed))
                for env_seeds, seed, _ in program.rollouts["walk"].calls
            ]

        def rough(*failures, folder=""):
            program = Program(
                tmp_path / f"{failures}{folder}",
                max_failures=3,
                on_rollout=Breaking(*failures),
            )
            program.run()
            return calls(program)

        smooth, once, twice = calls(smooth), rough(1), rough(1, 2)
        assert len(set(smooth)) == self.ROLLOUTS
        # What comes behind the repeated one is as if nothing had been.
        assert once == [*smooth[:2], once[2], *smooth[2:]]
        assert twice == [*once[:3], twice[3], *smooth[2:]]
        assert len({*smooth, *once, *twice}) == self.ROLLOUTS + 2
        assert rough(1, 2, folder="again") == twice

    def test_seed_episodes_that_break(self, tmp_path, monkeypatch, smooth):
        program = Program(tmp_path, max_failures=2)
        env = program.envs["walk"]
        step, work = env.step, Breaking(1, 7)

        def breaking(action):
            work()
            return step(action)

        monkeypatch.setattr(env, "step", breaking)
        program.run()
        assert program.trace() == smooth.trace()

    def test_gives_up_and_goes_on(self, tmp_path, smooth):
        """What was complete stays; nothing else was written."""
        rollout = Breaking(1, 2)
        program = Program(tmp_path, max_failures=2, on_rollout=rollout)
        with pytest.raises(EnvUnreliable, match="collecting walk"):
            program.run()
        assert program.count("train") == 3 and program.count("test") == 2
        again = Program(tmp_path, max_failures=2)
        again.run()
        assert again.trace() == smooth.trace()
        for split in ("train", "test"):
            directory = getattr(again.folder, f"{split}_episodes")
            for name in episodes.list_episodes(directory):
                episodes.load_episode(directory / name)
