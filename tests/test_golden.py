"""Our numbers against those of the original program.

Set PLANET_GOLDEN to a folder with other files of the same keys to compare with
those instead.
"""

import golden_files
import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.control import cross_entropy_method, objectives
from planet_tf2.data.preprocess import postprocess, preprocess
from planet_tf2.models import RSSM, closed_loop, open_loop
from planet_tf2.networks import Decoder, Encoder, FeedForward
from planet_tf2.tools import schedule, weights
from planet_tf2.training.define_model import WorldModel
from planet_tf2.training.learner import Learner
from planet_tf2.training.optimizers import Optimizer

RSSMS = golden_files.names("rssm_*")
STATE = ("mean", "stddev", "sample", "belief")


def close(actual, desired, rtol=1e-5, atol=1e-6):
    np.testing.assert_allclose(actual, desired, rtol, atol)


def close_states(state, golden, prefix):
    assert set(state) == set(STATE)
    for name in STATE:
        close(state[name], golden[f"{prefix}/{name}"])


def run(function, graph):
    return tf.function(function, autograph=False)() if graph else function()


def scoped(arrays, scope):
    prefix = f"{scope}/"
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def load_cell(golden, **settings):
    cell = RSSM(**settings)
    variables = scoped(golden.group("var"), "graph")
    latent = {k: v for k, v in variables.items() if "head_" not in k}
    state_size = settings["state_size"]
    first = latent["transition/dense/kernel"]
    posterior = latent["posterior/dense/kernel"]
    cell.build(
        first.shape[0] - state_size,
        posterior.shape[0] - settings["belief_size"],
    )
    weights.load_weights(cell, latent)
    return cell


@pytest.fixture(params=RSSMS)
def rssm(request):
    golden = golden_files.Golden(request.param)
    return load_cell(golden, **golden.metas()), golden


@pytest.mark.parametrize("graph", [False, True])
class TestRSSM:
    def test_step(self, rssm, graph):
        cell, golden = rssm
        state = {
            name: tf.constant(golden[f"in/state/{name}"]) for name in STATE
        }
        action, obs = golden["in/action"], golden["in/obs"]
        prior = run(lambda: cell.transition(state, action), graph)
        posterior = run(lambda: cell.posterior(state, action, obs), graph)
        close_states(prior, golden, "out/prior")
        close_states(posterior, golden, "out/post")
        kl = cell.divergence_from_states(posterior, prior)
        close(kl, golden["out/kl"])
        close(cell.features_from_state(posterior), golden["out/feat"])

    def test_closed_loop(self, rssm, graph):
        cell, golden = rssm
        prior, posterior = run(
            lambda: closed_loop(
                cell, golden["in/embedded"], golden["in/actions"]
            ),
            graph,
        )
        close_states(prior, golden, "out/cp")
        close_states(posterior, golden, "out/cq")
        kl = cell.divergence_from_states(posterior, prior)
        close(kl, golden["out/ckl"])

    def test_open_loop(self, rssm, graph):
        cell, golden = rssm
        states = run(
            lambda: open_loop(
                cell,
                golden["in/embedded"],
                golden["in/actions"],
                int(golden["in/context"]),
            ),
            graph,
        )
        close_states(states, golden, "out/ol")


class TestNetworks:
    @pytest.fixture
    def golden(self):
        return golden_files.Golden("networks")

    def test_encoder(self, golden):
        encoder = Encoder()
        encoder.build()
        arrays = scoped(golden.made_variables(), "graph/encoder")
        weights.load_weights(encoder, arrays)
        shape = (*golden["out/embedded"].shape[:2], 64, 64, 3)
        image = golden.make("in/image", "uniform", -0.5, 0.5, shape)
        close(encoder(image), golden["out/embedded"])

    def test_decoder(self, golden):
        arrays = scoped(golden.made_variables(), "graph/head_image")
        decoder = Decoder()
        size = arrays["dense/kernel"].shape[0]
        decoder.build(size)
        weights.load_weights(decoder, arrays)
        batch = golden["out/image_log_prob"].shape
        features = golden.make("in/features", "normal", 0, 1, (*batch, size))
        image = golden.make(
            "in/image", "uniform", -0.5, 0.5, (*batch, 64, 64, 3)
        )
        dist = decoder(features)
        mean = dist.mean().numpy()
        close(mean[:, :, :4, :4], golden["out/image_mean_corner"])
        sums = mean.astype(np.float64).sum((2, 3, 4))
        close(sums, golden["out/image_mean_sum"], 1e-4, 1e-3)
        norms = np.sqrt((mean.astype(np.float64) ** 2).sum((2, 3, 4)))
        close(norms, golden["out/image_mean_l2"], 1e-4)
        close(dist.log_prob(image), golden["out/image_log_prob"], 1e-4)

    def test_reward_head(self, golden):
        arrays = scoped(golden.made_variables(), "graph/head_reward")
        head = FeedForward((), 3, 20)
        size = arrays["dense/kernel"].shape[0]
        head.build(size)
        weights.load_weights(head, arrays)
        batch = golden["out/reward_mean"].shape
        features = golden.make("in/features", "normal", 0, 1, (*batch, size))
        reward = golden.make("in/reward", "normal", 0, 1, batch)
        dist = head(features)
        close(dist.mean(), golden["out/reward_mean"])
        close(dist.log_prob(reward), golden["out/reward_log_prob"])


