"""Dreamer as an agent: it learns from any batch, and acts in any space."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from gymnasium.spaces import Box, Discrete, MultiDiscrete

from planet_tf2 import agents
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.evaluation.inspector import charts
from planet_tf2.evaluation.inspector.inspection import Decision, Future
from planet_tf2.tools import seeds

DREAMER = agents.find("dreamer")
SIZE, LENGTH = 2, 4
_SMALL = {
    "batch_size": SIZE,
    "batch_length": LENGTH,
    "imag_horizon": 3,
    "image_size": 32,
}
# 2-D vectors, and names with `log_` in them, crashed or vanished in the
# reference; what begins with that is for the log.
SPACE = gymnasium.spaces.Dict(
    {
        "image": Box(0, 255, (32, 32, 3), np.uint8),
        "analog_x": Box(-9, 9, (1,)),
        "grid": Box(-9, 9, (2, 2)),
        "log_wins": Box(-9, 9, (1,)),
    }
)
VECTORS = {
    f"{coder}.{keys}": value
    for coder in ("encoder", "decoder")
    for keys, value in (("mlp_keys", ".*"), ("cnn_keys", "$^"))
}
BOTH = {"encoder.mlp_keys": ".*", "decoder.mlp_keys": ".*"}


def make(action_space, space=SPACE, **overrides):
    params = agents.resolve("debug", "", _SMALL | overrides, "dreamer")
    return DREAMER.make_agent(params, space, action_space, seed=1)


def make_batch(agent):
    random = np.random.default_rng(0)
    shape = (SIZE, LENGTH)
    batch = {
        "reward": random.normal(size=shape).astype(np.float32),
        "is_first": random.random(shape) < 0.2,
        "terminal": random.random(shape) < 0.2,
    }
    spaces = {**agent.observation_space, "action": agent.action_space}
    for name, space in spaces.items():
        space.seed(0)
        drawn = [space.sample() for _ in range(SIZE * LENGTH)]
        batch[name] = np.stack(drawn).reshape(*shape, *space.shape)
    assert {k: v.shape[2:] for k, v in batch.items()} == agent.batch_spec
    return {name: tf.constant(value) for name, value in batch.items()}


def act(actor, batch, explore, seed=3):
    seen = {name: value[:, 0] for name, value in batch.items()}
    explore, seed = tf.constant(explore), seeds.derive(seed)
    return actor.perform(tf.range(SIZE), seen, explore, seed).numpy()


@pytest.mark.parametrize(
    "action_space, settings",
    [
        (Box(-1, 1, (2,)), BOTH),
        (Discrete(5, start=1), {**VECTORS, "expl_behavior": "plan2explore"}),
        (MultiDiscrete([3, 2]), {"expl_behavior": "random"}),
    ],
    ids=["box", "discrete", "multidiscrete"],
)
def test_learns_and_acts(action_space, settings):
    """Defects 1 and 10: with vectors, without images, on any device."""
    agent = make(action_space, **settings)
    batch = make_batch(agent)
    before = [v.numpy() for v in agent.trained_variables]
    graph = isinstance(action_space, Box)  # The others in less time.
    update = agent.train_step if graph else agent.learner.update
    scalars = update(batch, seeds.derive(1))
    named = {*agent.loss_names, *agent.norm_names, *agent.scalar_names}
    assert named == set(scalars)
    assert all(np.isfinite(x) for x in scalars.values())
    changed = [
        np.any(old != new.numpy())
        for old, new in zip(before, agent.trained_variables, strict=True)
    ]
    # Behind an output layer of zeros there is no gradient yet.
    assert np.mean(changed) > 0.8
    if graph:
        tested = agent.test_step(batch, seeds.derive(1))
        assert set(tested) == set(agent.test_loss_names or agent.loss_names)
    actor = agent.actor(SIZE)
    for explore in (0.0, 1.0, 2.0):
        for action in act(actor, batch, explore):
            assert action_space.contains(action.astype(action_space.dtype))
    check_predictions(agent, batch)


def check_predictions(agent, batch):
    prior, posterior = agent.filter(batch, seeds.derive(1))
    names = {*agent.observation_space, "reward", "cont"}
    for prediction in (prior, posterior):
        assert set(prediction.mean) == set(prediction.log_prob) == names
    for name in agent.observation_space:
        assert posterior.mean[name].shape == batch[name].shape
    truth = agent.truth(batch)
    assert set(truth) == names
    if "image" in truth:
        assert tf.reduce_max(truth["image"]) <= 1
    seen = {k: v if k == "action" else v[:, :2] for k, v in batch.items()}
    future = agent.open_loop(seen, 2, seeds.derive(1))
    assert future.mean["reward"].shape == (SIZE, LENGTH)
    states = posterior.state
    assert agent.divergence(states, prior.state).shape == (SIZE, LENGTH)
    assert agent.describe(states)["entropy"].shape == (SIZE, LENGTH)
    assert agent.latent(states).shape[:2] == (SIZE, LENGTH)
    start = tf.nest.map_structure(lambda x: x[:, 0], states)
    plan = agent.plan(start, seeds.derive(1))
    assert plan.action.shape[:2] == (SIZE, agent.horizon)
    assert set(plan.expected) == {"reward", "value", "cont"}
    for value in plan.expected.values():
        assert value.shape == (SIZE, agent.horizon + 1)
    imagined = agent.imagine(start, plan.action, seeds.derive(1))
    assert imagined.mean["reward"].shape == (SIZE, agent.horizon)


def test_evaluation_takes_modes_of_policy_and_states():
    """Defect 8: `eval_state_mean` crashed with categoricals."""
    agent = make(Discrete(4), **VECTORS, eval_state_mean=True)
    batch = make_batch(agent)
    once, again = (act(agent.actor(SIZE), batch, 0.0, x) for x in (1, 2))
    np.testing.assert_equal(once, again)
    actors = [agent.actor(SIZE) for _ in range(2)]
    for actor, seed in zip(actors, (1, 2), strict=True):
        act(actor, batch, 1.0, seed)
    first, second = (actor.state["stoch"].numpy() for actor in actors)
    assert np.any(first != second)


def test_actors_remember_each_environment():
    agent = make(Box(-1, 1, (2,)), **VECTORS, eval_state_mean=True)
    batch = make_batch(agent)
    actor = agent.actor(SIZE)
    first = act(actor, batch, 0.0)
    second = act(actor, batch, 0.0)
    assert np.all(np.any(first != second, -1))
    actor.begin_episode(tf.constant([1]))
    third = act(actor, batch, 0.0)
    np.testing.assert_allclose(third[1], first[1], 1e-6)
    assert np.any(third[0] != first[0])
    # What checkpoints hold of it makes another one go on alike.
    other = agent.actor(SIZE)
    for name, variable in other.saved.items():
        tf.nest.map_structure(
            lambda new, old: new.assign(old), variable, actor.saved[name]
        )
    for explore in (0.0, 1.0):
        np.testing.assert_equal(
            act(actor, batch, explore), act(other, batch, explore)
        )


@pytest.mark.parametrize(
    "settings",
    [
        {"critic.slow_target": False},
        {"expl_behavior": "plan2explore", "disag_target": "feat"},
        {"dyn_rec_depth": 2, "dyn_discrete": 0, "dyn_std_act": "softplus"},
        {"actor.dist": "trunc_normal", "reference_behavior": True},
    ],
    ids=lambda settings: list(settings)[-1],
)
def test_settings_that_crashed(settings):
    """Defect 8."""
    agent = make(Box(-1, 1, (2,)), **VECTORS, **settings)
    scalars = agent.learner.update(make_batch(agent), seeds.derive(1))
    assert all(np.isfinite(x) for x in scalars.values())


def test_settings_that_do_not_suit():
    for space, settings, message in (
        (Discrete(3), {"actor.dist": "normal"}, "'actor.dist' is 'normal'"),
        (Box(-1, 1, (2,)), {"actor.dist": "onehot"}, "actor.dist"),
        (Box(-1, 1, (2,)), {"actor.std": "none"}, "'actor.std' is 'none'"),
        (Discrete(3), {"encoder.cnn_keys": "x"}, "encoder.cnn_keys 'x'"),
    ):
        with pytest.raises(ConfigError, match=message):
            make(space, **settings)


def test_observations_of_a_wrong_shape():
    agent = make(Discrete(3), **VECTORS)
    batch = make_batch(agent)
    actor = agent.actor(SIZE)
    batch["grid"] = batch["grid"][..., :1]
    with pytest.raises(
        ValueError, match=r"'grid' has the shape \[2, 1\], but must .* \[2, 2\]"
    ):
        act(actor, batch, 0.0)
    del batch["grid"]
    with pytest.raises(ValueError, match="'grid' is missing"):
        act(actor, batch, 0.0)


def test_inspector_draws_what_plans_are_expected_to_bring():
    """Discrete actions, and no images."""
    future = Future(np.array([1, 0, 2]), np.zeros(3), None)
    hoped = {"value": np.arange(4.0), "cont": np.ones(4)}
    decision = Decision(7, None, future, future, future, hoped)
    captions = [chart.caption for chart in charts.of_decision(decision)]
    assert len(captions) == 4
    assert "0.00 at the decision, 3.00 at the end" in captions[2]
    assert "1.00 at the decision" in captions[3]


@pytest.mark.parametrize("explorer", ["greedy", "plan2explore"])
def test_checkpoints_hold_everything(tmp_path, explorer):
    first, other = (
        make(Discrete(3), expl_behavior=explorer, **VECTORS) for _ in range(2)
    )
    batch = make_batch(first)
    first.train_step(batch, tf.constant([1, 2]))
    path = tf.train.Checkpoint(**first.saved).write(str(tmp_path / "ckpt"))
    for variable in other.learner.variables:
        variable.assign(tf.ones_like(variable))
    tf.train.Checkpoint(**other.saved).restore(path)
    pairs = zip(first.learner.variables, other.learner.variables, strict=True)
    for number, (saved, found) in enumerate(pairs):
        np.testing.assert_array_equal(found, saved, f"{number}: {saved.name}")
