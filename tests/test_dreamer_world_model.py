"""Dreamer's world model, beyond what the golden files show."""

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from dreamer_cases import VECTORS, make_batch, make_model

from planet_tf2.configs.config_error import ConfigError

SEED = tf.constant([1, 2])
IMAGES = {"back": (8, 8, 1), "front": (8, 8, 3)}


def losses(model, batch, seed=SEED):
    return model.losses(model.prepare(batch), seed)


def test_several_images_and_vectors():
    shapes = {**IMAGES, **VECTORS, "grid": (2, 3)}
    model = make_model(shapes)
    batch = make_batch(shapes)
    scalars, context = losses(model, batch)
    named = {"model", "reward", "cont", "dyn", "rep"}
    assert set(model.loss_names) == {*shapes, *named}
    assert set(scalars) == {*model.loss_names, *model.scalar_names}
    assert set(model.observations) == set(shapes)
    scaled = (
        sum(scalars[name] for name in (*shapes, "reward", "cont"))
        + 0.5 * scalars["dyn"]
        + 0.1 * scalars["rep"]
    )
    np.testing.assert_allclose(scalars["model"], scaled, 1e-5)
    features = model.rssm.features(context["posterior"])
    predicted = model.predict(features)
    for name, shape in {**shapes, "reward": (), "cont": ()}.items():
        assert predicted[name].mode().shape == (4, 3, *shape)
    target = batch["front"].numpy() / 255
    error = ((predicted["front"].mean() - target) ** 2).numpy().sum((2, 3, 4))
    np.testing.assert_allclose(scalars["front"], error.mean(), 1e-5)


def test_chooses_by_the_beginning_of_names():
    """Defect 10: `image` had to exist; names with `log_` in them vanished."""
    shapes = {"analog_x": (2,), "log_x": (1,), "lot": (2,), "other": (3,)}
    model = make_model(
        shapes,
        encoder={"mlp_keys": "analog|log|lo"},
        decoder={"mlp_keys": "the|ot", "cnn_keys": "$^"},
    )
    assert set(model.observations) == {"analog_x", "lot", "other"}
    assert model.predicted == ("other",)
    assert model.encoder.embedding_size == 6
    assert np.isfinite(losses(model, make_batch(shapes))[0]["model"])


def test_refuses_what_cannot_be_seen():
    with pytest.raises(ConfigError, match="Nothing is seen.*position .3."):
        make_model(encoder={"mlp_keys": "$^"})
    with pytest.raises(ConfigError, match="one size.*back"):
        make_model({"back": (8, 8, 1), "front": (16, 16, 3)})
    with pytest.raises(ConfigError, match="48x48.*power of 2.*'back'"):
        make_model({"back": (48, 48, 1)})
    with pytest.raises(ConfigError, match="'actor', as another loss"):
        make_model({"actor": (2,)})
    with pytest.raises(ConfigError, match="called 'cont'.*encoder.mlp_keys"):
        make_model({"cont": (2,), "state": (2,)}, decoder={"mlp_keys": "state"})


def test_actions_become_vectors():
    choices = gymnasium.spaces.MultiDiscrete([2, 3], start=[0, 1])
    model = make_model(action=choices)
    vector = model.action_vector(tf.constant([[1, 1], [0, 3]]))
    expected = [[0, 1, 1, 0, 0], [1, 0, 0, 0, 1]]
    np.testing.assert_array_equal(vector, expected)
    batch = make_batch(action=choices)
    assert np.isfinite(losses(model, batch)[0]["model"])
    one = make_model(action=gymnasium.spaces.Discrete(3, start=2))
    vector = one.action_vector(tf.constant([[2, 4]]))
    np.testing.assert_array_equal(vector, [[[1, 0, 0], [0, 0, 1]]])


def test_prepares_observations_while_acting():
    model = make_model({**IMAGES, **VECTORS})
    batch = make_batch({**IMAGES, **VECTORS})
    seen = {name: batch[name][:, 0] for name in model.observations}
    whole = model.encoder(model.prepare(batch))
    step = model.encoder(model.prepare(seen))
    np.testing.assert_allclose(step, whole[:, 0], 1e-5, 1e-6)


@pytest.mark.parametrize("alone", ["decoder", "reward", "cont"])
def test_heads_that_learn_alone(alone):
    """Their losses change themselves, and not what they see."""
    heads = [h for h in ("decoder", "reward", "cont") if h != alone]
    model = make_model(
        grad_heads=heads,
        dyn_scale=0.0,
        rep_scale=0.0,
        reward_head={"outscale": 1.0},
    )
    batch = make_batch()
    names = VECTORS if alone == "decoder" else [alone]
    with tf.GradientTape(persistent=True) as tape:
        scalars = losses(model, batch)[0]
        own = tf.add_n([scalars[name] for name in names])
        other = scalars["cont" if alone != "cont" else "reward"]
    start = model.rssm.original_variables()["gru/kernel"]
    assert tape.gradient(own, start) is None
    assert tape.gradient(other, start) is not None
    for gradient in tape.gradient(own, model.heads[alone].trainable_variables):
        assert np.any(gradient)


def test_graph_computes_the_same():
    model = make_model({**IMAGES, **VECTORS})
    batch = make_batch({**IMAGES, **VECTORS})
    compute = tf.function(lambda: losses(model, batch), autograph=False)
    tf.nest.map_structure(
        lambda x, y: np.testing.assert_allclose(x, y, 1e-5, 1e-5),
        compute(),
        losses(model, batch),
    )


def test_options():
    for changes in (
        {"dyn_discrete": 0, "dyn_std_act": "softplus", "dyn_mean_act": "tanh5"},
        {"dyn_rec_depth": 2, "initial": "zeros", "norm": False},
        {
            "decoder": {"vector_dist": "mse"},
            "encoder": {"symlog_inputs": False},
        },
        {"reward_head": {"dist": "symlog_mse"}, "act": "relu"},
        {"precision": "bfloat16"},
    ):
        scalars = losses(make_model(**changes), make_batch())[0]
        assert all(np.isfinite(value) for value in scalars.values()), changes
