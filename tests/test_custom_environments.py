"""The walk-through of docs/custom_environments.md, and worse days of it."""

import pathlib
import re
import shlex
import sys

import fragile
import numpy as np
import pytest
import yaml
from small_runs import run

from planet_tf2 import agents
from planet_tf2.data import episodes
from planet_tf2.tools.journal import Journal
from planet_tf2.training import assemble

_DOC = pathlib.Path(__file__).parents[1] / "docs" / "custom_environments.md"

# Reads a word per episode, as `fragile` does, and breaks in mid-episode.
_FRAGILE_SIMULATOR = """
import sys, threading
sys.path.insert(0, {tests!r})
import fragile, json

for line in sys.stdin:
    request = json.loads(line)
    if "start" in request:
        word, place, time = fragile._next_word(), request["start"], 0
    time += 1
    if time == 3 and word == "crash":
        sys.exit(1)
    if time == 3 and word == "hang":
        threading.Event().wait()
    if time == 3 and word == "nonsense":
        print("error: no such map", flush=True)
    print(json.dumps({{"place": place}}), flush=True)
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with the files of the walk-through in it."""
    text = _DOC.read_text()
    files = dict(re.findall(r"`(\w+\.py)`:\n\n```python\n(.*?)```", text, re.S))
    assert set(files) == {"my_module.py", "remote_task.py", "simulator.py"}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


@pytest.fixture
def no_predictions(monkeypatch):
    """Building their graph takes a good part of so short a run."""
    monkeypatch.setattr(
        assemble.Summaries, "predictions", lambda *args, **kwargs: None
    )


def _episodes(run_folder):
    """Yields each announced episode with its record, and checks the folders."""
    records = [r for r in Journal(run_folder.metrics) if "file" in r]
    for split in ("train", "test"):
        directory = getattr(run_folder, f"{split}_episodes")
        announced = {r["file"] for r in records if r["split"] == split}
        assert {path.name for path in directory.iterdir()} == announced
    for record in records:
        directory = getattr(run_folder, f"{record['split']}_episodes")
        yield record, episodes.load_episode(directory / record["file"])


@pytest.mark.slow
def test_walk_through_with_a_simulator_that_breaks(
    folder, monkeypatch, caplog, no_predictions
):
    """One agent learns both tasks, whatever the simulator of one does."""
    tests = str(pathlib.Path(__file__).parent)
    simulator = _FRAGILE_SIMULATOR.format(tests=tests)
    (folder / "simulator.py").write_text(simulator)
    words = ["crash", "ok", "hang", "nonsense", "crash", "ok"]
    # It breaks as well when it is tried out before there is a run.
    log = fragile.plan(monkeypatch, folder, ["crash", *words])
    names = ["my_module:my_task", "remote_task:drive"]
    run_folder, said = run(
        folder / "logs",
        tasks=names,
        isolate_envs="process",
        action_repeat=20,
        env_timeout_seconds=8,  # Starting the simulator takes a while.
    )
    assert run_folder.done.exists() and not run_folder.fail.exists()
    found = list(_episodes(run_folder))
    # A seed episode, and those of two epochs, for each split and task.
    for split in ("train", "test"):
        collected = [r["task"] for r, _ in found if r["split"] == split]
        assert collected == 3 * names
    lengths = {names[0]: 200 // 20, names[1]: 100 // 20}
    for record, episode in found:
        assert record["length"] == lengths[record["task"]]
        assert episode["image"].shape == (record["length"] + 1, 64, 64, 3)
        assert episode["action"].shape == (record["length"] + 1, 2)
        assert set(episode) - episodes.RESERVED_NAMES == {"image"}
    # Every word was read, and six episodes of the car are complete.
    assert log() == ["crash", *words, *["ok"] * (6 - words.count("ok"))]
    assert "Tried the environment once, and it broke. Task 'rem" in caplog.text
    dropped = [r for r in caplog.records if "Dropped a broken" in r.message]
    assert len(dropped) == len(words) - words.count("ok")
    for text in ("simulator has ended", "within 8 seconds", "JSONDecodeError"):
        assert text in caplog.text
    last = said[-1].splitlines()
    assert last[0].startswith("Test return on my_module:my_task: ")
    assert last[1].startswith("Test return on remote_task:drive: ")


def test_commands(folder):
    """Their parameters are understood, and the environments can be built."""
    commands = re.findall(r"```sh\n(.*?)```", _DOC.read_text(), re.S)
    assert len(commands) == 2
    for command in commands:
        words = shlex.split(command.replace("\\\n", ""))
        assert words[:2] == ["python", "path/to/planet_tf2/scripts/train.py"]
        options = dict(zip(words[2::2], words[3::2], strict=True))
        assert set(options) == {"--logdir", "--config", "--params"}
        params = agents.resolve(options["--config"], options["--params"])
        assert set(yaml.safe_load(options["--params"])) <= set(params)
        (name,) = params.tasks
        env = assemble.open_env(name, params, observations=["image"])
        with env:
            obs, _ = env.reset(seed=0)
            assert env.action_space.shape[0] in (1, 2)
            for _ in range(10):
                result = env.step(np.full(env.action_space.shape, 0.5, "f4"))
        assert obs["image"].std() > 10
        assert np.abs(result[0]["image"].astype(int) - obs["image"]).max() > 50
