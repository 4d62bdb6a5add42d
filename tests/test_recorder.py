"""Recording: what is in the files, and where they go."""

import fakes
import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from planet_tf2 import envs
from planet_tf2.data import episodes
from planet_tf2.data.recorder import RecordEpisodes

_ACTIONS = np.array([[0.1, -0.1], [0.2, -0.2], [0.3, -0.3]], np.float32)


def _play(env, actions=_ACTIONS, seed=0):
    env.reset(seed=seed)
    return [env.step(action) for action in actions]


def test_actions_and_rewards_stand_beside_what_they_lead_to(tmp_path):
    env = RecordEpisodes(fakes.CountingEnv(length=3), tmp_path)
    *before, last = _play(env)
    assert all("episode" not in step[-1] for step in before)
    episode = episodes.load_episode(last[-1]["episode"]["path"])
    assert {key: (v.shape, v.dtype.name) for key, v in episode.items()} == {
        "image": ((4, 4, 4, 3), "uint8"),
        "count": ((4, 1), "float32"),
        "noise": ((4, 3), "float32"),
        "action": ((4, 2), "float32"),
        "reward": ((4,), "float32"),
        "is_first": ((4,), "bool"),
        "terminal": ((4,), "bool"),
        "return": ((4,), "float32"),
    }
    np.testing.assert_array_equal(episode["image"][:, 0, 0, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(episode["count"][:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(episode["reward"], [0, 1, 2, 3])
    np.testing.assert_array_equal(episode["return"], [0, 1, 3, 6])
    assert episode["is_first"].tolist() == [True, False, False, False]
    assert episode["terminal"].tolist() == [False, False, False, True]
    np.testing.assert_array_equal(episode["action"][0], [0, 0])
    np.testing.assert_array_equal(episode["action"][1:], _ACTIONS)


@pytest.mark.parametrize(
    ("space", "actions"),
    [
        (spaces.Discrete(3), [2, 0, 1]),
        (spaces.Discrete(3, start=-1), [-1, 1, 0]),
        (spaces.MultiDiscrete([2, 3]), [[1, 2], [0, 1], [1, 0]]),
    ],
)
def test_actions_keep_their_type(tmp_path, space, actions):
    env = fakes.CountingEnv(length=3)
    env.action_space = space
    last = _play(RecordEpisodes(env, tmp_path), np.array(actions, np.int32))[-1]
    action = episodes.load_episode(last[-1]["episode"]["path"])["action"]
    assert action.dtype == space.dtype == np.int64
    assert action.shape == (4, *space.shape)
    assert not action[0].any()
    np.testing.assert_array_equal(action[1:], actions)


def test_a_time_limit_is_no_end(tmp_path):
    env = gymnasium.wrappers.TimeLimit(fakes.CountingEnv(length=9), 3)
    last = _play(RecordEpisodes(env, tmp_path))[-1]
    episode = episodes.load_episode(last[-1]["episode"]["path"])
    assert episode["terminal"].tolist() == [False] * 4


def test_what_info_says(tmp_path):
    env = envs.ActionRepeat(fakes.CountingEnv(length=5), 2)
    env = RecordEpisodes(env, str(tmp_path))
    info = _play(env)[-1][-1]["episode"]
    path = info.pop("path")
    assert info == {"return": 15.0, "length": 3, "simulator_steps": 5}
    assert [tmp_path / name for name in episodes.list_episodes(tmp_path)] == [
        type(tmp_path)(path)
    ]


def test_reset_drops_what_was_recorded(tmp_path):
    env = RecordEpisodes(fakes.CountingEnv(length=3), tmp_path)
    _play(env, _ACTIONS[:2])
    info = _play(env)[-1][-1]["episode"]
    assert info["length"] == info["simulator_steps"] == 3
    assert len(episodes.list_episodes(tmp_path)) == 1


def test_environment_may_reuse_its_arrays(tmp_path):
    class Reusing(gymnasium.ObservationWrapper):
        buffer = {}

        def observation(self, observation):
            for key, value in observation.items():
                np.copyto(self.buffer.setdefault(key, value.copy()), value)
            return self.buffer

    env = RecordEpisodes(Reusing(fakes.CountingEnv(length=3)), tmp_path)
    env.reset(seed=0)
    action = np.zeros(2, np.float32)
    for value in (1, 2, 3):
        action[:] = value
        info = env.step(action)[-1]
    episode = episodes.load_episode(info["episode"]["path"])
    np.testing.assert_array_equal(episode["count"][:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(episode["action"][:, 0], [0, 1, 2, 3])


def test_staged(tmp_path):
    folder = tmp_path / "new" / "folder"
    env = RecordEpisodes(fakes.CountingEnv(length=3), folder, staged=True)
    assert list(folder.iterdir()) == []
    path = _play(env)[-1][-1]["episode"]["path"]
    assert path.endswith(".npz.staged")
    assert episodes.list_episodes(folder) == []
    published = episodes.publish(path, folder)
    assert episodes.list_episodes(folder) == [published.name]


def test_step_outside_of_an_episode(tmp_path):
    env = RecordEpisodes(fakes.CountingEnv(length=3), tmp_path)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(_ACTIONS[0])
    _play(env)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(_ACTIONS[0])
