"""PlaNet: latent dynamics, and planning in them."""

import lazy_loader

# Not lazily: the module of the same name would hide the function. All of the
# models need TensorFlow anyway.
from planet_tf2.agents.planet.overshooting import overshooting as overshooting

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cell": ["LatentCell"],
        "drnn": ["DRNN"],
        "mpc_agent": ["MPCAgent"],
        "overshooting": ["overshooting"],
        "planning": ["cross_entropy_method"],
        "rssm": ["RSSM"],
        "ssm": ["SSM"],
        "unroll": ["closed_loop", "imagine", "open_loop"],
        "world_model": ["WorldModel"],
    },
)
