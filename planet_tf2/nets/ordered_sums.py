"""Sums whose order does not depend on chance.

Floating-point addition depends on the order: (a + b) + c is not a + (b + c).
TensorFlow adds up the gradients of a tensor that is used several times by the
operation AddN. On CPUs it saves memory by beginning with whichever input nobody
else needs any more, and that depends on how the threads happened to run, also
with `tf.config.experimental.enable_op_determinism`. The last bits of a sum of
three gradients have three possible values then. Two gradients are safe, since
a + b = b + a.
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence

import tensorflow as tf
from tensorflow.python.ops import gen_math_ops

_lock = threading.RLock()


@contextlib.contextmanager
def ordered_sums() -> Iterator[None]:
    """Makes graphs that are built inside of a `with` block add in order.

    All of TensorFlow's ways to add up gradients end in the one function that is
    replaced here; there is no public way to choose another.
    """
    with _lock:
        original = gen_math_ops.add_n

        def add_n(inputs: Sequence[tf.Tensor], name: str | None = None):
            inputs = list(inputs)
            if len(inputs) < 3 or not inputs[0].dtype.is_floating:
                return original(inputs, name)
            # Not `a + b + c`, which Grappler would turn into AddN again.
            return tf.reduce_sum(tf.stack(inputs), 0, name=name)

        gen_math_ops.add_n = add_n
        try:
            yield
        finally:
            gen_math_ops.add_n = original
