"""What can be set, and what the settings are put together to."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["resolve"],
    submod_attrs={
        "base_parameters": ["BaseParameters"],
        "config_error": ["ConfigError"],
    },
)
