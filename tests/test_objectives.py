import pathlib
import re
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
from tf_fakes import LinearCell

from planet_tf2.agents.planet import RSSM, objectives
from planet_tf2.nets import FeedForward


class Head:
    """Predicts the first feature."""

    def mean(self, features):
        return features[..., 0]


HEADS = {"reward": Head()}


def imagined():
    sample = np.random.default_rng(0).normal(size=(5, 7, 2))
    states = {
        "sample": tf.constant(sample, tf.float32),
        "goal": tf.zeros([5, 7, 2]),
    }
    return states, sample[..., 0]


def test_reward_is_the_undiscounted_sum_over_time():
    states, rewards = imagined()
    for params in ({}, {"objective_discount": 0.5}):
        result = objectives.reward(LinearCell(), HEADS, states, params)
        np.testing.assert_allclose(result, rewards.sum(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("discount", [0.0, 0.9, 1.0])
def test_discounted_reward(discount):
    states, rewards = imagined()
    expected = sum(rewards[:, t] * discount**t for t in range(7))

    def call():
        return objectives.discounted_reward(
            LinearCell(), HEADS, states, {"objective_discount": discount}
        )

    for result in (call(), tf.function(call)()):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_names():
    assert objectives.OBJECTIVES == {
        "reward": objectives.reward,
        "discounted_reward": objectives.discounted_reward,
    }
    for name, function in objectives.OBJECTIVES.items():
        assert objectives.get_objective(name) is function


@pytest.fixture
def my_module(monkeypatch):
    module = types.ModuleType("my_module")
    monkeypatch.setitem(sys.modules, "my_module", module)
    return module


class TestOwn:
    def test_is_called_with_all_it_may_need(self, my_module):
        def mine(cell, heads, states, params):
            reward = heads["reward"].mean(cell.features_from_state(states))
            return params["planner_horizon"] * reward[:, -1]

        my_module.mine = mine
        states, rewards = imagined()
        objective = objectives.make_objective(
            "my_module:mine", LinearCell(), HEADS, {"planner_horizon": 3}
        )
        np.testing.assert_allclose(
            objective(states), 3 * rewards[:, -1], rtol=1e-5
        )

    def test_must_return_a_number_for_each_sequence(self, my_module):
        my_module.mine = lambda cell, heads, states, params: states["sample"]
        objective = objectives.make_objective(
            "my_module:mine", LinearCell(), HEADS, {}
        )
        with pytest.raises(ValueError, match=r"'my_module:mine'.*\(5, 7, 2\)"):
            objective(imagined()[0])

    @pytest.mark.parametrize(
        "name, message",
        [
            ("rewrad", "Did you mean 'reward'"),
            ("my_module:other", "my_module has nothing called 'other'"),
            ("my_module:number", "is no function"),
            ("no_such_module:one", "No module named 'no_such_module'"),
        ],
    )
    def test_mistakes(self, my_module, name, message):
        my_module.number = 3
        with pytest.raises(ValueError, match=message):
            objectives.get_objective(name)


def test_the_example_of_the_documentation(my_module):
    docs = pathlib.Path(__file__).parents[1] / "docs" / "algorithm.md"
    (code,) = re.findall(
        r"^```python\n(.*?)^```$", docs.read_text(), re.M | re.S
    )
    exec(code, vars(my_module))
    assert "my_module:reward_and_doubt" in docs.read_text()
    cell, head = RSSM(3, 4, 4), FeedForward((), 1, 5)
    cell.build(2, 6)
    head.build(cell.feature_size)
    objective = objectives.make_objective(
        "my_module:reward_and_doubt", cell, {"reward": head}, {}
    )
    states = {
        name: tf.random.stateless_uniform([5, 7, size], [1, 2], 0.1, 2)
        for name, size in cell.state_sizes.items()
    }
    reward = head.mean(cell.features_from_state(states)).numpy()
    entropy = np.log(states["stddev"] * np.sqrt(2 * np.pi * np.e)).sum(-1)
    expected = (reward + 0.01 * entropy).sum(1)
    for call in (objective, tf.function(objective)):
        np.testing.assert_allclose(call(states), expected, rtol=1e-4, atol=1e-5)
