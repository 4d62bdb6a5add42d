"""The processes that train one run together, on one or many machines.

All of them are started by the same command. Where TF_CONFIG says that there is
more than one, the first is the *chief*. TensorFlow connects them, and averages
over them what is averaged over devices. Beside that, the chief tells the others
what to do (`Cluster.share`). All must trust the network that they are in.
"""

import contextlib
import dataclasses
import json
import os
import pickle
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.distribute.cluster_resolver import (
    slurm_cluster_resolver as slurm,
)

from planet_tf2.tools.signals import Stopped

VARIABLE = "TF_CONFIG"
# Seconds until all have to be there, and between two tries.
_PATIENCE, _AGAIN = 300.0, 1.0
_SLURM_PORT = 8888
# What TensorFlow raises when another process is gone, or does not answer.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
)


class PeerLost(Stopped):
    """Another process of the run is gone. The same command can go on."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Which one this process is, from 0 on, and the addresses of all."""

    index: int
    addresses: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many processes there are."""
        return len(self.addresses)


def find_place(text: str | None) -> Place | None:
    """Reads what TF_CONFIG says; None if this process is alone.

    Raises:
      ValueError: it is broken, or asks for what there is not.
    """
    if not text:
        return None
    try:
        about = json.loads(text)
        jobs = about.get("cluster", {})
        task = about.get("task", {})
        kind, index = task.get("type"), task.get("index")
        everyone = (*jobs.get("chief", ()), *jobs.get("worker", ()))
        own = len(jobs.get(kind, ()))
    except (ValueError, AttributeError, TypeError):
        found = text[:200]
        raise ValueError(f"{VARIABLE} is not understood: {found}") from None
    others = sorted({*jobs, kind} - {"chief", "worker", None})
    if others:
        raise ValueError(
            f"{VARIABLE} has {others[0]!r}. Use 'worker', and 'chief' if you "
            "like: all machines train alike."
        )
    if len(everyone) < 2:
        return None
    if not isinstance(index, int) or not 0 <= index < own:
        raise ValueError(
            f"{VARIABLE} names the task {kind} {index}, which is not among "
            f"its cluster of {', '.join(map(str, everyone))}."
        )
    before = len(jobs.get("chief", ())) if kind == "worker" else 0
    return Place(before + index, everyone)


def from_slurm(environ: dict[str, str]) -> str:
    """Returns TF_CONFIG for a task of a SLURM step; empty if it is alone.

    Not by TensorFlow's `SlurmClusterResolver`: it sorts hosts by name, node10
    before node9, and asks nvidia-smi for GPUs.

    Raises:
      ValueError: this is no step of SLURM.
    """
    names = "NODELIST", "TASKS_PER_NODE", "NUM_TASKS"
    try:
        nodes, per_node, total = (environ[f"SLURM_STEP_{n}"] for n in names)
        rank = int(environ["SLURM_PROCID"])
    except KeyError as error:
        raise ValueError(
            f"{error.args[0]} is not set. Start the program with srun."
        ) from None
    hosts = slurm.expand_hostlist(nodes)
    counts = slurm.expand_tasks_per_node(per_node)
    # Another port for each job, since jobs may share a node.
    first = _SLURM_PORT + int(environ.get("SLURM_JOB_ID", 0)) % 1000 * 16
    addresses = [
        f"{host}:{first + number}"
        for host, count in zip(hosts, counts, strict=True)
        for number in range(count)
    ]
    if int(total) < 2:
        return ""
    task = {"type": "worker", "index": rank}
    return json.dumps({"cluster": {"worker": addresses}, "task": task})


class Cluster:
    """This process among those that train a run; makes the connection.

    Args:
      place: of this process.
      should_stop: whether this process was asked to stop, which the chief
        then learns.

    Attributes:
      place: the same.
      strategy: shares the devices of all. To be made before TensorFlow
        computes anything.
      digest: a number that has to be the same in all processes, say of what
        they read; compared at the next `share`.
      stop_asked: whether one of them was asked to stop, as the last `share`
        found.
    """

    def __init__(self, place: Place, should_stop: Callable[[], bool]):
        self.place, self._should_stop = place, should_stop
        self.digest, self.stop_asked = 0, False
        _meet(place, time.monotonic() + _PATIENCE)
        # TensorFlow waits for ever for one that died just now.
        signal.alarm(int(_PATIENCE))
        on_stop = signal.getsignal(signal.SIGTERM)
        with self.watched():
            self.strategy = tf.distribute.MultiWorkerMirroredStrategy()
            self._sum = self._make_sum()
            self.share(None)
        signal.alarm(0)
        if threading.current_thread() is threading.main_thread():
            # TensorFlow has set a handler of its own, and ignores it.
            signal.signal(signal.SIGTERM, on_stop)

    @property
    def is_chief(self) -> bool:
        """Whether this process collects, and writes the run."""
        return self.place.index == 0

    def share(self, message: Any = None) -> Any:
        """Hands a message of the chief to all; waits for it.

        Args:
          message: what can be pickled; ignored but for the chief's.

        Returns:
          The chief's message.

        Raises:
          PeerLost: another process is gone.
          RuntimeError: digests differ.
        """
        data = pickle.dumps(message, protocol=5) if self.is_chief else b""
        weight = 1 - self.place.count if self.is_chief else 1
        head = [len(data), bool(self._should_stop()), weight * self.digest]
        with self.watched():
            length, stop, difference = self._sum(np.array(head, np.int64))
            self.stop_asked = bool(stop)
            if difference:
                raise RuntimeError(
                    "The processes of this run do not read the same episodes. "
                    "Is --logdir the same folder on all machines?"
                )
            # Whole numbers, of which the others add zeros.
            words = np.zeros(-(-int(length) // 8), np.int64)
            words.view(np.uint8)[: len(data)] = np.frombuffer(data, np.uint8)
            total = np.ascontiguousarray(self._sum(words))
        return message if self.is_chief else pickle.loads(total)

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Says in one line when another process is gone.

        Raises:
          PeerLost: it is.
        """
        try:
            yield
        except _LOST as error:
            others = "the others" if self.is_chief else "the chief"
            raise PeerLost(
                f"Worker {self.place.index} of {self.place.count} stopped, "
                f"since it lost {others} ({type(error).__name__})."
            ) from None

    def _make_sum(self) -> Callable[[np.ndarray], np.ndarray]:
        def add(value: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            # Of several devices in a process, only one counts.
            local = self.strategy.num_replicas_in_sync // self.place.count
            first = context.replica_id_in_sync_group % local == 0
            value = tf.where(first, value, tf.zeros_like(value))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, value)

        @tf.function(
            autograph=False,
            input_signature=[tf.TensorSpec([None], tf.int64)],
        )
        def add_all(value: tf.Tensor) -> tf.Tensor:
            result = self.strategy.run(add, (value,))
            return self.strategy.experimental_local_results(result)[0]

        return lambda value: add_all(tf.constant(value)).numpy()


