"""Latent overshooting against loops in NumPy, gradients included."""

import numpy as np
import pytest
import tensorflow as tf
from numpy_cells import NumpyDRNN, NumpyRSSM, NumpySSM
from test_cells import SWITCHES, make_cell, normal
from tf_fakes import normal_kl

from planet_tf2.agents.planet import LatentCell, closed_loop, losses
from planet_tf2.agents.planet.overshooting import overshooting

BATCH, TIME, STATE, ACTION, OBS = 2, 4, 3, 2, 7
EMBEDDED = normal(1, BATCH, TIME, OBS)
ACTIONS = normal(2, BATCH, TIME, ACTION)
NOISE = normal(3, TIME, 2, BATCH, STATE)
REWARD = normal(4, BATCH, TIME)
FULL = tf.fill([BATCH], TIME)
# Between the divergences that there are.
FREE_NATS = {"rssm": 1.45, "ssm": 500, "drnn": 1.2}


def rollout_noise(amount):
    return normal(5, amount + 1, BATCH, TIME, STATE)


def flat(noise):
    """The rollouts of all time steps one behind the other."""
    if noise is None:
        return None
    return tf.reshape(noise, [-1, BATCH * TIME, STATE])


def assert_close(actual, desired, rtol=1e-4, atol=1e-5):
    np.testing.assert_allclose(actual, desired, rtol, atol)


class Adding:
    """Its state is one number, and actions are added to it."""

    replace = LatentCell.replace

    def zero_state(self, batch_size):
        names = ("mean", "stddev", "sample", "other")
        return dict.fromkeys(names, tf.zeros([batch_size, 1]))

    def transition(self, prev_state, prev_action, noise=None):
        sample = prev_state["sample"] + prev_action
        return {**prev_state, "mean": sample, "sample": sample}


class TestArrangement:
    """With numbers that tell where they come from."""

    # The state at step t is 100 (t + 1), and the action to it 10^t / 1000.
    sample = tf.constant([[100.0, 200, 300, 400], [500, 600, 700, 800]])
    posterior = dict.fromkeys(
        ("mean", "stddev", "sample", "other"), sample[..., None]
    )
    actions = tf.constant([[0.001, 0.01, 0.1, 1.0]] * 2)[..., None]

    @pytest.mark.parametrize("graph", [False, True])
    def test_full_length(self, graph):
        function = tf.function(overshooting) if graph else overshooting
        target, prior, posterior, mask = function(
            Adding(),
            {"letter": self.sample},
            self.actions,
            tf.constant([4, 4]),
            2,
            self.posterior,
        )
        expected = [
            [0.001, 0.011, 0.111],
            [100.01, 100.11, 101.11],
            [200.1, 201.1, 0],
            [301.0, 0, 0],
        ]
        assert_close(prior["sample"][0, :, :, 0], expected)
        expected = [
            [100, 200, 300],
            [200, 300, 400],
            [300, 400, 0],
            [400, 0, 0],
        ]
        assert_close(target["letter"][0], expected)
        for name in ("mean", "sample", "other"):
            assert_close(posterior[name][0, :, :, 0], expected)
        assert mask.dtype == tf.bool
        np.testing.assert_array_equal(mask, np.array([expected] * 2) > 0)
        for state in (prior, posterior):
            padding = tf.boolean_mask(state["stddev"], ~mask)
            np.testing.assert_array_equal(padding, np.ones((6, 1)))

    def test_lengths(self):
        target, prior, posterior, mask = overshooting(
            Adding(),
            self.sample,
            self.actions,
            tf.constant([0, 2]),
            3,
            self.posterior,
        )
        expected = [[500, 600, 0, 0], [600, 0, 0, 0], [0] * 4, [0] * 4]
        assert_close(target[1], expected)
        assert_close(posterior["sample"][1, :, :, 0], expected)
        np.testing.assert_array_equal(mask[1], np.array(expected) > 0)
        expected = [[0.001, 0.011, 0, 0], [500.01, 0, 0, 0], [0] * 4, [0] * 4]
        assert_close(prior["sample"][1, :, :, 0], expected)
        for tensor in (target[0], prior["sample"][0], mask[0]):
            assert not np.any(tensor)


