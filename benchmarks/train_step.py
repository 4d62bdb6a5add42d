"""How long is a training step, beside other ways to write the same?"""

import functools
from collections.abc import Callable
from typing import Any

import cases
import harness
import tensorflow as tf
import variants

from planet_tf2.agents.planet import build
from planet_tf2.tools import seeds


def variant(name: str) -> Callable[[], Any]:
    """Makes a function that takes one training step."""
    kind, changes = variants.split(name)
    batch = cases.batch()
    if kind == "pytorch":
        network = variants.pytorch()
        from baselines.pytorch import to_torch

        return functools.partial(network.train_step, to_torch(batch))
    tensors = {key: tf.constant(value) for key, value in batch.items()}
    if kind == "plain_keras":
        train_step = variants.plain_keras().train_step
        return lambda: train_step(tensors).numpy()
    params = cases.params(**changes)
    learner = build.make_learner(
        params, build.make_model(params, cases.ACTION_SIZE)
    )
    seed = seeds.derive(0)
    return lambda: learner.train_step(tensors, seed)["total"].numpy()


def run() -> harness.Result:
    times = harness.time_in_turn(variants.make_all(variant))
    sizes = "{batch_shape} images of {image_size} pixels, depth {cnn_depth}"
    title = f"A training step: {sizes.format(**cases.params())}"
    return harness.compare(title, times)


if __name__ == "__main__":
    harness.main(run)
