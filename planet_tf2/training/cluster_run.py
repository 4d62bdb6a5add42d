"""One run on many machines: the chief trains, the others compute along.

The chief's session is as ever. Before each update it tells the others which one
it is; they take the same batch from the same folder, compute their share of it,
and all apply the same average. Batches that only the chief can draw, since they
hold steps of running episodes, are sent along. Only the chief collects, shows,
and writes.
"""

import contextlib
import logging
import pathlib
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from planet_tf2 import agents
from planet_tf2.agents.agent import Agent
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.cluster import Cluster, PeerLost, joined
from planet_tf2.tools.same_graph import SameGraph
from planet_tf2.tools.signals import Guard, Stopped
from planet_tf2.training.batches import (
    Batch,
    Batches,
    make_batches,
    step_types,
)
from planet_tf2.training.episode_log import SPLITS, EpisodeLog
from planet_tf2.training.trainer import Step, schedule_of

_LOGGER = logging.getLogger(__name__)

# Seconds until a shared folder shows what another machine has written.
_DELAY = 120


class Lead:
    """What the chief tells the others in the course of a run."""

    def __init__(self, cluster: Cluster):
        self._cluster = cluster
        self._told: dict[str, int] = {}

    def start(self, agent: Agent, first: Mapping[str, int]) -> None:
        """Hands out the weights before the first update.

        Args:
          agent: the chief's, as restored.
          first: numbers of the first updates to come, by split; empty if
            batches are sent along.
        """
        weights = [np.asarray(variable) for variable in agent.variables]
        self._cluster.share(("start", dict(first), weights))

    def compute(
        self,
        work: Callable[..., Any],
        step: Step,
        batch: Batch,
        seed: Any,
        log: EpisodeLog | None,
    ) -> Any:
        """Computes an update together with the others.

        Args:
          work: computes this process' share of it from batch and seed.
          step: where training stands.
          batch, seed: what to compute from.
          log: knows the episodes that the others find too; None to send them
            the batch.
        """
        about: Any = {name: np.asarray(x) for name, x in batch.items()}
        if log is not None:
            about = {split: log.count(split) for split in SPLITS}
        message = step, np.asarray(seed), log is None, about
        self._cluster.share(("update", *message))
        self._cluster.digest = _digest(batch)
        with self._cluster.watched():
            return work(batch, seed)


def begin(folder: RunFolder, interface: tuple, seed: int) -> Lead | None:
    """Has all build the agent of a run; None if this process is alone.

    To be called right before the chief builds it: TensorFlow connects the
    variables of all as they are made.
    """
    cluster = joined()
    if cluster is None:
        return None
    cluster.share(("begin", folder.path.name, interface, seed))
    return Lead(cluster)


@contextlib.contextmanager
def leading(cluster: Cluster | None) -> Iterator[None]:
    """Tells the others in the end that it is over, and why."""
    reason: tuple[bool, str] | None = None
    try:
        yield
    except PeerLost:
        cluster = None  # Nobody is there to be told.
        raise
    except BaseException as error:
        text = getattr(error, "summary", None) or str(error)
        reason = isinstance(error, Stopped), text or type(error).__name__
        raise
    finally:
        if cluster is not None:
            with contextlib.suppress(PeerLost):
                cluster.share(("quit", reason))


def follow(
    cluster: Cluster,
    logdir: str,
    agent_name: str,
    params: Mapping[str, Any],
) -> None:
    """Computes what the chief says, until it says that this is over.

    Raises:
      Stopped: the chief was asked to stop, or is gone.
      RuntimeError: it failed, or reads other episodes.
    """
    run: _Follower | None = None
    with contextlib.ExitStack() as closing:
        while True:
            kind, *about = cluster.share()
            if kind in ("begin", "quit"):
                closing.pop_all().close()
            if kind == "begin":
                folder = RunFolder(pathlib.Path(logdir, about[0]))
                run = _Follower(cluster, folder, agent_name, params, *about[1:])
                closing.callback(run.close)
            elif kind == "quit":
                return _explain(about[0])
            elif kind == "start":
                run.start(*about)
            else:
                run.update(*about)


def check_shares(cluster: Cluster, params: Mapping[str, Any]) -> None:
    """Checks that a batch can be shared evenly.

    Raises:
      ValueError: it cannot.
    """
    size, parts = params["batch_shape"][0], params.get("micro_batches", 1)
    devices = cluster.strategy.num_replicas_in_sync
    if size % (devices * parts):
        raise ValueError(
            f"A batch has {size} sequences (batch_shape), which cannot be "
            f"shared evenly by {cluster.place.count} processes with {devices} "
            f"devices and micro_batches: {parts}."
        )


class _Follower:
    """The run of which this process computes a share."""

    def __init__(
        self,
        cluster: Cluster,
        folder: RunFolder,
        agent_name: str,
        params: Mapping[str, Any],
        interface: tuple,
        seed: int,
    ):
        self._cluster, self._folder, self._params = cluster, folder, params
        self._seed = seed
        with cluster.watched():
            self._agent = agents.find(agent_name).make_agent(
                params, *interface, seed, cluster.strategy
            )
        steps = self._agent.train_step, self._agent.test_step
        self._compute = dict(zip(SPLITS, map(SameGraph, steps), strict=True))
        self._log: EpisodeLog | None = None
        self._batches: Batches | None = None

    def start(self, first: Mapping[str, int], weights: list) -> None:
        for variable, value in zip(self._agent.variables, weights, strict=True):
            variable.assign(value)
        if not first:
            return
        params, folder = self._params, self._folder
        schedule = schedule_of(params, folder.checkpoints)
        self._log = EpisodeLog(folder)
        types = step_types(self._agent)
        make = partial(make_batches, params, folder, types, Guard())
        self._batches = Batches(make, self._log, self._seed, schedule.step_of)
        self._batches.start(first)

    def update(
        self, step: Step, seed: np.ndarray, is_sent: bool, about: Mapping
    ) -> None:
        batch = about
        if not is_sent:
            self._see(about)
            batch = self._batches.of(step)
        self._cluster.digest = _digest(batch)
        with self._cluster.watched():
            self._compute[step.phase](batch, seed)

    def _see(self, counts: Mapping[str, int]) -> None:
        """Waits until there are as many episodes as the chief knows."""
        for _ in range(_DELAY):
            if self._log.refresh() == counts:
                return
            time.sleep(1)
        raise RuntimeError(
            f"Worker {self._cluster.place.index} finds {self._log.refresh()} "
            f"episodes in {self._folder.path}, but the chief has {counts}. "
            "--logdir has to be the same folder on all machines."
        )

    def close(self) -> None:
        if self._batches:
            self._batches.close()


def _digest(batch: Mapping[str, Any]) -> int:
    """A number that tells batches apart; of images it takes nothing."""
    rest = (np.asarray(batch[name]) for name in ("action", "reward"))
    return zlib.crc32(b"".join(array.tobytes() for array in rest))


def _explain(reason: tuple[bool, str] | None) -> None:
    if reason is None:
        return
    was_stopped, text = reason
    if was_stopped:
        raise Stopped("Stopped with the chief.")
    raise RuntimeError(f"The chief ended: {text}")
