"""Agents in environments: whole episodes in one graph, and random ones."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "in_graph_batch_env": ["InGraphBatchEnv"],
        "random_episodes": ["random_episodes"],
        "simulate": ["Rollout", "simulate"],
    },
)
