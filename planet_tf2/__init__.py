"""PlaNet in TensorFlow 2 and Keras, faithful to the original graph design.

Importing this package imports no TensorFlow: the processes that render
environments rely on that.
"""

import os

from planet_tf2.version import __version__

# TensorFlow leaves oneDNN off on processors without instructions for small
# integers, though it makes convolutions several times faster there too. It
# reads this when it is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__all__ = ["__version__"]
