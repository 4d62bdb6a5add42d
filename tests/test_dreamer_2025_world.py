"""The world model of DreamerV3 2025, beside what golden files show."""

import dreamer_cases
import gymnasium
import numpy as np
import pytest
import tensorflow as tf

from planet_tf2 import agents
from planet_tf2.agents.dreamer.edition_2025.rssm import BlockRSSM
from planet_tf2.agents.dreamer.edition_2025.world_model import WorldModel
from planet_tf2.agents.dreamer.latents import Categoricals

SEED = tf.constant([1, 2])


def make_model(**changes):
    params = agents.resolve("debug_2025", "", changes, "dreamer")
    space = dreamer_cases.space(**dreamer_cases.VECTORS)
    return WorldModel(params, space, gymnasium.spaces.Box(-1, 1, (2,)))


def test_goes_on_from_what_is_stored():
    """As if it had filtered the first row, which is not learned from."""
    model = make_model()
    batch = model.prepare(dreamer_cases.make_batch(length=5))
    whole, _, _ = model.infer(batch)
    first = {name: x[:, 0] for name, x in whole.items()}
    context = {f"context/{k}": x for k, x in model.stored(first).items()}
    losses, _, made = model.losses({**batch, **context})
    for name, value in whole.items():
        np.testing.assert_allclose(
            made["posterior"][name], value[:, 1:], 1e-5, 1e-5
        )
    assert losses.keys() == model.scales.keys()
    assert {x.shape for x in losses.values()} == {(4, 4)}
    np.testing.assert_allclose(made["reward"], batch["reward"][:, 1:])


def test_stores_nothing_without_context():
    model = make_model(replay_context=0)
    assert model.stored(model.rssm.initial(2)) == {}


@pytest.mark.parametrize(("classes", "dtype"), [(4, "uint8"), (300, "int32")])
def test_stores_numbers_of_classes(classes, dtype):
    rssm = BlockRSSM(Categoricals(2, classes), 4, 3, blocks=2)
    state = rssm.initial(1)
    state["stoch"] = tf.one_hot([[1, classes - 1]], classes)
    stored = rssm.to_store(state)
    assert stored["stoch"].dtype.name == dtype
    again = rssm.from_store(stored)
    np.testing.assert_array_equal(again["stoch"], state["stoch"])


def test_half_precision():
    """States are float32, but what is carried has been rounded."""
    model = make_model(precision="bfloat16")
    batch = model.prepare(dreamer_cases.make_batch())
    with tf.GradientTape() as tape:
        losses, _, made = model.losses(batch, SEED)
        total = tf.add_n([tf.reduce_sum(x) for x in losses.values()])
    deter = made["posterior"]["deter"]
    assert {x.dtype for x in made["posterior"].values()} == {tf.float32}
    rounded = tf.cast(tf.cast(deter, tf.bfloat16), tf.float32)
    np.testing.assert_array_equal(deter, rounded)
    for gradient in tape.gradient(total, model.trainable_variables):
        assert np.isfinite(gradient).all()


def test_large_actions_count_as_their_sign():
    rssm = make_model().rssm
    state = rssm.initial(1)
    large, small = (
        rssm.img_step(state, tf.constant([x])) for x in ([5.0, -3], [1.0, -1])
    )
    np.testing.assert_allclose(large["deter"], small["deter"], 1e-6)
