"""One update of all that Dreamer of 2025 learns, by one loss."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from planet_tf2.agents import replicas
from planet_tf2.agents.dreamer.edition_2025.behavior import Behavior
from planet_tf2.agents.loss_scale import LossScale
from planet_tf2.nets.laprop import LaProp
from planet_tf2.nets.module import Module
from planet_tf2.nets.ordered_sums import ordered_sums
from planet_tf2.nets.weights import prefix_names
from planet_tf2.tools import seeds

Batch = dict[str, tf.Tensor]
Scalars = dict[str, tf.Tensor]
Gradients = list[tf.Tensor]

TOTAL, MODEL = "total", "model"


class JointLearner(Module):
    """Trains world model, actor and critic together.

    On several devices each takes an equal part of the batch, with random
    numbers of its own, and losses and gradients are the average.

    Args:
      model: the world model.
      behavior: actor and critic.
      optimizer: of the variables of both, see `trained`.
      scales: factors of the losses of `behavior`.
      fresh_latents: where to put the latent states of each batch, by name,
        `[B, T, ...]`.
      half: whether small gradients have to be kept from vanishing in float16.
      strategy: the devices to train on, those that the variables are on; by
        default one.

    Attributes:
      optimizers: the only one, by its name.
      fresh_latents: see above.
    """

    norm_names = (f"{TOTAL}_grad_norm",)

    def __init__(
        self,
        model: Any,
        behavior: Behavior,
        optimizer: LaProp,
        scales: Mapping[str, float],
        *,
        fresh_latents: Mapping[str, tf.Variable],
        half: bool = False,
        strategy: tf.distribute.Strategy | None = None,
    ):
        super().__init__("learner")
        self.model, self.behavior = model, behavior
        self.optimizers = {TOTAL: optimizer}
        self.fresh_latents = dict(fresh_latents)
        self._scales = {**model.scales, **scales}
        self._half = LossScale() if half else None
        self._strategy = strategy or tf.distribute.get_strategy()
        self.train_step = tf.function(self.update, autograph=False)
        self.test_step = tf.function(self._test_step, autograph=False)

    @property
    def loss_names(self) -> list[str]:
        """What `update` calls the losses."""
        return [TOTAL, MODEL, *self._scales]

    @property
    def scalar_names(self) -> list[str]:
        """What `update` calls what is neither loss nor norm."""
        return [*self.model.scalar_names, *self.behavior.scalar_names]

    def update(self, batch: Batch, seed: tf.Tensor) -> Scalars:
        """Updates everything once.

        If a loss or the gradient is not finite, nothing is changed.

        Args:
          batch: as it is stored, see `WorldModel.prepare` and `losses`.
            Without `is_last`, episodes end where the next begins, and with
            `terminal`.
          seed: int32 `[2]`, determines all noise.

        Returns:
          Scalars by name: `loss_names` (all but the sums `total` and `model`
          before scaling), `norm_names` and `scalar_names`.
        """

        def compute() -> tuple[Scalars, Any]:
            scalars, *others = self._strategy.run(
                self._gradients, (batch, seed)
            )
            return scalars, others

        scalars, others = compute()
        if self._half is not None:
            scalars, others = self._half.repeat_while_overflowing(
                compute, (scalars, others), self._overflows
            )
        gradients, states, fresh = others
        scalars = self._first(scalars)
        names = [*self.loss_names, *self.norm_names]

        def apply() -> tf.Tensor:
            self._strategy.run(self._apply, (gradients,))
            self.behavior.commit(self._first(states))
            for name, value in self._first(fresh).items():
                variable = self.fresh_latents[name]
                if variable.shape.is_compatible_with(value.shape):
                    variable.assign(value)
            return tf.constant(True)

        tf.cond(
            replicas.finite(scalars, names), apply, lambda: tf.constant(False)
        )
        return scalars

    def original_variables(self) -> dict[str, Any]:
        """Returns the variables by the names of the golden files."""
        return {
            **trained(self.model, self.behavior),
            **_named("slowval", self.behavior.slow_critic.copy),
        }

    def _gradients(
        self, batch: Batch, seed: tf.Tensor
    ) -> tuple[Scalars, Gradients, Any, Scalars]:
        """Computes losses and gradients on one device.

        Returns:
          Scalars, gradients, what the normalizers become, latent states.
        """
        batch, seed = replicas.part(batch, seed)
        (optimizer,) = self.optimizers.values()
        with tf.GradientTape() as tape:
            scalars, context, states = self._losses(batch, seed)
            loss = scalars[TOTAL]
            loss = loss if self._half is None else self._half.scale(loss)
        with ordered_sums():
            gradients = tape.gradient(
                loss,
                optimizer.variables_to_train,
                unconnected_gradients="zero",
            )
        if self._half is not None:
            gradients = self._half.unscale(gradients)
        gradients = replicas.average(gradients)
        scalars = replicas.average(scalars)
        scalars[self.norm_names[0]] = tf.linalg.global_norm(gradients)
        fresh = replicas.gather(self.model.stored(context["posterior"]))
        return scalars, gradients, states, fresh

    def _losses(
        self, batch: Batch, seed: tf.Tensor | None
    ) -> tuple[Scalars, Any, Any]:
        """Returns all scalars but the norm, and what else was computed."""
        model_seed = None
        if seed is not None:
            model_seed, seed = seeds.split(seed, 2)
        batch = self.model.prepare(batch)
        if "is_last" not in batch:
            next_first = tf.roll(batch["is_first"], -1, 1)
            batch["is_last"] = tf.maximum(next_first, batch["terminal"])
        losses, scalars, context = self.model.losses(batch, model_seed)
        more, others, states = self.behavior.losses(context, seed)
        means = {k: tf.reduce_mean(x) for k, x in {**losses, **more}.items()}
        for name, part in ((MODEL, self.model.scales), (TOTAL, self._scales)):
            # In this order always: what is added one by one may be reordered.
            scaled = tf.stack([scale * means[k] for k, scale in part.items()])
            means[name] = tf.reduce_sum(scaled)
        return {**means, **scalars, **others}, context, states

    def _test_step(self, batch: Batch, seed: tf.Tensor) -> Scalars:
        return self._first(self._strategy.run(self._evaluate, (batch, seed)))

    def _evaluate(self, batch: Batch, seed: tf.Tensor) -> Scalars:
        scalars, *_ = self._losses(*replicas.part(batch, seed))
        return replicas.average({k: scalars[k] for k in self.loss_names})

    def _apply(self, gradients: Gradients) -> None:
        (optimizer,) = self.optimizers.values()
        optimizer.apply(gradients)

    def _overflows(self, scalars: Scalars) -> tf.Tensor:
        """Whether only the gradient is not finite, and not the losses."""
        scalars = self._first(scalars)
        gradient = replicas.finite(scalars, self.norm_names)
        return replicas.finite(scalars, self.loss_names) & ~gradient

    def _first(self, values: Any) -> Any:
        return replicas.first(self._strategy, values)


def trained(model: Any, behavior: Behavior) -> dict[str, Any]:
    """Returns what the optimizer trains, by the names of the golden files."""
    return {
        **model.original_variables(),
        **_named("pol", behavior.actor),
        **_named("val", behavior.critic),
    }


def _named(scope: str, part: Any) -> dict[str, Any]:
    return prefix_names(scope, part.original_variables())
