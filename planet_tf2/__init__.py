"""PlaNet in TensorFlow 2 and Keras, faithful to the original graph design.

Importing this package imports no TensorFlow: the processes that render
environments rely on that.
"""

import lazy_loader

from planet_tf2.tools import system
from planet_tf2.version import __version__

system.prepare()

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation.loading": ["load_agent"],
        "nets.weights": ["WeightsError", "load_weights", "save_weights"],
    },
)
__all__ = [*__all__, "__version__"]
