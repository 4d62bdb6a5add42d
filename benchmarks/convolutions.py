"""Which layers gain by their form, beside the same layer of Keras?

Forward and backward, each layer of the paper's encoder and decoder alone. The
last column is the rate of ours; `products.py` tells what the machine can do.
"""

import statistics
from collections.abc import Callable
from typing import Any

import harness
import keras
import tensorflow as tf
from absl import flags

from planet_tf2.nets import strided
from planet_tf2.tools import devices

FLAGS = flags.FLAGS

flags.DEFINE_integer("images", 500, "Images per call.", 1)

# Ours, Keras', side and channels of the inputs, filters, size of the kernel.
_CONV, _TRANSPOSED = keras.layers.Conv2D, keras.layers.Conv2DTranspose
_LAYERS = {
    "encoder 1": (strided.StridedConv, _CONV, 64, 3, 32, 4),
    "encoder 2": (strided.StridedConv, _CONV, 31, 32, 64, 4),
    "encoder 3": (strided.StridedConv, _CONV, 14, 64, 128, 4),
    "encoder 4": (strided.PatchConv, _CONV, 6, 128, 256, 4),
    "decoder 1": (strided.PixelTransposedConv, _TRANSPOSED, 1, 1024, 128, 5),
    "decoder 2": (strided.StridedTransposedConv, _TRANSPOSED, 5, 128, 64, 5),
    "decoder 3": (strided.StridedTransposedConv, _TRANSPOSED, 13, 64, 32, 6),
    "decoder 4": (strided.ThinTransposedConv, _TRANSPOSED, 30, 32, 3, 6),
}


def both_ways(layer: Any, inputs: tf.Tensor, flat: bool) -> Callable[[], Any]:
    """Makes a function that runs a layer forward and backward."""
    layer.build((None, *inputs.shape[1:]))

    @tf.function(autograph=False)
    def run(inputs: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            given = inputs[:, 0, 0] if flat else inputs
            outputs = layer(given)
        sources = [inputs, layer.kernel.value, layer.bias.value]
        return tape.gradient(outputs, sources, outputs)

    return lambda: run(inputs)[2].numpy()


def run() -> harness.Result:
    devices.prepare()
    rows, figures = [], {}
    for name, case in _LAYERS.items():
        ours, theirs, side, channels, filters, size = case
        inputs = tf.random.normal([FLAGS.images, side, side, channels])
        flat = ours is strided.PixelTransposedConv
        own = ours(filters, size, "relu")
        times = harness.time_in_turn(
            {
                "ours": both_ways(own, inputs, flat),
                "keras": both_ways(
                    theirs(filters, size, 2, activation="relu"), inputs, False
                ),
            }
        )
        seconds = {k: statistics.median(ts) for k, ts in times.items()}
        small = min(side, own.output_side(side))
        products = small**2 * size**2 * channels * filters * FLAGS.images
        figures[f"ratio/{name}"] = seconds["keras"] / seconds["ours"]
        rows.append(
            (
                name,
                seconds["ours"] * 1000,
                seconds["keras"] * 1000,
                figures[f"ratio/{name}"],
                6 * products / seconds["ours"] / 1e9,
            )
        )
    headers = ("layer", "ours ms", "Keras ms", "Keras / ours", "GFLOP/s")
    title = f"Layers forward and backward, {FLAGS.images} images"
    return harness.Result(title, headers, rows, figures)


if __name__ == "__main__":
    harness.main(run)
