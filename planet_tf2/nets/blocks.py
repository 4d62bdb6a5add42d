"""Convolutions of stride 2 as convolutions of stride 1 over blocks of pixels.

`space_to_depth` turns each 2x2 square of pixels into one pixel, a *block*, with
four times the channels. A kernel of size 2n over pixels becomes one of size n
over blocks (odd kernels are padded with zeros):

    strided convolution      correlate(blocks(x), kernel)
    transposed convolution   pixels(spread(x, kernel))

`spread` is the transpose of `correlate`, so each is the other's gradient, and
the gradient for the kernel is a matrix product for each of its n * n entries.
"""

from collections.abc import Callable

import tensorflow as tf


@tf.custom_gradient
def correlate(
    inputs: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Convolves with stride 1 and without padding.

    Args:
      inputs: `[N, H, H, C]`.
      kernel: `[n, n, C, F]`.

    Returns:
      `[N, H - n + 1, H - n + 1, F]`.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return _spread(upstream, kernel), products(
            inputs, upstream, kernel.shape[0]
        )

    return _correlate(inputs, kernel), gradient


@tf.custom_gradient
def spread(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
    """Adds every pixel, times the kernel, to its n x n neighbourhood.

    Args:
      inputs: `[N, H, H, F]`.
      kernel: `[n, n, C, F]`.

    Returns:
      `[N, H + n - 1, H + n - 1, C]`.
    """

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        d_inputs = _correlate(upstream, kernel)
        return d_inputs, products(upstream, inputs, kernel.shape[0])

    return _spread(inputs, kernel), gradient


@tf.custom_gradient
def correlate_patches(
    inputs: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, Callable]:
    """Same as `correlate`, as one matrix product over copied patches.

    The copies hold n * n times the inputs, which pays for few positions with
    many channels.
    """
    size, _, channels, filters = kernel.shape
    side = inputs.shape[1] - size + 1
    places = _places(size)
    patches = tf.concat(
        [inputs[:, i : i + side, j : j + side] for i, j in places], -1
    )
    patches = tf.reshape(patches, [-1, size * size * channels])
    matrix = tf.reshape(kernel, [-1, filters])

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        upstream = tf.reshape(upstream, [-1, filters])
        d_matrix = tf.matmul(patches, upstream, transpose_a=True)
        d_patches = tf.matmul(upstream, matrix, transpose_b=True)
        d_patches = tf.reshape(
            d_patches, [-1, side, side, size * size * channels]
        )
        parts = tf.split(d_patches, size * size, -1)
        padded = [
            tf.pad(part, _margins(i, size - 1 - i, j, size - 1 - j))
            for part, (i, j) in zip(parts, places, strict=True)
        ]
        return tf.reduce_sum(tf.stack(padded), 0), tf.reshape(
            d_matrix, kernel.shape
        )

    outputs = tf.reshape(tf.matmul(patches, matrix), [-1, side, side, filters])
    return outputs, gradient


def products(inputs: tf.Tensor, outputs: tf.Tensor, size: int) -> tf.Tensor:
    """Sums inputs times outputs for each entry of a kernel.

    Args:
      inputs: `[N, H, H, C]`.
      outputs: `[N, H - n + 1, H - n + 1, F]`.
      size: n.

    Returns:
      `[n, n, C, F]`.
    """
    side, filters = outputs.shape[2:]
    channels = inputs.shape[-1]
    flat = tf.reshape(outputs, [-1, filters])
    found = []
    for i, j in _places(size):
        part = inputs[:, i : i + side, j : j + side]
        part = tf.reshape(part, [-1, channels])
        found.append(tf.matmul(part, flat, transpose_a=True))
    return tf.reshape(tf.stack(found), [size, size, channels, filters])


def block_kernel(kernel: tf.Tensor) -> tf.Tensor:
    """Turns a kernel `[2n, 2n, A, B]` over pixels into `[n, n, 4A, B]`."""
    odd = kernel.shape[0] % 2
    kernel = tf.pad(kernel, [[0, odd], [0, odd], [0, 0], [0, 0]])
    size, (first, second) = kernel.shape[0] // 2, kernel.shape[2:]
    kernel = tf.reshape(kernel, [size, 2, size, 2, first, second])
    kernel = tf.transpose(kernel, [0, 2, 1, 3, 4, 5])
    return tf.reshape(kernel, [size, size, 4 * first, second])


def pixel_kernel(kernel: tf.Tensor) -> tf.Tensor:
    """Turns a kernel `[n, n, 4A, B]` over blocks into `[2n, 2n, A, B]`."""
    size, _, channels, filters = kernel.shape
    kernel = tf.reshape(kernel, [size, size, 2, 2, channels // 4, filters])
    kernel = tf.transpose(kernel, [0, 2, 1, 3, 4, 5])
    return tf.reshape(kernel, [2 * size, 2 * size, channels // 4, filters])


def resize(images: tf.Tensor, side: int) -> tf.Tensor:
    """Cuts or pads images `[N, H, H, C]` to `side`, below and to the right."""
    missing = side - images.shape[1]
    if missing > 0:
        images = tf.pad(images, _margins(0, missing, 0, missing))
    elif missing < 0:
        images = images[:, :side, :side]
    return images


def _correlate(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(inputs, kernel, 1, "VALID")


def _spread(inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    margin = kernel.shape[0] - 1
    kernel = tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])
    inputs = tf.pad(inputs, _margins(margin, margin, margin, margin))
    return tf.nn.conv2d(inputs, kernel, 1, "VALID")


def _places(size: int) -> list[tuple[int, int]]:
    """Returns the positions in a kernel, row by row."""
    return [(i, j) for i in range(size) for j in range(size)]


def _margins(top: int, bottom: int, left: int, right: int) -> list[list[int]]:
    return [[0, 0], [top, bottom], [left, right], [0, 0]]
