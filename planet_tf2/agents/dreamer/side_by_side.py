"""Halves of a batch that are computed side by side on CPUs."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from planet_tf2.tools import devices

_map = tf.nest.map_structure


def side_by_side(function: Callable[..., Any], *inputs: Any) -> Any:
    """Applies a function to the halves of a batch, and joins what it returns.

    Each half is a chain of operations of its own, see `devices.chains`. If the
    size of the batch is not known, or odd, or where one chain is faster, the
    whole batch is one part. Only the order of sums differs.

    Args:
      function: from tensors `[B, ...]` to tensors `[B, ...]`, nested in any
        way, that treats all rows alike.
      *inputs: what it takes, nested tensors `[B, ...]`, or None.
    """
    count = devices.chains()
    flat = tf.nest.flatten(inputs)
    size = next(x.shape[0] for x in flat if x is not None)
    if count == 1 or size is None or size % count:
        return function(*inputs)
    split = [count * [None] if x is None else tf.split(x, count) for x in flat]
    results = [
        function(*tf.nest.pack_sequence_as(inputs, part))
        for part in zip(*split, strict=True)
    ]
    return _map(lambda *parts: tf.concat(parts, 0), *results)
