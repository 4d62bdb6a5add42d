import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.agents.planet import build
from planet_tf2.nets import Decoder, Encoder, FeedForward, strided

DEPTH, FEATURES = 2, 5


def normal(seed, *shape):
    random = np.random.default_rng(seed)
    return tf.constant(random.normal(size=shape), tf.float32)


def randomize(layer):
    random = np.random.default_rng(0)
    for variable in layer.trainable_variables:
        variable.assign(random.normal(size=variable.shape) / 4)


def assert_close(actual, desired, rtol=1e-4, atol=1e-5):
    np.testing.assert_allclose(actual, desired, rtol, atol)


# Sides of the decoder's images on the way, and of the encoder's. The last is
# a pixel of the embedding or the image.
GROWING = {
    32: (1, 5, 14, 32),
    64: (1, 5, 13, 30, 64),
    128: (1, 5, 13, 29, 62, 128),
}
SHRINKING = {
    32: (32, 15, 6, 2),
    64: (64, 31, 14, 6, 2),
    128: (128, 63, 30, 14, 6, 2),
}
SIZES = tuple(GROWING)


@pytest.fixture(scope="module", params=SIZES)
def size(request):
    return request.param


@pytest.fixture(scope="module")
def encoder(size):
    encoder = Encoder(DEPTH, size)
    encoder.build()
    randomize(encoder)
    return encoder


@pytest.fixture(scope="module")
def decoder(size):
    decoder = Decoder(DEPTH, size)
    decoder.build(FEATURES)
    randomize(decoder)
    return decoder


@pytest.fixture(params=[False, True], ids=["blocks", "library"])
def library(request, monkeypatch):
    """With and without a library that is fast at convolutions."""
    monkeypatch.setattr(
        strided, "has_convolution_library", lambda: request.param
    )


def plain_encoder(variables, image):
    """The encoder of plain convolutions, for images `[N, H, H, 3]`."""
    sides = SHRINKING[image.shape[1]]
    for index, side in enumerate(sides[1:]):
        name = f"conv2d_{index}" if index else "conv2d"
        image = tf.nn.conv2d(image, variables[f"{name}/kernel"], 2, "VALID")
        image = tf.nn.relu(image + variables[f"{name}/bias"])
        assert image.shape[1] == image.shape[2] == side
    return tf.reshape(image, [len(image), -1])


def plain_decoder(variables, features, image_size):
    """The decoder of plain transposed convolutions, for `[N, F]`."""
    hidden = features @ variables["dense/kernel"] + variables["dense/bias"]
    hidden = hidden[:, None, None]
    for index, side in enumerate(GROWING[image_size][1:]):
        name = f"conv2d_transpose_{index}" if index else "conv2d_transpose"
        kernel = variables[f"{name}/kernel"]
        shape = [len(features), side, side, kernel.shape[2]]
        hidden = tf.nn.conv2d_transpose(hidden, kernel, shape, 2, "VALID")
        hidden += variables[f"{name}/bias"]
        hidden = hidden if side == image_size else tf.nn.relu(hidden)
    return hidden


def tensors(layer):
    """Watchable copies of a layer's variables."""
    return {
        name: tf.convert_to_tensor(variable)
        for name, variable in layer.original_variables().items()
    }


def shapes(layer):
    return {
        name: tuple(variable.shape)
        for name, variable in layer.original_variables().items()
    }


def expected_shapes(prefix, kernels):
    """Names and shapes of layers with `(side, input, output)` kernels."""
    result = {}
    for index, (side, inputs, outputs) in enumerate(kernels):
        name = f"{prefix}_{index}" if index else prefix
        transposed = "transpose" in prefix
        channels = (outputs, inputs) if transposed else (inputs, outputs)
        result[f"{name}/kernel"] = (side, side, *channels)
        result[f"{name}/bias"] = (outputs,)
    return result


class TestEncoder:
    def test_sizes(self, encoder, size):
        channels = {
            32: (3, 2, 4, 8),
            64: (3, 2, 4, 8, 16),
            128: (3, 2, 4, 8, 16, 32),
        }[size]
        assert encoder.embedding_size == 4 * channels[-1]
        kernels = [(4, *pair) for pair in itertools.pairwise(channels)]
        assert shapes(encoder) == expected_shapes("conv2d", kernels)

    def test_default_is_that_of_the_paper(self):
        encoder = Encoder()
        encoder.build()
        assert encoder.embedding_size == 1024
        assert shapes(encoder)["conv2d_3/kernel"] == (4, 4, 128, 256)

    @pytest.mark.parametrize("leading", [(3,), (2, 3), (2, 1, 2)])
    def test_leading_axes(self, encoder, size, leading):
        image = normal(0, *leading, size, size, 3)
        embedded = encoder(image)
        assert embedded.shape == (*leading, encoder.embedding_size)
        flat = encoder(tf.reshape(image, [-1, size, size, 3]))
        assert_close(tf.reshape(embedded, flat.shape), flat)

    def test_same_as_plain_layers(self, encoder, size, library):
        image = normal(1, 3, size, size, 3)
        variables = tensors(encoder)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(variables)
            expected = plain_encoder(variables, image)
            expected_loss = tf.reduce_sum(expected**2)
            actual = encoder(image)
            loss = tf.reduce_sum(actual**2)
        assert_close(actual, expected)
        ours = tape.gradient(loss, encoder.original_variables())
        theirs = tape.gradient(expected_loss, variables)
        for name in theirs:
            scale = float(np.abs(theirs[name]).max())
            assert_close(ours[name], theirs[name], 1e-3, 1e-4 * scale)

    def test_in_a_graph_of_any_size(self, encoder, size):
        call = tf.function(
            encoder,
            input_signature=[tf.TensorSpec([None, None, size, size, 3])],
        )
        image = normal(0, 2, 1, size, size, 3)
        assert call(image).shape == (2, 1, encoder.embedding_size)
        outputs = call.get_concrete_function().output_shapes
        assert outputs[-1] == encoder.embedding_size


