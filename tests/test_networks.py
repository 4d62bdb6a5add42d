import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.networks import Decoder, Encoder, FeedForward
from planet_tf2.tools.activations import get_activation

DEPTH, FEATURES = 2, 5


def normal(seed, *shape):
    random = np.random.default_rng(seed)
    return tf.constant(random.normal(size=shape), tf.float32)


def randomize(layer):
    random = np.random.default_rng(0)
    for variable in layer.trainable_variables:
        variable.assign(random.normal(size=variable.shape) / 4)


def close(actual, desired, rtol=1e-4, atol=1e-5):
    np.testing.assert_allclose(actual, desired, rtol, atol)


@pytest.fixture(scope="module")
def encoder():
    encoder = Encoder(DEPTH)
    encoder.build()
    randomize(encoder)
    return encoder


@pytest.fixture(scope="module")
def decoder():
    decoder = Decoder(DEPTH)
    decoder.build(FEATURES)
    randomize(decoder)
    return decoder


def plain_encoder(variables, image):
    """The encoder of plain convolutions, for images `[N, 64, 64, 3]`."""
    for index in range(4):
        name = f"conv2d_{index}" if index else "conv2d"
        image = tf.nn.conv2d(image, variables[f"{name}/kernel"], 2, "VALID")
        image = tf.nn.relu(image + variables[f"{name}/bias"])
    return tf.reshape(image, [len(image), -1])


def plain_decoder(variables, features):
    """The decoder of plain transposed convolutions, for `[N, F]`."""
    hidden = features @ variables["dense/kernel"] + variables["dense/bias"]
    hidden = hidden[:, None, None]
    for index, size in enumerate((5, 13, 30, 64)):
        name = f"conv2d_transpose_{index}" if index else "conv2d_transpose"
        kernel = variables[f"{name}/kernel"]
        shape = [len(features), size, size, kernel.shape[2]]
        hidden = tf.nn.conv2d_transpose(hidden, kernel, shape, 2, "VALID")
        hidden += variables[f"{name}/bias"]
        hidden = hidden if index == 3 else tf.nn.relu(hidden)
    return hidden


def tensors(layer):
    """Watchable copies of a layer's variables."""
    return {
        name: tf.convert_to_tensor(variable)
        for name, variable in layer.original_variables().items()
    }


class TestEncoder:
    def test_sizes(self, encoder):
        assert encoder.embedding_size == 32 * DEPTH
        assert Encoder().embedding_size == 1024
        shapes = {
            name: tuple(variable.shape)
            for name, variable in encoder.original_variables().items()
        }
        assert shapes == {
            "conv2d/kernel": (4, 4, 3, 2),
            "conv2d/bias": (2,),
            "conv2d_1/kernel": (4, 4, 2, 4),
            "conv2d_1/bias": (4,),
            "conv2d_2/kernel": (4, 4, 4, 8),
            "conv2d_2/bias": (8,),
            "conv2d_3/kernel": (4, 4, 8, 16),
            "conv2d_3/bias": (16,),
        }

    @pytest.mark.parametrize("leading", [(3,), (2, 3), (2, 1, 2)])
    def test_leading_axes(self, encoder, leading):
        image = normal(0, *leading, 64, 64, 3)
        embedded = encoder(image)
        assert embedded.shape == (*leading, 64)
        flat = encoder(tf.reshape(image, [-1, 64, 64, 3]))
        close(tf.reshape(embedded, [-1, 64]), flat)

    def test_same_as_plain_layers(self, encoder):
        image = normal(1, 3, 64, 64, 3)
        variables = tensors(encoder)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(variables)
            expected = plain_encoder(variables, image)
            expected_loss = tf.reduce_sum(expected**2)
            actual = encoder(image)
            loss = tf.reduce_sum(actual**2)
        close(actual, expected)
        ours = tape.gradient(loss, encoder.original_variables())
        theirs = tape.gradient(expected_loss, variables)
        for name in theirs:
            close(ours[name], theirs[name], 1e-3, 1e-2)

    def test_in_a_graph_of_any_size(self, encoder):
        call = tf.function(
            encoder, input_signature=[tf.TensorSpec([None, None, 64, 64, 3])]
        )
        assert call(normal(0, 2, 1, 64, 64, 3)).shape == (2, 1, 64)
        assert call.get_concrete_function().output_shapes[-1] == 64


