"""How Dreamer's actor and critic learn, beyond the golden numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from golden_files import assert_close

from planet_tf2.agents.dreamer import returns
from planet_tf2.agents.dreamer.behavior import Behavior, BehaviorSettings
from planet_tf2.agents.dreamer.imagination import imagine
from planet_tf2.agents.dreamer.policy import Policy
from planet_tf2.nets import DistributionHead
from planet_tf2.tools import devices, seeds

ACTIONS = {"normal": None, "trunc_normal": None, "onehot": (2, 3)}


class Echo:
    """Latent dynamics whose state moves towards the last action."""

    def __init__(self, size):
        self._size = size

    def features(self, state):
        return tf.concat([state["deter"], state["stoch"]], -1)

    def img_step(self, state, action, noise):
        deter = tf.tanh(0.5 * state["deter"] + action)
        return {"deter": deter, "stoch": deter**2 + noise}

    def noise(self, seed, shape):
        return 0.1 * seeds.normal(seed, [*shape, self._size])

    def start(self, *shape):
        shape = [*shape, self._size]
        names = enumerate(("deter", "stoch"))
        return {n: seeds.normal(seeds.derive(i), shape) for i, n in names}


def reward_of(features, action):
    del action
    return features[..., 0] - 0.3 * features[..., -1] ** 2


def randomize(head, seed, size=0.3):
    """Gives a head large weights, that there are differences to be seen."""
    for index, variable in enumerate(head.trainable_variables):
        noise = seeds.normal(seeds.derive(seed, index), variable.shape)
        variable.assign_add(size * noise)
    return head


def make(dist="normal", slow=True, size=5, **settings):
    rssm = Echo(size)
    keras.utils.set_random_seed(1)

    def head(kind, seed, outscale=1.0):
        head = DistributionHead((), 1, 8, kind, outscale=outscale)
        head.build(2 * size)
        return randomize(head, seed)

    actor = Policy(
        size, 1, 8, dist, sizes=ACTIONS[dist], std="learned", outscale=0.1
    )
    actor.build(2 * size)
    behavior = Behavior(
        rssm,
        reward_of,
        head("binary", 1),
        # So small that actions need not be cut: the gradient of those that
        # are is not that of what is computed.
        randomize(actor, 2, 0.1),
        head("symlog_disc", 3),
        head("symlog_disc", 4) if slow else None,
        settings=BehaviorSettings(**{"horizon": 4, **settings}),
    )
    return behavior


def rollout(behavior, count=6, cont=None):
    noise = behavior.noise(seeds.derive(5), count)
    noise = (noise[0], 0.1 * noise[1])
    start = behavior.rssm.start(count)
    horizon = behavior.settings.horizon
    parts = behavior.rssm, behavior.actor, start, horizon, noise
    _, features, action = imagine(*parts)
    cont = tf.ones(count) if cont is None else tf.constant(cont)
    return behavior.evaluate(features, action, cont), start, noise


def test_weights_of_the_paper():
    """Terminal starts weigh nothing, and w is not shifted (defect 3)."""
    discount = tf.constant([[0.9, 0.9], [0.5, 0.7], [0.4, 0.2]])
    found = returns.weights(discount, tf.constant([1.0, 0.0]))
    assert_close(found, [[1, 0], [0.5, 0], [0.2, 0]])
    found = returns.weights(discount, tf.constant([1.0, 0.0]), reference=True)
    assert_close(found, [[1, 1], [0.9, 0.9], [0.45, 0.63]])


def test_terminal_starts_teach_nothing():
    behavior = make()
    both, *_ = rollout(behavior, cont=[1.0, 0.0, 1.0, 0.0, 1.0, 1.0])
    assert not np.any(both.weight[:, 1]) and not np.any(both.weight[:, 3])
    kept = [0, 2, 4, 5]
    alone = type(both)(*(tf.gather(x, kept, axis=1) for x in both))
    ema = behavior.moved_ema(both)
    for loss in (
        behavior.critic_loss,
        lambda x: behavior.actor_loss(x, ema)[0],
    ):
        assert_close(loss(both), 4 / 6 * loss(alone), 1e-5, 1e-6)


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_reinforce_is_normalized(reference, normalize):
    """The reference does not divide by the range of returns (defect 2)."""
    behavior = make(
        "onehot",
        gradient="reinforce",
        reference=reference,
        normalize=normalize,
        entropy=0.0,
    )
    behavior.normalizer.ema.assign([-20.0, 30.0])
    imagined, *_ = rollout(behavior)
    scale = 1.0
    if normalize:
        now = np.quantile(imagined.target, [0.05, 0.95])
        low, high = 0.99 * np.array([-20.0, 30.0]) + 0.01 * now
        scale = 1.0 if reference else high - low
    advantage = (imagined.target - imagined.value[:-1]) / scale
    policy = behavior.actor(imagined.features)
    log_prob = policy.log_prob(imagined.action)[:-1]
    expected = -np.mean(imagined.weight[:-1] * log_prob * advantage)
    loss, _ = behavior.actor_loss(imagined, behavior.moved_ema(imagined))
    assert_close(loss, expected)


@pytest.mark.parametrize("reference", [False, True])
def test_entropy_is_weighted_and_not_sought(reference):
    """Nor is it in the reference's way (defect 3)."""
    behavior = make(entropy=2.0, reference=reference, normalize=False)
    imagined, *_ = rollout(behavior, cont=[1.0, 1, 1, 0, 1, 1])
    none = tf.zeros_like(imagined.target)
    value = tf.zeros_like(imagined.value)
    imagined = imagined._replace(target=none, value=value)
    with tf.GradientTape() as tape:
        tape.watch(imagined.features)
        loss, entropy = behavior.actor_loss(imagined, ())
    weight = np.ones_like(none) if reference else imagined.weight[:-1]
    assert_close(loss, -2 * np.mean(weight * entropy[:-1]))
    found = behavior.actor(imagined.features).entropy()
    assert_close(entropy, found)
    sought = tape.gradient(loss, imagined.features)
    assert (sought is not None) == reference