class TestDecoder:
    def test_sizes(self, decoder, size):
        kernels = {
            32: [(5, 32, 4), (6, 4, 2), (6, 2, 3)],
            64: [(5, 64, 8), (5, 8, 4), (6, 4, 2), (6, 2, 3)],
            128: [(5, 128, 16), (5, 16, 8), (5, 8, 4), (6, 4, 2), (6, 2, 3)],
        }[size]
        units = kernels[0][1]
        assert shapes(decoder) == {
            "dense/kernel": (5, units),
            "dense/bias": (units,),
            **expected_shapes("conv2d_transpose", kernels),
        }

    @pytest.mark.parametrize("leading", [(3,), (2, 3)])
    def test_distribution(self, decoder, size, leading):
        dist = decoder(normal(0, *leading, FEATURES))
        assert dist.batch_shape == leading
        assert dist.event_shape == (size, size, 3)
        target = normal(1, *leading, size, size, 3)
        error = np.float64(dist.mean() - target) ** 2
        expected = -error.sum((-1, -2, -3)) / 2
        expected -= size * size * 3 * np.log(2 * np.pi) / 2
        assert_close(dist.log_prob(target), expected)

    def test_same_as_plain_layers(self, decoder, size, library):
        features = normal(1, 3, FEATURES)
        variables = tensors(decoder)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([variables, features])
            expected = plain_decoder(variables, features, size)
            expected_loss = tf.reduce_sum(expected**2)
            actual = decoder(features).mean()
            loss = tf.reduce_sum(actual**2)
        assert_close(actual, expected, atol=1e-4)
        ours = tape.gradient(loss, decoder.original_variables())
        theirs = tape.gradient(expected_loss, variables)
        for name in theirs:
            scale = float(np.abs(theirs[name]).max())
            assert_close(ours[name], theirs[name], 1e-3, 1e-4 * scale)
        assert_close(
            tape.gradient(loss, features),
            tape.gradient(expected_loss, features),
            1e-3,
            1e-2,
        )


@pytest.mark.parametrize("network", ["encoder", "decoder"])
def test_initial_weights_are_those_of_plain_layers(network, size):
    layer = (Encoder if network == "encoder" else Decoder)(8, size)
    layer.build(*([] if network == "encoder" else [40]))
    for name, variable in layer.original_variables().items():
        value = variable.numpy()
        if name.endswith("bias"):
            assert not value.any(), name
            continue
        # Glorot: units in and out, each times the positions of the kernel.
        units = value.shape[-2] + value.shape[-1]
        limit = np.sqrt(6 / (units * np.prod(value.shape[:-2])))
        assert 0.95 * limit < np.abs(value).max() <= limit, name
        assert_close(value.std(), limit / np.sqrt(3), rtol=0.1)


class TestFeedForward:
    def make(self, *args, **kwargs):
        head = FeedForward(*args, **kwargs)
        head.build(FEATURES)
        randomize(head)
        return head

    @pytest.mark.parametrize("num_layers", [0, 1, 3])
    def test_formula(self, num_layers):
        head = self.make((), num_layers, 7, "tanh")
        features = normal(0, 2, 3, FEATURES)
        variables = head.original_variables()
        assert len(variables) == 2 * (num_layers + 1)
        hidden = np.float64(features)
        for index in range(num_layers + 1):
            name = f"dense_{index}" if index else "dense"
            hidden = hidden @ np.float64(variables[f"{name}/kernel"])
            hidden += np.float64(variables[f"{name}/bias"])
            hidden = np.tanh(hidden) if index < num_layers else hidden
        dist = head(features)
        assert_close(dist.mean(), hidden[..., 0])
        assert_close(head.mean(features), hidden[..., 0])

    def test_in_a_graph_of_any_size(self):
        head = self.make((), 1, 7)
        call = tf.function(
            head.mean,
            input_signature=[tf.TensorSpec([None, None, FEATURES])],
        )
        assert call(normal(0, 2, 3, FEATURES)).shape == (2, 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", lambda x: np.maximum(x, 0)),
        ("elu", lambda x: np.where(x > 0, x, np.exp(x) - 1)),
        ("tanh", np.tanh),
        ("swish", lambda x: x / (1 + np.exp(-x))),
        ("softplus", lambda x: np.log1p(np.exp(x))),
        ("none", lambda x: x),
    ],
)
def test_activations_of_the_parameters(name, expected):
    x = np.linspace(-3, 3, 13).astype(np.float32)
    function = keras.activations.get(build._activation({"activation": name}))
    assert_close(function(tf.constant(x)), expected(np.float64(x)))
