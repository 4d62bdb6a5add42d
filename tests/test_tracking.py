"""Runs are shown in Weights & Biases and MLflow, each thing once."""

import io
import itertools
import json
import struct
import time
import types

import numpy as np
import pytest
from absl import flags
from PIL import Image

from planet_tf2 import agents
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.configs.params_text import define_flags, flag_overrides
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.signals import Stopped
from planet_tf2.training import tracking
from planet_tf2.training.summaries import Summaries

CONFIG = {
    "id": "0123456789abcdef",
    "agent": "planet",
    "preset": "debug",
    "seed": 1,
    "params": {"units": 3, "tasks": ["gym:A-v3?b=false"], "actor": {"lr": 0.1}},
}


@pytest.fixture(name="folder")
def _folder(tmp_path):
    folder = RunFolder(tmp_path / "logs" / "00001").create()
    folder.write_config(CONFIG)
    return folder


def picture(form):
    file = io.BytesIO()
    Image.new("RGB", (8, 6), "red").save(file, form)
    return file.getvalue()


class Notes:
    """A tracker that keeps what it is told, and fails if asked to."""

    def __init__(self, folder, config):
        self.told, self.fails, self.status = [], False, None

    def show(self, split, step, values):
        if self.fails:
            raise OSError(28, "No space left\non device")
        self.told += [(split, step, tag) for tag in values]

    def close(self, status):
        self.status = status


@pytest.fixture(name="made")
def _made(monkeypatch):
    made = []

    def make(*args):
        made.append(Notes(*args))
        return made[-1]

    monkeypatch.setitem(tracking._KNOWN, "notes", make)
    monkeypatch.setitem(tracking._KNOWN, "others", make)
    return made


def test_steps_that_come_again_are_sent_once(folder, made):
    trackers = tracking.Trackers(folder, ["notes"])
    for step in (1, 2):
        trackers.show("train", step, {"a": 0.5})
        trackers.show("train", step, {"b": 0.5})
        trackers.show("test", step, {"a": 0.5})
    again = tracking.Trackers(folder, ["notes", "others"])
    for step in (2, 3):
        again.show("train", step, {"a": 0.5, "c": 0.5})
    old, new, other = (notes.told for notes in made)
    assert [told for told in new if told in old] == []
    assert new == [("train", 2, "train/c")] + [
        ("train", 3, f"train/{tag}") for tag in "ac"
    ]
    assert len(other) == 4  # It begins only now.


def test_failing_tracker_ends_nothing(folder, made, caplog):
    trackers = tracking.Trackers(folder, ["notes", "others"])
    made[0].fails = True
    for step in range(3):
        trackers.show("train", step, {"a": 0.5})
    trackers.close("FINISHED")
    assert len(made[1].told) == 3 and made[1].status == "FINISHED"
    (record,) = caplog.records
    assert "--track=notes" in record.message and "space left" in record.message
    assert "\n" not in record.message


def test_tracker_that_cannot_begin_ends_nothing(folder, made, caplog):
    folder.config.unlink()
    with tracking.tracking(folder, ["notes"]) as trackers:
        trackers.show("train", 1, {"a": 0.5})
    assert not made and len(caplog.records) == 1


@pytest.mark.parametrize(
    "error, status", [(Stopped(), "KILLED"), (ValueError(), "FAILED")]
)
def test_how_a_run_ended(folder, made, error, status):
    with pytest.raises(type(error)):
        with tracking.tracking(folder, ["notes"]):
            raise error
    assert made[0].status == status


def test_what_summaries_write_is_sent(folder, made):
    summaries = Summaries(folder, types.SimpleNamespace(has_model=False))
    summaries.trackers = tracking.Trackers(folder, ["notes"])
    summaries.scalars("train", 5, {"general/loss": np.float32(2)})
    images = np.zeros((4, 8, 8, 3), np.uint8)
    summaries.episode("test", 5, "simulation/x", images, {})
    summaries.close()
    assert made[0].told == [
        ("train", 5, "train/general/loss"),
        ("test", 5, "test/simulation/x/episode"),
        ("test", 5, "test/simulation/x/strip"),
    ]


@pytest.mark.parametrize(
    "name, message",
    [
        ("wandbb", "Unknown --track='wandbb'"),
        ("missing", r"planet_tf2\[missing"),
    ],
)
def test_mistakes(name, message, made, monkeypatch):
    monkeypatch.setitem(tracking._KNOWN, "missing", None)
    with pytest.raises(ConfigError, match=message):
        tracking.check(name)


