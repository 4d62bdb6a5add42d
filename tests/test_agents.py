import sys
import types

import numpy as np
import pytest
import tensorflow as tf
from tf_fakes import make_agent, tiny_params

from planet_tf2.agents.planet import Parameters, build
from planet_tf2.agents.planet.agent import check_settings
from planet_tf2.agents.planet.build import PLANNERS
from planet_tf2.agents.planet.objectives import OBJECTIVES
from planet_tf2.configs.kinds import choices
from planet_tf2.configs.resolve import describe

SEED = tf.constant([1, 2])


@pytest.fixture(scope="module")
def model():
    return build.make_model(tiny_params(), 5)


class TestMakePlanner:
    @pytest.fixture
    def received(self, monkeypatch):
        calls = []

        def fake(cell, objective_fn, state, *args, **kwargs):
            calls.append((args, kwargs))
            return objective_fn

        for name in PLANNERS:
            monkeypatch.setitem(PLANNERS, name, fake)
        return calls

    def test_follows_the_parameters(self, received, model):
        params = tiny_params(
            planner_horizon=7,
            planner_amount=9,
            planner_topk=4,
            planner_iterations=3,
        )
        plan = build.make_planner(params, model, 5)
        objective = plan({}, SEED)
        assert received == [((5, 7, 9, 4, 3), {"seed": SEED})]
        # A plan is rated by the rewards that the model predicts.
        states = {
            name: tf.ones([2, 7, size])
            for name, size in model.cell.state_sizes.items()
        }
        features = model.cell.features_from_state(states)
        expected = model.heads["reward"].mean(features).numpy().sum(1)
        np.testing.assert_allclose(objective(states), expected, rtol=1e-5)

    def test_collect_entries_win(self, received, model):
        params = tiny_params(objective_discount=0.0)
        plan = build.make_planner(
            params, model, 5, horizon=8, objective="discounted_reward"
        )
        objective = plan({}, SEED)
        assert received[0][0][1] == 8
        states = {
            name: tf.random.stateless_normal([2, 8, size], SEED)
            for name, size in model.cell.state_sizes.items()
        }
        first = {name: value[:, :1] for name, value in states.items()}
        features = model.cell.features_from_state(first)
        np.testing.assert_allclose(
            objective(states), model.heads["reward"].mean(features)[:, 0], 1e-5
        )

    def test_planners_have_parameters_of_their_own(self, received, model):
        options = {
            "noise_exponent": 1.5,
            "stddev": 0.7,
            "decay": 2.0,
            "keep": 0.4,
            "momentum": 0.2,
        }
        params = tiny_params(
            planner="icem",
            **{f"icem_{name}": value for name, value in options.items()},
        )
        build.make_planner(params, model, 5)({}, SEED)
        assert received[0][1] == {"seed": SEED, **options}


def test_planners_and_objectives_have_the_names_of_the_parameters():
    schemas = describe(Parameters)
    assert list(PLANNERS) == choices(schemas["planner"])
    assert list(OBJECTIVES) == choices(schemas["collect_objective"])


def test_unknown_objectives_are_found_early():
    params = tiny_params(test_collects=[{"objective": "no_such_module:one"}])
    with pytest.raises(ValueError, match="no_such_module"):
        check_settings(params)
    check_settings(tiny_params(collect_objective="reward"))


def test_makes_actors():
    actor = make_agent(tiny_params(), 5).actor(batch_size=2)
    image = tf.zeros([2, 64, 64, 3], tf.uint8)
    action = actor.perform(tf.range(2), {"image": image}, 0.1, SEED)
    assert action.shape == (2, 5)
    assert np.abs(action).min() > 0


def test_own_objective_decides(model, monkeypatch):
    """It wants the second entry of the actions that it is shown."""
    module = types.ModuleType("my_module")
    params = tiny_params(
        planner_iterations=8, planner_amount=100, planner_topk=10
    )

    class Cell:
        trainable_variables = ()

        def noise(self, seed, shape):
            return tf.zeros([*shape, 1])

        def transition(self, state, action, noise=None):
            return {"sample": state["sample"], "action": action}

    def mine(cell, heads, states, params):
        assert params["planner_horizon"] == 2 and set(heads) == set(model.heads)
        return tf.reduce_sum(states["action"][..., 1], 1)

    module.mine = mine
    monkeypatch.setitem(sys.modules, "my_module", module)
    monkeypatch.setattr(model, "cell", Cell())
    plan = build.make_planner(params, model, 3, objective="my_module:mine")
    found = plan({"sample": tf.zeros([2, 1])}, SEED)
    assert found.shape == (2, 2, 3)
    assert (found[..., 1].numpy() > 0.9).all()
