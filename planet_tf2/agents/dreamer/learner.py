"""One update of all that Dreamer learns: world model, then behavior."""

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from planet_tf2.agents import replicas
from planet_tf2.agents.dreamer.world_model import WorldModel
from planet_tf2.agents.loss_scale import LossScale
from planet_tf2.nets.clipped_optimizers import ClippedOptimizer
from planet_tf2.nets.module import Module
from planet_tf2.nets.ordered_sums import ordered_sums
from planet_tf2.tools import seeds

Batch = dict[str, tf.Tensor]
Scalars = dict[str, tf.Tensor]
Gradients = dict[str, list[tf.Tensor]]


class DreamerLearner(Module):
    """Trains the world model, and the behavior from the states that it infers.

    The behavior imagines with the world model as it is after its update. On
    several devices each takes an equal part of the batch, with random numbers
    of its own, and losses and gradients are the average.

    Args:
      model: the world model.
      behavior: what learns from its states. `groups` are its variables by the
        name of their optimizer; `move_targets()` is called once per update;
        `losses(context, seed)` returns a loss for each group, other scalars,
        and what `commit` is to remember. It may be called more than once.
      optimizers: for the groups of both, by name.
      half: whether small gradients have to be kept from vanishing in float16.
      strategy: the devices to train on, those that the variables are on; by
        default one.
    """

    # Nothing of its batches is written back.
    fresh_latents: Mapping[str, tf.Variable] = {}

    def __init__(
        self,
        model: WorldModel,
        behavior: Any,
        optimizers: Mapping[str, ClippedOptimizer],
        half: bool = False,
        strategy: tf.distribute.Strategy | None = None,
    ):
        super().__init__("learner")
        self.model, self.behavior = model, behavior
        self.optimizers = dict(optimizers)
        self._scales = [LossScale() if half else None for _ in range(2)]
        self._strategy = strategy or tf.distribute.get_strategy()
        self.train_step = tf.function(self.update, autograph=False)
        self.test_step = tf.function(self._test_step, autograph=False)

    @property
    def loss_names(self) -> list[str]:
        """What `update` calls the losses."""
        return [*self.model.loss_names, *self.behavior.groups]

    @property
    def norm_names(self) -> list[str]:
        """What `update` calls the norm of each group's gradient."""
        return [f"{name}_grad_norm" for name in self.optimizers]

    @property
    def scalar_names(self) -> list[str]:
        """What `update` calls all others."""
        return [*self.model.scalar_names, *self.behavior.scalar_names]

    def update(self, batch: Batch, seed: tf.Tensor) -> Scalars:
        """Updates everything once.

        If a loss or a gradient is not finite, nothing is changed.

        Args:
          batch: as it is stored, see `WorldModel.prepare`.
          seed: int32 `[2]`, determines all noise.

        Returns:
          Scalars by name: `loss_names`, `norm_names` (before clipping), and
          others by the reference's names.
        """
        model_seed, behavior_seed = seeds.split(seed, 2)
        changed = self._changed
        before = [tf.convert_to_tensor(variable) for variable in changed]
        scalars, context = self.update_model(batch, model_seed)
        scalars |= self.update_behavior(context, behavior_seed)
        finite = replicas.finite(scalars, [*self.loss_names, *self.norm_names])

        def undo() -> tf.Tensor:
            for variable, value in zip(changed, before, strict=True):
                variable.assign(value)
            return tf.constant(False)

        tf.cond(finite, lambda: tf.constant(True), undo)
        return scalars

    def update_model(
        self, batch: Batch, seed: tf.Tensor
    ) -> tuple[Scalars, Any]:
        """Updates the world model, whatever the gradient is.

        Returns:
          Scalars, and what the behavior learns from, on each device.
        """
        return self._learn(
            self._model_gradients, (batch, seed), self._scales[0]
        )

    def update_behavior(self, context: Any, seed: tf.Tensor) -> Scalars:
        """Updates the behavior, whatever the gradient is; returns scalars."""
        self.behavior.move_targets()
        scalars, pending = self._learn(
            self._behavior_gradients, (context, seed), self._scales[1]
        )
        self.behavior.commit(self._first(pending))
        return scalars

    @property
    def _changed(self) -> list[Any]:
        """All variables but the scales of the losses."""
        scales = {id(v) for s in self._scales if s for v in s.variables}
        return [v for v in self.variables if id(v) not in scales]

    def _learn(
        self,
        compute: Callable[..., tuple[Scalars, Gradients, Any]],
        inputs: tuple[Any, ...],
        scale: LossScale | None,
    ) -> tuple[Scalars, Any]:
        """Computes losses and gradients, and applies these.

        Returns:
          Scalars, and what else was computed, on each device.
        """

        def repeat() -> tuple[Scalars, Any]:
            scalars, *others = self._strategy.run(compute, inputs)
            return scalars, others

        scalars, others = repeat()
        if scale is not None:
            scalars, others = scale.repeat_while_overflowing(
                repeat, (scalars, others), self._overflows
            )
        gradients, result = others
        scalars = self._first(scalars)
        norms = {name: scalars[f"{name}_grad_norm"] for name in gradients}
        self._strategy.run(self._apply, (gradients, norms))
        return scalars, result

    def _model_gradients(
        self, batch: Batch, seed: tf.Tensor
    ) -> tuple[Scalars, Gradients, Any]:
        batch, seed = replicas.part(batch, seed)
        scale = self._scales[0]
        with tf.GradientTape() as tape:
            scalars, context = self._model_losses(batch, seed)
            loss = scalars["model"]
            loss = loss if scale is None else scale.scale(loss)
        gradients = _gradients(tape, {"model": loss}, self.model.groups, scale)
        return *_with_norms(scalars, gradients), context

    def _model_losses(
        self, batch: Batch, seed: tf.Tensor
    ) -> tuple[Scalars, Any]:
        """Returns the model's losses, and what the behavior needs to know."""
        batch = self.model.prepare(batch)
        scalars, context = self.model.losses(batch, seed)
        context["action"] = batch["action"]
        context["is_terminal"] = batch["terminal"]
        return scalars, context

    def _behavior_gradients(
        self, context: Any, seed: tf.Tensor
    ) -> tuple[Scalars, Gradients, Any]:
        seed = replicas.own(seed)
        scale = self._scales[1]
        groups = self.behavior.groups
        with tf.GradientTape(persistent=True) as tape:
            losses, scalars, pending = self.behavior.losses(context, seed)
            scaled = {
                name: loss if scale is None else scale.scale(loss)
                for name, loss in losses.items()
            }
        gradients = _gradients(tape, scaled, groups, scale)
        return *_with_norms(scalars | losses, gradients), pending

    def _test_step(self, batch: Batch, seed: tf.Tensor) -> Scalars:
        scalars = self._strategy.run(self._evaluate, (batch, seed))
        return self._first(scalars)

    def _evaluate(self, batch: Batch, seed: tf.Tensor) -> Scalars:
        batch, seed = replicas.part(batch, seed)
        model_seed, behavior_seed = seeds.split(seed, 2)
        scalars, context = self._model_losses(batch, model_seed)
        losses, *_ = self.behavior.losses(context, behavior_seed)
        scalars |= losses
        return replicas.average(
            {name: scalars[name] for name in self.loss_names}
        )

    def _apply(self, gradients: Gradients, norms: Scalars) -> None:
        for name, group in gradients.items():
            self.optimizers[name].apply(group, norms[name])

    def _overflows(self, scalars: Scalars) -> tf.Tensor:
        """Whether only gradients are not finite, and not the losses."""
        scalars = self._first(scalars)
        losses = [name for name in self.loss_names if name in scalars]
        norms = [name for name in self.norm_names if name in scalars]
        return replicas.finite(scalars, losses) & ~replicas.finite(
            scalars, norms
        )

    def _first(self, values: Any) -> Any:
        return replicas.first(self._strategy, values)


