"""What is done with a finished run: looking at it, and acting with it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "loading": ["Agent", "load_agent"],
        "runs": ["find_runs"],
    },
)