CASES = [
    ("normal", "dynamics", False),
    ("normal", "both", False),
    ("normal", "both", True),
    ("trunc_normal", "dynamics", True),
    ("trunc_normal", "both", False),
    ("onehot", "reinforce", False),
]


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("dist", "gradient", "reference"), CASES)
def test_gradient(dist, gradient, reference, normalize):
    """The actor's gradient against differences of the loss.

    What counts as constant is put in as such: what the actor sees, weights,
    the scale, and of `reinforce` the actions and advantages.
    """
    settings = {"gradient": gradient, "mix": 0.3, "entropy": 0.0}
    behavior = make(dist, reference=reference, normalize=normalize, **settings)
    behavior.normalizer.ema.assign([-1.0, 2.0])
    variables = behavior.actor.trainable_variables
    with tf.GradientTape() as tape:
        before, start, noise = rollout(behavior)
        assert dist != "normal" or np.abs(before.action).max() < 1
        ema = behavior.moved_ema(before)
        loss, _ = behavior.actor_loss(before, ema)
    gradients = tape.gradient(loss, variables)
    low, high = np.asarray(ema) if normalize else (0.0, 1.0)
    scale = max(1.0, high - low)
    raw = reference and gradient != "dynamics"

    def compute():
        seen = iter(tf.unstack(before.features))
        parts = start, behavior.settings.horizon, noise
        _, features, action = imagine(
            behavior.rssm, lambda _: behavior.actor(next(seen)), *parts
        )
        now = behavior.evaluate(features, action, tf.ones(6))
        policy = behavior.actor(before.features)
        advantage = (before.target - before.value[:-1]) / (1 if raw else scale)
        reinforce = policy.log_prob(before.action)[:-1] * advantage
        through = (now.target - now.value[:-1]) / scale
        if raw:
            through = now.target
        mix = {"dynamics": 1.0, "reinforce": 0.0}.get(gradient, 0.3)
        objective = mix * through + (1 - mix) * reinforce
        return -np.mean(before.weight[:-1] * objective, dtype=np.float64)

    assert_close(compute(), loss, 1e-5, 1e-6)
    step = 3e-3 / np.asarray(tf.linalg.global_norm(gradients))
    for variable, change in zip(variables, gradients, strict=True):
        variable.assign_add(step * change)
    above = compute()
    for variable, change in zip(variables, gradients, strict=True):
        variable.assign_sub(2 * step * change)
    slope = (above - compute()) / (2 * step)
    assert_close(slope, tf.linalg.global_norm(gradients) ** 2, 2e-2)


