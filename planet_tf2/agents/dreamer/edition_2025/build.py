"""Makes Dreamer of 2025 as the parameters of a run ask for it."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import tensorflow as tf

from planet_tf2.agents.dreamer.edition_2025.behavior import (
    Behavior,
    BehaviorSettings,
)
from planet_tf2.agents.dreamer.edition_2025.heads import (
    Policy,
    action_parts,
    make_head,
)
from planet_tf2.agents.dreamer.edition_2025.learner import (
    JointLearner,
    trained,
)
from planet_tf2.agents.dreamer.edition_2025.normalizers import Normalizer
from planet_tf2.agents.dreamer.edition_2025.slow_copy import SlowCopy
from planet_tf2.agents.dreamer.edition_2025.world_model import WorldModel
from planet_tf2.nets.laprop import LaProp, RampedRate

Params = Mapping[str, Any]


def make_behavior(
    params: Params, model: WorldModel, action_space: gymnasium.Space
) -> Behavior:
    """Makes actor and critic."""
    dtype = model.rssm.dtype_policy
    actor, settings = params["actor"], params["critic"]
    policy = Policy(
        action_parts(action_space),
        actor["layers"],
        params["units"],
        outscale=actor["outscale"],
        min_std=actor["min_std"],
        max_std=actor["max_std"],
        dtype=dtype,
    )
    critic, slow = (make_head(params, "critic", dtype) for _ in range(2))
    for part in (policy, critic, slow):
        part.build(model.rssm.feature_size)
    names = {"return": "retnorm", "value": "valnorm", "advantage": "advnorm"}
    return Behavior(
        model.rssm,
        model.heads["reward"],
        model.heads["cont"],
        policy,
        critic,
        SlowCopy(
            critic,
            slow,
            settings["slow_target_fraction"],
            settings["slow_target_update"],
        ),
        normalizers={
            ours: _make_normalizer(params[name]) for ours, name in names.items()
        },
        settings=BehaviorSettings(
            horizon=params["imag_horizon"],
            discount=params["discount"],
            cont_discounts=params["contdisc"],
            lambda_=params["discount_lambda"],
            entropy=actor["entropy"],
            slow_regularizer=settings["slow_reg"],
            slow_returns=settings["slow_returns"],
            last=params["imag_last"],
            start_gradient=params["ac_grads"],
            replay_gradient="repval" in params["grad_heads"],
        ),
    )


def make_learner(
    params: Params,
    model: WorldModel,
    behavior: Behavior,
    strategy: tf.distribute.Strategy | None = None,
) -> JointLearner:
    """Makes the update of a run."""
    actor, critic = params["actor"], params["critic"]
    return JointLearner(
        model,
        behavior,
        _make_optimizer(params, trained(model, behavior)),
        {
            "actor": actor["loss_scale"],
            "value": critic["loss_scale"],
            "repval": critic["replay_scale"],
        },
        fresh_latents=_make_latents(params, model),
        half=params["precision"] == "float16",
        strategy=strategy,
    )


def _make_normalizer(settings: Params) -> Normalizer:
    return Normalizer(
        settings["impl"],
        settings["rate"],
        settings["limit"],
        settings["perclo"],
        settings["perchi"],
        debias=settings["debias"],
    )


def _make_optimizer(params: Params, variables: Mapping[str, Any]) -> LaProp:
    laprop = params["laprop"]
    rate = RampedRate(
        params["model_lr"],
        laprop["schedule"],
        laprop["warmup"],
        laprop["anneal"],
    )
    return LaProp(
        variables,
        rate,
        clipping=laprop["agc"],
        epsilon=params["opt_eps"],
        beta1=laprop["beta1"],
        beta2=laprop["beta2"],
        weight_decay=params["weight_decay"],
        nesterov=laprop["nesterov"],
    )


def _make_latents(params: Params, model: WorldModel) -> dict[str, tf.Variable]:
    """Makes room for the latent states of a batch, `[B, T, ...]`."""
    shape = params["batch_size"], params["batch_length"]
    return {
        name: tf.Variable(
            tf.zeros([*shape, *value.shape[1:]], value.dtype), trainable=False
        )
        for name, value in model.stored(model.rssm.initial(1)).items()
    }
