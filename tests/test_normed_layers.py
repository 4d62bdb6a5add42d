"""Layers and heads of DreamerV3; the golden numbers check their formulas."""

import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.nets import (
    MLP,
    DistributionHead,
    ImageDecoder,
    ImageEncoder,
    NormedDense,
    NormGRUCell,
    VectorDecoder,
    normed_conv,
)
from planet_tf2.nets.normed import EPSILON, layer_norm
from planet_tf2.nets.normed_heads import DISTRIBUTIONS

random = np.random.default_rng(0)
HALVES = {"mixed_bfloat16": 0.05, "mixed_float16": 0.01}


def data(*shape):
    return random.normal(size=shape).astype(np.float32)


def close(actual, desired, rtol=1e-5, atol=1e-6):
    np.testing.assert_allclose(actual, desired, rtol, atol)


def built(part, size):
    part.build(size)
    return part


class TestLayerNorm:
    def plain(self, inputs, scale, offset):
        mean, variance = tf.nn.moments(inputs, -1, keepdims=True)
        unit = (inputs - mean) / tf.sqrt(variance + EPSILON)
        return unit * scale + offset

    @pytest.mark.parametrize("shape", [(4, 6), (2, 3, 3, 6)])
    def test_value_and_gradients(self, shape):
        values = [tf.constant(data(*s)) for s in (shape, (6,), (6,))]
        weights = data(*shape)
        results = []
        for function in (layer_norm, self.plain):
            with tf.GradientTape() as tape:
                tape.watch(values)
                outputs = function(*values)
                total = tf.reduce_sum(outputs * weights)
            results.append([outputs, *tape.gradient(total, values)])
        for ours, plain in zip(*results, strict=True):
            close(ours, plain, 1e-4, 1e-5)


class TestFirstValues:
    def spread(self, kernel, fan):
        """Checks a normal of variance 1 / fan that is cut at 2 deviations."""
        kernel = kernel.numpy()
        assert abs(kernel.std() * np.sqrt(fan) - 1) < 0.05
        limit = 2 / np.sqrt(fan) / 0.87962566103423978
        assert 0.95 * limit < abs(kernel).max() <= limit * 1.0001

    def test_hidden(self):
        mlp = built(MLP(2, 100), 60)
        variables = mlp.original_variables()
        self.spread(variables["dense0/kernel"], 80)
        self.spread(variables["dense1/kernel"], 100)
        close(variables["norm0/scale"], np.ones(100))
        close(variables["norm1/offset"], np.zeros(100))
        gru = built(NormGRUCell(50), 30)
        self.spread(gru.kernel, (80 + 150) / 2)

    def test_convolutions(self):
        encoder = built(ImageEncoder(32, 16), 8)
        variables = encoder.original_variables()
        self.spread(variables["conv0/kernel"], 16 * 20)
        decoder = built(ImageDecoder(32, (16, 16, 3), outscale=0.5), 100)
        variables = decoder.original_variables()
        self.spread(variables["conv0/kernel"], 16 * 48)
        for name, fan in {"dense": (100 + 1024) / 2, "conv1": 280}.items():
            self.uniform(variables[f"{name}/kernel"], np.sqrt(1.5 / fan))
            assert not variables[f"{name}/bias"].numpy().any()

    def uniform(self, kernel, limit):
        size = abs(kernel.numpy())
        assert 0.95 * limit < size.max() <= limit * 1.0001
        assert abs(size.mean() / limit - 0.5) < 0.05

    @pytest.mark.parametrize("outscale", [0.0, 0.01, 1.0])
    def test_outputs(self, outscale):
        head = DistributionHead((40,), 1, 30, "normal", outscale=outscale)
        variables = built(head, 20).original_variables()
        for name in ("mean", "std"):
            kernel = variables[f"{name}/kernel"]
            if outscale:
                self.uniform(kernel, np.sqrt(3 * outscale / 35))
            else:
                assert not kernel.numpy().any()


@pytest.mark.parametrize("leading", [(5,), (2, 5), (2, 3, 5)])
def test_leading_dimensions(leading):
    parts = {
        (6,): [
            built(NormedDense(4), 6),
            built(MLP(2, 4, "relu", False), 6),
            built(ImageDecoder(2, (8, 8, 1)), 6),
        ],
        (16, 8, 2): [built(ImageEncoder(2, (16, 8)), 2)],
    }
    for event, made in parts.items():
        inputs = data(*leading, *event)
        for part in made:
            outputs = part(inputs)
            assert outputs.shape[: len(leading)] == leading
            flat = part(inputs.reshape(-1, *event))
            close(tf.reshape(outputs, flat.shape), flat)

            @tf.function(autograph=False)
            def unknown(x, part=part):
                return part(x)

            spec = tf.TensorSpec([*[None] * len(leading), *event])
            traced = unknown.get_concrete_function(spec)
            assert traced.output_shapes[len(leading) :] == flat.shape[1:]
            close(traced(tf.constant(inputs)), outputs)


