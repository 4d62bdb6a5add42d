"""Sweeps that train: on Ray, and taking over what another trial has learned."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import tensorflow as tf
import yaml
from tf_fakes import tiny_params  # noqa: F401  Sets TensorFlow up.

from planet_tf2.engines import trial as trials
from planet_tf2.engines.sweep import Sweep
from planet_tf2.evaluation.runs import find_runs
from planet_tf2.train import train
from planet_tf2.training.checkpoints import checkpoint_paths

pytestmark = pytest.mark.slow
ROOT = pathlib.Path(__file__).parents[1]
TOLD = {
    "agent": "tiny_agent",
    "config": "default",
    "metric": "return",
    "mode": "max",
    "params": "",
    "ping_every": 30,
    "scheduler": "pbt",
    "search": "random",
    "seed": 0,
    "space": {"gain": ["uniform", [0.0, 1.0]]},
}
KERNEL = "learner/model/kernel/.ATTRIBUTES/VARIABLE_VALUE"


def read(path, name):
    return tf.train.load_checkpoint(str(path)).get_tensor(name)


def test_takes_over_what_another_has_learned(tmp_path):
    sweep = Sweep(tmp_path)

    def go_on(trial, max_steps):
        drawn = {**trial.params, "max_steps": max_steps}
        train(str(trial.path), "default", "", drawn, "tiny_agent", report=str)
        return checkpoint_paths(trial.run.checkpoints)[-1]

    with sweep.driving(TOLD):
        own, donor = (sweep.add(n, {"gain": n / 10}) for n in (1, 2))
        before, source = go_on(own, 6), go_on(donor, 12)
        own.run.done.unlink()
        lines = own.run.metrics.read_bytes()
        about = {"donor": donor.path.name, "params": {"gain": 0.25}}
        for _ in range(2):  # As if the first time had been broken off.
            own.takeover.write_text(json.dumps(about))
            trials.take_over(sweep, own)
    mixed = checkpoint_paths(own.run.checkpoints)[-1]
    assert (read(mixed, KERNEL) == read(source, KERNEL)).all()
    assert (read(mixed, KERNEL) != read(before, KERNEL)).any()
    for name in ("global_step", "run_id"):
        name += "/.ATTRIBUTES/VARIABLE_VALUE"
        assert read(mixed, name) == read(before, name) != read(source, name)
    assert own.run.metrics.read_bytes() == lines
    assert own.params == {"gain": 0.25} and not own.takeover.exists()
    go_on(own, 12)
    assert own.run.done.exists()
    assert own.run.read_config()["params"]["gain"] == 0.25


def tune(tmp_path, *arguments):
    space = tmp_path / "space.yaml"
    space.write_text("gain: {uniform: [0, 1]}\nseed: {grid: [0, 1]}\n")
    command = [sys.executable, str(ROOT / "scripts" / "tune.py")]
    command += ["--space", str(space), "--logdir", str(tmp_path / "sweep")]
    command += ["--agent", "tiny_agent", *arguments]
    paths = f"{ROOT}:{ROOT / 'tests'}"
    return subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=500,
    )


def test_sweep_on_ray(tmp_path):
    """Trials that are done stay as they are the second time."""
    pytest.importorskip("ray")
    first = ["--trials=2", "--search=optuna", "--scheduler=none"]
    result = tune(tmp_path, *first)
    assert result.returncode == 0, result.stderr + result.stdout
    assert "trial_0002  done" in result.stdout
    found = Sweep(tmp_path / "sweep").trials()
    assert [trial.state for trial in found] == ["done", "done"]
    configs = [trial.run.read_config() for trial in found]
    assert [config["seed"] for config in configs] == [1, 2]
    for trial, config in zip(found, configs, strict=True):
        params = yaml.safe_load((trial.path / "trial.yaml").read_text())
        assert config["params"]["gain"] == params["gain"]
        assert len(find_runs([trial.path])) == 1
    times = [trial.run.done.stat().st_mtime_ns for trial in found]
    again = tune(tmp_path, *first)
    assert "2 trials are over, 0 are left." in again.stdout
    assert [t.run.done.stat().st_mtime_ns for t in found] == times
    other = tune(tmp_path, "--trials=2", "--seed=3")
    assert other.returncode == 1 and "other settings" in other.stderr
    assert len(other.stderr.strip().splitlines()) == 1
