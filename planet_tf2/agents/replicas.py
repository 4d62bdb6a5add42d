"""What learners have in common: shares of several devices, finite numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.tools import seeds

Batch = dict[str, tf.Tensor]


def part(batch: Batch, seed: tf.Tensor) -> tuple[Batch, tf.Tensor]:
    """Takes this device's part of a batch, and a seed of its own."""
    context = tf.distribute.get_replica_context()
    count, number = (
        context.num_replicas_in_sync,
        context.replica_id_in_sync_group,
    )
    if count == 1:
        return batch, seed
    parts = {}
    for name, value in batch.items():
        size = value.shape[0] // count
        rows = number * size + tf.range(size)
        parts[name] = tf.ensure_shape(
            tf.gather(value, rows), [size, *value.shape[1:]]
        )
    return parts, own(seed)


def own(seed: tf.Tensor) -> tf.Tensor:
    """Returns another seed for each device, the same if there is one."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return seed
    return seeds.fold_in(seed, context.replica_id_in_sync_group)


def average(values: Any) -> Any:
    """Averages tensors over the devices."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return values
    flat = tf.nest.flatten(values)
    flat = context.all_reduce(tf.distribute.ReduceOp.MEAN, flat)
    return tf.nest.pack_sequence_as(values, flat)


def first(strategy: tf.distribute.Strategy, values: Any) -> Any:
    """Takes what is the same on all devices from the first one."""
    return tf.nest.map_structure(
        lambda x: strategy.experimental_local_results(x)[0], values
    )


def finite(scalars: Mapping[str, tf.Tensor], names: Sequence[str]) -> tf.Tensor:
    """Whether all of some scalars are finite."""
    values = tf.stack([scalars[name] for name in names])
    return tf.reduce_all(tf.math.is_finite(values))


def gather(values: Any) -> Any:
    """Joins the parts of all devices, `[B, ...]`, in their order."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return values

    def join(x: tf.Tensor) -> tf.Tensor:
        # It cannot gather uint8.
        wide = x if x.dtype.is_floating else tf.cast(x, tf.int32)
        return tf.cast(context.all_gather(wide, 0), x.dtype)

    return tf.nest.map_structure(join, values)
