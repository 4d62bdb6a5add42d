"""Makes PlaNet's parts as the parameters of a run ask for them."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import keras
import numpy as np
import tensorflow as tf

from planet_tf2.agents.learner import Learner
from planet_tf2.agents.loss_scale import LossScale
from planet_tf2.agents.planet import head_parameters, objectives
from planet_tf2.agents.planet.cell import LatentCell
from planet_tf2.agents.planet.cem import cross_entropy_method
from planet_tf2.agents.planet.drnn import DRNN
from planet_tf2.agents.planet.improved_cem import improved_cem
from planet_tf2.agents.planet.rssm import RSSM
from planet_tf2.agents.planet.ssm import SSM
from planet_tf2.agents.planet.world_model import WorldModel
from planet_tf2.nets.basic import FeedForward
from planet_tf2.nets.conv_ha import Decoder, Encoder
from planet_tf2.nets.layers import cast_before
from planet_tf2.nets.optimizers import LearningRate, Optimizer

Params = Mapping[str, Any]
Shapes = Mapping[str, tuple[int, ...]]

PLANNERS: dict[str, Callable[..., Any]] = {
    "cem": cross_entropy_method,
    "icem": improved_cem,
}

_LOGGER = logging.getLogger(__name__)

# How Keras calls what `precision` names: variables are float32 in all of them.
POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def make_model(
    params: Params,
    action_size: int,
    seed: int = 0,
    components: Shapes | None = None,
) -> WorldModel:
    """Makes the world model, with all its variables.

    Args:
      params: parameters of the run.
      action_size: A, entries of an action.
      seed: determines the initial weights.
      components: shapes of the state components to predict, by name; see
        `diagnosed_components`.
    """
    keras.utils.set_random_seed(seed)
    encoder = Encoder(
        params["cnn_depth"],
        params["image_size"],
        dtype=POLICIES[params["precision"]],
    )
    encoder.build()
    cell = make_cell(params)
    cell.build(action_size, encoder.embedding_size)
    heads = make_heads(params, cell.feature_size, components or {})
    return WorldModel(cell, encoder, heads, params)


def make_cell(params: Params) -> LatentCell:
    """Makes the latent dynamics model that `params.model` names."""
    common = {
        "state_size": params["state_size"],
        "embed_size": params["model_size"],
        "mean_only": params["mean_only"],
        "min_stddev": params["min_stddev"],
        "activation": _activation(params),
        "num_layers": params["model_layers"],
        "dtype": POLICIES[params["precision"]],
    }
    if params["model"] == "ssm":
        return SSM(**common)
    common["belief_size"] = params["model_size"]
    if params["model"] == "rssm":
        return RSSM(**common, future_rnn=params["future_rnn"])
    return DRNN(
        **common,
        encoder_to_decoder=params["drnn_encoder_to_decoder"],
        sample_to_sample=params["drnn_sample_to_sample"],
        sample_to_encoder=params["drnn_sample_to_encoder"],
        decoder_to_encoder=params["drnn_decoder_to_encoder"],
        decoder_to_sample=params["drnn_decoder_to_sample"],
        action_to_decoder=params["drnn_action_to_decoder"],
    )


def _activation(params: Params) -> str | None:
    """Returns what Keras calls the activation."""
    return None if params["activation"] == "none" else params["activation"]


def make_heads(
    params: Params, feature_size: int, components: Shapes
) -> dict[str, Any]:
    """Makes what predicts from latent features, with all variables.

    Args:
      params: parameters of the run.
      feature_size: F, entries of the features.
      components: shapes of the state components to predict, by name.

    Raises:
      ConfigError: parameters name a head that there is not.
    """
    common = {
        "num_layers": params["num_layers"],
        "units": params["num_units"],
        "activation": _activation(params),
        "dtype": POLICIES[params["precision"]],
    }
    heads = {
        "image": Decoder(
            params["cnn_depth"], params["image_size"], dtype=common["dtype"]
        ),
        "reward": FeedForward(
            (),
            **common,
            dist=params["reward_head_dist"],
            stddev=params["reward_head_stddev"],
            bounds=params["reward_head_bounds"],
        ),
    }
    for name, shape in components.items():
        heads[name] = FeedForward(
            shape,
            **common,
            dist=params["state_head_dist"],
            stddev=params["state_head_stddev"],
            bounds=params["state_head_bounds"],
        )
    head_parameters.check_heads(params, heads)
    for head in heads.values():
        head.build(feature_size)
    return heads


def diagnosed_components(
    params: Params, observations: gymnasium.spaces.Dict
) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the state components that get a head.

    These are all observations of real numbers, if `state_diagnostics` asks
    for them.

    Args:
      params: parameters of the run.
      observations: observation space of its environment.
    """
    if not params["state_diagnostics"]:
        return {}
    shapes = {
        name: tuple(space.shape)
        for name, space in observations.items()
        if np.issubdtype(space.dtype, np.floating) and name != "image"
    }
    if not shapes:
        _LOGGER.warning(
            "Parameter 'state_diagnostics' has no effect: %s observes nothing "
            "but images.",
            params["tasks"][0],
        )
    return shapes


def make_learner(
    params: Params,
    model: WorldModel,
    strategy: tf.distribute.Strategy | None = None,
) -> Learner:
    """Makes the training step of a world model."""
    rate = _learning_rate(params)

    def make_optimizer(variables: list) -> Optimizer:
        return Optimizer(
            variables,
            rate,
            params["main_adam_epsilon"],
            params["main_gradient_clipping"],
        )

    return Learner(
        model,
        make_optimizer,
        LossScale() if params["precision"] == "float16" else None,
        params["micro_batches"],
        strategy,
    )


def _learning_rate(params: Params) -> float | LearningRate:
    rate = params["main_learning_rate"]
    schedule = params["main_learning_rate_schedule"]
    warmup = params["main_learning_rate_warmup_updates"]
    if schedule == "constant" and not warmup:
        return rate
    return LearningRate(
        rate,
        schedule,
        warmup,
        params["main_learning_rate_decay_updates"],
        params["main_learning_rate_final"],
    )


def make_planner(
    params: Params,
    model: WorldModel,
    action_size: int,
    horizon: int | None = None,
    objective: str | None = None,
    trace: bool = False,
) -> Callable[[Any, tf.Tensor], Any]:
    """Makes a function from states and a seed to plans `[B, H, A]`.

    With `trace` it returns a `planning.Trace` too, if the planner can.
    """
    planner = PLANNERS[params["planner"]]
    options: dict[str, Any] = {"trace": True} if trace else {}
    if params["planner"] == "icem":
        options |= {
            "noise_exponent": params["icem_noise_exponent"],
            "stddev": params["icem_stddev"],
            "decay": params["icem_decay"],
            "keep": params["icem_keep"],
            "momentum": params["icem_momentum"],
        }
    objective_fn = objectives.make_objective(
        objective or params["collect_objective"],
        model.cell,
        model.heads,
        params,
    )

    weights = [
        *model.cell.trainable_variables,
        *model.heads["reward"].trainable_variables,
    ]

    def plan(state: Any, seed: tf.Tensor) -> Any:
        with cast_before(weights, params["precision"]):
            return planner(
                model.cell,
                objective_fn,
                state,
                action_size,
                horizon or params["planner_horizon"],
                params["planner_amount"],
                params["planner_topk"],
                params["planner_iterations"],
                seed=seed,
                **options,
            )

    return plan
