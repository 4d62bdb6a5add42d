"""What is drawn from episodes in memory, against counting by NumPy."""

import collections

import numpy as np
import pytest

from planet_tf2.data.conversion import StepType
from planet_tf2.data.replay import Replay, size_of

FLAG = StepType(np.bool_)
TYPES = {
    "reward": StepType(np.float32),
    "is_first": FLAG,
    "terminal": FLAG,
    "image": StepType(np.uint8, (2, 2, 3)),
    "analog_x": StepType(np.float32, (2,)),
}


def episode(number, steps):
    """Its rewards tell where they are from: 100 * number + time step."""
    return {
        "reward": 100 * number + np.arange(steps, dtype=np.float32),
        "is_first": np.arange(steps) == 0,
        "terminal": np.arange(steps) == steps - 1,
        "image": np.full((steps, 2, 2, 3), number % 256, np.uint8),
        "analog_x": np.full((steps, 2), number, np.float32),
        "log_steps": np.ones(steps, np.float32),
    }


def replay_of(*lengths, **limits):
    replay = Replay(TYPES, **limits)
    for number, steps in enumerate(lengths):
        replay.add(episode(number, steps))
    return replay


def run(replay, number, steps):
    """Leaves an episode running."""
    whole = episode(number, steps)
    for time in range(steps):
        step = {name: array[time] for name, array in whole.items()}
        (replay.append if time else replay.begin)(number, step)


def held(replay):
    """Numbers of the episodes that are drawn from."""
    rewards = replay.sample((9,), 200, 2)["reward"]
    return sorted({int(x) // 100 for x in rewards[:, 0]})


def test_sequences_go_on_in_other_episodes_from_their_start():
    replay = replay_of(3, 5, 2)
    run(replay, 3, 4)
    batch = replay.sample((1,), 50, 12)
    rewards, first = batch["reward"], batch["is_first"]
    assert rewards.shape == (50, 12) and first[:, 0].all()
    assert batch["image"].dtype == np.uint8
    lengths = {0: 3, 1: 5, 2: 2, 3: 4}
    for row in range(50):
        for time in range(1, 12):
            before, now = int(rewards[row, time - 1]), int(rewards[row, time])
            over = before % 100 == lengths[before // 100] - 1
            assert now == (now // 100 * 100 if over else before + 1)
            assert first[row, time] == over
    # All arrays are of the same time step.
    np.testing.assert_array_equal(batch["image"][..., 0, 0, 0], rewards // 100)
    np.testing.assert_array_equal(
        batch["terminal"],
        np.vectorize(lambda x: x % 100 == lengths[x // 100] - 1)(rewards),
    )


def test_frequencies():
    """An episode by its time steps; its start evenly, but for the last."""
    replay = replay_of(3, 5, 2)
    run(replay, 3, 6)
    draws = 20000
    rewards = replay.sample((2,), draws, 2)["reward"][:, 0].astype(int)
    counts = collections.Counter(rewards.tolist())
    for number, steps in enumerate((3, 5, 2, 6)):
        for time in range(steps - 1):
            expected = draws * steps / 16 / (steps - 1)
            found = counts.pop(100 * number + time)
            assert abs(found - expected) < 5 * expected**0.5
    assert not counts


def test_what_is_appended_by_its_start():
    """With the same odds as the first piece."""
    replay = replay_of(2, 6)
    rewards = replay.sample((3,), 5000, 3)["reward"].astype(int)
    # After the one decision of the first episode comes another's start.
    after = rewards[rewards[:, 0] == 0][:, 2]
    assert set(after.tolist()) == {0, 100}
    assert abs((after == 100).mean() - 6 / 8) < 0.05


def test_draws_follow_from_the_seed_and_the_content():
    """Whether steps came one by one, or from a file."""
    whole, stepped = replay_of(4, 3, 7), replay_of(4, 3)
    run(stepped, 2, 7)
    stepped.finish(2)
    first, second = (r.sample((5, 6), 8, 9) for r in (whole, stepped))
    np.testing.assert_equal(first, second)
    other = whole.sample((5, 7), 8, 9)
    assert (other["reward"] != first["reward"]).any()


def test_one_step_episodes_do_not_loop_endlessly():
    """Defect 14."""
    replay = replay_of(2)
    batch = replay.sample((1,), 3, 7)
    assert batch["reward"].tolist() == 3 * [[0, 1, 0, 1, 0, 1, 0]]


def test_resets_alone_are_nothing_to_learn_from():
    """Defect 14: nor do they loop."""
    replay = replay_of()
    run(replay, 0, 1)
    with pytest.raises(IndexError):
        replay.sample((1,), 3, 7)
    assert replay.decisions == 0
    run(replay, 1, 2)
    assert replay.decisions == 1 and held(replay) == [1]


def test_keys_are_taken_by_their_exact_names():
    """Defect 10: `analog_x` contains `log_`; only `log_steps` is left out."""
    assert set(replay_of(3).sample((1,), 2, 2)) == set(TYPES)


def test_costs_do_not_depend_on_the_number_of_episodes(monkeypatch):
    """Defect 19: lengths are not counted anew for each draw."""
    replay = replay_of(*[4] * 2000)
    asked = collections.Counter()
    replay._episodes = Counting(replay._episodes, asked)
    replay.sample((1,), 16, 64)
    assert asked["len"] == 0 and asked["item"] < 16 * 20


class Counting(list):
    """Counts how often somebody looks at it."""

    def __init__(self, values, asked):
        super().__init__(values)
        self._asked = asked

    def __len__(self):
        self._asked["len"] += 1
        return super().__len__()

    def __getitem__(self, index):
        self._asked["item"] += 1
        return super().__getitem__(index)

    def __iter__(self):
        self._asked["item"] += super().__len__()
        return super().__iter__()


class TestLimits:
    def test_the_oldest_leave(self):
        replay = replay_of(4, 4, 4, max_decisions=6)
        assert held(replay) == [1, 2] and replay.decisions == 6
        replay.add(episode(3, 2))
        assert held(replay) == [2, 3]

    def test_bytes(self):
        size = size_of({k: episode(0, 4)[k] for k in TYPES})
        assert held(replay_of(4, 4, 4, max_bytes=2 * size)) == [1, 2]

    def test_the_last_stays_however_long(self):
        assert held(replay_of(3, 50, max_decisions=6)) == [1]

    def test_running_ones_stay_too(self):
        replay = replay_of(4, 4, max_decisions=6)
        run(replay, 2, 20)
        assert held(replay) == [0, 1, 2]
        replay.finish(2)
        assert held(replay) == [2]

    def test_what_is_left_does_not_depend_on_the_way(self):
        """What a resumed run reads, the newest first, is what there was."""
        random = np.random.default_rng(0)
        lengths = random.integers(2, 12, 300).tolist()
        replay = replay_of(*lengths, max_decisions=40)
        other, found = Replay(TYPES, 40), []
        for number in reversed(range(len(lengths))):
            found.insert(0, episode(number, lengths[number]))
            if not other.has_room(sum(len(e["reward"]) - 1 for e in found)):
                del found[0]
                break
        for kept in found:
            other.add(kept)
        np.testing.assert_equal(
            replay.sample((3,), 20, 9)["image"],
            other.sample((3,), 20, 9)["image"],
        )


def test_dropped_ones_are_gone():
    replay = replay_of(3)
    run(replay, 1, 5)
    replay.drop(1)
    replay.drop(7)  # That never ran.
    assert held(replay) == [0] and replay.decisions == 2
