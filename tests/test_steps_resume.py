"""Runs by steps that are cut off and go on: bit-identical, on CPUs.

Episodes are running whenever a run is cut off. They are played again.
"""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from small_runs import records
from test_session_resume import Crash, Faults

from planet_tf2.data import episodes
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools import signals
from planet_tf2.tools.journal import Journal
from planet_tf2.train import train
from planet_tf2.training import session as session_lib
from planet_tf2.training.checkpoints import checkpoint_paths
from planet_tf2.training.live_envs import LiveEnvs
from planet_tf2.training.stepper import Stepper
from planet_tf2.training.trainer import Trainer

SPLITS = ("train", "test")
HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module", params=["tiny_stepper", "tiny_streamer"])
def agent(request):
    """One learns from episodes, one from streams with latents."""
    return request.param


def run(logdir, agent="tiny_stepper", **overrides):
    overrides = {"isolate_envs": "none", **overrides}
    train(str(logdir), agent=agent, overrides=overrides, report=str)
    return RunFolder(logdir / "00001")


def trace(folder):
    """All that must not depend on whether and where a run was cut."""
    lines = [
        {k: x for k, x in r.items() if k != "fps"} for r in records(folder)
    ]
    played = [
        episodes.load_episode(
            folder.path / f"{r['split']}_episodes" / r["file"]
        )
        for r in Journal(folder.metrics)
        if "file" in r
    ]
    reader = tf.train.load_checkpoint(checkpoint_paths(folder.checkpoints)[-1])
    # How often was saved does not matter, nor do times, in the log's length.
    left_out = ("save_counter", "run_id", "_CHECKPOINTABLE", "position")
    saved = {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if not any(part in name for part in left_out)
    }
    return lines, played, saved


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, agent):
    return trace(run(tmp_path_factory.mktemp("undisturbed"), agent))


def check_same(folder, expected):
    lines, played, saved = trace(folder)
    assert lines == expected[0]
    np.testing.assert_equal(played, expected[1])
    np.testing.assert_equal(saved, expected[2])
    for split in SPLITS:  # No file twice, and none that waits.
        files = os.listdir(folder.path / f"{split}_episodes")
        assert len(files) == sum(r.get("split") == split for r in lines)


def run_with_faults(path, agent, faults, monkeypatch):
    """Counts moments before and after everything that leaves a trace."""
    with monkeypatch.context() as patch:
        for owner, name in (
            (Journal, "append"),
            (episodes, "publish"),
            (Trainer, "save"),
            (LiveEnvs, "_append"),
            (Stepper, "flush"),
            (session_lib, "random_episodes"),
        ):
            patch.setattr(owner, name, faults.around(getattr(owner, name)))
        run(path, agent)


def test_cut_off_anywhere(tmp_path, monkeypatch, agent, undisturbed):
    faults = Faults()
    run_with_faults(tmp_path / "count", agent, faults, monkeypatch)
    check_same(RunFolder(tmp_path / "count" / "00001"), undisturbed)
    assert faults.count > 200
    for moment in np.linspace(9, faults.count - 1, 12).astype(int):
        path = tmp_path / str(moment)
        with pytest.raises(Crash):
            run_with_faults(path, agent, Faults(moment), monkeypatch)
        check_same(run(path, agent), undisturbed)


@pytest.mark.parametrize("after", [40, 70, 90])
def test_stopped(tmp_path, monkeypatch, agent, undisturbed, after):
    """All is saved, in the middle of a step too."""
    asked = iter(range(10**9))
    with monkeypatch.context() as patch:
        patch.setattr(
            signals.StopSignals,
            "requested",
            property(lambda self: next(asked) >= after),
        )
        with pytest.raises(signals.Stopped):
            run(tmp_path, agent)
    lines = len(records(RunFolder(tmp_path / "00001")))
    assert lines
    check_same(run(tmp_path, agent), undisturbed)


def test_a_simulator_that_does_not_repeat_itself(tmp_path, caplog, agent):
    """Loses the episodes that were running, and nothing else."""
    task = {"tasks": ["stepping_tasks:sloppy"], "dataset_size": 500}
    run(tmp_path, agent, max_steps=12, **task)
    (tmp_path / "00001" / "DONE").unlink()
    folder = run(tmp_path, agent, **task)
    assert caplog.text.count("is lost: when it was played again") == 2
    assert "the reward was another one after 1 of them" in caplog.text
    lines = records(folder)
    assert sum("eval_return" in line for line in lines) == 2
    files = [r for r in lines if r.get("split") == "train"]
    assert len(files) == len(os.listdir(folder.train_episodes))
    for record in files:
        assert record["length"] == 12


def test_environments_that_break(tmp_path, caplog, agent):
    """Lose their episode; the others go on."""
    task = {"tasks": ["stepping_tasks:fragile"], "isolate_envs": "process"}
    folder = run(tmp_path, agent, env_max_failures=50, **task)
    assert "Dropped a broken episode of stepping_tasks:fragile" in caplog.text
    lines = records(folder)
    assert sum("eval_return" in line for line in lines) == 2
    # All decisions were taken: each update had its share.
    updates = [r for r in lines if "update_count" in r]
    assert [r["update_count"] for r in updates] == list(range(1, 17))
    for split in SPLITS:
        found = os.listdir(folder.path / f"{split}_episodes")
        assert len(found) == sum(r.get("split") == split for r in lines)


@pytest.mark.slow
def test_killed(tmp_path, agent, undisturbed):
    """By `kill -9`, a process with environments in others."""
    random = np.random.default_rng(0)
    code = (
        "import sys; from planet_tf2.train import train; "
        f"train(sys.argv[1], agent={agent!r})"
    )
    environ = {**os.environ, "PYTHONPATH": f"{HERE.parent}:{HERE}"}
    start = time.monotonic()
    folder = RunFolder(tmp_path / "00001")
    for wanted in (3, 14, 30, 200):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], env=environ
        ) as process:
            while process.poll() is None and time.monotonic() < start + 300:
                with contextlib.suppress(FileNotFoundError):
                    size = folder.metrics.read_bytes().count(b"\n")
                    if size >= wanted:
                        time.sleep(random.exponential(0.1))
                        process.send_signal(signal.SIGKILL)
                        break
                time.sleep(0.01)
    assert process.returncode == 0 and folder.done.exists()
    check_same(folder, undisturbed)
