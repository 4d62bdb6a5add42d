"""Weights of a loop's step, whose gradient is computed after the loop.

A step of a recurrent network multiplies few rows by large matrices. The
gradient of such a matrix is as large as itself, and a sum over all steps: to
write one for each step takes longer than the products. So backward only what
the states need is computed step by step; the steps put aside what the gradient
of the weights needs, and one product makes it of all steps together. In half
precision the weights are also cast only once. Only the order of sums differs.
"""

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import tensorflow as tf

# Gates by the identity of their weights.
_gates: contextvars.ContextVar[dict[tuple[int, ...], "Gate"] | None]
_gates = contextvars.ContextVar("gates", default=None)


class Gate:
    """Weights on their way into a loop, and their gradient on its way out.

    Args:
      weights: variables or tensors.
      dtype: what they are computed with.
      combine: makes the gradients of the weights of what was recorded, the
        entries of all records joined on their first axis.

    Attributes:
      values: of the weights.
    """

    def __init__(
        self,
        weights: Sequence[Any],
        dtype: tf.DType,
        combine: Callable[..., Sequence[tf.Tensor]],
    ):
        self._weights = weights  # Keeps their identities.
        self._records: list[Sequence[tf.Tensor]] = []

        @tf.custom_gradient
        def enter(*values: tf.Tensor) -> tuple[list[tf.Tensor], Callable]:
            def gradient(*upstream: tf.Tensor) -> list[tf.Tensor]:
                del upstream  # Zeros, see `record`.
                records = zip(*self._records, strict=True)
                joined = [tf.concat(parts, 0) for parts in records]
                self._records.clear()
                found = combine(*joined)
                return [
                    tf.cast(x, value.dtype)
                    for x, value in zip(found, values, strict=True)
                ]

            return [tf.cast(x, dtype) for x in values], gradient

        self.values = enter(*map(tf.convert_to_tensor, weights))

    def record(self, *tensors: tf.Tensor) -> list[tf.Tensor]:
        """Puts aside what the gradient of the weights needs of a step.

        Returns:
          Gradients of `values` for the step to return. They are zero, and none
          of them is computed in a graph.
        """
        self._records.append(tensors)
        return [tf.zeros(x.shape, x.dtype) for x in self.values]


@contextlib.contextmanager
def late_gradients() -> Iterator[None]:
    """Delays the gradients of weights that are used inside of a `with` block.

    For steps that stand in a graph one after the other, not for loops in it.
    """
    token = _gates.set({})
    try:
        yield
    finally:
        _gates.reset(token)


def gate(
    weights: Sequence[Any],
    dtype: tf.DType,
    combine: Callable[..., Sequence[tf.Tensor]],
) -> Gate | None:
    """Returns the gate of weights, see there; None outside of a block."""
    known = _gates.get()
    if known is None:
        return None
    key = tuple(map(id, weights))
    if key not in known:
        known[key] = Gate(weights, dtype, combine)
    return known[key]
