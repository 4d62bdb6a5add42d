"""The latent dynamics of Dreamer, beyond what the golden files show."""

import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.agents.dreamer import unroll
from planet_tf2.agents.dreamer.latents import STDS, Categoricals, Normals
from planet_tf2.agents.dreamer.rssm import RSSM
from planet_tf2.tools import seeds

B, T, A, E = 3, 6, 2, 5
SEED = tf.constant([1, 2])
KINDS = {"categorical": Categoricals(3, 4, 0.1), "normal": Normals(4)}


def normal(seed, *shape):
    return tf.constant(
        np.random.default_rng(seed).normal(size=shape), "float32"
    )


def make(latents, **settings):
    tf.keras.utils.set_random_seed(0)
    rssm = RSSM(latents, 6, 7, **settings)
    rssm.build(A, E)
    rssm.set_weights(
        [w + normal(i, *w.shape) for i, w in enumerate(rssm.get_weights())]
    )
    return rssm


def inputs(length=T):
    is_first = np.zeros((B, length), bool)
    is_first[0, 2] = is_first[1, 1:3] = True
    return normal(1, B, length, E), normal(2, B, length, A), is_first


def assert_states(one, other, atol=1e-6):
    tf.nest.map_structure(
        lambda x, y: np.testing.assert_allclose(x, y, 1e-5, atol), one, other
    )


def at(states, index):
    return tf.nest.map_structure(lambda x: x[index], states)


@pytest.fixture(params=KINDS)
def rssm(request):
    return make(KINDS[request.param])


def test_reset_inside_of_a_sequence_is_a_fresh_start(rssm):
    embed, action, is_first = inputs()
    noise = rssm.noise(SEED, [T, B])
    whole = rssm.observe(embed, action, is_first, noise)
    rest = rssm.observe(embed[:, 2:], action[:, 2:], is_first[:, 2:], noise[2:])
    for row in (0, 1):
        assert_states(at(whole, np.s_[row, 2:]), at(rest, np.s_[row]))
    # The third row was not reset, so it goes on from what was before.
    assert (
        abs(whole[0]["deter"][2, 2] - rest[0]["deter"][2, 0]).numpy().max()
        > 0.01
    )


def test_step_by_step_is_the_sequence(rssm):
    embed, action, is_first = inputs()
    noise = rssm.noise(SEED, [T, B])
    whole = rssm.observe(embed, action, is_first, noise)
    state = None
    for t in range(T):
        states = rssm.obs_step(
            state, action[:, t], embed[:, t], is_first[:, t], noise[t]
        )
        state = states[0]
        assert_states(states, at(whole, np.s_[:, t]))


def test_graph_and_loop_compute_the_same(rssm, monkeypatch):
    embed, action, is_first = inputs()
    noise = rssm.noise(SEED, [T, B])

    def compute():
        with tf.GradientTape() as tape:
            states = rssm.observe(embed, action, is_first, noise)
            start = at(states[0], np.s_[:, -1])
            states += (rssm.imagine(start, action, noise),)
            total = tf.add_n([tf.reduce_sum(rssm.features(s)) for s in states])
        return states, tape.gradient(total, rssm.trainable_variables)

    expected = compute()
    assert_states(tf.function(compute, autograph=False)(), expected, 1e-4)
    monkeypatch.setattr(unroll, "LONGEST", 0)
    assert_states(tf.function(compute, autograph=False)(), expected, 1e-4)


def test_actions_stay_as_they_are(rssm):
    """Defect 14: actions of the caller became zero where episodes begin."""
    embed, action, is_first = inputs()
    action = action.numpy()
    before = action.copy()
    rssm.observe(embed, action, is_first)
    np.testing.assert_array_equal(action, before)


def test_what_led_to_a_first_step_does_not_matter(rssm):
    embed, action, is_first = inputs()
    strange = tf.where(is_first[..., None], float("nan"), action)
    one = rssm.observe(embed, action, is_first)
    assert_states(rssm.observe(embed, strange, is_first), one)


def test_samples_have_the_mixed_probabilities():
    latents = Categoricals(1, 3, 0.3)
    logits = tf.constant([[1.0, 0.0, -30.0]])
    count = 20000
    noise = latents.noise(SEED, tf.constant([count, 1, 3]))
    state = latents.state(tf.repeat(logits, count, 0), noise)
    soft = np.exp([1.0, 0.0]) / np.exp([1.0, 0.0]).sum()
    expected = 0.7 * np.append(soft, 0) + 0.1
    sample = state["stoch"].numpy()
    assert set(np.unique(sample.round(5))) == {0.0, 1.0}
    np.testing.assert_allclose(sample[:, 0].mean(0), expected, atol=0.015)
    np.testing.assert_allclose(
        latents.distribution(state).mean()[0, 0], expected, 1e-5
    )