def test_without_norm_there_is_no_bias():
    parts = [
        built(NormedDense(4, norm=False), 3),
        built(NormGRUCell(4, norm=False), 3),
        built(ImageEncoder(4, 8, norm=False), 3),
    ]
    for part in parts:
        assert [v.name for v in part.trainable_variables] == ["kernel"]


class TestImages:
    @pytest.mark.parametrize("size", [8, 16, (32, 16)])
    @pytest.mark.parametrize("minres", [2, 4])
    def test_sizes(self, size, minres):
        encoder = built(ImageEncoder(4, size, minres), 3)
        height, width = (size, size) if isinstance(size, int) else size
        image = data(2, height, width, 3)
        assert encoder(image).shape == (2, encoder.embedding_size)
        decoder = built(ImageDecoder(4, image.shape[1:], minres), 7)
        assert decoder(data(2, 7)).shape == image.shape

    def test_depth_doubles(self):
        encoder = built(ImageEncoder(4, 64), 3)
        assert encoder.embedding_size == 4 * 4 * 32
        kernels = encoder.original_variables()
        channels = [kernels[f"conv{i}/kernel"].shape[-1] for i in range(4)]
        assert channels == [4, 8, 16, 32]

    @pytest.mark.parametrize("size", [60, 4, (16, 6), 3])
    def test_wrong_size(self, size):
        with pytest.raises(ValueError, match="4 times a power of 2"):
            ImageEncoder(4, size)

    def test_kernel_size(self):
        encoder = built(ImageEncoder(4, 16, kernel_size=3), 3)
        decoder = built(ImageDecoder(4, (16, 16, 3), kernel_size=5), 9)
        assert encoder.original_variables()["conv1/kernel"].shape[0] == 3
        assert decoder(data(2, 9)).shape == (2, 16, 16, 3)

    @pytest.mark.parametrize("library", [True, False])
    @pytest.mark.parametrize("sides", [(8, 8), (4, 8)])
    def test_forms(self, monkeypatch, library, sides):
        """They compute what TensorFlow's own operations do."""
        monkeypatch.setattr(
            normed_conv, "has_convolution_library", lambda: library
        )
        inputs = tf.constant(data(3, *sides, 5))
        layers = [
            built(normed_conv.NormedConv(4, None, norm=False), 5),
            built(normed_conv.NormedTransposedConv(4, None, norm=False), 5),
            built(normed_conv.OutputTransposedConv(2), 5),
        ]
        layers[-1].bias.assign([0.3, -2.0])
        for layer in layers:
            variables = [inputs, *layer.trainable_variables]
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(inputs)
                found = layer(inputs)
                expected = self.convolve(layer, inputs)
            close(found, expected, 1e-4, 1e-5)
            weights = data(*expected.shape)
            for ours, other in zip(
                tape.gradient(found, variables, weights),
                tape.gradient(expected, variables, weights),
                strict=True,
            ):
                close(ours, other, 1e-4, 1e-5)

    def convolve(self, layer, inputs):
        if type(layer) is normed_conv.NormedConv:
            return tf.nn.conv2d(inputs, layer.kernel, 2, "SAME")
        number, height, width, _ = inputs.shape
        shape = (number, 2 * height, 2 * width, layer.filters)
        outputs = tf.nn.conv2d_transpose(inputs, layer.kernel, shape, 2, "SAME")
        return outputs + getattr(layer, "bias", 0.0)

    def test_sigmoid(self):
        decoder = built(ImageDecoder(4, (16, 16, 3), sigmoid=True), 9)
        mean = decoder(100 * data(8, 9)).numpy()
        assert 0 <= mean.min() < 0.4 and 0.6 < mean.max() <= 1


def make_heads(dtype):
    yield (
        DistributionHead((5,), 1, 8, "onehot", sizes=(2, 3), dtype=dtype),
        np.eye(5, dtype=np.float32)[[1, 4]],
    )
    for dist in DISTRIBUTIONS:
        shapes = {"onehot": [(4,)], "symlog_disc": [(), (3,)]}
        for shape in shapes.get(dist, [(), (3,), (2, 3)]):
            head = DistributionHead(shape, 1, 8, dist, dtype=dtype)
            value = np.clip(data(2, *shape), -1, 1)
            if dist in ("onehot", "binary"):
                value = (value == value.max(-1, keepdims=True)) * 1.0
            yield head, value.astype(np.float32)


@pytest.mark.parametrize("dtype", ["float32", *HALVES])
def test_heads(dtype):
    """Defects 8 and 10: all distributions, for values of any shape."""
    features = tf.cast(data(2, 7), dtype.removeprefix("mixed_"))
    for head, value in make_heads(dtype):
        head.build(7)
        with tf.GradientTape() as tape:
            dist = head(features)
            log_prob = dist.log_prob(value)
        assert log_prob.shape == (2,), value.shape
        assert log_prob.dtype == tf.float32
        for part in (dist.mean(), dist.mode()):
            assert part.shape == value.shape
            assert part.dtype == tf.float32
        variables = list(head.original_variables().values())
        for gradient in tape.gradient(log_prob, variables[:3]):
            assert np.isfinite(gradient).all()
        assert {v.dtype for v in variables} == {"float32"}


