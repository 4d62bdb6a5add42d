"""One gradient step: parts of a batch, devices, loss scale, optimizers."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from planet_tf2.agents import replicas
from planet_tf2.agents.loss_scale import LossScale
from planet_tf2.nets.module import Module
from planet_tf2.nets.ordered_sums import ordered_sums
from planet_tf2.tools import devices, seeds

Batch = dict[str, tf.Tensor]
Scalars = dict[str, tf.Tensor]
Gradients = list[list[tf.Tensor]]


def weights_of(learner: Any, *parts: str) -> tf.train.Checkpoint:
    """Returns what checkpoints hold of a learner, but for what optimizers keep.

    Args:
      learner: has `optimizers`, by name.
      *parts: what else of it there is to keep, such as `model`.
    """
    # Through the optimizers, as layers inside of layers are not all found.
    trained = {
        name: tf.train.Checkpoint(variables_to_train=one.variables_to_train)
        for name, one in learner.optimizers.items()
    }
    return tf.train.Checkpoint(
        optimizers=tf.train.Checkpoint(**trained),
        **{name: getattr(learner, name) for name in parts},
    )


class Learner(Module):
    """Trains a model by one gradient step per batch.

    On several devices each takes an equal part of the batch, and may take it
    in smaller parts one after the other, to need less memory. CPUs take what is
    left in two halves side by side, if it is even, see `devices.chains`. Every
    part has random numbers of its own, and losses and gradients are the
    average.

    Args:
      model: what can be trained: `groups`, its variables by the name of their
        optimizer, `main` first; `prepare(batch, seed)`, which turns a batch as
        it is stored into what `losses(batch, seed)` takes; `loss_names`, what
        that computes, before scaling; and `scale(losses)`, their weighted sum.
        See `agents.planet.world_model`.
      make_optimizer: makes an `Optimizer` for the variables of a group.
      loss_scale: keeps small gradients from vanishing in float16.
      micro_batches: parts that each device takes one after the other.
      strategy: the devices to train on, those that the model's variables are
        on; by default one.
    """

    def __init__(
        self,
        model: Any,
        make_optimizer: Callable[[list], Any],
        loss_scale: LossScale | None = None,
        micro_batches: int = 1,
        strategy: tf.distribute.Strategy | None = None,
    ):
        super().__init__("learner")
        self.model = model
        self.loss_scale = loss_scale
        self._micro_batches = micro_batches
        self._strategy = strategy or tf.distribute.get_strategy()
        self.optimizers = {
            name: make_optimizer(variables)
            for name, variables in model.groups.items()
        }
        self.train_step = tf.function(self.update, autograph=False)
        self.test_step = tf.function(self._test_step, autograph=False)

    @property
    def loss_names(self) -> list[str]:
        """What `update` calls the losses."""
        return [*self.model.loss_names, "total"]

    @property
    def norm_names(self) -> list[str]:
        """What `update` calls the norm of each optimizer's gradient."""
        others = [name for name in self.optimizers if name != "main"]
        return ["gradient_norm", *(f"gradient_norm_{n}" for n in others)]

    def update(self, batch: Batch, seed: tf.Tensor) -> Scalars:
        """Takes one gradient step.

        If a loss or a gradient is not finite, nothing is changed.

        Args:
          batch: as it is stored; see the model's `prepare`.
          seed: int32 `[2]`, determines all noise.

        Returns:
          Scalars by name: every loss before scaling, their weighted sum
          `total`, and the norms of the gradients before clipping, see
          `norm_names`.
        """

        def compute() -> tuple[Scalars, Gradients]:
            return self._strategy.run(self._gradients, (batch, seed))

        scalars, gradients = compute()
        if self.loss_scale is not None:
            scalars, gradients = self.loss_scale.repeat_while_overflowing(
                compute, (scalars, gradients), self._overflows
            )
        scalars = self._first(scalars)
        norms = [scalars[name] for name in self.norm_names]
        finite = tf.math.is_finite(tf.add_n([scalars["total"], *norms]))

        def apply() -> tf.Tensor:
            self._strategy.run(self._apply, (gradients, norms))
            return tf.constant(True)

        tf.cond(finite, apply, lambda: tf.constant(False))
        return scalars

    def _test_step(self, batch: Batch, seed: tf.Tensor) -> Scalars:
        scalars = self._strategy.run(self._evaluate, (batch, seed))
        return self._first(scalars)

    def _gradients(
        self, batch: Batch, seed: tf.Tensor
    ) -> tuple[Scalars, Gradients]:
        """Computes losses, and gradients of each optimizer, on one device."""
        groups = [o.variables_to_train for o in self.optimizers.values()]

        def compute(
            batch: Batch, seed: tf.Tensor, share: float
        ) -> tuple[Scalars, Gradients]:
            with tf.GradientTape() as tape:
                scalars = self._losses(batch, seed, share)
                objective = scalars["total"]
                if self.loss_scale is not None:
                    objective = self.loss_scale.scale(objective)
            with ordered_sums():
                gradients = tape.gradient(
                    objective, groups, unconnected_gradients="zero"
                )
            if self.loss_scale is not None:
                gradients = self.loss_scale.unscale(gradients)
            return scalars, gradients

        like = dict.fromkeys(self.loss_names, tf.zeros([])), groups
        means = self._mean_of_parts(compute, batch, seed, like)
        scalars, gradients = replicas.average(means)
        norms = [tf.linalg.global_norm(group) for group in gradients]
        scalars |= dict(zip(self.norm_names, norms, strict=True))
        return scalars, gradients

    def _evaluate(self, batch: Batch, seed: tf.Tensor) -> Scalars:
        like = dict.fromkeys(self.loss_names, tf.zeros([]))
        return replicas.average(
            self._mean_of_parts(self._losses, batch, seed, like)
        )

    def _mean_of_parts(
        self,
        compute: Callable[[Batch, tf.Tensor, float], Any],
        batch: Batch,
        seed: tf.Tensor,
        like: Any,
    ) -> Any:
        """Adds up the shares of the parts of this device."""
        context = tf.distribute.get_replica_context()
        count = context.num_replicas_in_sync * self._micro_batches
        size = next(iter(batch.values())).shape[0] // count
        chains = 1 if size % devices.chains() else devices.chains()
        share = 1 / (self._micro_batches * chains)

        def compute_part(part: int | tf.Tensor) -> Any:
            number = context.replica_id_in_sync_group * self._micro_batches
            first = (number + part) * chains
            parts = (
                _part(batch, seed, first + chain, count * chains)
                for chain in range(chains)
            )
            return _sum(*(compute(*part, share) for part in parts))

        if self._micro_batches == 1:
            return compute_part(0)
        zeros = tf.nest.map_structure(lambda x: tf.zeros(x.shape), like)
        _, means = tf.while_loop(
            lambda part, _: part < self._micro_batches,
            lambda part, sums: (part + 1, _sum(sums, compute_part(part))),
            (tf.constant(0), zeros),
            parallel_iterations=1,
        )
        return means

    def _losses(self, batch: Batch, seed: tf.Tensor, share: float) -> Scalars:
        """Computes a part's share of the losses."""
        image_seed, seed = seeds.split(seed, 2)
        batch = self.model.prepare(batch, image_seed)
        values = self.model.losses(batch, seed)
        values = {**values, "total": self.model.scale(values)}
        return {name: share * value for name, value in values.items()}

    def _apply(self, gradients: Gradients, norms: Sequence[tf.Tensor]) -> None:
        optimizers = self.optimizers.values()
        for parts in zip(optimizers, gradients, norms, strict=True):
            optimizer, group, norm = parts
            optimizer.apply(group, norm)

    def _overflows(self, scalars: Scalars) -> tf.Tensor:
        """Whether only the gradient is not finite, and not the losses."""
        scalars = self._first(scalars)
        norms = tf.add_n([scalars[name] for name in self.norm_names])
        return tf.math.is_finite(scalars["total"]) & ~tf.math.is_finite(norms)

    def _first(self, values: Any) -> Any:
        return replicas.first(self._strategy, values)


def _part(
    batch: Batch, seed: tf.Tensor, number: int | tf.Tensor, count: int
) -> tuple[Batch, tf.Tensor]:
    """Takes one of `count` parts of a batch, and a seed of its own."""
    if count == 1:
        return batch, seed
    slices = {}
    for name, value in batch.items():
        size = value.shape[0] // count
        slices[name] = tf.slice(
            value,
            [number * size, *(0 for _ in value.shape[1:])],
            [size, *value.shape[1:]],
        )
    return slices, seeds.fold_in(seed, number)


def _sum(first: Any, *others: Any) -> Any:
    """Adds up nested tensors, in order."""
    for other in others:
        first = tf.nest.map_structure(tf.add, first, other)
    return first
