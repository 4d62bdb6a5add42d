"""The devices that TensorFlow computes on."""

import contextlib
import functools
import os
from collections.abc import Sequence

import tensorflow as tf
from tensorflow.python.framework import test_util

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


def make_deterministic(threads: int | None = None) -> int:
    """Makes operations return the same bits whenever they are repeated.

    For all of this process, and for good.

    Args:
      threads: CPU threads that an operation is divided among, which decide the
        order of sums; by default one for each processor. Once TensorFlow has
        computed something, their number stays as it is.

    Returns:
      The number of threads.
    """
    # For GPUs. On CPUs it is the order of gradients that has to be kept, see
    # `ordered_sums`.
    tf.config.experimental.enable_op_determinism()
    processors = len(os.sched_getaffinity(0))
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(
            threads or processors
        )
    return tf.config.threading.get_intra_op_parallelism_threads() or processors


def gpu_names() -> list[str]:
    """Returns what the graphics cards call themselves."""
    return [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]


def make_strategy(
    num_gpus: int = 1, devices: Sequence[str] | None = None
) -> tf.distribute.Strategy:
    """Returns how the devices share the work of a training step.

    Args:
      num_gpus: how many GPUs to use. One, or no GPU at all, needs no sharing.
      devices: names of the devices to use in place of the first GPUs.
    """
    if num_gpus == 1:
        return tf.distribute.get_strategy()
    gpus = [f"/GPU:{number}" for number in range(num_gpus)]
    return tf.distribute.MirroredStrategy(devices or gpus)


def check_gpus(num_gpus: int) -> None:
    """Checks that there are as many GPUs, without starting TensorFlow.

    Once it has started, its number of threads stays as it is.

    Raises:
      ValueError: there are fewer, and more than one is wanted.
    """
    found = len(tf.config.list_physical_devices("GPU"))
    if found < num_gpus > 1:
        raise ValueError(
            f"Parameter 'num_gpus' is {num_gpus}, but TensorFlow finds "
            f"{found} of them. Lower num_gpus to {max(1, found)}."
        )


@functools.cache
def has_convolution_library() -> bool:
    """Whether TensorFlow computes convolutions by cuDNN or oneDNN.

    Without, as on Apple's processors, its own code does, which is slow for
    gradients of strided convolutions.
    """
    # The only way to ask for oneDNN; the environment variable alone does not
    # tell, since TensorFlow reads it once, and not on every processor.
    gpus = tf.config.list_physical_devices("GPU")
    return bool(test_util.IsMklEnabled() or gpus)
