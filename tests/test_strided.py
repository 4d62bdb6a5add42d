"""Convolutions over blocks against Keras' own layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from planet_tf2.nets import strided
from planet_tf2.nets.strided import (
    KernelLayer,
    PatchConv,
    PixelTransposedConv,
    StridedConv,
    StridedTransposedConv,
    ThinTransposedConv,
)

CASES = [
    (StridedConv, keras.layers.Conv2D, (8, 3), 4, 5),
    (StridedConv, keras.layers.Conv2D, (31, 4), 4, 6),
    (StridedConv, keras.layers.Conv2D, (9, 2), 5, 3),
    (StridedConv, keras.layers.Conv2D, (8, 2), 5, 3),
    # Few positions and many channels.
    (StridedConv, keras.layers.Conv2D, (14, 64), 4, 6),
    (StridedConv, keras.layers.Conv2D, (9, 66), 4, 2),
    (StridedConv, keras.layers.Conv2D, (15, 64), 5, 3),
    (PatchConv, keras.layers.Conv2D, (6, 8), 4, 9),
    (PatchConv, keras.layers.Conv2D, (9, 3), 5, 4),
    (ThinTransposedConv, keras.layers.Conv2DTranspose, (5, 6), 6, 3),
    (ThinTransposedConv, keras.layers.Conv2DTranspose, (4, 5), 5, 2),
    (StridedTransposedConv, keras.layers.Conv2DTranspose, (5, 6), 5, 4),
    (StridedTransposedConv, keras.layers.Conv2DTranspose, (7, 6), 6, 3),
    (StridedTransposedConv, keras.layers.Conv2DTranspose, (1, 6), 5, 2),
    (StridedTransposedConv, keras.layers.Conv2DTranspose, (4, 3), 2, 2),
    # Layers of the networks for images of 32 and 128 pixels.
    (StridedConv, keras.layers.Conv2D, (32, 3), 4, 2),
    (StridedConv, keras.layers.Conv2D, (63, 2), 4, 2),
    (StridedTransposedConv, keras.layers.Conv2DTranspose, (29, 3), 6, 2),
    (ThinTransposedConv, keras.layers.Conv2DTranspose, (14, 2), 6, 3),
    (ThinTransposedConv, keras.layers.Conv2DTranspose, (62, 2), 6, 3),
]


def make_pair(ours, theirs, channels, size, filters, activation):
    own = ours(filters, size, activation)
    strides = () if issubclass(theirs, KernelLayer) else (2,)
    other = theirs(filters, size, *strides)
    other.activation = keras.activations.get(activation)
    for layer in (own, other):
        layer.build((None, *channels))
    random = np.random.RandomState(0)
    assert own.kernel.shape == other.kernel.shape
    kernel = random.normal(size=own.kernel.shape)
    bias = random.normal(size=own.bias.shape)
    for layer in (own, other):
        layer.kernel.assign(kernel)
        layer.bias.assign(bias)
    return own, other


def outputs_and_gradients(layer, inputs):
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(inputs)
        # Not symmetric in the pixels, so that mirrored kernels show.
        weight = tf.reshape(
            tf.range(tf.size(outputs), dtype=tf.float32), outputs.shape
        )
        loss = tf.reduce_mean(tf.sin(weight) * outputs**2)
    sources = [inputs, layer.kernel.value, layer.bias.value]
    return [outputs, *tape.gradient(loss, sources)]


@pytest.mark.parametrize("activation", ["relu", None])
@pytest.mark.parametrize("ours, theirs, shape, size, filters", CASES)
@pytest.mark.parametrize("graph", [False, True])
@pytest.mark.parametrize("library", [False, True])
def test_equals_keras(
    ours, theirs, shape, size, filters, activation, graph, library, monkeypatch
):
    monkeypatch.setattr(strided, "has_convolution_library", lambda: library)
    side, channels = shape
    image = (side, side, channels)
    own, other = make_pair(ours, theirs, image, size, filters, activation)
    inputs = tf.random.stateless_normal((3, *image), (1, 2))
    function = outputs_and_gradients
    if graph:
        function = tf.function(function, autograph=False)
    actual = function(own, inputs)
    expected = outputs_and_gradients(other, inputs)
    assert own.compute_output_shape((3, *image)) == actual[0].shape
    for left, right in zip(actual, expected, strict=True):
        np.testing.assert_allclose(left, right, 1e-4, 1e-5)


def test_initial_kernels_have_the_distribution_of_keras():
    keras.utils.set_random_seed(0)
    own = StridedTransposedConv(32, 6)
    other = keras.layers.Conv2DTranspose(32, 6, 2)
    for layer in (own, other):
        layer.build((None, 13, 13, 64))
    limit = np.abs(other.kernel.numpy()).max()
    assert np.abs(own.kernel.numpy()).max() == pytest.approx(limit, rel=0.01)
    assert own.kernel.numpy().std() == pytest.approx(
        other.kernel.numpy().std(), rel=0.02
    )
    assert not own.bias.numpy().any()


def test_single_pixel_is_a_product():
    own, other = make_pair(
        StridedTransposedConv, PixelTransposedConv, (1, 1, 6), 5, 4, None
    )
    inputs = tf.random.stateless_normal((3, 6), (1, 2))
    np.testing.assert_allclose(
        own(inputs[:, None, None]), other(inputs), 1e-5, 1e-6
    )
