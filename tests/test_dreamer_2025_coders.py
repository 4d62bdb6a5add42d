"""Encoder and decoder of DreamerV3 2025."""

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from planet_tf2.agents.dreamer.edition_2025.coders import (
    Decoder,
    Encoder,
    find_choices,
)
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.nets.pooled_conv import Conv, parity_kernel, smallest_map

SETTINGS = {
    "cnn_keys": ".*",
    "mlp_keys": ".*",
    "cnn_depth": 2,
    "mults": [2, 3, 4, 4],
    "kernel_size": 5,
    "mlp_layers": 1,
    "mlp_units": 6,
    "symlog_inputs": True,
    "vector_dist": "symlog_mse",
    "strided": False,
    "outer": False,
    "bspace": 4,
    "outscale": 1.0,
}
DETER, STOCH = 8, 6


def image(*shape):
    return spaces.Box(0, 255, shape, np.uint8)


SPACES = {
    "96": {"image": image(96, 96, 3)},
    "wide": {"image": image(48, 80, 1)},
    "several": {"wrist": image(64, 64, 1), "camera": image(64, 64, 3)},
    "all": {
        "image": image(64, 64, 3),
        "speed": spaces.Box(-np.inf, np.inf, (2, 3)),
        "height": spaces.Box(-1, 1, ()),
        "gear": spaces.Discrete(4, start=2),
        "doors": spaces.MultiBinary(3),
        "cards": spaces.MultiDiscrete([2, 5]),
        "level": spaces.Box(-3, 4, (2,), np.int8),
        "is_first": spaces.Discrete(2),
        "log_score": spaces.Box(-1, 1, ()),
    },
}


def make(kind, seed=0, **settings):
    """Returns a space and prepared observations of it, `[2, 3, ...]`."""
    space = spaces.Dict(SPACES[kind])
    space.seed(seed)
    samples = [space.sample() for _ in range(6)]
    batch = {}
    for name in space:
        values = np.stack([sample[name] for sample in samples])
        values = values.reshape(2, 3, *values.shape[1:]).astype(np.float32)
        batch[name] = values / 255 if values.ndim == 5 else values
    return space, batch


@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_coders(kind, dtype):
    """All that is seen is predicted, and every weight learns."""
    space, batch = make(kind)
    encoder = Encoder(space, SETTINGS, dtype=dtype)
    encoder.build()
    decoder = Decoder(space, SETTINGS, DETER, dtype=dtype)
    decoder.build(DETER + STOCH)
    project = tf.random.stateless_normal(
        [encoder.embedding_size, DETER + STOCH], [1, 2]
    )
    weights = encoder.trainable_variables + decoder.trainable_variables

    @tf.function(autograph=False)
    def learn():
        with tf.GradientTape() as tape:
            tokens = tf.cast(encoder(batch), tf.float32)
            found = decoder(tf.tensordot(tokens, project, 1))
            losses = {k: -dist.log_prob(batch[k]) for k, dist in found.items()}
            total = tf.add_n(list(losses.values()))
        means = {k: dist.mean() for k, dist in found.items()}
        return tokens, losses, means, tape.gradient(total, weights)

    tokens, losses, means, gradients = learn()
    assert tokens.shape == (2, 3, encoder.embedding_size)
    assert set(losses) == {*encoder.images, *encoder.vectors}
    assert set(losses) == set(batch) - {"is_first", "log_score"}
    for name, loss in losses.items():
        assert loss.shape == (2, 3) and loss.dtype == tf.float32
        assert means[name].shape == batch[name].shape
    if kind == "all":  # Numbers as they are observed, not those of classes.
        assert (means["gear"].numpy() >= 2).all()
        assert (means["level"].numpy() >= -3).all()
    assert all(np.isfinite(x).all() and np.any(x) for x in gradients)


def test_choices_become_one_hot():
    space = SPACES["all"]
    gear = find_choices(space["gear"]).one_hot(tf.constant([2.0, 5.0]))
    assert gear.numpy().tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
    cards = find_choices(space["cards"]).one_hot(tf.constant([[1.0, 3.0]]))
    assert cards.numpy().tolist() == [[0, 1, 0, 0, 0, 1, 0]]
    level = find_choices(space["level"])
    assert level.sizes == [8, 8]
    assert level.one_hot(tf.constant([[-3.0, 4.0]])).numpy().argmax() == 0
    for other in (
        spaces.Box(-1, 1, (3,)),
        spaces.Box(0, 2**62, (3,), np.int64),
        spaces.Box(-(2**63), 2**63 - 1, (), np.int64),
    ):
        assert find_choices(other) is None


def test_image_order():
    """Encoders sort images by name, decoders keep the space's order."""
    space, batch = make("several")
    named = {"wrist": space["wrist"], "camera": space["camera"]}
    ordered = spaces.Dict(list(named.items()))
    assert list(Encoder(ordered, SETTINGS).images) == ["camera", "wrist"]
    assert list(Decoder(ordered, SETTINGS, DETER).images) == ["wrist", "camera"]


@pytest.mark.parametrize("size", [3, 4, 5])
@pytest.mark.parametrize("resize", ["repeat", "spread"])
def test_convolution_of_enlarged_images(size, resize):
    """It is computed without enlarging them."""
    x = tf.random.stateless_normal([2, 4, 6, 3], [1, 2])
    conv = Conv(2, size, resize, normed=False)
    conv.build(3)
    large = tf.repeat(tf.repeat(x, 2, 1), 2, 2)
    if resize == "spread":
        odd = np.arange(8)[:, None] % 2 * np.arange(12) % 2
        large *= odd[..., None].astype(np.float32)
    desired = tf.nn.conv2d(large, conv.kernel, 1, "SAME")
    np.testing.assert_allclose(conv(x), desired, 1e-4, 1e-5)
    assert parity_kernel(tf.zeros([5, 5, 3, 2]), True).shape == (3, 3, 3, 8)


def test_sizes_that_do_not_fit():
    assert smallest_map((96, 64), (2, 3, 4, 4)) == (6, 4)
    assert smallest_map((64, 64), (2, 3, 4, 4), outer=True) == (8, 8)
    for shape, problem in {
        (100, 100, 3): "Images of 100x100 pixels cannot be halved 4 times",
        (32, 64, 3): "a side of 3 to 16. Choose a size of 48 to 256",
        (512, 512, 3): "or more or fewer layers. Or change mults",
    }.items():
        space = spaces.Dict({"image": image(*shape)})
        for make_coder in (
            lambda s: Encoder(s, SETTINGS),
            lambda s: Decoder(s, SETTINGS, DETER),
        ):
            with pytest.raises(ConfigError, match=problem):
                make_coder(space)
    space = make("96")[0]
    for blocks, deter in ((3, 9), (4, 9)):
        with pytest.raises(ConfigError, match="'decoder.bspace' is"):
            Decoder(space, {**SETTINGS, "bspace": blocks}, deter)
    two = spaces.Dict({"a": image(64, 64, 3), "b": image(96, 96, 3)})
    with pytest.raises(ConfigError, match="must have one size"):
        Encoder(two, SETTINGS)
    with pytest.raises(ConfigError, match="Nothing is seen"):
        Encoder(two, {**SETTINGS, "cnn_keys": "$^"})
