"""Adam and others in the form of PyTorch, behind gradient clipping."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.nets.module import Module

_BETA1, _BETA2 = 0.9, 0.999
_MOMENTUM = 0.9

# How many averages of the gradient each keeps.
OPTIMIZERS = {"adam": 2, "adamax": 2, "sgd": 0, "momentum": 1}


class ClippedOptimizer(Module):
    """One gradient step after another, their global norm clipped.

    With gradient g, already multiplied by min(1, clipping / (norm + 1e-6)), its
    averages m and v as Kingma and Ba (2014) define them, and step t from 1:

        adam      w -= lr * m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon)
        adamax    w -= lr * m / (1 - b1^t) / (max(b2 * u, |g|) + epsilon)
        sgd       w -= lr * g
        momentum  n = 0.9 * n + g;  w -= lr * n

    Epsilon stands beside the corrected sqrt(v), unlike in Keras and in
    `nets.optimizers`.

    Args:
      variables: what to train.
      kind: one of `OPTIMIZERS`.
      learning_rate: lr.
      epsilon: see above.
      clipping: largest global norm of the gradient; 0 for any.
      weight_decay: part of every variable that is taken away before a step,
        w *= 1 - weight_decay.

    Raises:
      ValueError: there is no such kind.
    """

    def __init__(
        self,
        variables: Sequence[Any],
        kind: str = "adam",
        learning_rate: float = 1e-4,
        epsilon: float = 1e-8,
        clipping: float = 1000.0,
        *,
        weight_decay: float = 0.0,
    ):
        super().__init__("optimizer")
        if kind not in OPTIMIZERS:
            raise ValueError(
                f"There is no optimizer {kind!r}. Choose one of "
                f"{', '.join(OPTIMIZERS)}."
            )
        self.variables_to_train = list(variables)
        self._kind = kind
        self._rate = learning_rate
        self._epsilon = epsilon
        self._clipping = clipping
        self._weight_decay = weight_decay
        self._averages = [
            [
                tf.Variable(tf.zeros(v.shape), trainable=False)
                for _ in range(OPTIMIZERS[kind])
            ]
            for v in self.variables_to_train
        ]
        self.updates = tf.Variable(
            0,
            trainable=False,
            dtype=tf.int64,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def apply(
        self, gradients: Sequence[tf.Tensor], norm: tf.Tensor | None = None
    ) -> None:
        """Takes one step.

        Args:
          gradients: one for each of `variables_to_train`, the same on all
            devices.
          norm: their global norm, if it is known already.
        """
        if self._clipping:
            norm = tf.linalg.global_norm(gradients) if norm is None else norm
            factor = tf.minimum(1.0, self._clipping / (norm + 1e-6))
            gradients = [factor * gradient for gradient in gradients]
        time = tf.cast(self.updates + 1, tf.float32)
        for variable, averages, gradient in zip(
            self.variables_to_train, self._averages, gradients, strict=True
        ):
            # Operations of one device's copy, where there are several.
            var = handle(variable)
            if self._weight_decay:
                tf.raw_ops.ResourceApplyGradientDescent(
                    var=var,
                    alpha=self._weight_decay,
                    delta=tf.raw_ops.ReadVariableOp(
                        resource=var, dtype=tf.float32
                    ),
                )
            self._step(var, [a.handle for a in averages], gradient, time)
        self.updates.assign_add(1)

    def _step(
        self,
        var: tf.Tensor,
        averages: Sequence[tf.Tensor],
        gradient: tf.Tensor,
        time: tf.Tensor,
    ) -> None:
        if self._kind == "sgd":
            tf.raw_ops.ResourceApplyGradientDescent(
                var=var, alpha=self._rate, delta=gradient
            )
            return
        if self._kind == "momentum":
            tf.raw_ops.ResourceApplyMomentum(
                var=var,
                accum=averages[0],
                lr=self._rate,
                grad=gradient,
                momentum=_MOMENTUM,
            )
            return
        settings = {
            "var": var,
            "m": averages[0],
            "v": averages[1],
            "beta1_power": tf.pow(_BETA1, time),
            "lr": self._rate,
            "beta1": _BETA1,
            "beta2": _BETA2,
            "epsilon": self._epsilon,
            "grad": gradient,
        }
        if self._kind == "adamax":
            tf.raw_ops.ResourceApplyAdaMax(**settings)
            return
        power = tf.pow(_BETA2, time)
        # The operation adds it to sqrt(v) before v is corrected.
        settings["epsilon"] *= tf.sqrt(1 - power)
        tf.raw_ops.ResourceApplyAdam(beta2_power=power, **settings)


def handle(variable: Any) -> tf.Tensor:
    """Returns what operations know a variable by, on this device."""
    if isinstance(variable, tf.Variable):
        return variable.handle
    return variable.value.handle
