"""One update of Dreamer: gradients, devices, and what is refused."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from dreamer_cases import make, make_batch

SEED = tf.constant([1, 2])
OTHER = tf.constant([3, 4])


def values(learner):
    return [v.numpy() for v in learner.variables]


def changed(before, after):
    pairs = zip(before, after, strict=True)
    return [i for i, (x, y) in enumerate(pairs) if not np.array_equal(x, y)]


def test_an_update_changes_everything():
    learner = make(reward_head={"outscale": 1.0}, kl_free=0.0)
    groups = [o.variables_to_train for o in learner.optimizers.values()]
    trained = [variable for group in groups for variable in group]
    before = [variable.numpy() for variable in trained]
    scalars = learner.train_step(make_batch(), SEED)
    names = {*learner.loss_names, *learner.norm_names, *learner.scalar_names}
    assert set(scalars) == names
    assert len(changed(before, [v.numpy() for v in trained])) == len(before)
    for name, part in learner.optimizers.items():
        assert part.updates == 1, name
        assert scalars[f"{name}_grad_norm"] > 0
    behavior = learner.behavior
    assert behavior.slow[0] == 0.5  # It moved before the critic learned.
    assert behavior.level == scalars["level"] != 0


def test_groups_learn_from_their_own_losses():
    learner = make(opt="sgd", actor={"lr": 1.0}, critic={"lr": 2.0})
    behavior = learner.behavior
    batch, before = make_batch(), behavior.value.numpy()
    # What the behavior's random numbers come from.
    seed = tf.random.split(SEED)[1]
    _, context = learner._model_losses(batch, tf.random.split(SEED)[0])
    with tf.GradientTape(persistent=True) as tape:
        losses, *_ = behavior.losses(context, seed)
    actor = tape.gradient(losses["actor"], behavior.actor)
    value = tape.gradient(losses["value"], behavior.value)
    learner.train_step(batch, SEED)
    np.testing.assert_allclose(behavior.actor, 1 - actor, 1e-5)
    np.testing.assert_allclose(behavior.value, before - 2 * value, 1e-5)


@pytest.mark.parametrize("part", ["model", "behavior"])
def test_what_is_not_finite_changes_nothing(part):
    """Defect 21: it went unnoticed."""
    learner, batch = make(), make_batch()
    learner.train_step(batch, SEED)
    if part == "model":
        batch["reward"] *= float("nan")
    else:
        learner.behavior.actor.assign(6 * [float("inf")])
    before = values(learner)
    scalars = learner.train_step(batch, OTHER)
    bad = "model" if part == "model" else "actor"
    assert not np.isfinite(scalars[bad])
    assert not changed(before, values(learner))


def test_testing_changes_nothing():
    learner, batch = make(), make_batch()
    before = values(learner)
    scalars = learner.test_step(batch, SEED)
    assert not changed(before, values(learner))
    assert set(scalars) == set(learner.loss_names)
    trained = learner.train_step(batch, SEED)
    for name, value in scalars.items():
        np.testing.assert_allclose(value, trained[name], 1e-5, err_msg=name)


def test_seeds_decide_everything():
    batch, results = make_batch(), []
    for seed in (SEED, SEED, OTHER):
        learner = make()
        learner.train_step(batch, seed)
        results.append(values(learner))
    assert not changed(*results[:2])
    assert changed(*results[1:])


def test_weights_decay():
    """Defect 4: `weight_decay` did nothing."""
    batch = make_batch()
    kept, decayed = make(opt="sgd"), make(opt="sgd", weight_decay=0.1)
    start = kept.model.variables
    start = [v.numpy() for v in start]
    for learner in (kept, decayed):
        learner.train_step(batch, SEED)
    for one, other, before in zip(
        kept.model.variables, decayed.model.variables, start, strict=True
    ):
        np.testing.assert_allclose(other, one - 0.1 * before, 1e-5, 1e-6)


def test_learns():
    learner, batch = make(model_lr=1e-2), make_batch()
    first = learner.train_step(batch, SEED)["model"]
    for number in range(30):
        last = learner.train_step(batch, tf.constant([number, 0]))["model"]
    assert last < 0.7 * first


def test_float16_repeats_what_overflows():
    learner, batch = make(precision="float16"), make_batch()
    for scale in learner._scales:
        scale.factor.assign(2.0**60)
    before = values(learner)
    scalars = learner.train_step(batch, SEED)
    assert all(np.isfinite(value) for value in scalars.values())
    assert learner._scales[0].factor < 2.0**60
    assert changed(before, values(learner))
    full = make().train_step(batch, SEED)
    np.testing.assert_allclose(scalars["model"], full["model"], 0.05)
    norm = "model_grad_norm"
    np.testing.assert_allclose(scalars[norm], full[norm], 0.1)


DEVICES = """
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
from dreamer_cases import VECTORS, Box, make, make_batch, resolve, space
from planet_tf2.agents import dreamer
from planet_tf2.tools import seeds

settings = {"opt": "sgd", "model_lr": 1.0, "grad_clip": 0.0}
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
params = resolve(imag_horizon=3, **settings)
spaces = space(**VECTORS), Box(-1, 1, (2,))
one, two = make(**settings), dreamer.make_agent(params, *spaces, 0, strategy)
two = two.learner
for left, right in zip(one.model.variables, two.model.variables):
    right.assign(left.numpy())
batch, seed = make_batch(), tf.constant([1, 2])
start = [v.numpy() for v in one.model.groups["model"]]
halves = []
for number in range(2):
    part = {k: v[2 * number : 2 * number + 2] for k, v in batch.items()}
    own = seeds.fold_in(seeds.split(seed, 2)[0], number)
    halves.append(one._model_gradients(part, own)[:2])
scalars = two.train_step(batch, seed)
for name in one.model.loss_names:
    mean = (halves[0][0][name] + halves[1][0][name]) / 2
    np.testing.assert_allclose(scalars[name], mean, 1e-4, err_msg=name)
groups = [half[1]["model"] for half in halves]
mirrored = two.model.groups["model"]
for variable, before, *gradients in zip(mirrored, start, *groups):
    expected = before - np.mean(gradients, 0)
    copies = strategy.experimental_local_results(variable.value)
    assert {copy.device[-1] for copy in copies} == {"0", "1"}
    for copy in copies:
        np.testing.assert_allclose(copy, expected, 1e-3, 1e-5)
assert two.test_step(batch, seed)["model"] > 0

for variable in two.behavior.trainable_variables:
    copies = strategy.experimental_local_results(variable.value)
    np.testing.assert_array_equal(*copies)
before = [v.numpy() for v in two.variables]
bad = {**batch, "reward": batch["reward"] * float("nan")}
assert np.isnan(two.train_step(bad, seed)["model"])
for variable, value in zip(two.variables, before):
    np.testing.assert_array_equal(variable.numpy(), value)
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