def _meet(place: Place, deadline: float) -> None:
    """Waits until all processes have been started.

    Raises:
      ValueError: this one cannot listen at its address.
      PeerLost: the time is up.
    """
    address = place.addresses[place.index]
    try:
        server = socket.create_server(("", int(address.rpartition(":")[2])))
    except (OSError, ValueError, OverflowError) as error:
        raise ValueError(
            f"Worker {place.index} cannot listen at {address} ({error}), which "
            f"{VARIABLE} gives it."
        ) from None
    with server:
        if place.index == 0:
            return _gather(place, server, deadline)
    host, _, port = place.addresses[0].rpartition(":")
    while (left := deadline - time.monotonic()) > 0:
        with contextlib.suppress(OSError):
            where = host.strip("[]"), int(port)
            with socket.create_connection(where, left) as connection:
                connection.sendall(place.index.to_bytes(4))
                connection.settimeout(max(1.0, left))
                if connection.recv(1):
                    return
        time.sleep(_AGAIN)
    raise PeerLost(
        f"Worker {place.index} did not reach the chief at {place.addresses[0]} "
        f"within {_PATIENCE:.0f} seconds."
    )


def _gather(place: Place, server: socket.socket, deadline: float) -> None:
    """Lets the others wait until all are there."""
    there: dict[int, socket.socket] = {}
    wanted = range(1, place.count)
    try:
        while len(there) < len(wanted):
            server.settimeout(max(0.01, deadline - time.monotonic()))
            connection, _ = server.accept()
            connection.settimeout(_AGAIN)
            with contextlib.suppress(OSError):
                index = int.from_bytes(connection.recv(4))
                if index in wanted:
                    there[index] = connection
        for connection in there.values():
            connection.sendall(b"!")
            connection.recv(1)  # It closes first, so that the port is free.
    except OSError:
        names = [place.addresses[n] for n in wanted if n not in there]
        raise PeerLost(
            f"The chief waited {_PATIENCE:.0f} seconds for "
            f"{', '.join(names) or 'the others'}."
        ) from None
    finally:
        for connection in there.values():
            connection.close()


_joined: list[Cluster] = []


def joined() -> Cluster | None:
    """The cluster that this process is part of: one at most, and for good."""
    return _joined[0] if _joined else None


def join(should_stop: Callable[[], bool] = lambda: False) -> Cluster | None:
    """Joins the cluster of TF_CONFIG, if there is one."""
    place = find_place(os.environ.get(VARIABLE))
    if place and not _joined:
        tf.get_logger().setLevel("WARNING")
        _joined.append(Cluster(place, should_stop))
    return joined()
