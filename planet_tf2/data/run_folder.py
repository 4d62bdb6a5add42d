"""The files of a run: where they are, and what may be written there.

```
DIR/00001/
  PING, DONE, FAIL   who works on it, and how it ended
  STOPPED            it was ended early, and is not to be trained on
  config.yaml        preset, parameters, seed and versions, as plain data
  checkpoints/       model, optimizer, steps: see docs/runs.md
  train_episodes/    episodes to learn from
  test_episodes/     episodes to test on
  train/, test/      event files for TensorBoard
  log.txt            what the program said
  metrics.jsonl      what it measured, a line at a time
  prediction.gif     the latest open-loop prediction beside the truth
  episode.gif        the latest test episode
```

A published run has weights alone in its checkpoints, an episode or two in
test_episodes, and `result.json`; see `evaluation.publish`.
"""

import contextlib
import logging
import os
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import pydantic
import yaml
from pydantic import Field

from planet_tf2.tools import plain_yaml
from planet_tf2.tools.attr_dict import to_plain
from planet_tf2.tools.files import opener, write_atomically
from planet_tf2.tools.plain_text import check, one_line


class RunFolderError(ValueError):
    """A folder that cannot be used. The message fits in one line."""


class _Config(pydantic.BaseModel):
    """The entries of `config.yaml`; what a run was begun without may lack."""

    model_config = pydantic.ConfigDict(strict=True)
    id: str = ""
    agent: str = ""
    preset: str = ""
    params: dict[str, Any] = {}
    seed: Annotated[int, Field(ge=0)] = 0
    num_runs: int = 1
    threads: int = 0
    machine: str = ""
    versions: dict[str, Any] = {}


class RunFolder:
    """Paths and the configuration of one run. Makes nothing by itself.

    Attributes:
      path: The folder itself.
      checkpoints, train_episodes, test_episodes: Folders.
      train, test: Folders of event files.
      config, metrics, log, prediction_gif, episode_gif: Files.
      ping, done, fail, stopped: Files that tell the state of the run.
      published: File that only published runs have.
      scratch: Folder for files that are being written, or None if nobody in
        this process has claimed the run; see `Run`.
    """

    scratch: pathlib.Path | None = None

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = pathlib.Path(path)
        self.checkpoints = self.path / "checkpoints"
        self.train_episodes = self.path / "train_episodes"
        self.test_episodes = self.path / "test_episodes"
        self.train = self.path / "train"
        self.test = self.path / "test"
        self.config = self.path / "config.yaml"
        self.metrics = self.path / "metrics.jsonl"
        self.log = self.path / "log.txt"
        self.prediction_gif = self.path / "prediction.gif"
        self.episode_gif = self.path / "episode.gif"
        self.ping = self.path / "PING"
        self.done = self.path / "DONE"
        self.fail = self.path / "FAIL"
        self.stopped = self.path / "STOPPED"
        self.published = self.path / "result.json"

    def create(self) -> "RunFolder":
        """Makes the folder and those in it, where missing.

        Raises:
          RunFolderError: The system does not allow it.
        """
        episodes = self.train_episodes, self.test_episodes
        for folder in (self.checkpoints, *episodes, self.train, self.test):
            make_folder(folder)
        return self

    def write_config(self, data: Mapping[str, Any]) -> None:
        """Writes the configuration as plain YAML, whole or not at all.

        Args:
          data: `preset`, `params`, `seed` and `versions`, say.

        Raises:
          yaml.YAMLError: A value is not plain data.
        """
        text = yaml.safe_dump(
            to_plain(data), sort_keys=False, default_flow_style=None
        )
        write_atomically(self.config, text, self.scratch)

    def read_config(self) -> dict[str, Any]:
        """Returns what `write_config` wrote.

        Raises:
          RunFolderError: There is no such file, it is not plain YAML, or an
            entry is missing or of another type; no Python objects are made.
        """
        try:
            with open(self.config, encoding="utf-8", opener=opener) as file:
                data = plain_yaml.read(file.read(plain_yaml.MAX_LENGTH + 1))
            check(_Config, data)
        except (FileNotFoundError, NotADirectoryError):
            raise RunFolderError(
                f"{self.path} is not the folder of a run: it has no "
                f"{self.config.name}."
            ) from None
        except (OSError, ValueError) as error:
            raise RunFolderError(
                f"Cannot read {self.config}: {_one_line(error)}. Restore it "
                "from a copy, or start in another --logdir."
            ) from None
        for name in ("params", "seed"):
            if name not in data:  # Defaults would replace what is lost.
                raise RunFolderError(
                    f"{self.config} is cut off, or not that of a run: it has "
                    f"no {name}. Restore it, or start in another --logdir."
                )
        return data


def make_folder(path: str | os.PathLike[str]) -> None:
    """Makes a folder, where missing, and those that it is in.

    Raises:
      RunFolderError: The system does not allow it.
    """
    try:
        pathlib.Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"Cannot write to {os.fspath(path)!r}: {_one_line(error)}. Choose "
            "another place."
        ) from None


def check_writable(path: str | os.PathLike[str]) -> None:
    """Checks that a --logdir can be made, or written to. Writes nothing.

    Raises:
      RunFolderError: It cannot, and why.
    """
    parent = pathlib.Path(os.path.abspath(path))
    while not os.path.lexists(parent):
        parent = parent.parent
    if not parent.is_dir():
        problem = "not a folder"
    # Also false on file systems that are mounted read-only.
    elif not os.access(parent, os.W_OK | os.X_OK):
        problem = "write-protected"
    else:
        return
    raise RunFolderError(
        f"Cannot write to {os.fspath(path)!r}: {parent} is {problem}. Choose "
        "another --logdir."
    )


@contextlib.contextmanager
def logging_to(path: str | os.PathLike[str]) -> Iterator[logging.Handler]:
    """Appends to a file what is logged inside of a `with` block.

    All warnings and errors of the process go there, and what this package
    logs at level INFO or above. An attribute `details` of a record is written
    below it; it is for the file alone, and not for the console.
    """
    handler = logging.FileHandler(path, "a", "utf-8", errors="backslashreplace")
    # A full disk fails no run here: the console shows the messages, too.
    handler.handleError = lambda record: None
    handler.setLevel(logging.INFO)
    handler.setFormatter(_Detailed("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(
        lambda record: (
            record.name.partition(".")[0] == "planet_tf2"
            or record.levelno >= logging.WARNING
        )
    )
    package = logging.getLogger("planet_tf2")
    before = package.level
    package.setLevel(min(logging.INFO, package.getEffectiveLevel()))
    logging.getLogger().addHandler(handler)
    try:
        yield handler
    finally:
        logging.getLogger().removeHandler(handler)
        package.setLevel(before)
        with contextlib.suppress(OSError):
            handler.close()


class _Detailed(logging.Formatter):
    """Writes the details of a record below it, where it has some."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        details = getattr(record, "details", None)
        return f"{text}\n{str(details).rstrip()}" if details else text


def failure_reason(failure: str) -> str:
    """Returns the last line of what FAIL says, if any, as it can be shown.

    Of an exception the name of its module is of no interest.
    """
    lines = failure.strip().splitlines()
    last = lines[-1].strip() if lines else ""
    return one_line(re.sub(r"^(\w+\.)+(?=[A-Z]\w*(:|$))", "", last))


def _one_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return one_line(" ".join(text.split())).rstrip(".")