def test_sizes_may_be_unknown():
    cell = make_cell("rssm", mean_only=True)

    def unroll(embedded, actions, length):
        _, posterior = closed_loop(cell, embedded, actions)
        return overshooting(cell, (), actions, length, 2, posterior)[1]["mean"]

    graph = tf.function(
        unroll,
        input_signature=[
            tf.TensorSpec([None, None, OBS]),
            tf.TensorSpec([None, None, ACTION]),
            tf.TensorSpec([None], tf.int32),
        ],
    )
    assert_close(
        graph(EMBEDDED, ACTIONS, FULL), unroll(EMBEDDED, ACTIONS, FULL)
    )
    assert graph(EMBEDDED[:1, :2], ACTIONS[:1, :2], [2]).shape == (1, 2, 3, 3)


def test_noise():
    cell = make_cell("ssm")
    _, posterior = closed_loop(cell, EMBEDDED, ACTIONS, NOISE)

    def samples(noise):
        args = cell, (), ACTIONS, FULL, 1, posterior, flat(noise)
        return overshooting(*args)[1]["sample"]

    np.testing.assert_array_equal(
        samples(rollout_noise(1)), samples(rollout_noise(1))
    )
    assert np.abs(samples(None)[:, :-1] - samples(None)[:, :-1]).min() > 0
    changed = rollout_noise(1).numpy()
    changed[1, 1, 2] += 1
    moved = np.abs(samples(changed) - samples(rollout_noise(1))).max(-1) > 0
    assert np.argwhere(moved).tolist() == [[1, 2, 1]]


NUMPY = {"rssm": NumpyRSSM, "ssm": NumpySSM, "drnn": NumpyDRNN}


def make_reference(kind, cell):
    switches = {name: name.startswith("sample") for name in SWITCHES}
    switches["decoder_to_sample"] = True
    extra = (switches,) if kind == "drnn" else ()
    reference = NUMPY[kind](cell, *extra)
    reference.obs_size = OBS
    return reference


def free_nats(cell):
    return FREE_NATS[type(cell).__name__.lower()]


def numpy_posteriors(reference, cell):
    state = {k: v.numpy() for k, v in cell.zero_state(BATCH).items()}
    states = [state]
    for time in range(TIME):
        inputs = ACTIONS[:, time].numpy(), EMBEDDED[:, time].numpy()
        _, state = reference.observe(state, *inputs, NOISE[time].numpy())
        states.append(state)
    return states


def numpy_loss(reference, cell, distance, targets=None):
    """Averages over every step and 2 to `distance` steps ahead, one by one."""
    states = numpy_posteriors(reference, cell)
    targets = targets or states
    noise = rollout_noise(max(0, distance - 1)).numpy()
    terms = []
    for start in range(TIME):
        state = states[start]
        for ahead in range(distance):
            time = start + ahead
            if time >= TIME:
                break
            state = reference.transition(
                state, ACTIONS[:, time].numpy(), noise[ahead, :, start]
            )
            if ahead == 0:
                continue
            seen = targets[time + 1]
            kl = normal_kl(
                seen["mean"], seen["stddev"], state["mean"], state["stddev"]
            )
            terms += [max(0, value - free_nats(cell)) for value in kl]
    return np.mean(terms) if terms else 0.0, terms


def tf_loss(cell, distance, stop):
    _, posterior = closed_loop(cell, EMBEDDED, ACTIONS, NOISE)
    amount = max(0, distance - 1)
    _, prior, seen, mask = overshooting(
        cell,
        (),
        ACTIONS,
        FULL,
        amount,
        posterior,
        flat(rollout_noise(amount)),
    )
    prior, seen, mask = tf.nest.map_structure(
        lambda x: x[:, :, 1:], (prior, seen, mask)
    )
    if stop:
        seen = tf.nest.map_structure(tf.stop_gradient, seen)
    kl = cell.divergence_from_states(seen, prior)
    beyond = tf.maximum(0.0, kl - free_nats(cell))
    return losses.masked_mean(beyond, mask)