class TestDecoder:
    def test_sizes(self, decoder):
        shapes = {
            name: tuple(variable.shape)
            for name, variable in decoder.original_variables().items()
        }
        assert shapes == {
            "dense/kernel": (5, 64),
            "dense/bias": (64,),
            "conv2d_transpose/kernel": (5, 5, 8, 64),
            "conv2d_transpose/bias": (8,),
            "conv2d_transpose_1/kernel": (5, 5, 4, 8),
            "conv2d_transpose_1/bias": (4,),
            "conv2d_transpose_2/kernel": (6, 6, 2, 4),
            "conv2d_transpose_2/bias": (2,),
            "conv2d_transpose_3/kernel": (6, 6, 3, 2),
            "conv2d_transpose_3/bias": (3,),
        }

    @pytest.mark.parametrize("leading", [(3,), (2, 3)])
    def test_distribution(self, decoder, leading):
        dist = decoder(normal(0, *leading, FEATURES))
        assert dist.batch_shape == leading
        assert dist.event_shape == (64, 64, 3)
        target = normal(1, *leading, 64, 64, 3)
        error = np.float64(dist.mean() - target) ** 2
        expected = -error.sum((-1, -2, -3)) / 2
        expected -= 64 * 64 * 3 * np.log(2 * np.pi) / 2
        close(dist.log_prob(target), expected)

    def test_same_as_plain_layers(self, decoder):
        features = normal(1, 3, FEATURES)
        variables = tensors(decoder)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch([variables, features])
            expected = plain_decoder(variables, features)
            expected_loss = tf.reduce_sum(expected**2)
            actual = decoder(features).mean()
            loss = tf.reduce_sum(actual**2)
        close(actual, expected, atol=1e-4)
        ours = tape.gradient(loss, decoder.original_variables())
        theirs = tape.gradient(expected_loss, variables)
        for name in theirs:
            scale = float(np.abs(theirs[name]).max())
            close(ours[name], theirs[name], 1e-3, 1e-4 * scale)
        close(
            tape.gradient(loss, features),
            tape.gradient(expected_loss, features),
            1e-3,
            1e-2,
        )


@pytest.mark.parametrize("network", ["encoder", "decoder"])
def test_initial_weights_are_those_of_plain_layers(network):
    layer = Encoder(8) if network == "encoder" else Decoder(8)
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
        close(value.std(), limit / np.sqrt(3), rtol=0.1)


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
        close(dist.mean(), hidden[..., 0])
        close(head.mean(features), hidden[..., 0])

    @pytest.mark.parametrize("shape", [(), (3,), (2, 4)])
    def test_distribution(self, shape):
        head = self.make(shape, 1, 7)
        dist = head(normal(0, 2, 3, FEATURES))
        assert dist.batch_shape == (2, 3)
        assert dist.event_shape == shape
        target = normal(1, 2, 3, *shape)
        error = np.float64(dist.mean() - target).reshape(2, 3, -1)
        expected = -(error**2 + np.log(2 * np.pi)).sum(-1) / 2
        close(dist.log_prob(target), expected)

    def test_in_a_graph_of_any_size(self):
        head = self.make((), 1, 7)
        call = tf.function(
            head.mean,
            input_signature=[tf.TensorSpec([None, None, FEATURES])],
        )
        assert call(normal(0, 2, 3, FEATURES)).shape == (2, 3)


class TestActivations:
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
    def test_formula(self, name, expected):
        x = np.linspace(-3, 3, 13).astype(np.float32)
        close(get_activation(name)(tf.constant(x)), expected(np.float64(x)))

    def test_functions_pass(self):
        assert get_activation(tf.sin) is tf.sin

    def test_unknown(self):
        with pytest.raises(ValueError, match="'rleu'.*'relu'"):
            get_activation("rleu")