def test_actors_sample():
    for dist in ("normal", "trunc_normal", "clipped_normal", "onehot"):
        dist = built(DistributionHead((4,), 1, 8, dist), 7)(data(2, 7))
        assert dist.sample(seed=[1, 2]).shape == (2, 4)
        assert dist.entropy().shape == (2,)


def test_all_variables_are_trained_and_named():
    parts = [
        built(DistributionHead((3,), 2, 4, "normal"), 5),
        built(VectorDecoder({"a": (3,), "b": ()}, 1, 4), 5),
        built(ImageEncoder(2, 16), 3),
        built(ImageDecoder(2, (16, 16, 3)), 5),
        built(NormGRUCell(4), 5),
    ]
    for part in parts:
        named = {id(v) for v in part.original_variables().values()}
        assert named == {id(v) for v in part.trainable_variables}
        assert len(named) == len(part.original_variables())


def test_unknown_distribution():
    """Defect 8: those of the reference that crash are refused."""
    with pytest.raises(ValueError, match="no dist 'huber', only symlog_disc"):
        DistributionHead((), 1, 8, "huber")


def test_head_without_layers():
    head = built(DistributionHead((3,), 0, 8, "mse"), 7)
    assert head(data(2, 7)).mean().shape == (2, 3)


def test_vector_decoder():
    shapes = {"arm": (3,), "grid": (2, 3), "height": ()}
    decoder = built(VectorDecoder(shapes, 1, 8), 7)
    found = decoder(data(2, 5, 7))
    for name, shape in shapes.items():
        value = data(2, 5, *shape)
        assert found[name].mode().shape == value.shape
        assert found[name].log_prob(value).shape == (2, 5)


@pytest.mark.parametrize("dtype", HALVES)
class TestPrecision:
    def compare(self, make, size, dtype, *inputs):
        exact, half = (built(make(dtype=d), size) for d in ("float32", dtype))
        for ours, other in zip(half.variables, exact.variables, strict=True):
            ours.assign(other)
        with tf.GradientTape(persistent=True) as tape:
            found, expected = half(*inputs), exact(*inputs)
            losses = [
                tf.reduce_sum(tf.square(tf.cast(x, tf.float32)))
                for x in (found, expected)
            ]
        tolerance = HALVES[dtype]
        close(tf.cast(found, tf.float32), expected, tolerance, tolerance)
        pairs = zip(half.variables, exact.variables, strict=True)
        for ours, other in pairs:
            ours = tape.gradient(losses[0], ours)
            other = tape.gradient(losses[1], other).numpy()
            assert ours.dtype == tf.float32
            close(ours, other, atol=4 * tolerance * abs(other).max())
        return found

    def test_mlp(self, dtype):
        found = self.compare(lambda **k: MLP(2, 16, **k), 6, dtype, data(8, 6))
        assert found.dtype == dtype.removeprefix("mixed_")

    def test_gru_keeps_the_state_exact(self, dtype):
        found = self.compare(
            lambda **k: NormGRUCell(16, **k), 6, dtype, data(8, 6), data(8, 16)
        )
        assert found.dtype == tf.float32

    def test_encoder(self, dtype):
        self.compare(
            lambda **k: ImageEncoder(4, 16, **k), 3, dtype, data(4, 16, 16, 3)
        )

    def test_decoder(self, dtype):
        found = self.compare(
            lambda **k: ImageDecoder(4, (16, 16, 3), **k), 6, dtype, data(4, 6)
        )
        assert found.dtype == tf.float32

    def test_norm_reads_its_variables_in_float32(self, dtype):
        gru = built(NormGRUCell(4, dtype=dtype), 4)
        variables = gru.original_variables()
        variables["gru_norm/scale"].assign(tf.zeros(12))
        variables["gru_norm/offset"].assign(tf.fill([12], 1.0001))
        # With all three parts equal, h' = u c + (1 - u) h.
        candidate = np.tanh(1.0001 / (1 + np.exp(-1.0001)))
        update = 1 / (1 + np.exp(-0.0001))
        found = gru(data(2, 4), np.zeros((2, 4), np.float32))
        close(found, np.full((2, 4), update * candidate))

    def test_norm_of_large_values(self, dtype):
        """The square of them is more than float16 holds."""
        layer = built(NormedDense(8, None, dtype=dtype), 4)
        layer.kernel.assign(1000 * data(4, 8))
        found = tf.cast(layer(data(3, 4)), tf.float32).numpy()
        close(found.std(-1), np.ones(3), 0.02)
