"""The devices that TensorFlow computes on."""

import contextlib
import contextvars
import ctypes
import functools
import os

import tensorflow as tf
from tensorflow.python.framework import test_util

from planet_tf2.tools import cluster
from planet_tf2.tools.machine import usable_cores

# Parameters of glibc's mallopt.
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_LARGE = 2**30

_beside_others: contextvars.ContextVar[bool]
_beside_others = contextvars.ContextVar("beside_others", default=False)


def prepare() -> list[str]:
    """Finds the GPUs, and lets them take memory as it is needed.

    To be called by programs before anything is computed. On CPUs memory is
    kept when it is freed, and of two cores each takes an operation of its own.

    Returns:
      Names of the GPUs.
    """
    keep_freed_memory()
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus and usable_cores() == chains():
        _compute_one_operation_per_core()
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    return [gpu.name for gpu in gpus]


def chains() -> int:
    """How many independent chains of operations a graph should have.

    An operation that is divided among all cores waits for the slowest part of
    each, and many are too small to be divided. So planner and learner compute
    two halves side by side on CPUs. Always two, however many cores there are,
    since the halves of a batch have random numbers of their own. A GPU likes
    operations that are as large as possible, and so does a thread beside
    others (`work_beside_others`).
    """
    return 1 if has_gpu() or _beside_others.get() else 2


def work_beside_others() -> None:
    """Makes graphs of this thread, from now on, of one chain each.

    For a thread that computes while others keep the rest of the cores busy:
    operations twice as large take less of them. Not for learners.
    """
    _beside_others.set(True)


@functools.cache
def has_gpu() -> bool:
    """Whether TensorFlow has a GPU to compute on."""
    return bool(tf.config.list_physical_devices("GPU"))


def _compute_one_operation_per_core() -> None:
    """Sets the threads of this process, unless its environment does.

    The variables are TensorFlow's own. Only two cores have been measured, see
    docs/performance.md; with more, each operation is divided among all.
    """
    threading = tf.config.threading
    with contextlib.suppress(RuntimeError):  # It computes already.
        if "TF_NUM_INTRAOP_THREADS" not in os.environ:
            threading.set_intra_op_parallelism_threads(1)
        if "TF_NUM_INTEROP_THREADS" not in os.environ:
            threading.set_inter_op_parallelism_threads(chains())


def keep_freed_memory() -> None:
    """Asks the C library to keep large blocks for later when they are freed.

    TensorFlow allocates every tensor anew. By default glibc returns blocks
    above 32 MB to the system at once, and the top of the heap with them, and
    the system then has to clear each page when it is touched again. A training
    step touches hundreds of megabytes that way. Only glibc understands.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, _LARGE)
        mallopt(_M_TOP_PAD, 2**26)


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
    processors = usable_cores()
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


def make_strategy(num_gpus: int = 1) -> tf.distribute.Strategy:
    """Returns how the devices share the work of a training step.

    Args:
      num_gpus: how many GPUs to use. One, or no GPU at all, needs no sharing.
        Of several processes each uses all that it sees.
    """
    if cluster.joined():
        return cluster.joined().strategy
    if num_gpus == 1:
        return tf.distribute.get_strategy()
    gpus = [f"/GPU:{number}" for number in range(num_gpus)]
    return tf.distribute.MirroredStrategy(gpus)


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
    return bool(test_util.IsMklEnabled() or has_gpu())
