"""Episodes of random actions."""

import fakes
import gymnasium
import numpy as np
import pytest

from planet_tf2.control.random_episodes import random_episodes
from planet_tf2.data import episodes
from planet_tf2.data.recorder import RecordEpisodes


def _collect(folder, amount, seed, start=0, **kwargs):
    env = RecordEpisodes(fakes.CountingEnv(length=20, **kwargs), folder)
    infos = random_episodes(env, amount, seed, start)
    assert [info["length"] for info in infos] == [20] * amount
    return [episodes.load_episode(info["path"]) for info in infos]


def _equal(one, two):
    return all(np.array_equal(one[key], two[key]) for key in one)


def test_actions_are_uniform_in_the_action_space(tmp_path):
    collected = _collect(tmp_path, 20, 0, low=-4, high=2)
    assert len(episodes.list_episodes(tmp_path)) == 20
    actions = np.concatenate([e["action"][1:] for e in collected])  # [400, 2]
    assert -4 <= actions.min() < -3.9
    assert 1.9 < actions.max() <= 2
    # Standard error of the mean of 800 uniform numbers: 6 / sqrt(12 * 800).
    assert abs(actions.mean() - -1) < 4 * 0.061


def test_seed_decides_actions_and_environment(tmp_path):
    first, second = _collect(tmp_path, 2, 7)
    again, _ = _collect(tmp_path, 2, 7)
    other, _ = _collect(tmp_path, 2, 8)
    assert _equal(first, again)
    for episode in (second, other):
        assert not np.array_equal(first["action"], episode["action"])
        assert not np.array_equal(first["noise"], episode["noise"])


def test_episodes_do_not_depend_on_those_before(tmp_path):
    *_, third = _collect(tmp_path, 3, (7, 1))
    (alone,) = _collect(tmp_path, 1, (7, 1), start=2)
    assert _equal(third, alone)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (gymnasium.spaces.Discrete(3, start=2), {(2,), (3,), (4,)}),
        (
            gymnasium.spaces.MultiDiscrete([2, 3]),
            {(a, b) for a in range(2) for b in range(3)},
        ),
        (
            gymnasium.spaces.MultiBinary(2),
            {(a, b) for a in range(2) for b in range(2)},
        ),
    ],
)
def test_discrete_actions(tmp_path, space, expected):
    env = fakes.CountingEnv(length=60)
    env.action_space = space
    infos = random_episodes(RecordEpisodes(env, tmp_path), 2, 0)
    for info in infos:
        action = episodes.load_episode(info["path"])["action"][1:]
        assert action.dtype == space.dtype
        assert set(map(tuple, action.reshape(60, -1))) == expected


def test_unbounded_actions():
    env = fakes.CountingEnv()
    env.action_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,))
    with pytest.raises(ValueError, match="no random actions"):
        random_episodes(env, 1, 0)
