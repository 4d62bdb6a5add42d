"""An experiment: many runs, worked on by any number of processes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "experiment": ["Experiment"],
        "run": ["ClaimLost", "Run"],
    },
)
