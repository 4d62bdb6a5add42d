"""Makes Dreamer's actors and critics as the parameters of a run ask for."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np

from planet_tf2.agents.dreamer.behavior import Behavior, BehaviorSettings
from planet_tf2.agents.dreamer.exploration import (
    Disagreement,
    DisagreementSettings,
    Plan2Explore,
)
from planet_tf2.agents.dreamer.policy import Policy
from planet_tf2.agents.dreamer.world_model import WorldModel
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.nets import DistributionHead

Params = Mapping[str, Any]
_BOX = gymnasium.spaces.Box


def make_behavior(
    params: Params, model: WorldModel, action_space: gymnasium.Space
) -> Behavior | Plan2Explore:
    """Makes what learns to act, with all its variables.

    Raises:
      ConfigError: the actor's distribution does not suit the actions.
    """

    def reward(features: Any, action: Any) -> Any:
        del action
        return model.heads["reward"](features).mode()

    def make(reward: Callable[[Any, Any], Any], prefix: str) -> Behavior:
        critics = [_make_critic(params, model)]
        if params["critic"]["slow_target"]:
            critics.append(_make_critic(params, model))
        return Behavior(
            model.rssm,
            reward,
            model.heads["cont"],
            make_policy(params, model, action_space),
            *critics,
            settings=_settings(params, action_space),
            prefix=prefix,
        )

    task = make(reward, "")
    if params["expl_behavior"] != "plan2explore":
        return task
    disagreement = Disagreement(
        _make_members(params, model),
        model.rssm,
        reward,
        DisagreementSettings(
            target=params["disag_target"],
            offset=params["disag_offset"],
            action_cond=params["disag_action_cond"],
            log=params["disag_log"],
            intrinsic=params["expl_intr_scale"],
            extrinsic=params["expl_extr_scale"],
            reference=params["reference_behavior"],
        ),
    )
    explorer = make(disagreement.reward, "expl_")
    return Plan2Explore(task, explorer, disagreement)


def make_policy(
    params: Params, model: WorldModel, space: gymnasium.Space
) -> Policy:
    """Makes an actor's network.

    Raises:
      ConfigError: its distribution does not suit the actions.
    """
    actor = params["actor"]
    dist = policy_distribution(params, space)
    policy = Policy(
        model.rssm.action_size,
        actor["layers"],
        params["units"],
        dist,
        sizes=_sizes(space),
        std=actor["std"],
        min_std=actor["min_std"],
        max_std=actor["max_std"],
        unimix=actor["unimix_ratio"],
        outscale=actor["outscale"],
        **_common(params, model),
    )
    policy.build(model.rssm.feature_size)
    return policy


def policy_distribution(params: Params, space: gymnasium.Space) -> str:
    """Returns the distribution of a policy.

    Raises:
      ConfigError: it does not suit the actions.
    """
    actor, is_box = params["actor"], isinstance(space, _BOX)
    dist = actor["dist"]
    if dist == "auto":
        dist = "normal" if is_box else "onehot"
    if (dist == "onehot") == is_box:
        raise ConfigError(
            f"Parameter 'actor.dist' is {dist!r}, which does not suit the "
            f"actions {space}. Leave it at 'auto'."
        )
    if actor["std"] == "none" and is_box:
        raise ConfigError(
            "Parameter 'actor.std' is 'none', but vectors need a standard "
            "deviation. Take 'learned', or a number."
        )
    if dist == "trunc_normal" and params["reference_behavior"]:
        return "clipped_normal"
    return dist


def _sizes(space: gymnasium.Space) -> list[int] | None:
    """Returns how many classes each of several choices has."""
    if isinstance(space, gymnasium.spaces.MultiDiscrete):
        return np.ravel(space.nvec).tolist()
    return None


def _settings(params: Params, space: gymnasium.Space) -> BehaviorSettings:
    gradient = params["imag_gradient"]
    if gradient == "auto":
        is_box = isinstance(space, _BOX)
        gradient = "dynamics" if is_box else "reinforce"
    return BehaviorSettings(
        horizon=params["imag_horizon"],
        discount=params["discount"],
        lambda_=params["discount_lambda"],
        gradient=gradient,
        mix=params["imag_gradient_mix"],
        entropy=params["actor"]["entropy"],
        normalize=params["reward_EMA"],
        slow_update=params["critic"]["slow_target_update"],
        slow_fraction=params["critic"]["slow_target_fraction"],
        reference=params["reference_behavior"],
        last=params["imag_last"],
    )


def _make_critic(params: Params, model: WorldModel) -> DistributionHead:
    critic = params["critic"]
    head = DistributionHead(
        (),
        critic["layers"],
        params["units"],
        critic["dist"],
        outscale=critic["outscale"],
        **_common(params, model),
    )
    head.build(model.rssm.feature_size)
    return head


def _make_members(params: Params, model: WorldModel) -> list[DistributionHead]:
    sizes = {
        "stoch": model.rssm.latents.size,
        "deter": params["dyn_deter"],
        "feat": model.rssm.feature_size,
        "embed": model.encoder.embedding_size,
    }
    seen = model.rssm.feature_size
    if params["disag_action_cond"]:
        seen += model.rssm.action_size
    members = []
    for _ in range(params["disag_models"]):
        member = DistributionHead(
            (sizes[params["disag_target"]],),
            params["disag_layers"],
            params["disag_units"],
            "normal",
            std=1.0,
            **_common(params, model),
        )
        member.build(seen)
        members.append(member)
    return members


def _common(params: Params, model: WorldModel) -> dict[str, Any]:
    """Returns what all these networks have in common."""
    return {
        "activation": params["act"],
        "norm": params["norm"],
        "dtype": model.rssm.dtype_policy,
    }