@pytest.mark.parametrize("distance", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", NUMPY)
class TestLoss:
    """Distance 5 is longer than the sequence."""

    def test_value(self, kind, distance):
        cell = make_cell(kind)
        expected, terms = numpy_loss(make_reference(kind, cell), cell, distance)
        pairs = sum(TIME - ahead for ahead in range(1, min(distance, TIME)))
        assert len(terms) == BATCH * pairs
        if distance > 2:  # Some are below the free nats, and some are not.
            assert 0.0 in terms and max(terms) > 0
        assert_close(tf_loss(cell, distance, True), expected)
        if distance == 3:
            assert_close(tf.function(tf_loss)(cell, distance, True), expected)

    @pytest.mark.parametrize("stop", [True, False])
    def test_gradient(self, kind, distance, stop):
        """Against finite differences of the loops, for every weight."""
        cell = make_cell(kind)
        reference = make_reference(kind, cell)
        targets = numpy_posteriors(reference, cell) if stop else None
        named = cell.original_variables()
        with tf.GradientTape() as tape:
            loss = tf_loss(cell, distance, stop)
        gradients = tape.gradient(
            loss, named, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        random = np.random.default_rng(distance)
        for name, gradient in gradients.items():
            direction = random.normal(size=gradient.shape)
            values = []
            original = reference.weights[name]
            for step in (1e-6, -1e-6):
                reference.weights[name] = original + step * direction
                values.append(numpy_loss(reference, cell, distance, targets)[0])
            reference.weights[name] = original
            expected = (values[0] - values[1]) / 2e-6
            actual = np.sum(np.float64(gradient) * direction)
            np.testing.assert_allclose(actual, expected, 1e-3, 1e-4, name)


@pytest.mark.parametrize("kind", NUMPY)
class TestShortSequences:
    LENGTHS = (1, 4, 0, 2)

    def loss(self, cell, lengths, embedded, actions):
        lengths = tf.constant(lengths)
        _, states = closed_loop(cell, *map(np.nan_to_num, (embedded, actions)))
        inside = tf.sequence_mask(lengths, embedded.shape[1])[..., None]
        posterior = {k: tf.where(inside, v, np.nan) for k, v in states.items()}
        _, prior, seen, mask = overshooting(
            cell, (), actions, lengths, 4, posterior
        )
        kl = cell.divergence_from_states(seen, prior)
        return kl[:, :, 1:], mask[:, :, 1:], prior

    def inputs(self):
        embedded, actions = (
            normal(seed, 4, TIME, size).numpy()
            for seed, size in ((1, OBS), (2, ACTION))
        )
        for row, length in enumerate(self.LENGTHS):
            embedded[row, length:] = np.nan
            actions[row, length:] = np.nan
        return embedded, actions

    def test_padding_does_not_matter(self, kind):
        """NaN behind the end, and sequences shorter than the distance."""
        cell = make_cell(kind, mean_only=True)
        embedded, actions = self.inputs()
        weights = list(cell.trainable_variables)
        with tf.GradientTape() as tape:
            kl, mask, prior = self.loss(cell, self.LENGTHS, embedded, actions)
            loss = losses.masked_mean(kl, mask)
        for value in (kl, *prior.values()):
            assert np.isfinite(value).all()
        assert np.sum(mask, (1, 2)).tolist() == [0, 6, 0, 1]
        gradients = tape.gradient(loss, weights)
        together = []
        with tf.GradientTape() as tape:
            for row, length in enumerate(self.LENGTHS):
                part = slice(row, row + 1), slice(length)
                if length:
                    kl, mask, _ = self.loss(
                        cell, [length], embedded[part], actions[part]
                    )
                    together.append(tf.boolean_mask(kl, mask))
            expected = tf.reduce_mean(tf.concat(together, 0))
        assert_close(loss, expected)
        for pair in zip(
            gradients, tape.gradient(expected, weights), strict=True
        ):
            assert_close(*pair)
