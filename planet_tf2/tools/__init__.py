"""Small tools that know nothing of the rest of the package."""

import lazy_loader

# Not lazily: the module of the same name would hide the function.
from planet_tf2.tools.bind import bind as bind

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["schedule"],
    submod_attrs={
        "attr_dict": ["AttrDict", "differences", "to_plain"],
        "bind": ["bind"],
        "journal": ["Journal"],
        "nearest": ["did_you_mean", "nearest"],
    },
)
