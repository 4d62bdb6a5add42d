"""PlaNet in TensorFlow 2 and Keras, faithful to the original graph design.

Importing this package imports no TensorFlow: the processes that render
environments rely on that.
"""

import os

import lazy_loader

from planet_tf2.version import __version__

# TensorFlow leaves oneDNN off on processors without instructions for small
# integers, though it makes convolutions several times faster there too. It
# reads this when it is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "evaluation.loading": ["load_agent"],
        "nets.weights": ["WeightsError", "load_weights", "save_weights"],
    },
)
__all__ = [*__all__, "__version__"]
