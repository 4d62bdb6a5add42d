"""LaProp behind adaptive clipping, as DreamerV3 of 2025 learns."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.nets.clipped_optimizers import handle
from planet_tf2.nets.module import Module

SCHEDULES = ("const", "linear", "cosine")
_LEAST_NORM = 1e-3
_LAST_RATE = 0.1


class RampedRate:
    """A warm-up from zero, then a constant rate or a decay.

        rate |      __
             |    /    \\__
             |  /         \\____    const, linear or cosine
             |/________________
              warmup     anneal     updates

    The first update of a warm-up has the rate 0. `linear` ends at a tenth of
    the rate. So was `cosine` meant to; as published, it ends at a tenth of the
    *square* of the rate.

    Args:
      rate: the rate between warm-up and decay.
      schedule: one of `SCHEDULES`.
      warmup: updates until it reaches the rate.
      anneal: the update at which the decay is over.

    Raises:
      ValueError: there is no such schedule, or the decay has no time.
    """

    def __init__(
        self,
        rate: float = 4e-5,
        schedule: str = "const",
        warmup: int = 1000,
        anneal: int = 0,
    ):
        if schedule not in SCHEDULES:
            raise ValueError(
                f"There is no schedule {schedule!r}. Choose one of "
                f"{', '.join(SCHEDULES)}."
            )
        if schedule != "const" and anneal <= warmup:
            raise ValueError(
                f"A {schedule} decay ends at update {anneal}, but the warm-up "
                f"before it only at {warmup}. Let it end later."
            )
        self._rate, self._schedule = rate, schedule
        self._warmup, self._anneal = warmup, anneal

    def __call__(self, update: tf.Tensor) -> tf.Tensor:
        """Returns the rate, float32, of an update counted from 0."""
        update = tf.cast(update, tf.float32)
        risen = tf.minimum(1.0, update / self._warmup) if self._warmup else 1.0
        return self._rate * risen * self._decayed(update - self._warmup)

    def _decayed(self, update: tf.Tensor) -> tf.Tensor | float:
        if self._schedule == "const":
            return 1.0
        span = self._anneal - self._warmup
        done = tf.clip_by_value(update / span, 0.0, 1.0)
        if self._schedule == "linear":
            return 1 + (_LAST_RATE - 1) * done
        last = _LAST_RATE * self._rate
        return (1 - last) * (1 + tf.cos(math.pi * done)) / 2 + last


class LaProp(Module):
    """Normalises gradients, and only then averages them (Ziyin et al. 2020).

    With gradient g of a variable w, and step t from 1:

        g := g / max(1, |g| / (clipping max(0.001, |w|)))
        v := b2 v + (1 - b2) g^2;  g := g / (sqrt(v / (1 - b2^t)) + epsilon)
        m := b1 m + (1 - b1) g
        w := w - rate(t - 1) (m / (1 - b1^t) + weight_decay w)

    |.| is the norm of a whole tensor: the clipping is adaptive (Brock et al.
    2021). Only variables that are called `.../kernel` decay.

    Args:
      variables: what to train, by name.
      rate: of an update counted from 0.
      clipping: 0 for none.
      epsilon, beta1, beta2, weight_decay: see above.
      nesterov: take b1 m + (1 - b1) g in place of m, which was moved before.
    """

    def __init__(
        self,
        variables: Mapping[str, Any],
        rate: RampedRate,
        *,
        clipping: float = 0.3,
        epsilon: float = 1e-20,
        beta1: float = 0.9,
        beta2: float = 0.999,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        super().__init__("optimizer")
        self.variables_to_train = list(variables.values())
        self._rate, self._clipping, self._epsilon = rate, clipping, epsilon
        self._betas, self._nesterov = (beta1, beta2), nesterov
        self._decays = [
            weight_decay if name.endswith("/kernel") else 0.0
            for name in variables
        ]
        self._averages = [
            [tf.Variable(tf.zeros(v.shape), trainable=False) for _ in range(2)]
            for v in self.variables_to_train
        ]
        self.updates = tf.Variable(
            0,
            trainable=False,
            dtype=tf.int64,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def apply(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Takes one step.

        Args:
          gradients: one for each of `variables_to_train`, the same on all
            devices.

        Returns:
          What was subtracted from each of them.
        """
        rate = self._rate(self.updates)
        time = tf.cast(self.updates + 1, tf.float32)
        corrections = [1 - tf.pow(beta, time) for beta in self._betas]
        steps = []
        for variable, averages, gradient, decay in zip(
            self.variables_to_train,
            self._averages,
            gradients,
            self._decays,
            strict=True,
        ):
            # Operations of one device's copy, where there are several.
            var = handle(variable)
            value = _read(var)
            step = self._step(
                self._clipped(gradient, value),
                [average.handle for average in averages],
                corrections,
            )
            if decay:
                step += decay * value
            steps.append(rate * step)
            tf.raw_ops.AssignSubVariableOp(resource=var, value=steps[-1])
        self.updates.assign_add(1)
        return steps

    def _clipped(self, gradient: tf.Tensor, value: tf.Tensor) -> tf.Tensor:
        if not self._clipping:
            return gradient
        size = tf.maximum(_LEAST_NORM, tf.norm(value))
        return gradient / tf.maximum(
            1.0, tf.norm(gradient) / (self._clipping * size)
        )

    def _step(
        self,
        gradient: tf.Tensor,
        averages: Sequence[tf.Tensor],
        corrections: Sequence[tf.Tensor],
    ) -> tf.Tensor:
        """Moves both averages; returns what to subtract, at a rate of 1."""
        beta1, beta2 = self._betas
        squares = _moved(averages[1], beta2, tf.square(gradient))
        gradient /= tf.sqrt(squares / corrections[1]) + self._epsilon
        step = _moved(averages[0], beta1, gradient)
        if self._nesterov:
            step = beta1 * step + (1 - beta1) * gradient
        return step / corrections[0]


def _moved(average: tf.Tensor, beta: float, value: tf.Tensor) -> tf.Tensor:
    """Moves an average towards a value; returns it."""
    moved = beta * _read(average) + (1 - beta) * value
    tf.raw_ops.AssignVariableOp(resource=average, value=moved)
    return moved


def _read(resource: tf.Tensor) -> tf.Tensor:
    return tf.raw_ops.ReadVariableOp(resource=resource, dtype=tf.float32)
