"""Shows a run in Weights & Biases or MLflow, besides TensorBoard.

What `Summaries` writes goes to each tracker as well: scalars, and pictures as
PNG or GIF. A run that goes on after it was stopped goes on there, too. What
comes again is equal to what was shown, so each thing is sent once:
`tracked.json` in the run's folder tells the last step of every tag.
"""

import contextlib
import importlib
import io
import json
import logging
import os
import pathlib
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import Any

from PIL import Image

from planet_tf2.configs.config_error import ConfigError
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.files import write_atomically
from planet_tf2.tools.plain_text import one_line
from planet_tf2.tools.signals import Stopped

_LOGGER = logging.getLogger(__name__)

_PROJECT = "planet_tf2"  # Unless the trackers' own variables name another.
_ID = "planet_tf2.id"

# Numbers, and pictures as PNG or GIF, by tag.
Shown = Mapping[str, float | bytes]


class _Wandb:
    def __init__(self, folder: RunFolder, config: Mapping[str, Any]):
        self._wandb = importlib.import_module("wandb")
        # An agent of a sweep says which run it is about.
        swept = os.environ.get("WANDB_SWEEP_ID") and os.environ["WANDB_RUN_ID"]
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            id=swept or config["id"],
            name=None if swept else _name(folder),
            resume="allow",
            dir=folder.path,
            config=_settings(config),
            settings=self._wandb.Settings(
                console="off", quiet=True, finish_timeout=300
            ),
        )
        for split in ("train", "test"):
            self._run.define_metric(f"{split}/*", step_metric=f"{split}/step")

    def show(self, split: str, step: int, values: Shown) -> None:
        shown = {tag: self._encode(value) for tag, value in values.items()}
        self._run.log({**shown, f"{split}/step": step})

    def _encode(self, value: float | bytes) -> Any:
        if not isinstance(value, bytes):
            return value
        file = io.BytesIO(value)
        if value.startswith(b"GIF"):
            return self._wandb.Video(file, format="gif")
        return self._wandb.Image(Image.open(file))

    def close(self, status: str) -> None:
        self._run.finish(exit_code=int(status == "FAILED"))


class _Mlflow:
    def __init__(self, folder: RunFolder, config: Mapping[str, Any]):
        mlflow = importlib.import_module("mlflow")
        self._new, self._client = mlflow.entities.Metric, mlflow.MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT)
        place = mlflow.set_experiment(name).experiment_id
        tags = {_ID: config["id"]}
        found = self._client.search_runs(
            [place], f"tags.`{_ID}` = '{tags[_ID]}'"
        )
        run = (
            found[0]
            if found
            else self._client.create_run(
                place, tags=tags, run_name=_name(folder)
            )
        )
        self._id = run.info.run_id
        self._client.update_run(self._id, "RUNNING")
        for key, value in _settings(config).items():
            parts = value if isinstance(value, dict) else {"": value}
            for inner, part in parts.items() if not found else ():
                name = f"{key}.{inner}".rstrip(".")
                self._client.log_param(self._id, name, part)

    def show(self, split: str, step: int, values: Shown) -> None:
        metrics, seconds = [], int(1000 * time.time())
        for tag, value in values.items():
            tag = re.sub(r"[^\w\-./: ]", "_", tag)  # As it wants names to be.
            if isinstance(value, bytes):
                ending = "gif" if value.startswith(b"GIF") else "png"
                with tempfile.TemporaryDirectory() as directory:
                    file = pathlib.Path(directory, f"{step:09d}.{ending}")
                    file.write_bytes(value)
                    self._client.log_artifact(self._id, str(file), tag)
            else:
                metrics.append(self._new(tag, value, seconds, step))
        self._client.log_batch(self._id, metrics)

    def close(self, status: str) -> None:
        self._client.set_terminated(self._id, status)


_KNOWN = {"wandb": _Wandb, "mlflow": _Mlflow}


class Trackers:
    """Hands on what is shown of a run. A tracker that fails is left out.

    Args:
      folder: the run's folder.
      names: which trackers, see `check`.
    """

    def __init__(self, folder: RunFolder, names: list[str]):
        self._folder, self._path = folder, folder.path / "tracked.json"
        # The last step that was sent of every tag, by tracker.
        self._sent: dict[str, dict[str, int]] = {}
        self._trackers: dict[str, _Wandb | _Mlflow] = {}
        with contextlib.suppress(OSError, ValueError):
            self._sent = json.loads(self._path.read_text())
        for name in names:
            with self._left_out_if_it_fails(name):
                config = folder.read_config()
                self._trackers[name] = _KNOWN[name](folder, config)

    def show(self, split: str, step: int, values: Shown) -> None:
        """Shows numbers and pictures by tag, such as `general/image_loss`."""
        values = {f"{split}/{tag}": value for tag, value in values.items()}
        for name, tracker in list(self._trackers.items()):
            sent = self._sent.setdefault(name, {})
            new = {t: v for t, v in values.items() if sent.get(t, -1) < step}
            if new:
                with self._left_out_if_it_fails(name):
                    # First, as a gap after a crash is better than a repetition.
                    sent |= dict.fromkeys(new, step)
                    text = json.dumps(self._sent)
                    write_atomically(self._path, text, self._folder.scratch)
                    tracker.show(split, step, new)

    def close(self, status: str) -> None:
        """Says how the run ended, as MLflow calls it."""
        for name, tracker in list(self._trackers.items()):
            with self._left_out_if_it_fails(name):
                tracker.close(status)

    @contextlib.contextmanager
    def _left_out_if_it_fails(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._trackers.pop(name, None)
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            _LOGGER.warning(
                "--track=%s shows nothing more until the run is resumed. "
                "Training goes on. %s",
                name,
                one_line(reason, 300),
            )


def check(names: str) -> list[str]:
    """Returns the names of trackers, of which commas are between.

    Raises:
      ConfigError: one is unknown, or its package is missing.
    """
    found = [name.strip() for name in names.split(",") if name.strip()]
    for name in found:
        if name not in _KNOWN:
            known = ", ".join(_KNOWN)
            raise ConfigError(f"Unknown --track={name!r}. Known are {known}.")
        module = None
        with contextlib.suppress(ImportError):
            module = importlib.import_module(name)
        # A folder of that name passes for a package.
        if not hasattr(module, "__version__"):
            raise ConfigError(
                f"--track={name} needs a package that is not installed: "
                f"pip install 'planet_tf2[{name}]'"
            )
    return found


@contextlib.contextmanager
def tracking(folder: RunFolder, names: list[str]) -> Iterator[Trackers]:
    """Shows a run inside of a `with` block, and how it ended."""
    trackers, status = Trackers(folder, names), "FAILED"
    try:
        yield trackers
        status = "FINISHED"
    except Stopped:
        status = "KILLED"
        raise
    finally:
        trackers.close(status)


def _name(folder: RunFolder) -> str:
    """Names a run by its folder and that of its experiment."""
    return "/".join(folder.path.resolve().parts[-2:])


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    about = {name: config.get(name) for name in ("agent", "preset", "seed")}
    return {**config["params"], **about}
