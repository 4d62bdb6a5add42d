"""Trains a trial of a sweep, as a process of its own.

    python -m planet_tf2.engines.trial FOLDER PARENT

It is the training of `scripts/train.py` and resumes as exactly. It dies with
its parent, however that dies. Before, it takes over what another trial has
learned if `takeover.json` says so.
"""

import contextlib
import ctypes
import json
import math
import os
import pathlib
import signal
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from planet_tf2.engines.sweep import Sweep, Trial
from planet_tf2.experiment.watching import owner_is_gone, read
from planet_tf2.tools import command, devices
from planet_tf2.tools.odd_paths import plain_path
from planet_tf2.tools.signals import Stopped
from planet_tf2.train import train
from planet_tf2.training.checkpoints import checkpoint_paths

_PR_SET_PDEATHSIG = 1
_LEARNED = "learner/"  # What agents call it; all else is a trial's own.
_RATE = "/_learning_rate/.ATTRIBUTES/VARIABLE_VALUE"


def work(folder: str) -> None:
    """Takes over what there is, and trains."""
    trial = Trial(pathlib.Path(folder))
    sweep = Sweep(trial.path.parent)
    devices.prepare()
    if trial.takeover.exists():
        take_over(sweep, trial)
    told, drawn = sweep.settings, trial.params
    seed = int(drawn.pop("seed", told["seed"]))
    try:
        train(
            str(trial.path),
            told["config"],
            told["params"],
            drawn,
            told["agent"],
            seed,
            ping_every=told["ping_every"],
        )
    except Stopped:
        sys.exit(os.EX_TEMPFAIL)


def take_over(sweep: Sweep, trial: Trial) -> None:
    """Gives a trial the variables of another one, and other parameters.

    Its step, its log, its episodes and its id stay its own. Whenever it is
    broken off, it can be done again.
    """
    about = json.loads(trial.takeover.read_text())
    _wait_for_end(trial)
    old, new = sweep.resolve(trial.params), sweep.resolve(about["params"])
    own = checkpoint_paths(trial.run.checkpoints)
    if own:
        donor = sweep.trial(about["donor"]).run.checkpoints
        rate = _new_rate(old, new, [*sweep.space])
        _retried(lambda: _mix(own[-1], checkpoint_paths(donor)[-1], rate))
        config = trial.run.read_config()
        trial.run.write_config({**config, "params": new})
    trial.write_params(about["params"])
    with open(trial.path / "takeovers.jsonl", "a") as file:
        file.write(json.dumps(about) + "\n")
    trial.takeover.unlink()


def _mix(
    own: pathlib.Path, donor: pathlib.Path, rate: Callable[[float], float]
) -> None:
    """Writes a checkpoint behind `own`, with what the donor has learned."""
    readers = [tf.train.load_checkpoint(plain_path(p)) for p in (own, donor)]
    mine, other = readers
    tensors, names = {}, mine.get_variable_to_shape_map()
    if not any(name.startswith(_LEARNED) for name in names):
        raise ValueError(
            f"The checkpoint {own} has no {_LEARNED!r}, which an agent must "
            "name in `saved` what it has learned, so that pbt can take it over."
        )
    for name in names:
        source = other if name.startswith(_LEARNED) else mine
        tensors[name] = source.get_tensor(name)
        if name.endswith(_RATE):  # It would win over the parameter.
            value = mine.get_tensor(name)
            tensors[name] = value.dtype.type(rate(float(value)))
    number = int(own.name.rpartition("-")[2]) + 1
    target = own.with_name(f"ckpt-{number}")
    partial = target.with_name(".takeover")
    tf.raw_ops.SaveV2(
        prefix=plain_path(partial),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
    for part in sorted(partial.parent.glob(f"{partial.name}.*")):
        # The index comes last: with it, there is a checkpoint.
        part.replace(
            target.with_name(target.name + part.name[len(".takeover") :])
        )


def _new_rate(
    old: Mapping[str, Any], new: Mapping[str, Any], names: list[str]
) -> Callable[[float], float]:
    """Finds what a learning rate that Keras has stored becomes."""
    changed = {n: (old[n], new[n]) for n in names if n in old}

    def rate(value: float) -> float:
        for before, after in changed.values():
            is_number = isinstance(before, float)
            if is_number and math.isclose(before, value, rel_tol=1e-6):
                return after
        return value

    return rate


def _retried(call: Callable[[], None]) -> None:
    """Calls again if files were replaced meanwhile."""
    for _ in range(10):
        with contextlib.suppress(tf.errors.OpError, OSError, IndexError):
            return call()
        time.sleep(1)
    call()


def _wait_for_end(trial: Trial) -> None:
    """Waits until no earlier process has the run."""
    for _ in range(120):
        content = read(trial.run.ping)
        if content is None or owner_is_gone(content):
            return
        time.sleep(1)


def die_with_parent(parent: int) -> None:
    """Has the kernel kill this process once the one that started it is gone."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[2]))
    sys.exit(command.run(work, sys.argv[1]))
