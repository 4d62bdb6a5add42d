"""The checkpoints of a run: the last few, each of them whole.

A checkpoint is written under another name, forced to the disk and renamed, its
index last, so that those with an index are complete. Should one be damaged
nevertheless, the one before it takes its place.
"""

import errno
import logging
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from planet_tf2.tools.files import (
    move,
    sync_directory,
    sync_file,
    write_atomically,
)
from planet_tf2.tools.odd_paths import plain_path
from planet_tf2.training.checkpoint_differences import describe_differences

_LOGGER = logging.getLogger(__name__)

_NAME = "ckpt"
# As TensorFlow numbers them, and no copies that people made.
_INDEX = re.compile(rf"{_NAME}-([1-9][0-9]{{,17}})\.index")
_KEPT = 3
_RUN_ID = "run_id/.ATTRIBUTES/VARIABLE_VALUE"
_PARTIAL = ".partial"
# What TensorFlow was seen to raise for checkpoints that it cannot restore.
_ERRORS = (
    AssertionError,
    ValueError,
    IndexError,
    RuntimeError,
    OSError,
    tf.errors.OpError,
)


class RestoreError(ValueError):
    """A checkpoint is damaged, or does not belong to this configuration."""


class SaveError(RuntimeError):
    """A checkpoint cannot be written. Those before it are whole."""


class Checkpoints:
    """Saves and restores state, as the files of `tf.train.CheckpointManager`.

    Args:
      directory: folder of the checkpoints.
      state: trackable objects by name.
      scratch: folder through which files get to their place, if any; see
        `tools.files.replacing`.
      identity: the `id` of the run's config, which its checkpoints hold. Those
        from before runs had one are taken as they are.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        state: Mapping[str, Any],
        scratch: pathlib.Path | None = None,
        identity: str = "",
    ):
        self._directory = pathlib.Path(directory)
        self._identity = identity
        self._unnamed = self._checkpoint = tf.train.Checkpoint(**state)
        if identity:
            with tf.device("CPU"):  # Where texts are.
                run_id = tf.Variable(identity, trainable=False)
            self._checkpoint = tf.train.Checkpoint(run_id=run_id, **state)
        self._scratch = scratch

    def save(self) -> pathlib.Path:
        """Writes a checkpoint and returns its path.

        Raises:
          SaveError: if the system does not allow it, as when the disk is full.
        """
        name = self._scratch.name if self._scratch else ".unclaimed"
        partial = self._directory / f"{_PARTIAL}{name}"
        try:
            place = f"{plain_path(self._directory)}/{partial.name}/{_NAME}"
            written = self._checkpoint.save(place)
            path = self._publish(partial / os.path.basename(written))
            self._point_to(path)
            for old in self.paths()[:-_KEPT]:
                # The index first: without it, there is no checkpoint.
                for part in reversed(_files(old)):
                    part.unlink()
        except (OSError, tf.errors.OpError) as error:
            paths = self.paths()
            last = "There is none yet"
            if paths:
                last = f"The last one, {paths[-1].name}, is whole"
            raise SaveError(
                f"Cannot write a checkpoint to {self._directory}: "
                f"{_explain(error)}. {last}. Once the disk takes files "
                "again, go on from there with --retry_failed."
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return path

    def restore(self) -> pathlib.Path | None:
        """Restores the latest checkpoint that is whole.

        Damaged ones that are later are renamed, with a warning.

        Returns:
          Its path, or None if there is none at all.

        Raises:
          RestoreError: if it does not match this program's variables, is of
            another run, or if all of them are damaged.
        """
        for left in self._directory.glob(f"{_PARTIAL}*"):
            shutil.rmtree(left, ignore_errors=True)
        damaged: dict[pathlib.Path, str] = {}
        for path in reversed(self.paths()):
            try:
                self._restore(path)
            except RestoreError:
                raise
            except _ERRORS as error:
                damage = _find_damage(path)
                if damage is None:
                    raise RestoreError(self._mismatch(path, error)) from error
                damaged[path] = damage
            else:
                _set_aside(damaged, path.name)
                return path
        if not damaged:
            return None
        found = "; ".join(f"{path}: {text}" for path, text in damaged.items())
        raise RestoreError(
            f"No checkpoint can be read ({found}). Restore the checkpoints "
            "from a copy, or start in another --logdir."
        )

    def _restore(self, path: pathlib.Path) -> None:
        is_named = check_identity(path, self._identity)
        checkpoint = self._checkpoint if is_named else self._unnamed
        status = checkpoint.restore(plain_path(path))
        try:
            status.assert_consumed()
        except AssertionError:
            status.expect_partial()  # Said elsewhere, so not again at exit.
            raise
        number = int(path.name.removeprefix(f"{_NAME}-"))
        self._checkpoint.save_counter.assign(number)

    def paths(self) -> list[pathlib.Path]:
        """Returns the paths of all checkpoints, the latest last."""
        return checkpoint_paths(self._directory)

    def _publish(self, written: pathlib.Path) -> pathlib.Path:
        """Moves a checkpoint to where it belongs, its index last."""
        parts = _files(written)
        for part in parts:
            sync_file(part)
        for part in parts:
            target = self._directory / part.name
            if self._scratch is not None:
                # Not written there in the first place, since TensorFlow would
                # make the scratch folder anew after it was removed.
                move(part, self._scratch / part.name)
                part = self._scratch / part.name
            move(part, target)
        sync_directory(self._directory)
        return self._directory / written.name

    def _point_to(self, path: pathlib.Path) -> None:
        """Writes the file by which TensorFlow finds the latest."""
        names = [other.name for other in self.paths()[-_KEPT:]]
        lines = [f'model_checkpoint_path: "{path.name}"']
        lines += [f'all_model_checkpoint_paths: "{name}"' for name in names]
        content = "\n".join(lines) + "\n"
        write_atomically(self._directory / "checkpoint", content, self._scratch)

    def _mismatch(self, path: pathlib.Path, error: Exception) -> str:
        """Says in one line why a checkpoint does not fit."""
        with tempfile.TemporaryDirectory() as directory:
            own = self._checkpoint.write(f"{plain_path(directory)}/{_NAME}")
            reason = describe_differences(plain_path(path), own)
        return (
            f"The checkpoint {path} does not fit this configuration: "
            f"{reason or _explain(error)}."
        )


def checkpoint_paths(directory: pathlib.Path) -> list[pathlib.Path]:
    """Returns the paths of a folder's checkpoints, the latest last."""
    names = [path.name for path in directory.glob(f"{_NAME}-*.index")]
    found = sorted(
        int(match[1]) for match in map(_INDEX.fullmatch, names) if match
    )
    return [directory / f"{_NAME}-{number}" for number in found]