def test_samples_have_the_gradient_of_probabilities():
    latents = Categoricals(2, 3, 0.3)
    logits = normal(0, 1, 6)
    weight = normal(1, 1, 2, 3)
    noise = latents.noise(SEED, tf.constant([1, 2, 3]))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        sampled = tf.reduce_sum(weight * latents.state(logits, noise)["stoch"])
        soft = tf.nn.softmax(tf.reshape(logits, [1, 2, 3]))
        probs = tf.reduce_sum(weight * (0.7 * soft + 0.1))
    np.testing.assert_allclose(
        tape.gradient(sampled, logits), tape.gradient(probs, logits), 1e-4, 1e-6
    )


def test_normals_have_their_mean_and_deviation():
    latents = Normals(2, "tanh5", "sigmoid", 0.3)
    count = 20000
    outputs = tf.repeat(tf.constant([[1.0, -9.0, 0.5, 2.0]]), count, 0)
    state = latents.state(outputs, latents.noise(SEED, tf.constant([count, 2])))
    mean = 5 * np.tanh(np.array([1.0, -9.0]) / 5)
    std = 1 / (1 + np.exp([-0.5, -2.0])) + 0.3
    np.testing.assert_allclose(state["stoch"].numpy().mean(0), mean, atol=0.04)
    np.testing.assert_allclose(state["stoch"].numpy().std(0), std, atol=0.02)


@pytest.mark.parametrize("name", STDS)
def test_deviations_are_positive(name):
    """Defect 8: `softplus` crashed."""
    raw = np.linspace(-9, 9, 7, dtype=np.float32)
    state = Normals(7, std_act=name, min_std=0.1).state(
        tf.concat([tf.zeros([7]), raw], 0)[None]
    )
    expected = {
        "softplus": np.log1p(np.exp(raw)),
        "abs": abs(raw + 1),
        "sigmoid": 1 / (1 + np.exp(-raw)),
        "sigmoid2": 2 / (1 + np.exp(-raw / 2)),
    }[name]
    np.testing.assert_allclose(state["std"][0], expected + 0.1, 1e-5)


def test_recurrent_depth(rssm):
    """Defect 8: a `dyn_rec_depth` above 1 crashed."""
    deep = make(rssm.latents, rec_depth=3)
    state = {**rssm.initial(B), "deter": normal(5, B, 6)}
    action = normal(4, B, A)
    inputs = tf.concat([rssm.latents.flat(state["stoch"]), action], -1)
    hidden, deter = rssm._img_in(inputs), state["deter"]
    for _ in range(3):
        deter = rssm._gru(hidden, deter)
    np.testing.assert_allclose(
        deep.img_step(state, action)["deter"], deter, 1e-5, 1e-6
    )


def test_balance_trains_prior_and_posterior_apart(rssm):
    embed, action, is_first = inputs()
    posterior, prior = rssm.observe(embed, action, is_first)
    free = float(np.median(rssm.divergence(posterior, prior)))
    names = rssm.latents.names

    def gradients(index, floor):
        with tf.GradientTape() as tape:
            for state in (posterior, prior):
                tape.watch([state[name] for name in names])
            loss = rssm.kl(posterior, prior, floor)[index]
        return tape.gradient(
            loss,
            [[s[name] for name in names] for s in (posterior, prior)],
            unconnected_gradients="zero",
        )

    for index in (0, 1):
        trained = gradients(index, 0.0)[1 - index]
        assert all(abs(g).numpy().sum() > 0 for g in trained)
        still = gradients(index, 0.0)[index]
        assert all(not g.numpy().any() for g in still)
        below = rssm.divergence(posterior, prior).numpy() < free
        for gradient in gradients(index, free)[1 - index]:
            assert not gradient.numpy()[below].any()
            assert gradient.numpy()[~below].any()


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_states_stay_in_full_precision(rssm, precision):
    half = make(rssm.latents, dtype=f"mixed_{precision}")
    states = half.observe(*inputs(), half.noise(SEED, [T, B]))
    for value in tf.nest.flatten(states):
        assert value.dtype == tf.float32
        assert np.isfinite(value).all()


def test_seeds_decide(rssm):
    embed, action, is_first = inputs()
    one, other = (
        rssm.observe(embed, action, is_first, rssm.noise(seed, [T, B]))
        for seed in (SEED, seeds.fold_in(SEED, 1))
    )
    assert not np.array_equal(one[0]["stoch"], other[0]["stoch"])
