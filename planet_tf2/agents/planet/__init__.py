"""PlaNet: latent dynamics, and planning in them."""

import lazy_loader

# These need no TensorFlow.
from planet_tf2.agents.planet.parameters import PlanetParameters as Parameters
from planet_tf2.agents.planet.presets import PRESET_HELP, PRESETS

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cell": ["LatentCell"],
        "drnn": ["DRNN"],
        "loss_table": ["LOSSES"],
        "mpc_agent": ["MPCAgent"],
        "planning": ["cross_entropy_method"],
        "rssm": ["RSSM"],
        "ssm": ["SSM"],
        "unroll": ["closed_loop", "imagine", "open_loop"],
        "world_model": ["WorldModel"],
    },
)
__all__ += ["PRESETS", "PRESET_HELP", "Parameters"]