def test_slow_critic_follows():
    behavior = make(slow_update=2, slow_fraction=0.25)
    slow = behavior.slow_critic.trainable_variables[0]
    fast = behavior.critic.trainable_variables[0]
    assert_close(slow, fast)  # It begins as a copy.
    first = fast.numpy()
    fast.assign(first + 4)
    for moved in (1, 1, 1.75, 1.75):
        behavior.move_targets()
        assert_close(slow, first + moved)


def test_no_slow_critic():
    """`slow_target: false` works; it crashes the reference (defect 8)."""
    behavior = make(slow=False)
    behavior.move_targets()
    imagined, *_ = rollout(behavior)
    log_prob = behavior.critic(imagined.features[:-1]).log_prob(imagined.target)
    expected = -np.mean(imagined.weight[:-1] * log_prob)
    assert_close(behavior.critic_loss(imagined), expected)


@pytest.mark.parametrize("dist", ACTIONS)
def test_losses_depend_on_seed_and_state_alone(dist, monkeypatch):
    behavior = make(dist)
    context = {
        "posterior": behavior.rssm.start(2, 3),
        "is_terminal": tf.zeros([2, 3]),
    }

    def compute(seed, chains):
        monkeypatch.setattr(devices, "chains", lambda: chains)
        losses = tf.function(behavior.losses, autograph=False)
        return losses(context, seeds.derive(seed))

    losses, scalars, pending = compute(0, 1)
    assert losses.keys() == behavior.groups.keys() == {"actor", "value"}
    assert set(behavior.scalar_names) == scalars.keys()
    assert all(np.isfinite(x) for x in [*losses.values(), *scalars.values()])
    again = compute(0, 2)
    tf.nest.map_structure(assert_close, again, (losses, scalars, pending))
    other = compute(1, 1)
    assert not np.allclose(other[0]["actor"], losses["actor"])
    assert not np.any(behavior.normalizer.ema)
    behavior.commit(pending)
    assert_close(behavior.normalizer.ema, pending)


def test_imagines_from_the_last_states():
    start = make().rssm.start(2, 5)
    ends = tf.constant([[0.0, 1.0, 0.0, 1.0, 0.0]] * 2)
    seed, found = seeds.derive(0), []
    for last, kept in ((0, slice(None)), (2, slice(3, 5)), (9, slice(None))):
        cut = tf.nest.map_structure(lambda x, k=kept: x[:, k], (start, ends))
        context = [
            dict(zip(("posterior", "is_terminal"), x, strict=True))
            for x in ((start, ends), cut)
        ]
        one = make(last=last).losses(context[0], seed)
        tf.nest.map_structure(
            assert_close, one, make().losses(context[1], seed)
        )
        found.append(one[0]["value"])
    assert found[0] == found[2] and found[0] != found[1]


LEARNERS = [
    ("normal", "dynamics"),
    ("trunc_normal", "both"),
    ("onehot", "reinforce"),
]


@pytest.mark.parametrize(("dist", "gradient"), LEARNERS)
def test_learns(dist, gradient):
    behavior = make(dist, gradient=gradient, mix=0.5)
    context = {
        "posterior": behavior.rssm.start(8, 8),
        "is_terminal": tf.zeros([8, 8]),
    }
    optimizers = {name: tf.optimizers.Adam(1e-2) for name in behavior.groups}
    for name, group in behavior.groups.items():
        optimizers[name].build(group)

    @tf.function(autograph=False)
    def train(seed):
        behavior.move_targets()
        with tf.GradientTape(persistent=True) as tape:
            losses, scalars, pending = behavior.losses(context, seed)
        for name, group in behavior.groups.items():
            optimizers[name].apply(tape.gradient(losses[name], group))
        behavior.commit(pending)
        return scalars["imag_reward_mean"]

    rewards = [train(seeds.derive(6, step)).numpy() for step in range(100)]
    assert np.mean(rewards[-10:]) > rewards[0] + 0.1
