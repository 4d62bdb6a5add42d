"""Our numbers against those of the original program.

Set PLANET_GOLDEN to a folder with other files of the same keys to compare with
those instead.
"""

import inspect

import golden_files
import numpy as np
import pytest
import tensorflow as tf
from golden_files import assert_close, assert_close_states

from planet_tf2 import agents
from planet_tf2.agents.planet import (
    DRNN,
    RSSM,
    SSM,
    LatentCell,
    build,
    closed_loop,
    cross_entropy_method,
    objectives,
    open_loop,
)
from planet_tf2.agents.planet.overshooting import overshooting
from planet_tf2.agents.planet.world_model import preprocess
from planet_tf2.nets import Decoder, Encoder, FeedForward, weights
from planet_tf2.tools import schedule

CELLS = {"rssm": RSSM, "ssm": SSM, "drnn": DRNN}


def run(function, graph):
    return tf.function(function, autograph=False)() if graph else function()


def scoped(arrays, scope):
    prefix = f"{scope}/"
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def load_cell(golden, kind, settings, action_size, obs_size):
    """Makes a cell, with those of the settings that it has."""
    known = {
        name
        for constructor in (LatentCell, CELLS[kind])
        for name in inspect.signature(constructor).parameters
    }
    cell = CELLS[kind](**{k: v for k, v in settings.items() if k in known})
    cell.build(action_size, obs_size)
    variables = scoped(golden.group("var"), "graph")
    weights.load_weights(
        cell, {k: v for k, v in variables.items() if "head_" not in k}
    )
    return cell


def cell_files():
    return [n for kind in CELLS for n in golden_files.names(f"{kind}_*")]


@pytest.fixture(params=cell_files())
def loaded(request):
    golden = golden_files.Golden(request.param)
    cell = load_cell(
        golden,
        request.param.split("_")[0],
        golden.metas(),
        golden["in/action"].shape[-1],
        golden["in/obs"].shape[-1],
    )
    return cell, golden


def test_there_are_files():
    assert golden_files.names("*")


@pytest.mark.parametrize("graph", [False, True])
class TestCell:
    def test_step(self, loaded, graph):
        cell, golden = loaded
        state = {
            name: tf.constant(golden[f"in/state/{name}"])
            for name in cell.state_sizes
        }
        action, obs = golden["in/action"], golden["in/obs"]
        prior = run(lambda: cell.transition(state, action), graph)
        posterior = run(lambda: cell.posterior(state, action, obs), graph)
        assert_close_states(prior, golden, "out/prior")
        assert_close_states(posterior, golden, "out/post")
        kl = cell.divergence_from_states(posterior, prior)
        assert_close(kl, golden["out/kl"])
        assert_close(cell.features_from_state(posterior), golden["out/feat"])

    def test_closed_loop(self, loaded, graph):
        cell, golden = loaded
        prior, posterior = run(
            lambda: closed_loop(
                cell, golden["in/embedded"], golden["in/actions"]
            ),
            graph,
        )
        assert_close_states(prior, golden, "out/cp")
        assert_close_states(posterior, golden, "out/cq")
        kl = cell.divergence_from_states(posterior, prior)
        assert_close(kl, golden["out/ckl"])

    def test_open_loop(self, loaded, graph):
        cell, golden = loaded
        states = run(
            lambda: open_loop(
                cell,
                golden["in/embedded"],
                golden["in/actions"],
                int(golden["in/context"]),
            ),
            graph,
        )
        assert_close_states(states, golden, "out/ol")

    def test_overshooting(self, loaded, graph):
        cell, golden = loaded
        _, prior, posterior, mask = run(
            lambda: overshooting(
                cell,
                (),
                golden["in/actions"],
                golden["in/length"],
                int(golden["in/overshooting_amount"]),
                {k: golden[f"out/cq/{k}"] for k in cell.state_sizes},
            ),
            graph,
        )
        valid = golden["out/mask"].astype(bool)
        np.testing.assert_array_equal(mask, valid)
        # The rest is padding, there as well as here.
        assert_close_states(prior, golden, "out/op", valid)
        assert_close_states(posterior, golden, "out/oq", valid)
        kl = cell.divergence_from_states(posterior, prior).numpy()
        assert_close(kl[valid], golden["out/okl"][valid])
        assert np.isfinite(kl).all()