def make_learner(
    params: Mapping[str, Any],
    model: WorldModel,
    behavior: Any,
    strategy: tf.distribute.Strategy | None = None,
) -> DreamerLearner:
    """Makes the update of a run.

    Actors and critics have learning rate, epsilon and clipping of their own,
    all others those of the world model.
    """
    model_settings = {
        "lr": params["model_lr"],
        "eps": params["opt_eps"],
        "grad_clip": params["grad_clip"],
    }
    kinds = {"actor": params["actor"], "value": params["critic"]}
    optimizers = {}
    for name, variables in {**model.groups, **behavior.groups}.items():
        settings = kinds.get(name.removeprefix("expl_"), model_settings)
        optimizers[name] = ClippedOptimizer(
            variables,
            params["opt"],
            settings["lr"],
            settings["eps"],
            settings["grad_clip"],
            weight_decay=params["weight_decay"],
        )
    half = params["precision"] == "float16"
    return DreamerLearner(model, behavior, optimizers, half, strategy)


def _gradients(
    tape: tf.GradientTape,
    losses: Mapping[str, tf.Tensor],
    groups: Mapping[str, list],
    scale: LossScale | None,
) -> Gradients:
    """Differentiates each loss for its own group, averaged over devices."""
    gradients = {}
    with ordered_sums():
        for name, loss in losses.items():
            gradients[name] = tape.gradient(
                loss, groups[name], unconnected_gradients="zero"
            )
    if scale is not None:
        gradients = scale.unscale(gradients)
    return replicas.average(gradients)


def _with_norms(
    scalars: Scalars, gradients: Gradients
) -> tuple[Scalars, Gradients]:
    scalars = replicas.average(scalars)
    for name, group in gradients.items():
        scalars[f"{name}_grad_norm"] = tf.linalg.global_norm(group)
    return scalars, gradients
