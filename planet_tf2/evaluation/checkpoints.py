"""Finds the checkpoints of a run, and loads weights from them."""

import glob
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import runs
from planet_tf2.tools.odd_paths import plain_path
from planet_tf2.training.checkpoints import (
    RestoreError,
    check_identity,
    checkpoint_paths,
)


class CheckpointError(runs.UnusableRun):
    """There is no checkpoint, or it cannot be loaded."""


def find_checkpoint(
    folder: RunFolder, checkpoint: str | int | os.PathLike[str] | None = None
) -> str:
    """Returns the path of a complete checkpoint, without suffix.

    Args:
      folder: the run's folder.
      checkpoint: a number, a name in the run's folder of checkpoints, or a
        path; by default the newest.

    Raises:
      CheckpointError: there is none.
    """
    complete = _complete_checkpoints(folder.checkpoints)
    if checkpoint is None:
        if not complete and folder.published.exists():
            raise CheckpointError(
                f"The published run {folder.path} has no weights: it is from "
                "before these were kept. Train it by the command in its "
                "README.md."
            )
        if not complete:
            raise CheckpointError(
                f"The run {folder.path} is unfinished: it has no checkpoint "
                "yet. Train it first."
            )
        return complete[-1]
    name = str(checkpoint).removesuffix(".index")
    name = f"ckpt-{name}" if name.isdigit() else name
    for path in (folder.checkpoints / name, pathlib.Path(name)):
        if _is_complete(path):
            return str(path)
    known = ", ".join(pathlib.Path(path).name for path in complete) or "none"
    raise CheckpointError(
        f"There is no checkpoint {name!r} of the run {folder.path}. Complete "
        f"are: {known}."
    )


def load_weights(
    saved: Mapping[str, Any], path: str, identity: str = ""
) -> int | None:
    """Loads the weights of an agent.

    Args:
      saved: what checkpoints hold of the agent, see `Agent.weights`.
      path: the checkpoint, without suffix.
      identity: the run's, see `training.checkpoints`.

    Returns:
      The global step, or None if the checkpoint is not there any more.

    Raises:
      CheckpointError: the checkpoint does not fit the model, is damaged, or
        is of another run.
    """
    step = tf.Variable(-1, dtype=tf.int64, trainable=False)
    checkpoint = tf.train.Checkpoint(global_step=step, **saved)
    try:
        check_identity(path, identity)
        status = checkpoint.read(plain_path(path)).expect_partial()
        status.assert_existing_objects_matched()
    except (tf.errors.NotFoundError, FileNotFoundError):
        return None
    except RestoreError as error:
        raise CheckpointError(str(error)) from None
    except (AssertionError, ValueError) as error:
        problem = f"does not fit the run's parameters: {_first_line(error)}"
        raise CheckpointError(f"The checkpoint {path} {problem}") from None
    except (IndexError, RuntimeError, tf.errors.OpError) as error:
        problem = f"is damaged: {_first_line(error)}"
        raise CheckpointError(f"The checkpoint {path} {problem}") from None
    return int(step)


def write_weights(
    saved: Mapping[str, Any], step: int, path: pathlib.Path
) -> None:
    """Writes a checkpoint of weights alone, which `load_weights` reads.

    Args:
      saved: see `load_weights`.
      step: the global step.
      path: the checkpoint, without suffix, in an existing folder.
    """
    step = tf.Variable(step, dtype=tf.int64, trainable=False)
    tf.train.Checkpoint(global_step=step, **saved).write(plain_path(path))


def _complete_checkpoints(directory: pathlib.Path) -> list[str]:
    """Returns the complete checkpoints of a folder, the newest last."""
    return [str(p) for p in checkpoint_paths(directory) if _is_complete(p)]


def _is_complete(path: pathlib.Path) -> bool:
    """Whether the index of a checkpoint is there, and all of its data."""
    index = path.with_name(f"{path.name}.index")
    data = list(path.parent.glob(f"{glob.escape(path.name)}.data-*-of-*"))
    if not data or not index.is_file() or not index.stat().st_size:
        return False
    return len(data) == int(data[0].name.rpartition("-of-")[2])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]
