"""The devices that TensorFlow computes on."""

import tensorflow as tf

from planet_tf2.tools.memory import keep_freed_memory


def prepare() -> list[str]:
    """Finds the GPUs, and lets them take memory as it is needed.

    To be called by programs before anything is computed. On CPUs memory is
    kept when it is freed.

    Returns:
      Names of the GPUs.
    """
    keep_freed_memory()
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return [gpu.name for gpu in gpus]
