"""Training on parts of a batch: on two devices, or one after the other."""

import subprocess
import sys

import pytest

PROGRAM = """
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)

from planet_tf2 import agents
from planet_tf2.agents.planet import build
from planet_tf2.training import assemble
from planet_tf2.tools import devices, seeds
from planet_tf2.nets import weights

# With Adam's usual epsilon the rounding of tiny gradients becomes visible.
settings = (
    "{batch_shape: [4, 5], cnn_depth: 2, main_adam_epsilon: 1, "
    "overshooting_distance: 3, overshooting_scale: 1, global_div_scale: 1, "
    "main_learning_rate_schedule: linear, main_learning_rate_decay_updates: 9}"
)
params = agents.resolve("debug", settings)
random = np.random.default_rng(0)
batch = {
    "image": random.integers(0, 256, (4, 5, 64, 64, 3), np.uint8),
    "action": random.normal(size=(4, 5, 2)).astype(np.float32),
    "reward": random.normal(size=(4, 5)).astype(np.float32),
}
tensors = {k: tf.constant(v) for k, v in batch.items()}


def make(num_gpus):
    strategy = tf.distribute.get_strategy()
    if num_gpus > 1:
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = build.make_model(params, 2, 0)
        return build.make_learner(params, model, strategy)


def halves_on_one_device(learner, seed):
    losses = []
    for number in range(2):
        part = {k: v[2 * number : 2 * number + 2] for k, v in tensors.items()}
        image_seed, latent = seeds.split(seeds.fold_in(seed, number), 2)
        part = learner.model.prepare(part, image_seed)
        values = learner.model.losses(part, latent)
        losses.append({**values, "total": learner.model.scale(values)})
    return {k: (losses[0][k] + losses[1][k]) / 2 for k in losses[0]}


def all_parts_in_a_row():
    changed = {**params, "micro_batches": 2}
    return build.make_learner(changed, build.make_model(changed, 2, 0))


if MODE != "side_by_side":
    devices.chains = lambda: 1
one = make(1)
two = {"devices": 2, "side_by_side": 1}.get(MODE)
two = make(two) if two else all_parts_in_a_row()
for left, right in zip(one.model.variables, two.model.variables, strict=True):
    np.testing.assert_array_equal(left, right)

seed = seeds.derive(1)
values = two.test_step(tensors, seed)
for name, value in halves_on_one_device(one, seed).items():
    np.testing.assert_allclose(values[name], value, 1e-5)

group = one.optimizers["main"].variables_to_train
with tf.GradientTape() as tape:
    total = halves_on_one_device(one, seed)["total"]
gradients = tape.gradient(total, group)
norm = tf.linalg.global_norm(gradients)
one.optimizers["main"].apply(gradients)
values = two.train_step(tensors, seed)
np.testing.assert_allclose(values["gradient_norm"], norm, 1e-4)
mirrored = two.optimizers["main"].variables_to_train
for left, right in zip(group, mirrored, strict=True):
    np.testing.assert_allclose(left, right, 0, 3e-5, err_msg=left.path)

locals_ = two._strategy.experimental_local_results
for variable in mirrored:
    copies = locals_(variable.value)
    assert len(copies) == (2 if MODE == "devices" else 1), copies
    if MODE == "devices":
        assert {copy.device[-1] for copy in copies} == {"0", "1"}
        np.testing.assert_array_equal(*copies)

# What is not finite changes nothing on either device.
before = weights.save_weights(two.model)
bad = {**tensors, "reward": tensors["reward"] * float("nan")}
assert np.isnan(two.train_step(bad, seed)["total"])
for name, value in weights.save_weights(two.model).items():
    np.testing.assert_array_equal(value, before[name])
print("equal")
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["devices", "in_a_row", "side_by_side"])
def test_two_parts_learn_like_their_mean(mode):
    result = subprocess.run(
        [sys.executable, "-c", f"MODE = {mode!r}\n{PROGRAM}"],
        capture_output=True,
        text=True,
    )
    assert result.stdout.endswith("equal\n"), result.stderr[-3000:]
