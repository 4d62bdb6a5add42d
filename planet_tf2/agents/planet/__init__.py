"""PlaNet: latent dynamics, and planning in them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cell": ["LatentCell"],
        "drnn": ["DRNN"],
        "loss_table": ["LOSSES"],
        "mpc_agent": ["MPCAgent"],
        "parameters": ["Parameters"],
        "planning": ["cross_entropy_method"],
        "presets": ["PRESETS", "PRESET_HELP"],
        "rssm": ["RSSM"],
        "ssm": ["SSM"],
        "unroll": ["closed_loop", "imagine", "open_loop"],
        "world_model": ["WorldModel"],
    },
)
