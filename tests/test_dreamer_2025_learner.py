"""One update of Dreamer of 2025: what golden files do not cover."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from dreamer_cases import VECTORS, Box, make_batch, space
from gymnasium.spaces import Discrete, MultiDiscrete

from planet_tf2 import agents
from planet_tf2.agents import dreamer

SEED = tf.constant([1, 2])
SIZE, LENGTH = 2, 5
_CODER = {"mlp_layers": 1, "mlp_units": 6, "cnn_depth": 2, "mults": [2, 3]}
_SMALL = {
    "edition": 2025,
    "batch_size": SIZE,
    "batch_length": LENGTH,
    "imag_horizon": 3,
    "units": 6,
    "dyn_hidden": 6,
    "dyn_deter": 16,
    "dyn_stoch": 3,
    "dyn_discrete": 4,
    "dyn_blocks": 2,
    "encoder": _CODER,
    "decoder": {**_CODER, "bspace": 2},
    "model_lr": 1e-3,
    "laprop": {"warmup": 0},
}


def make(action=None, shapes=VECTORS, seed=0, strategy=None, **changes):
    merged = dict(_SMALL)
    for name, value in changes.items():
        nested = isinstance(value, dict)
        merged[name] = {**_SMALL.get(name, {}), **value} if nested else value
    params = agents.resolve("default", "", merged, "dreamer")
    action = action or Box(-1, 1, (2,))
    spaces = space(**shapes), action
    return dreamer.make_agent(params, *spaces, seed, strategy)


def batch_for(agent, action=None, shapes=VECTORS, seed=0):
    """Makes a batch as the replay does: a row of context comes first."""
    batch = make_batch(shapes, action, SIZE, 1 + LENGTH, seed)
    batch["is_last"] = tf.roll(batch["is_first"], -1, 1)
    random = np.random.default_rng(seed)
    for name, (shape, dtype) in agent.replay_latents.items():
        drawn = random.integers(0, 2, (SIZE, *shape)).astype(dtype)
        batch[f"context/{name}"] = tf.constant(drawn)
    return batch


def values(agent):
    return [v.numpy() for v in agent.learner.variables]


def changed(before, after):
    pairs = zip(before, after, strict=True)
    return [i for i, (x, y) in enumerate(pairs) if not np.array_equal(x, y)]


def test_an_update_changes_everything():
    agent = make(
        kl_free=0.0, reward_head={"outscale": 1.0}, critic={"outscale": 1.0}
    )
    before = [v.numpy() for v in agent.trained_variables]
    scalars = agent.train_step(batch_for(agent), SEED)
    names = {*agent.loss_names, *agent.norm_names, *agent.scalar_names}
    assert set(scalars) == names
    after = [v.numpy() for v in agent.trained_variables]
    assert len(changed(before, after)) == len(before)
    scales = agent.learner._scales
    total = sum(scale * scalars[name] for name, scale in scales.items())
    np.testing.assert_allclose(scalars["total"], total, 1e-5)
    deter, stoch = (agent.fresh_latents[k] for k in ("deter", "stoch"))
    assert deter.shape == (SIZE, LENGTH, 16) and np.any(deter.numpy())
    assert stoch.shape == (SIZE, LENGTH, 3) and np.any(stoch.numpy())


def test_the_first_update_of_a_warm_up_changes_no_weight():
    agent = make(laprop={"warmup": 2})
    before = [v.numpy() for v in agent.trained_variables]
    batch = batch_for(agent)
    agent.train_step(batch, SEED)
    assert not changed(before, [v.numpy() for v in agent.trained_variables])
    agent.train_step(batch, SEED)
    assert changed(before, [v.numpy() for v in agent.trained_variables])


def test_checkpoints_hold_all_that_learning_depends_on(tmp_path):
    settings = {"valnorm": {"impl": "meanstd"}, "advnorm": {"impl": "meanstd"}}
    agent, other = make(**settings), make(seed=1, **settings)
    batch = batch_for(agent)
    for number in range(2):
        agent.train_step(batch, tf.constant([number, 0]))
    path = tf.train.Checkpoint(**agent.saved).save(str(tmp_path / "ckpt"))
    status = tf.train.Checkpoint(**other.saved).restore(path)
    status.assert_existing_objects_matched().assert_consumed()
    assert not changed(values(agent), values(other))
    for one in (agent, other):
        one.train_step(batch, SEED)
    assert not changed(values(agent), values(other))


@pytest.mark.parametrize("name", ["reward", "context/deter"])
def test_what_is_not_finite_changes_nothing(name):
    agent = make()
    batch = batch_for(agent)
    agent.train_step(batch, SEED)
    before = values(agent)
    bad = {**batch, name: batch[name] * float("nan")}
    scalars = agent.train_step(bad, tf.constant([3, 4]))
    assert not np.isfinite(scalars["total"])
    assert not changed(before, values(agent))


def test_testing_changes_nothing():
    agent = make()
    batch, before = batch_for(agent), values(agent)
    scalars = agent.test_step(batch, SEED)
    assert not changed(before, values(agent))
    assert set(scalars) == set(agent.loss_names)
    trained = agent.train_step(batch, SEED)
    for name, value in scalars.items():
        np.testing.assert_allclose(value, trained[name], 1e-5, err_msg=name)


@pytest.mark.parametrize(
    "settings, expected",
    [
        (
            {},
            {
                "actor": {"pol"},
                "value": {"val"},
                "repval": {"val", "dyn", "enc"},
                "reward": {"rew", "dyn", "enc"},
            },
        ),
        (
            {"grad_heads": ["decoder", "cont"], "ac_grads": True},
            {
                "actor": {"pol", "dyn", "enc"},
                "value": {"val", "dyn", "enc"},
                "repval": {"val"},
                "reward": {"rew"},
            },
        ),
    ],
    ids=["default", "turned"],
)
def test_losses_train_what_they_are_for(settings, expected):
    agent = make(**settings)
    learner = agent.learner
    model, batch = learner.model, batch_for(agent)
    named = learner.original_variables()
    # Of equal logits there is no gradient.
    for name in ("rew/head/logits/kernel", "val/head/logits/kernel"):
        shape = named[name].shape
        named[name].assign(tf.random.stateless_normal(shape, SEED))
    with tf.GradientTape(persistent=True) as tape:
        losses, _, context = model.losses(model.prepare(batch), SEED)
        losses |= learner.behavior.losses(context, SEED)[0]
    for loss, parts in expected.items():
        gradients = tape.gradient(losses[loss], list(named.values()))
        found = {
            name.split("/")[0]
            for name, gradient in zip(named, gradients, strict=True)
            if gradient is not None and np.any(gradient)
        }
        assert found == parts, loss


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_of_computation_only(precision):
    agent = make(precision=precision)
    batch, before = batch_for(agent), values(agent)
    if precision == "float16":
        agent.learner._half.factor.assign(2.0**60)
    scalars = agent.train_step(batch, SEED)
    assert all(np.isfinite(value) for value in scalars.values())
    assert changed(before, values(agent))
    assert all(v.dtype == tf.float32 for v in agent.trained_variables)


@pytest.mark.parametrize(
    "action, images",
    [
        (Box(-1, 1, (2,)), {"image": (32, 32, 3)}),
        (Discrete(5, start=1), {}),
        (MultiDiscrete([3, 2]), {}),
    ],
    ids=["box", "discrete", "multidiscrete"],
)
def test_learns_acts_and_plans(action, images):
    shapes = {**VECTORS, **images}
    coder = {"mults": [2, 2, 2]}
    agent = make(action, shapes, encoder=coder, decoder=coder)
    batch = batch_for(agent, action, shapes)
    first = agent.train_step(batch, SEED)["model"]
    for number in range(20):
        last = agent.train_step(batch, tf.constant([number, 0]))["model"]
    assert last < 0.97 * first
    actor = agent.actor(SIZE)
    seen = {name: value[:, 0] for name, value in batch.items()}
    for explore in (0.0, 1.0):
        chosen = actor.perform(tf.range(SIZE), seen, explore, SEED).numpy()
        assert all(x in action for x in chosen.astype(action.dtype))
    for name, (shape, dtype) in agent.replay_latents.items():
        assert actor.latents[name].shape == (SIZE, *shape)
        assert actor.latents[name].dtype == dtype
    plan = agent.plan(actor.state, SEED)
    assert plan.action.shape[:2] == (SIZE, 3)
    _, posterior = agent.filter(batch, SEED)
    assert {*shapes, "reward", "cont"} <= set(posterior.mean)


def test_without_context_everything_is_learned_from():
    agent = make(replay_context=0)
    assert not agent.replay_latents and not agent.fresh_latents
    batch = batch_for(agent)
    before = values(agent)
    assert np.isfinite(agent.train_step(batch, SEED)["total"])
    assert changed(before, values(agent))
    assert not agent.actor(SIZE).latents


DEVICES = """
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
from test_dreamer_2025_learner import SEED, batch_for, changed, make, values
from planet_tf2.tools import seeds

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
one, two = make(seed=0), make(seed=1, strategy=strategy)
named = two.learner.original_variables()
for name, variable in one.learner.original_variables().items():
    named[name].assign(variable.numpy())
batch = batch_for(two)
own = [seeds.fold_in(SEED, number) for number in range(2)]
parts = [{k: v[i : i + 1] for k, v in batch.items()} for i in range(2)]
halves = [one.test_step(*x) for x in zip(parts, own, strict=True)]
scalars = two.train_step(batch, SEED)
for name in one.learner.model.scales:
    mean = (halves[0][name] + halves[1][name]) / 2
    np.testing.assert_allclose(scalars[name], mean, 1e-4, err_msg=name)
for variable in two.trained_variables:
    copies = strategy.experimental_local_results(variable.value)
    assert {copy.device[-1] for copy in copies} == {"0", "1"}
    np.testing.assert_array_equal(*copies)
assert all(np.any(x.numpy(), (1, 2)).all() for x in two.fresh_latents.values())
before = values(two)
bad = {**batch, "reward": batch["reward"] * float("nan")}
assert np.isnan(two.train_step(bad, SEED)["total"])
assert not changed(before, values(two))
print("equal")
"""


@pytest.mark.slow
def test_two_devices_learn_like_their_mean():
    result = subprocess.run(
        [sys.executable, "-c", DEVICES],
        cwd=pathlib.Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    assert result.stdout.endswith("equal\n"), result.stderr[-3000:]
