"""How fast are matrix products, here and in PyTorch, at the shapes of plans?"""

import statistics
from collections.abc import Callable
from typing import Any

import harness
import tensorflow as tf
from absl import flags

from planet_tf2.tools import devices, machine

FLAGS = flags.FLAGS

_SHAPES = [
    (2000, 2000, 2000),
    (1000, 400, 400),
    (1000, 400, 200),
    (1000, 200, 200),
    (12000, 300, 300),
]
_FLOP_PER_CALL = 4e9


def run() -> harness.Result:
    devices.prepare()
    harness.check_processor_only()
    try:
        import torch
    except ImportError:
        raise harness.Missing("PyTorch is not installed.") from None
    torch.set_num_threads(machine.usable_cores())
    rows, figures = [], {}
    for shape in _SHAPES:
        times = harness.time_in_turn(products(*shape))
        flop = _count(*shape) * _flop(*shape)
        rates = {
            name: flop / statistics.median(ts) / 1e9
            for name, ts in times.items()
        }
        rows.append((str(shape), *rates.values()))
        figures |= {f"{name}/{shape}": rate for name, rate in rates.items()}
    headers = ("shape", *(f"{name} GFLOP/s" for name in rates))
    return harness.Result(
        "Matrix products", headers, rows, figures, rounds=FLAGS.rounds
    )


def products(
    rows: int, inner: int, columns: int
) -> dict[str, Callable[[], Any]]:
    """Makes functions that multiply matrices of one shape many times."""
    import torch

    left = tf.random.normal([rows, inner])
    # All different, so that no product can be left out, and several, so that
    # all cores have one where a core works on each alone.
    amount = _count(rows, inner, columns)
    rights = tf.unstack(tf.random.normal([amount, inner, columns]))
    multiply = tf.function(
        lambda x, ys: [tf.matmul(x, y) for y in ys], autograph=False
    )
    left_torch = torch.from_numpy(left.numpy())
    rights_torch = [torch.from_numpy(y.numpy()) for y in rights]
    variants = {
        "TensorFlow": lambda: multiply(left, rights),
        "PyTorch": lambda: [left_torch @ y for y in rights_torch],
    }
    if harness.has_bfloat16():
        left_half = tf.cast(left, tf.bfloat16)
        rights_half = [tf.cast(y, tf.bfloat16) for y in rights]
        variants["TensorFlow bfloat16"] = lambda: multiply(
            left_half, rights_half
        )
    return variants


def _flop(rows: int, inner: int, columns: int) -> float:
    return 2 * rows * inner * columns


def _count(rows: int, inner: int, columns: int) -> int:
    return max(
        2 * machine.usable_cores(),
        round(_FLOP_PER_CALL / _flop(rows, inner, columns)),
    )


if __name__ == "__main__":
    harness.main(run)
