"""PlaNet in TensorFlow 2 and Keras, faithful to the original graph design.

Importing this package imports no TensorFlow: the processes that render
environments rely on that.
"""

from planet_tf2.version import __version__

__all__ = ["__version__"]