def check_identity(path: str | os.PathLike[str], identity: str) -> bool:
    """Returns whether a checkpoint tells whose it is.

    Args:
      path: of the checkpoint, without suffix.
      identity: of the run, empty if it has none.

    Raises:
      RestoreError: it is another run's.
    """
    reader = tf.train.load_checkpoint(plain_path(path))
    if not reader.has_tensor(_RUN_ID):
        return False
    found = reader.get_tensor(_RUN_ID).decode()
    if found != identity:
        raise RestoreError(
            f"The checkpoint {path} is of another run: its id is {found}, and "
            f"that in config.yaml is {identity or 'missing'}. Put its "
            "own checkpoints, or config.yaml, back, or use another --logdir."
        )
    return True


def _find_damage(path: pathlib.Path) -> str | None:
    """Reads all of a checkpoint; returns what is wrong with its files."""
    try:
        reader = tf.train.load_checkpoint(plain_path(path))
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except _ERRORS as error:
        return _explain(error)
    return None


def _set_aside(damaged: Mapping[pathlib.Path, str], substitute: str) -> None:
    for path, damage in damaged.items():
        _LOGGER.warning(
            "%s cannot be read (%s). It is set aside, and %s takes its place.",
            path,
            damage,
            substitute,
        )
        for part in _files(path):
            part.replace(part.with_name(f"{part.name}.damaged"))


def _files(path: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files of a checkpoint, its index last."""
    data = path.parent.glob(f"{path.name}.data-*-of-*[0-9]")
    return [*sorted(data), path.with_suffix(".index")]


def _explain(error: Exception) -> str:
    """Says in a line what went wrong, without TensorFlow's name of the op."""
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        if os.strerror(number) in str(error):
            return os.strerror(number)
    text = re.sub(r"^\{\{.*?\}\} ?", "", str(error))
    return (text.splitlines() or [repr(error)])[0].rstrip(".")
