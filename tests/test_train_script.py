"""The training program as users start it."""

import errno
import json
import pathlib
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
import yaml
from bad_folders import script

from planet_tf2.configs import params_text
from planet_tf2.experiment.claims import Claim
from planet_tf2.tools.files import StorageError

ROOT = pathlib.Path(__file__).parents[1]


def small(logdir, tasks="dummy", braces="<>"):
    """The arguments for a small run; angle brackets were the original's."""
    params = (
        f"<tasks: [{tasks}], batch_shape: [2, 5], cnn_depth: 2, max_steps: 24, "
        "train_steps: 6, test_steps: 2, train_collects: [<after: 4, every: 4>]>"
    )
    params = params.replace("<", braces[0]).replace(">", braces[1])
    return ["--logdir", str(logdir), "--config", "debug", "--params", params]


def command(*arguments):
    return [sys.executable, str(ROOT / "scripts" / "train.py"), *arguments]


def run(*arguments, **kwargs):
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, cwd=ROOT, **kwargs
    )


def records(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def check_consistent(folder):
    """No update twice, every announced episode there, and no others."""
    seen = records(folder)
    for phase in ("train", "test"):
        updates = [
            r["update"]
            for r in seen
            if r["phase"] == phase and "total_loss" in r
        ]
        assert updates == sorted(set(updates))
    for split in ("train", "test"):
        announced = [r["file"] for r in seen if r.get("split") == split]
        files = [p.name for p in (folder / f"{split}_episodes").iterdir()]
        assert sorted(announced) == sorted(files)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (
            tf.errors.ResourceExhaustedError(
                None, None, "{{function_node f}} a.v2; No space left on device"
            ),
            r"a\.v2; No space left on device\. .*Make room",
        ),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "b"), "'b'.*Make room"),
        (StorageError(errno.EIO, "Input/output error"), "Remove the cause"),
    ],
)
def test_errors_of_storage_say_how_to_go_on(error, says, monkeypatch):
    def fail(*arguments, **kwargs):
        raise error

    for name in ("define_flags", "flag_overrides"):
        monkeypatch.setattr(params_text, name, lambda form: {})
    with script("train") as module:
        monkeypatch.setattr(module, "train", fail)
        module.FLAGS(["train.py", "--logdir", "x"])
        with pytest.raises(RuntimeError, match=f"^[^{{]*{says}.*retry_failed"):
            module.work()


@pytest.mark.slow
@pytest.mark.render
def test_cheetah_run_from_pixels(tmp_path):
    result = run(*small(tmp_path, "cheetah_run", "{}"))
    assert result.returncode == 0, result.stderr
    assert "Test return on cheetah_run" in result.stdout
    folder = tmp_path / "00001"
    check_consistent(folder)
    files = sorted((folder / "train_episodes").iterdir())
    with np.load(files[0]) as episode:
        assert {"image", "action", "position", "terminal"} <= set(episode)
        assert episode["image"].shape == (21, 64, 64, 3)


@pytest.mark.slow
def test_angle_brackets_then_done(tmp_path):
    arguments = small(tmp_path)
    first = run(*arguments, "--planner_horizon=3")
    assert first.returncode == 0, first.stderr
    config = yaml.safe_load((tmp_path / "00001" / "config.yaml").read_text())
    assert config["params"]["planner_horizon"] == 3
    before = (tmp_path / "00001" / "metrics.jsonl").read_bytes()
    again = run(*arguments, "--planner_horizon=3")
    assert again.returncode == 0
    assert "already done" in again.stdout
    assert (tmp_path / "00001" / "metrics.jsonl").read_bytes() == before
    other = run(*arguments, "--planner_horizon=4")
    assert other.returncode == 1
    assert "planner_horizon: 3 -> 4" in other.stderr
    assert len(other.stderr.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_goes_on_after_a_signal(tmp_path, number):
    arguments = small(tmp_path)
    process = subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in process.stdout:
        if re.match(r"\[test\] return", line):
            process.send_signal(number)
    code = process.wait()
    assert code == (75 if number == signal.SIGTERM else -signal.SIGKILL)
    folder = tmp_path / "00001"
    assert not (folder / "DONE").exists()
    assert not (folder / "FAIL").exists()
    if number == signal.SIGKILL:
        # Nobody gave the claim back, but its owner is known to be gone.
        assert (folder / "PING").exists()
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    assert (folder / "DONE").exists()
    check_consistent(folder)
    seen = records(folder)
    # Three epochs of 3 updates, with a test phase at the end of each.
    assert [r["update"] for r in seen if "gradient_norm" in r] == [
        *range(1, 10)
    ]
    returns = [r for r in seen if r["phase"] == "test" and "return" in r]
    assert [r["step"] for r in returns] == [8, 16, 24]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--params", "{planner_horizn: 3}"], "'planner_horizon'"),
        (["--params", "{tasks: [cheetah_rum]}"], "'cheetah_run'"),
        (["--planner_horizon=many"], "integer"),
        (["--config", "debgu"], "'debug'"),
        (["--agent", "plnet"], "'planet'"),
        (["--config=debug", "extra"], "extra"),
    ],
)
def test_mistakes_are_explained_in_a_line(tmp_path, arguments, message):
    logdir = tmp_path / "logs"
    result = run("--logdir", str(logdir), *arguments)
    assert result.returncode == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not logdir.exists()


def test_run_is_not_begun_inside_of_another(tmp_path):
    run_folder = tmp_path / "00001"
    run_folder.mkdir()
    (run_folder / "config.yaml").write_text("params: {}\n")
    result = run("--logdir", str(run_folder), "--config", "debug")
    assert result.returncode == 1
    assert f"--logdir {tmp_path}" in result.stderr
    assert len(list(run_folder.iterdir())) == 1


@pytest.mark.slow
def test_runs_that_others_hold_are_left_to_them(tmp_path):
    ping = tmp_path / "00001" / "PING"
    ping.parent.mkdir()
    claim = Claim(ping, "miller", 0.2)
    claim.acquire()
    claim.keep_alive()
    result = run(*small(tmp_path), "--nowait", "--ping_every=3")
    assert claim.holds()
    claim.release()
    assert result.returncode == 69, result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert "worker miller" in last and "00001" in last
    assert not any((tmp_path / "00001").iterdir())


@pytest.mark.slow
def test_a_failing_run_says_so_in_a_line(tmp_path):
    # No gradient survives such a step.
    result = run(*small(tmp_path), "--main_learning_rate=1e38")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr + result.stdout
    last = result.stderr.strip().splitlines()[-1]
    assert re.match(r"Error: Stopped, since .* is (nan|inf)", last), last
    fail = (tmp_path / "00001" / "FAIL").read_text()
    assert "NonFiniteError" in fail
    assert not (tmp_path / "00001" / "DONE").exists()


@pytest.mark.slow
@pytest.mark.render
def test_tasks_with_different_actions_share_an_agent(tmp_path):
    result = run(*small(tmp_path, "dummy, cartpole_balance"))
    assert result.returncode == 0, result.stderr
    assert "Test return on dummy" in result.stdout
    assert "Test return on cartpole_balance" in result.stdout
    for path in (tmp_path / "00001" / "train_episodes").iterdir():
        with np.load(path) as episode:
            assert {"image", "action", "reward"} <= set(episode)
            assert "position" not in episode
            assert episode["action"].shape[1] == 5
