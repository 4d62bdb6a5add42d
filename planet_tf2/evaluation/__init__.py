"""What is done with finished runs, and checks of single parts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "loading": ["LoadedAgent", "load_agent"],
        "runs": ["find_runs"],
    },
)