def show_a_run(folder, name):
    """Shows a run in two sessions, of which the second repeats a step."""
    for steps in ([1, 2], [2, 3]):
        with tracking.tracking(folder, tracking.check(name)) as trackers:
            for step in steps:
                trackers.show("train", step, {"general/loss": 0.5 * step})
                trackers.show("test", step, {"a?b=c": step})
            trackers.show(
                "test", 3, {"strip": picture("PNG"), "moves": picture("GIF")}
            )


def test_mlflow(folder, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/store.db")
    show_a_run(folder, "mlflow")
    client = mlflow.MlflowClient()
    place = client.get_experiment_by_name("planet_tf2").experiment_id
    (run,) = client.search_runs([place])
    assert run.info.status == "FINISHED"
    assert run.data.params["actor.lr"] == "0.1"
    assert run.data.params["seed"] == "1"
    history = client.get_metric_history(run.info.run_id, "train/general/loss")
    found = [(m.step, m.value) for m in history]
    assert found == [(1, 0.5), (2, 1.0), (3, 1.5)]
    assert len(client.get_metric_history(run.info.run_id, "test/a_b_c")) == 3
    for name, file in (("strip", "png"), ("moves", "gif")):
        path = f"test/{name}/000000003.{file}"
        local = client.download_artifacts(run.info.run_id, path, str(tmp_path))
        assert Image.open(local).size == (8, 6)


def wandb_records(folder):
    """Reads what W&B keeps offline: its messages in a log as LevelDB's."""
    protocol = pytest.importorskip("wandb.proto.wandb_internal_pb2")
    for path in sorted(folder.path.glob("wandb/offline-run-*/*.wandb")):
        data, position, message = path.read_bytes(), 7, b""
        while position + 7 <= len(data):
            if 32768 - position % 32768 < 7:
                position += 32768 - position % 32768
                continue
            _, length, kind = struct.unpack_from("<IHB", data, position)
            if position + 7 + length > len(data):
                break  # It is being written.
            message += data[position + 7 : position + 7 + length]
            position += 7 + length
            if kind in (1, 4):  # Whole, or its last part.
                yield protocol.Record.FromString(message)
                message = b""


def wandb_contents(folder, sessions):
    """Returns the history, the settings and the ids that W&B keeps.

    Its service may still be writing when a run is finished.
    """
    history, settings, ids = [], {}, set()
    for _ in range(300):
        records = list(wandb_records(folder))
        if sum(record.HasField("exit") for record in records) == sessions:
            break
        time.sleep(0.1)
    for record in records:
        if record.HasField("history"):
            items = record.history.item
            history.append(
                {
                    item.key or "/".join(item.nested_key): json.loads(
                        item.value_json
                    )
                    for item in items
                }
            )
        if record.HasField("run"):
            ids.add(record.run.run_id)
            settings |= {
                item.key: json.loads(item.value_json)
                for item in record.run.config.update
            }
    return history, settings, ids


def test_wandb_offline(folder, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    show_a_run(folder, "wandb")
    history, settings, ids = wandb_contents(folder, 2)
    assert ids == {CONFIG["id"]}
    assert settings["actor"] == {"lr": 0.1} and settings["seed"] == 1
    found = [
        (line["train/step"], line["train/general/loss"])
        for line in history
        if "train/general/loss" in line
    ]
    assert found == [(1, 0.5), (2, 1.0), (3, 1.5)]
    files = list(folder.path.glob("wandb/offline-run-*/files/media/*/*/*"))
    assert {file.suffix for file in files} == {".png", ".gif"}
    assert len(files) == 2
    for file, key in itertools.product(files, ("test/strip", "test/moves")):
        assert Image.open(file).size == (8, 6)
        assert any(key in name for line in history for name in line)


def test_arguments_of_a_sweep():
    """What `wandb agent` writes in place of `${args}`."""
    wandb = pytest.importorskip("wandb.sdk.launch.sweeps.utils")
    values = {
        "free_nats": {"value": 2.5},
        "main_learning_rate": {"value": 1e-05},
        "train_collects": {"value": [{"after": 10, "every": 10}]},
        "collect_ahead": {"value": True},
    }
    words = wandb.create_sweep_command_args({"args": values})["args"]
    known, parameters = flags.FlagValues(), agents.find("planet").Parameters
    define_flags(parameters, known)
    known(["train.py", *words])
    found = agents.resolve("debug", "", flag_overrides(parameters, known))
    assert found.main_learning_rate == 1e-05 and found.free_nats == 2.5
    assert found.collect_ahead is True
    assert found.train_collects[0]["every"] == 10
