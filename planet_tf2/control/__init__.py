"""Planning, acting, and running episodes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "in_graph_batch_env": ["InGraphBatchEnv"],
        "mpc_agent": ["MPCAgent"],
        "planning": ["cross_entropy_method"],
        "random_episodes": ["random_episodes"],
        "simulate": ["Rollout", "simulate"],
    },
)
