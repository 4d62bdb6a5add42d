"""Latent dynamics models and their unrolling through time."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "base": ["LatentCell"],
        "drnn": ["DRNN"],
        "gru": ["GRUCell"],
        "rssm": ["RSSM"],
        "ssm": ["SSM"],
        "unroll": ["closed_loop", "imagine", "open_loop"],
    },
)