class TestNetworks:
    @pytest.fixture(params=golden_files.names("networks*"))
    def golden(self, request):
        return golden_files.Golden(request.param)

    def test_encoder(self, golden):
        encoder = Encoder()
        encoder.build()
        arrays = scoped(golden.made_variables(), "graph/encoder")
        weights.load_weights(encoder, arrays)
        shape = (*golden["out/embedded"].shape[:2], 64, 64, 3)
        image = golden.make("in/image", "uniform", -0.5, 0.5, shape)
        assert_close(encoder(image), golden["out/embedded"])

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
        assert_close(mean[:, :, :4, :4], golden["out/image_mean_corner"])
        sums = mean.astype(np.float64).sum((2, 3, 4))
        assert_close(sums, golden["out/image_mean_sum"], 1e-4, 1e-3)
        norms = np.sqrt((mean.astype(np.float64) ** 2).sum((2, 3, 4)))
        assert_close(norms, golden["out/image_mean_l2"], 1e-4)
        assert_close(dist.log_prob(image), golden["out/image_log_prob"], 1e-4)

    def test_reward_head(self, golden):
        arrays = scoped(golden.made_variables(), "graph/head_reward")
        size, units = arrays["dense/kernel"].shape
        # A kernel and a bias in each layer, and one more layer for the mean.
        head = FeedForward((), len(arrays) // 2 - 1, units)
        head.build(size)
        weights.load_weights(head, arrays)
        batch = golden["out/reward_mean"].shape
        features = golden.make("in/features", "normal", 0, 1, (*batch, size))
        reward = golden.make("in/reward", "normal", 0, 1, batch)
        dist = head(features)
        assert_close(dist.mean(), golden["out/reward_mean"])
        assert_close(dist.log_prob(reward), golden["out/reward_log_prob"])


@pytest.mark.parametrize("name", golden_files.names("preprocess*"))
def test_preprocess(name):
    golden = golden_files.Golden(name)
    dithered = {
        int(key.removeprefix("dithered_")): value
        for key, value in golden.group("out").items()
        if key.startswith("dithered_")
    }
    assert dithered
    for bits, image in dithered.items():
        # The noise is random: compare the levels below it.
        expected = np.floor((image + 0.5) * 2**bits)
        image = preprocess(golden["in/image"], bits, (1, 2))
        assert image.dtype == tf.float32
        levels = np.floor((image.numpy() + 0.5) * 2**bits)
        np.testing.assert_array_equal(levels, expected)


@pytest.mark.parametrize("name", golden_files.names("schedules*"))
def test_schedules(name):
    golden = golden_files.Golden(name)
    steps = golden["in/steps"]
    np.testing.assert_array_equal(
        schedule.binary(steps, 10, 50, 100, 350),
        golden["out/binary_50_100_150"],
    )
    assert_close(schedule.linear(steps, 200), golden["out/linear_200"])
    assert_close(
        schedule.linear(steps, -200, 0.1, 1.0), golden["out/linear_neg200_min"]
    )


@pytest.mark.parametrize("name", golden_files.names("cem_one_iteration*"))
def test_cem_one_iteration(name):
    golden = golden_files.Golden(name)
    arrays = golden.group("var")
    state = {
        name: tf.constant(value)
        for name, value in golden.group("in/state").items()
        if name != "rnn_state"
    }
    sizes = {
        "state_size": state["mean"].shape[-1],
        "belief_size": state["belief"].shape[-1],
        "embed_size": arrays["graph/transition/dense/bias"].shape[0],
    }
    seen = arrays["graph/posterior/dense/kernel"].shape[0]
    cell = load_cell(
        golden,
        "rssm",
        {"mean_only": True, **sizes, **golden.metas()},
        golden["out/plan"].shape[-1],
        seen - sizes["belief_size"],
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
            seed=(1, 2),
            noise=tf.constant(golden["in/noise"])[None],
        )

    assert_close(plan(), golden["out/plan"])


def find_action_size(params, shapes):
    """Finds it from the sizes of the variables, which the file lists."""
    cell = build.make_cell(params)
    cell.build(1, Encoder().embedding_size)
    for name, variable in cell.original_variables().items():
        rows = shapes[f"graph/rnn/{params['model']}/{name}"][0]
        if rows != variable.shape[0]:
            return 1 + rows - variable.shape[0]
    return 1


@pytest.fixture(
    scope="module", params=golden_files.names("train_step_*"), ids=str
)
def trained(request):
    """The world model after two updates, and what each of them said."""
    golden = golden_files.Golden(request.param)
    params = agents.resolve("default", overrides=golden.meta("params"))
    arrays = golden.made_variables()
    shapes = {name: array.shape for name, array in arrays.items()}
    action_size = find_action_size(params, shapes)
    model = build.make_model(params, action_size)
    model.preprocess = lambda image, seed: image  # It comes prepared.
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
    learner = build.make_learner(params, model)
    seed = tf.constant([0, 0])
    outputs = [learner.train_step(batch, seed) for _ in range(2)]
    return golden, model, outputs


@pytest.mark.parametrize("update", [0, 1])
def test_train_step_losses(trained, update):
    golden, _, outputs = trained
    expected = golden.group(f"out/step{update}/objective")
    output = outputs[update]
    assert set(expected) == set(output) - {"total", "gradient_norm"}
    for name, value in expected.items():
        # For the heads it is a log-probability, the higher the better.
        sign = 1 if name == "divergence" else -1
        assert_close(sign * output[name], value, 1e-4)
    norm = golden[f"out/step{update}/grad_norm/main"]
    assert_close(output["gradient_norm"], norm, 1e-4)


def test_train_step_weights(trained):
    golden, model, _ = trained
    expected = golden.group("out/after")
    assert set(expected) == set(model.original_variables())
    for name, array in weights.save_weights(model).items():
        array = array.astype(np.float64)
        total, norm, *entries = expected[name]
        # Adam turns the rounding error of a gradient close to zero into a
        # small part of a step, and a step is at most the learning rate, 1e-3.
        assert_close(array.sum(), total, 1e-4, 2e-7 * array.size)
        assert_close(np.sqrt((array**2).sum()), norm, 1e-4, 5e-6)
        assert_close(array.ravel()[: len(entries)], entries, 1e-4, 3e-5)
