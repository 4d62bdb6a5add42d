"""PlaNet: latent dynamics, and planning in them."""

import lazy_loader

# What it sees of its environments, and whether it acts by vectors in [-1, 1]
# where they have other actions.
OBSERVATIONS = ("image",)
VECTOR_ACTIONS = True

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "acting_parameters": ["test_collects", "train_collects"],
        "agent": ["PlaNet", "check_settings", "make_agent"],
        "build": ["PLANNERS", "make_learner", "make_model", "make_planner"],
        "cell": ["LatentCell"],
        "cem": ["cross_entropy_method"],
        "drnn": ["DRNN"],
        "loss_table": ["LOSSES"],
        "mpc_agent": ["MPCAgent"],
        "parameters": ["Parameters"],
        "presets": ["PRESETS", "PRESET_HELP"],
        "rssm": ["RSSM"],
        "ssm": ["SSM"],
        "unroll": ["closed_loop", "imagine", "open_loop"],
        "world_model": ["WorldModel"],
    },
)