@pytest.mark.parametrize("bits", [3, 5, 8])
class TestPreprocess:
    @pytest.fixture
    def golden(self):
        return golden_files.Golden("preprocess")

    def test_preprocess(self, golden, bits):
        # The noise is random: compare the levels below it.
        expected = np.floor((golden[f"out/dithered_{bits}"] + 0.5) * 2**bits)
        image = preprocess(golden["in/image"], bits, (1, 2))
        assert image.dtype == tf.float32
        np.testing.assert_array_equal(
            np.floor((image.numpy() + 0.5) * 2**bits), expected
        )

    def test_postprocess(self, golden, bits):
        dithered = golden[f"out/dithered_{bits}"]
        np.testing.assert_array_equal(
            postprocess(dithered, bits, tf.float32),
            golden[f"out/post_f32_{bits}"],
        )
        np.testing.assert_array_equal(
            postprocess(dithered, bits, tf.uint8), golden[f"out/post_u8_{bits}"]
        )


def test_schedules():
    golden = golden_files.Golden("schedules")
    steps = golden["in/steps"]
    np.testing.assert_array_equal(
        schedule.binary(steps, 10, 50, 100, 350),
        golden["out/binary_50_100_150"],
    )
    close(schedule.linear(steps, 200), golden["out/linear_200"])
    close(
        schedule.linear(steps, -200, 0.1, 1.0), golden["out/linear_neg200_min"]
    )


def test_cem_one_iteration():
    golden = golden_files.Golden("cem_one_iteration")
    state = {name: tf.constant(golden[f"in/state/{name}"]) for name in STATE}
    arrays = golden.group("var")
    belief_size = state["belief"].shape[-1]
    cell = load_cell(
        golden,
        state_size=state["mean"].shape[-1],
        belief_size=belief_size,
        embed_size=arrays["graph/transition/dense/bias"].shape[0],
        mean_only=True,
    )
    head = FeedForward(
        (), golden.meta("reward_num_layers"), golden.meta("reward_units")
    )
    head.build(cell.feature_size)
    weights.load_weights(head, scoped(arrays, "graph/head_reward"))

    @tf.function(autograph=False)
    def plan():
        return cross_entropy_method(
            cell,
            lambda states: objectives.reward(cell, {"reward": head}, states),
            state,
            golden["out/plan"].shape[-1],
            golden.meta("horizon"),
            golden.meta("amount"),
            golden.meta("topk"),
            iterations=1,
            noise=tf.constant(golden["in/noise"])[None],
        )

    close(plan(), golden["out/plan"])


@pytest.fixture(scope="module")
def trained():
    """The world model after two updates, and what each of them said."""
    golden = golden_files.Golden("train_step_rssm")
    params = golden.meta("params")
    arrays = golden.made_variables()
    size, state_size = params["model_size"], params["state_size"]
    kernel = arrays["graph/rnn/rssm/transition/dense/kernel"]
    cell = RSSM(state_size, size, size, mean_only=params["mean_only"])
    encoder = Encoder()
    encoder.build()
    action_size = kernel.shape[0] - state_size
    cell.build(action_size, encoder.embedding_size)
    heads = {
        "image": Decoder(),
        "reward": FeedForward((), params["num_layers"], params["num_units"]),
    }
    for head in heads.values():
        head.build(cell.feature_size)
    scales = {"divergence": 1.0, "image": 1.0, "reward": 10.0}
    model = WorldModel(
        cell, encoder, heads, lambda x, _: x, scales, params["free_nats"]
    )
    weights.load_weights(model, arrays)
    shape = (golden.meta("batch"), golden.meta("length"))
    batch = {
        "image": golden.make(
            "in/image", "uniform", -0.5, 0.5, (*shape, 64, 64, 3)
        ),
        "action": golden.make(
            "in/action", "uniform", -1, 1, (*shape, action_size)
        ),
        "reward": golden.make("in/reward", "uniform", 0, 1, shape),
    }
    learner = Learner(model, Optimizer)
    seed = tf.constant([0, 0])
    outputs = [learner.train_step(batch, seed) for _ in range(2)]
    return golden, model, outputs


@pytest.mark.parametrize("update", [0, 1])
def test_train_step_losses(trained, update):
    golden, _, outputs = trained
    expected = golden.group(f"out/step{update}")
    output = outputs[update]
    close(-output["image"], expected["objective/image"], 1e-4)
    close(-output["reward"], expected["objective/reward"], 1e-4)
    close(output["divergence"], expected["objective/divergence"], 1e-4)
    close(output["gradient_norm"], expected["grad_norm/main"], 1e-4)


def test_train_step_weights(trained):
    golden, model, _ = trained
    expected = golden.group("out/after")
    assert set(expected) == set(model.original_variables())
    for name, array in weights.save_weights(model).items():
        array = array.astype(np.float64)
        total, norm, *entries = expected[name]
        # Adam turns the rounding error of a gradient close to zero into a
        # small part of a step, and a step is at most the learning rate, 1e-3.
        close(array.sum(), total, 1e-4, 2e-7 * array.size)
        close(np.sqrt((array**2).sum()), norm, 1e-4, 5e-6)
        close(array.ravel()[: len(entries)], entries, 1e-4, 3e-5)
