"""Latent dynamics models and their unrolling through time."""

import lazy_loader

# Not lazily: the module of the same name would hide the function. All of the
# models need TensorFlow anyway.
from planet_tf2.models.overshooting import overshooting as overshooting

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "base": ["LatentCell"],
        "drnn": ["DRNN"],
        "gru": ["GRUCell"],
        "overshooting": ["overshooting"],
        "rssm": ["RSSM"],
        "ssm": ["SSM"],
        "unroll": ["closed_loop", "imagine", "open_loop"],
    },
)
