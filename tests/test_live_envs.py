"""Environments that break one by one, and episodes that are played again."""

import numpy as np
import pytest
from stepping_tasks import Walk

from planet_tf2.data.conversion import StepType
from planet_tf2.data.recorder import RecordEpisodes
from planet_tf2.data.replay import Replay
from planet_tf2.envs import EnvError
from planet_tf2.training.collecting import EnvUnreliable
from planet_tf2.training.live_envs import LiveEnvs

TYPES = {
    "action": StepType(np.int64),
    "reward": StepType(np.float32),
    "is_first": StepType(np.bool_),
    "terminal": StepType(np.bool_),
    "place": StepType(np.float32, (3,)),
}


class Fragile:
    """An `Async` without a process, which breaks when told to."""

    def __init__(self, directory, longest=12):
        self.env = RecordEpisodes(Walk(longest), directory, staged=True)
        self.observation_space = self.env.observation_space
        self.action_space = self.env.action_space
        self.breaks_at = {}  # How often, by `reset` and `step`.
        self.seeds = []

    def reset(self, *, seed, blocking):
        self.seeds.append(seed)
        return self._promise("reset", lambda: self.env.reset(seed=seed))

    def step(self, action, blocking):
        return self._promise("step", lambda: self.env.step(action))

    def _promise(self, name, do):
        def promise():
            if self.breaks_at.get(name, 0):
                self.breaks_at[name] -= 1
                raise EnvError("OSError", "gone")
            return do()

        return promise


class Case:
    """Two environments, and what is learned from."""

    def __init__(self, path, longest=(12, 12), max_failures=3):
        self.parts = [Fragile(path, x) for x in longest]
        self.replay = Replay(TYPES)
        tasks = ["walk", "run"]
        self.envs = LiveEnvs(self.parts, tasks, self.replay, max_failures)

    def play(self, steps, seeds=(5, 6)):
        observ = self.envs.reset([0, 1], seeds)
        for time in range(steps):
            observ, *_, infos = self.envs.step(np.array([time % 4, 1]), [0, 1])
        return observ, infos if steps else None

    def held(self):
        """Decisions of the running episodes."""
        return {i: len(e) - 1 for i, e in self.replay._running.items()}


@pytest.fixture
def case(tmp_path):
    case = Case(tmp_path)
    case.play(2, (3, 4))
    assert case.held() == {0: 2, 1: 2}
    return case


class TestBreaking:
    def test_others_go_on(self, case, caplog):
        case.parts[0].breaks_at = {"step": 1}
        observ, reward, terminal, over, infos = case.envs.step(
            np.array([0, 1]), [0, 1]
        )
        assert over.tolist() == [True, False] and not terminal.any()
        assert observ["place"][0].tolist() == [0, 0, 0] and reward[0] == 0
        assert infos[0] == {} and reward[1] != 0
        assert case.held() == {1: 3}
        assert "Dropped a broken episode of walk: OSError: gone" in caplog.text
        case.envs.reset([0], [9])
        assert case.held() == {0: 0, 1: 3}

    def test_resets_are_repeated_with_other_seeds(self, case):
        case.parts[1].breaks_at = {"reset": 2}
        case.envs.reset([0, 1], [7, 8])
        assert case.held() == {0: 0, 1: 0}
        assert case.parts[0].seeds[1:] == [7]
        first, *others = case.parts[1].seeds[1:]
        assert first == 8 and len({first, *others}) == 3

    def test_stops_after_some(self, case):
        case.parts[1].breaks_at = {"reset": 3}
        with pytest.raises(EnvUnreliable, match="playing run.* failed 3 times"):
            case.envs.reset([0, 1], [7, 8])

    def test_a_finished_episode_ends_a_row(self, tmp_path):
        case = Case(tmp_path, (1, 1), max_failures=2)
        for _ in range(3):
            case.parts[0].breaks_at = {"step": 1}
            case.play(1)
            case.play(1)
        assert case.replay.decisions == 9


class TestPlayingAgain:
    def test_all_is_as_it_was(self, case, tmp_path):
        observ, _ = case.play(3)
        other = Case(tmp_path)
        last = other.envs.play_again(case.envs.pack())
        for index in range(2):
            for name in ("place", "log_steps"):
                assert (last[index][name] == observ[name][index]).all()
        np.testing.assert_equal(
            case.replay.sample((1,), 9, 5), other.replay.sample((1,), 9, 5)
        )
        for half in (case, other):
            half.envs.step(np.array([2, 3]), [0, 1])
        np.testing.assert_equal(
            case.replay.sample((1,), 9, 5), other.replay.sample((1,), 9, 5)
        )

    def test_of_different_lengths(self, case, tmp_path):
        case.envs.reset([1], [9])
        other = Case(tmp_path)
        assert set(other.envs.play_again(case.envs.pack())) == {0, 1}
        assert other.held() == case.held() == {0: 2, 1: 0}

    def test_nothing(self, tmp_path):
        case = Case(tmp_path)
        assert case.envs.play_again(case.envs.pack()) == {}

    @pytest.mark.parametrize("when, time", [("reset", 0), ("step", 1)])
    def test_breaking_loses_one(self, case, tmp_path, caplog, when, time):
        other = Case(tmp_path)
        other.parts[0].breaks_at = {when: 1}
        last = other.envs.play_again(case.envs.pack())
        assert set(last) == {1} and other.held() == {1: 2}
        assert f"OSError: gone after {time} of them" in caplog.text

    def test_ending_early_loses_one(self, case, tmp_path, caplog):
        """And leaves no file of it."""
        folder = tmp_path / "other"
        other = Case(folder, (1, 12))
        last = other.envs.play_again(case.envs.pack())
        assert set(last) == {1} and not list(folder.iterdir())
        assert "when it was played again, it ended after 1" in caplog.text

    def test_another_first_observation_loses_one(self, case, tmp_path, caplog):
        other = Case(tmp_path)
        reset = other.parts[0].env.reset
        other.parts[0].env.reset = lambda seed: reset(seed=seed + 1)
        assert set(other.envs.play_again(case.envs.pack())) == {1}
        assert "the observation was another one after 0" in caplog.text
