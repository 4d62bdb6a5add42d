"""Plan2Explore, and policies, beyond the golden numbers."""

import numpy as np
import pytest
import tensorflow as tf
from golden_files import assert_close

from planet_tf2.agents.dreamer import exploration
from planet_tf2.agents.dreamer.behavior import Behavior, BehaviorSettings
from planet_tf2.agents.dreamer.exploration import (
    Disagreement,
    DisagreementSettings,
    Plan2Explore,
)
from planet_tf2.agents.dreamer.latents import Categoricals, Normals
from planet_tf2.agents.dreamer.policy import Policy
from planet_tf2.agents.dreamer.rssm import RSSM
from planet_tf2.nets import DistributionHead
from planet_tf2.tools import seeds

ACTION, EMBED, DETER = 3, 7, 6
LATENTS = {"discrete": Categoricals(3, 4), "normal": Normals(5)}
SIZES = {"embed": EMBED, "deter": DETER}


def make_rssm(kind):
    rssm = RSSM(LATENTS[kind], DETER, 8)
    rssm.build(ACTION, EMBED)
    return rssm


def make_context(rssm, batch=(2, 5)):
    shape = [*batch, ACTION]
    action = tf.random.stateless_uniform(shape, seeds.derive(1), -1.0, 1.0)
    embed = seeds.normal(seeds.derive(2), [*batch, EMBED])
    noise = rssm.noise(seeds.derive(3), batch[::-1])
    posterior, _ = rssm.observe(embed, action, tf.zeros(batch), noise)
    context = {"posterior": posterior, "embed": embed, "action": action}
    return {**context, "is_terminal": tf.zeros(batch)}


def make_head(size, shape, dist, **settings):
    head = DistributionHead(shape, 1, 8, dist, **settings)
    head.build(size)
    return head


def make_disagreement(rssm, target="stoch", **settings):
    sizes = {"stoch": rssm.feature_size - DETER, "feat": rssm.feature_size}
    size = (SIZES | sizes)[target]
    inputs = rssm.feature_size + settings.get("action_cond", False) * ACTION
    members = [make_head(inputs, (size,), "normal", std=1.0) for _ in range(3)]
    settings = DisagreementSettings(target, **settings)
    reward = lambda features, _: features[..., 0]  # noqa: E731
    return Disagreement(members, rssm, reward, settings)


@pytest.mark.parametrize("kind", LATENTS)
@pytest.mark.parametrize("target", exploration.TARGETS)
@pytest.mark.parametrize("offset", [1, 3])
def test_targets(kind, target, offset):
    """Each is possible, `feat` of categoricals too (defect 8)."""
    rssm = make_rssm(kind)
    context = make_context(rssm)
    states = context["posterior"]
    disagreement = make_disagreement(rssm, target, offset=offset)
    stoch = tf.reshape(states["stoch"], [2, 5, -1])
    expected = {
        "stoch": stoch,
        "deter": states["deter"],
        "feat": tf.concat([stoch, states["deter"]], -1),
        "embed": context["embed"],
    }[target]
    found = disagreement.target(states, context["embed"])
    assert_close(found, expected)
    features = rssm.features(states)[:, :-offset]
    log_probs = [
        member(features).log_prob(expected[:, offset:])
        for member in disagreement.members
    ]
    assert_close(disagreement.batch_loss(context), -np.mean(log_probs))


class Recorder:
    """A member that keeps what it is asked."""

    def __call__(self, inputs):
        self.inputs = inputs
        return self

    def log_prob(self, value):
        self.value = value
        return tf.zeros(value.shape[:-1])

    def mean(self):
        return self.inputs


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("offset", [1, 2])
def test_learns_what_it_is_asked(reference, offset):
    """The action is the one taken in the state (defect 9)."""
    rssm = make_rssm("normal")
    members = [Recorder(), Recorder()]
    settings = DisagreementSettings(
        offset=offset, action_cond=True, reference=reference
    )
    disagreement = Disagreement(members, rssm, None, settings)
    context = make_context(rssm)
    disagreement.batch_loss(context)
    features = rssm.features(context["posterior"])
    # The action at t led to the state at t; the next is taken in it.
    first = 0 if reference else 1
    action = context["action"][:, first : first + 5 - offset]
    expected = tf.concat([features[:, :-offset], action], -1)
    assert_close(members[1].inputs, expected)
    taken = tf.zeros([2, 5, ACTION])
    disagreement.disagreement(features, taken)
    assert_close(members[1].inputs, tf.concat([features, taken], -1))


def test_reward():
    rssm = make_rssm("discrete")
    features = seeds.normal(seeds.derive(4), [2, 5, rssm.feature_size])
    action = tf.zeros([2, 5, ACTION])
    disagreement = make_disagreement(rssm, intrinsic=3.0, extrinsic=0.5)
    means = [m(features).mode() for m in disagreement.members]
    expected = np.std(means, 0, ddof=1).mean(-1)
    assert_close(disagreement.disagreement(features, action), expected)
    expected = 3 * np.log(expected) + 0.5 * features[..., 0]
    assert_close(disagreement.reward(features, action), expected)


