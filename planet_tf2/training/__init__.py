"""Training: phases, what happens in them, and what is shown of it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "session": ["Session"],
        "trainer": ["Trainer"],
    },
)
