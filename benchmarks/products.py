"""How fast are matrix products, here and in PyTorch, at the shapes of plans?"""

import statistics

import harness
import tensorflow as tf

from planet_tf2.tools import devices, machine

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
        rows_, inner, columns = shape
        flop = 2 * rows_ * inner * columns
        count = max(1, round(_FLOP_PER_CALL / flop))
        left = tf.random.normal([rows_, inner])
        # All different, so that no product can be left out.
        rights = tf.unstack(tf.random.normal([count, inner, columns]))
        multiply = tf.function(
            lambda x, ys: [tf.matmul(x, y) for y in ys], autograph=False
        )
        left_torch = torch.from_numpy(left.numpy())
        rights_torch = [torch.from_numpy(y.numpy()) for y in rights]
        times = harness.time_in_turn(
            {
                "tensorflow": lambda f=multiply, x=left, ys=rights: f(x, ys),
                "pytorch": lambda x=left_torch, ys=rights_torch: [
                    x @ y for y in ys
                ],
            }
        )
        rates = {
            name: count * flop / statistics.median(ts) / 1e9
            for name, ts in times.items()
        }
        rows.append((str(shape), rates["tensorflow"], rates["pytorch"]))
        figures |= {f"{name}/{shape}": rate for name, rate in rates.items()}
    headers = ("shape", "TensorFlow GFLOP/s", "PyTorch GFLOP/s")
    return harness.Result(
        "Matrix products", headers, rows, figures, rounds=len(times["pytorch"])
    )


if __name__ == "__main__":
    harness.main(run)
