"""Makes the latent dynamics model that the parameters ask for."""

from collections.abc import Mapping
from typing import Any

from planet_tf2.agents.planet.cell import LatentCell
from planet_tf2.agents.planet.drnn import DRNN
from planet_tf2.agents.planet.rssm import RSSM
from planet_tf2.agents.planet.ssm import SSM

Params = Mapping[str, Any]

# How Keras calls what `precision` names: variables are float32 in all of them.
POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def make_cell(params: Params) -> LatentCell:
    """Makes the latent dynamics model that `params.model` names."""
    common = {
        "state_size": params["state_size"],
        "embed_size": params["model_size"],
        "mean_only": params["mean_only"],
        "min_stddev": params["min_stddev"],
        "activation": params["activation"],
        "num_layers": params["model_layers"],
        "dtype": POLICIES[params["precision"]],
    }
    if params["model"] == "ssm":
        return SSM(**common)
    common["belief_size"] = params["model_size"]
    if params["model"] == "drnn":
        return DRNN(**common, **_drnn_switches(params))
    return RSSM(**common, future_rnn=params["future_rnn"])


def _drnn_switches(params: Params) -> dict[str, bool]:
    return {
        name: params[f"drnn_{name}"]
        for name in (
            "encoder_to_decoder",
            "sample_to_sample",
            "sample_to_encoder",
            "decoder_to_encoder",
            "decoder_to_sample",
            "action_to_decoder",
        )
    }
