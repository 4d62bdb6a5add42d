"""A sweep: a folder of trials, which are folders of runs.

```
DIR/
  tune.yaml           what is searched, and how; the same for all its life
  trial_0001/
    trial.yaml        its parameters, written before it is started
    00001/            the run, as of scripts/train.py
    output.txt        what its process said
```

These folders are all that a sweep knows. Whoever drives it, whatever engine it
used: the next one goes on from here.
"""

import contextlib
import fcntl
import json
import pathlib
import statistics
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from planet_tf2 import agents
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.data.metrics import Metrics
from planet_tf2.data.run_folder import RunFolder, make_folder
from planet_tf2.engines.space import Entry, Space, of_grid
from planet_tf2.experiment.claims import utc_time
from planet_tf2.tools.attr_dict import AttrDict, differences
from planet_tf2.tools.files import write_atomically

RETURN = "return"


class Result(NamedTuple):
    """What a test phase came to: its global step, and the metric."""

    step: int
    value: float


class Trial:
    """A trial of a sweep.

    Attributes:
      path: its folder; `run`: that of its run.
      number: counted from 1.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        self.number = int(path.name.rpartition("_")[2])
        self.run = RunFolder(path / "00001")

    @property
    def params(self) -> dict[str, Any]:
        """What was drawn for it, `seed` too if that is searched."""
        return yaml.safe_load((self.path / "trial.yaml").read_text())

    def write_params(self, params: Mapping[str, Any]) -> None:
        """Keeps its parameters."""
        text = yaml.safe_dump(dict(params), sort_keys=False)
        write_atomically(self.path / "trial.yaml", text)

    @property
    def takeover(self) -> pathlib.Path:
        """The file that says what it is to take over from another trial."""
        return self.path / "takeover.json"

    @property
    def state(self) -> str:
        """`done`, `failed`, `stopped` or, empty, that it can go on."""
        files = {"done": self.run.done, "failed": self.run.fail}
        files["stopped"] = self.run.stopped
        return next((name for name in files if files[name].exists()), "")

    def stop_early(self, step: int, why: str) -> None:
        """Marks it as one that is not to be trained on."""
        text = json.dumps({"time": utc_time(), "step": step, "reason": why})
        write_atomically(self.run.stopped, text + "\n")

    def fail(self, why: str) -> None:
        """Marks it as failed, if its run did not."""
        make_folder(self.run.path)
        write_atomically(self.run.fail, f"{utc_time()}\n\n{why}\n")

    def results(self, metric: str = RETURN) -> list[Result]:
        """Returns what its test phases came to, in their order.

        The last one is left out while it may not be complete.
        """
        found: dict[int, list[float]] = {}
        last = None
        for line in Metrics(self.run.metrics):
            last = line
            if line.get("phase") == "test" and metric in line:
                found.setdefault(line["step"], []).append(float(line[metric]))
        if last and last["step"] in found and not self.run.done.exists():
            del found[last["step"]]
        return [Result(s, statistics.fmean(v)) for s, v in found.items()]


class Sweep:
    """The folder of a sweep.

    Args:
      path: it.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path

    @property
    def settings(self) -> dict[str, Any]:
        """What is in `tune.yaml`."""
        return yaml.safe_load((self.path / "tune.yaml").read_text())

    @property
    def space(self) -> Space:
        """What is searched."""
        entries = self.settings["space"].items()
        return {name: Entry(kind, tuple(v)) for name, (kind, v) in entries}

    @contextlib.contextmanager
    def driving(self, settings: Mapping[str, Any]) -> Iterator[None]:
        """Keeps others from driving it inside of a `with` block.

        Raises:
          ConfigError: another does, or it was begun with other settings.
        """
        make_folder(self.path)
        with open(self.path / "tune.lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"Another tune.py is at work in {self.path}. Wait for it, "
                    "or use another --logdir."
                ) from None
            file = self.path / "tune.yaml"
            if file.exists():
                changes = differences(self.settings, settings)
                if changes:
                    raise ConfigError(
                        f"{self.path} was begun with other settings: "
                        f"{'; '.join(changes)}. Use another --logdir, or the "
                        "old settings."
                    )
            else:
                text = yaml.safe_dump(dict(settings), sort_keys=False)
                write_atomically(file, text)
            yield

    def trials(self) -> list[Trial]:
        """Returns the trials that have parameters, by number."""
        files = sorted(self.path.glob("trial_[0-9]*/trial.yaml"))
        return [Trial(file.parent) for file in files]

    def trial(self, name: str) -> Trial:
        """Returns the trial in a folder of a name."""
        return Trial(self.path / name)

    def add(self, number: int, params: Mapping[str, Any]) -> Trial:
        """Adds a trial, unless it is there; its grids count besides."""
        trial = self.trial(f"trial_{number:04d}")
        if not (trial.path / "trial.yaml").exists():
            params = {**params, **of_grid(self.space, number)}
            self.resolve(params)
            make_folder(trial.run.path)  # So that it shows as pending.
            trial.write_params(params)
        return trial

    def resolve(self, drawn: Mapping[str, Any]) -> AttrDict:
        """Returns all parameters of a run, given those that were drawn."""
        told = self.settings
        drawn = {n: v for n, v in drawn.items() if n != "seed"}
        return agents.resolve(
            told["config"],
            told["params"],
            drawn,
            told["agent"],
        )
