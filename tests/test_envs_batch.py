"""Batches of environments."""

import fakes
import numpy as np
import pytest

from planet_tf2.envs import Async, BatchEnv, Duration, EnvError


def _batch(amount, strategy="thread", **kwargs):
    return BatchEnv(
        [
            Async("fakes:CountingEnv", kwargs, strategy, render=False)
            for _ in range(amount)
        ]
    )


def test_all_environments():
    batch = _batch(3, length=2)
    assert len(batch) == 3
    obs = batch.reset(seeds=[0, 0, 1])
    assert {k: (v.shape, v.dtype.name) for k, v in obs.items()} == {
        "image": ((3, 4, 4, 3), "uint8"),
        "count": ((3, 1), "float32"),
        "noise": ((3, 3), "float32"),
    }
    assert np.array_equal(obs["noise"][0], obs["noise"][1])
    assert not np.array_equal(obs["noise"][0], obs["noise"][2])
    obs, reward, terminated, truncated, infos = batch.step(np.zeros((3, 2)))
    assert (reward.dtype, reward.shape) == (np.float32, (3,))
    for flags in (terminated, truncated):
        assert (flags.dtype, flags.tolist()) == (bool, [False] * 3)
    assert infos == [{}] * 3
    *_, terminated, truncated, _ = batch.step(np.zeros((3, 2)))
    assert terminated.tolist() == [True] * 3
    assert truncated.tolist() == [False] * 3
    batch.close()


def test_some_environments():
    batch = _batch(3)
    batch.reset()
    batch.step(np.zeros((2, 2)), indices=[2, 0])
    obs, reward, *_ = batch.step(np.zeros((3, 2)))
    assert reward.tolist() == [2, 1, 2]
    obs = batch.reset(np.array([1]), np.array([5]))
    assert obs["count"].tolist() == [[0]]
    _, reward, *_ = batch.step(np.zeros((3, 2)))
    assert reward.tolist() == [3, 1, 3]
    batch.close()


def test_time_limits_are_no_ends():
    inner = [fakes.CountingEnv(length=3), fakes.CountingEnv(length=9)]
    batch = fakes.batch([Duration(env, 3) for env in inner])
    batch.reset()
    for _ in range(3):
        *_, terminated, truncated, _ = batch.step(np.zeros((2, 2)))
    assert terminated.tolist() == [True, False]
    assert truncated.tolist() == [False, True]


def test_each_row_of_actions_goes_to_its_environment():
    inner = [fakes.CountingEnv() for _ in range(3)]
    batch = fakes.batch(inner)
    batch.reset()
    batch.step(np.array([[0.1, 0.1], [0.2, 0.2]]), indices=[2, 1])
    actions = [[list(action) for action in env.actions] for env in inner]
    assert actions == [[], [[0.2, 0.2]], [[0.1, 0.1]]]


@pytest.mark.parametrize(
    "actions,indices,message",
    [
        (np.zeros((2, 2)), None, r"shape \[3, 2\], but they have shape \[2, 2"),
        (np.full((1, 2), np.nan), [0], "must be finite.*nan"),
    ],
)
def test_wrong_actions(actions, indices, message):
    batch = fakes.batch([fakes.CountingEnv() for _ in range(3)])
    batch.reset()
    with pytest.raises(ValueError, match=message):
        batch.step(actions, indices)


def test_spaces_have_to_agree():
    with pytest.raises(ValueError, match="at least one"):
        BatchEnv([])
    two = [fakes.CountingEnv(), fakes.CountingEnv(action_size=3)]
    with pytest.raises(ValueError, match="same spaces.*number 1"):
        BatchEnv(two)
    two = [fakes.CountingEnv(), fakes.CountingEnv(image_size=5)]
    with pytest.raises(ValueError, match="same spaces.*number 1"):
        BatchEnv(two)


def test_error_of_one_leaves_the_others_in_step():
    failing = Async("fakes:FailingEnv", {"how": "raise"}, "thread", False)
    counting = Async("fakes:CountingEnv", {}, "thread", False)
    batch = BatchEnv([failing, counting])
    batch.reset()
    batch.step(np.zeros((2, 2)))
    with pytest.raises(EnvError, match="the fake failed"):
        batch.step(np.zeros((2, 2)))
    assert batch.step(np.zeros((1, 2)), [1])[1] == [3]
    assert batch.reset()["count"].tolist() == [[0], [0]]
    batch.close()