def test_members_that_agree():
    """There is no infinite reward, nor a gradient that is no number."""
    rssm = make_rssm("normal")
    disagreement = Disagreement([Recorder(), Recorder()], rssm, None)
    features = tf.ones([2, rssm.feature_size])
    with tf.GradientTape() as tape:
        tape.watch(features)
        reward = disagreement.reward(features, tf.zeros([2, ACTION]))
    assert np.all(np.isfinite(reward))
    assert np.all(np.isfinite(tape.gradient(reward, features)))


def test_one_member_is_refused():
    with pytest.raises(ValueError, match="disag_models is 1"):
        Disagreement([Recorder()], make_rssm("normal"), None)


def make_behavior(rssm, reward, dist="normal", **settings):
    size = rssm.feature_size
    actor = Policy(ACTION, 1, 8, dist)
    actor.build(size)
    heads = (
        make_head(size, (), kind)
        for kind in ("binary", "symlog_disc", "symlog_disc")
    )
    cont, critic, slow = heads
    chosen = BehaviorSettings(horizon=3)
    parts = cont, actor, critic, slow
    return Behavior(rssm, reward, *parts, settings=chosen, **settings)


@pytest.mark.parametrize(
    ("kind", "dist"), [("discrete", "onehot"), ("normal", "normal")]
)
def test_plan2explore(kind, dist):
    rssm = make_rssm(kind)
    disagreement = make_disagreement(rssm, action_cond=True)
    task = make_behavior(rssm, lambda features, _: features[..., 0], dist)
    explorer = make_behavior(rssm, disagreement.reward, dist, prefix="expl_")
    plan2explore = Plan2Explore(task, explorer, disagreement)
    groups = ["actor", "value", "expl_explorer", "expl_actor", "expl_value"]
    assert list(plan2explore.groups) == groups
    context = make_context(rssm)

    @tf.function(autograph=False)
    def compute(seed):
        plan2explore.move_targets()
        with tf.GradientTape(persistent=True) as tape:
            losses, scalars, pending = plan2explore.losses(context, seed)
        gradients = {
            name: tape.gradient(losses[name], group)
            for name, group in plan2explore.groups.items()
        }
        return losses, scalars, pending, gradients

    losses, scalars, pending, gradients = compute(seeds.derive(7))
    assert losses.keys() == gradients.keys() == set(groups)
    for values in gradients.values():
        assert all(np.all(np.isfinite(x)) for x in values)
        assert np.any(values[0])
    assert set(plan2explore.scalar_names) == scalars.keys()
    first, _ = seeds.split(seeds.derive(7), 2)
    alone, *_ = task.losses(context, first)
    assert_close(losses["actor"], alone["actor"])
    plan2explore.commit(pending)
    assert_close(explorer.normalizer.ema, pending[1])


POLICIES = {
    "normal": (3, None),
    "trunc_normal": (3, None),
    "onehot": (4, None),
    "multi": (5, (2, 3)),
}


@pytest.mark.parametrize("name", POLICIES)
def test_policy(name):
    """Actions stay in their space, of `trunc_normal` too (defect 8)."""
    size, sizes = POLICIES[name]
    dist = "onehot" if name == "multi" else name
    policy = Policy(size, 1, 8, dist, sizes=sizes)
    policy.build(6)
    features = 3 * seeds.normal(seeds.derive(8), [500, 6])
    noise = policy.noise(seeds.derive(9), [500])
    sampled = policy(features).sample_from(noise)
    for action in (sampled, policy.uniform(seeds.derive(10), 500)):
        assert action.shape == (500, size)
        numbers = policy.numbers(action).numpy()
        if dist != "onehot":
            assert_close(numbers, action)
            assert np.abs(numbers).max() <= 1
            continue
        choices = np.split(action, np.cumsum(sizes or [size])[:-1], -1)
        for index, choice in enumerate(choices):
            count = choice.shape[-1]
            assert_close(choice, np.eye(count)[numbers[:, index]])
            assert set(numbers[:, index]) == set(range(count))


@pytest.mark.parametrize("dist", ["normal", "trunc_normal"])
def test_gradients_of_unlikely_actions(dist):
    """They are finite, however far out the noise is."""
    policy = Policy(2, 0, 0, dist, std=-100.0)  # Small: 0.1.
    policy.build(2)
    features = tf.constant([[9.0, -9.0], [0.5, 0.2]])
    noise = tf.constant([[[5.0, -5.0]], [[5.6, -5.6]], [[6.5, -6.5]]])
    with tf.GradientTape() as tape:
        actions = policy(features[None]).sample_from(noise)
        loss = tf.reduce_sum(actions)
    assert np.abs(actions).max() <= 1
    gradients = tape.gradient(loss, policy.trainable_variables)
    assert all(np.all(np.isfinite(x)) for x in gradients)
