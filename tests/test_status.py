import json
import os
import pathlib
import signal
import subprocess
import sys

import experiment_fakes
import pytest
from rich.console import Console

from planet_tf2.data.run_folder import RunFolder, RunFolderError
from planet_tf2.experiment import watching
from planet_tf2.experiment.status import Overview, RunStatus
from planet_tf2.experiment.status_table import status_table, to_json
from planet_tf2.tools.journal import Journal

ROOT = pathlib.Path(__file__).parents[1]


def make_run(path, episodes=3, **params):
    folder = RunFolder(path).create()
    params = {"max_steps": 1000, **params}
    folder.write_config({"params": params, "num_runs": 6, "seed": 1})
    journal = Journal(folder.metrics)
    for number in range(episodes):
        record = {"phase": "train", "step": 100 * number, "split": "train"}
        counts = {"episode": number + 1, "env_step": 1000 * number}
        journal.append({**record, **counts, "task": "walk", "return": 1.0})
        journal.append({"phase": "train", "step": 100 * number + 50})
    return folder


def add_scores(folder, step, *returns):
    for value in returns:
        record = {"phase": "test", "split": "test", "return": value}
        record |= {"task": "walk", "episode": 1, "env_step": 0}
        Journal(folder.metrics).append({**record, "step": step})


def hold(folder, **details):
    claim = experiment_fakes.hold(folder, "miller")
    claim.details |= details
    claim.refresh()
    return claim


def make_old(path, seconds):
    now = path.stat().st_mtime
    os.utime(path, (now - seconds, now - seconds))


@pytest.fixture(name="logdir")
def _logdir(tmp_path):
    """Runs in all five states."""
    logdir = tmp_path / "walker"
    done, running, stale, failed, stopped = (
        make_run(logdir / f"{number:05d}") for number in range(1, 6)
    )
    add_scores(done, 900, 30.0, 50.0)
    done.done.write_text('{"step": 1000, "score": 40.5}\n')
    add_scores(running, 260, 8.0, 9.0)
    add_scores(running, 300, 10.0, 20.0)
    kept = [
        hold(running, step=310, updates_per_second=2.5, seconds_left=4000.0),
        hold(stale, step=220),
    ]
    make_old(stale.ping, 100)
    text = "2026-01-01 at step 7\n\nTraceback (most recent call last):\n  x\n"
    text += "planet_tf2.training.stages.NonFiniteError: the loss is nan\n"
    failed.fail.write_text(text)
    yield logdir
    for claim in kept:
        claim.release()


@pytest.fixture(name="runs")
def _runs(logdir):
    return {run.name: run for run in Overview(logdir).look()}


class TestLook:
    def test_states(self, runs):
        assert {name: run.state for name, run in runs.items()} == {
            "00001": "done",
            "00002": "running",
            "00003": "stale",
            "00004": "failed",
            "00005": "pending",
            "00006": "pending",  # Has no folder yet.
        }

    def test_details(self, runs):
        running = runs["00002"]
        assert running.worker == "miller"
        assert running.process == os.getpid()
        assert (running.step, running.max_steps) == (310, 1000)
        assert running.episodes == 3
        assert running.score == 15.0
        assert running.updates_per_second == 2.5
        assert running.seconds_left == 4000.0
        assert 0 <= running.ping_age_seconds < 60
        stale = runs["00003"]
        assert stale.worker == "miller"
        assert stale.ping_age_seconds == pytest.approx(100, abs=50)
        assert stale.step == 250
        assert stale.seconds_left is None
        assert (runs["00001"].score, runs["00001"].step) == (40.5, 1000)
        assert runs["00004"].reason == "NonFiniteError: the loss is nan"
        assert (runs["00005"].step, runs["00005"].worker) == (250, None)
        pending = runs["00006"]
        assert (pending.step, pending.episodes) == (None, 0)

    def test_owner_that_is_gone(self, logdir, monkeypatch):
        monkeypatch.setattr(watching, "owner_is_gone", lambda content: True)
        states = [run.state for run in Overview(logdir).look()]
        assert states.count("stale") == 2

    def test_failed_run_that_is_tried_again(self, logdir):
        claim = hold(RunFolder(logdir / "00004"))
        run = Overview(logdir).look()[3]
        assert run.state == "running" and run.reason is None
        claim.release()

    def test_writes_nothing(self, logdir):
        def state():
            return {
                path: (path.stat().st_mtime_ns, path.stat().st_size)
                for path in logdir.rglob("*")
            }

        before = state()
        Overview(logdir).look()
        assert state() == before


class TestLookAgain:
    """What was seen in between counts for more than any clock."""

    @pytest.fixture
    def seconds(self):
        return [0.0]

    @pytest.fixture
    def folder(self, tmp_path):
        return make_run(tmp_path / "00001")

    def start(self, folder, seconds, clock_hours=0):
        return Overview(
            folder.path,
            lambda: folder.ping.stat().st_mtime + 3600 * clock_hours,
            lambda: seconds[0],
        )

    @pytest.mark.parametrize("clock_hours", [-1, 0])
    def test_stale_after_a_while(self, folder, seconds, clock_hours):
        claim = hold(folder)
        overview = self.start(folder, seconds, clock_hours)
        states = []
        for seconds[0] in range(0, 100, 10):
            states.append(overview.look()[0].state)
        assert states == ["running"] * 6 + ["stale"] * 4
        claim.refresh()
        assert overview.look()[0].state == "running"
        assert overview.look()[0].ping_age_seconds == 0
        claim.release()
        assert overview.look()[0].state == "pending"
        assert overview.look()[0].worker is None

    def test_clock_of_another_machine(self, folder, seconds):
        claim = hold(folder)
        overview = self.start(folder, seconds, clock_hours=1)
        assert overview.look()[0].state == "stale"
        claim.refresh()
        seconds[0] = 30
        (run,) = overview.look()
        assert run.state == "running" and run.ping_age_seconds == 0
        claim.release()


class TestFind:
    def test_a_single_run(self, tmp_path):
        make_run(tmp_path / "00007")
        (run,) = Overview(tmp_path / "00007").look()
        assert run.name == "00007" and run.episodes == 3

    def test_several_experiments(self, tmp_path):
        for name in ("b/00001", "a/x/00002", "a/00001", "a/x/y/z/00001"):
            make_run(tmp_path / name)
        (tmp_path / "a" / "notes").mkdir()
        names = [run.name for run in Overview(tmp_path).look()]
        assert {"a/00001", "a/x/00002", "b/00001"} <= set(names)
        assert "a/x/00001" in names  # Pending.
        assert not any("z" in name for name in names)

    def test_no_folder(self, tmp_path):
        with pytest.raises(RunFolderError, match="nothing"):
            Overview(tmp_path / "nothing").look()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("PING", b"\xff"),
        ("PING", b'{"worker": 3, "ping_every": "x", "step": "y"}'),
        ("PING", b'{"num_runs": 1e9, "seconds_left": NaN}'),
        ("PING", b'{"worker": "\\u001b[2J", "host": "\\u0007", "process": []}'),
        ("PING", b"[" * 10**5),
        ("PING", b'{"step": 1' + b"0" * 400 + b', "worker": ["\\u001b"]}'),
        ("DONE", b""),
        ("DONE", b'{"step": 5.5, "score": "\\u001b"}'),
        ("DONE", b'{"step": 1' + b"0" * 400 + b', "score": -1e999}'),
        ("FAIL", b""),
        ("FAIL", b"Error: \x1b]0;mine\x07\x1b[2J"),
        ("FAIL", b"x" * 10**6),
        ("FAIL", b"\xff\xfe"),
        ("config.yaml", b"a: !!python/object:os.system []"),
        ("config.yaml", b"params: 3"),
        ("config.yaml", b""),
        ("metrics.jsonl", b"nonsense\n"),
        ("metrics.jsonl", b'{"return": 1}\n{"return": "x", "phase": "test"}\n'),
        ("metrics.jsonl", b"[1]\n"),
    ],
)
def test_broken_files_are_no_problem(tmp_path, name, content):
    folder = make_run(tmp_path / "00001")
    (folder.path / name).write_bytes(content)
    runs = Overview(tmp_path).look()
    assert len(runs) in (1, 6)
    json.loads(to_json(runs))
    shown = show(runs, width=1000)
    assert shown.replace("\n", "").isprintable() and len(shown) < 9000
    if name in ("metrics.jsonl", "config.yaml") and b"params" not in content:
        assert runs[0].reason


def show(runs, width=80, **kwargs):
    console = Console(width=width)
    with console.capture() as capture:
        console.print(status_table(runs, console, **kwargs))
    return capture.get()


class TestTable:
    def test_all_states(self, logdir, runs):
        text = show(list(runs.values()), title="logs/walker", note="12:00")
        lines = text.splitlines()
        assert max(map(len, lines)) <= 80
        assert "logs/walker" in lines[0]
        row = next(line for line in lines if "00002" in line).split()
        assert row[:4] == ["00002", "running", "miller", "310"]
        assert row[4:8] == ["(31%)", "3", "15.0", "2.50"]
        assert row[-1] == "1:06:40"
        assert (
            " 1 running, 1 stale, 2 pending, 1 done, 1 failed   12:00" in text
        )
        assert " 00004: NonFiniteError: the loss is nan" in text

    def test_narrow_terminals(self):
        run = RunStatus(
            "folder/a_rather_long_name_of_an_experiment/00001",
            "",
            "running",
            worker="machine-with-a-long-name",
            step=49_999_999,
            max_steps=50_000_000,
            episodes=1000,
            score=999.9,
            updates_per_second=10.0,
            ping_age_seconds=30.0,
            seconds_left=360_000.0,
        )
        for width, hidden in ((200, 0), (120, 2), (80, 3)):
            text = show([run], width=width)
            assert max(map(len, text.splitlines())) <= width
            header = next(t for t in text.splitlines() if "state" in t)
            shown = {"worker", "ping", "upd/s"} & set(header.split())
            assert len(shown) == 3 - hidden
            assert "(99%)" in text and "100:00:00" in text
        assert run.name in show([run], width=200)

    def test_columns_without_anything_in_them_are_left_out(self):
        runs = [RunStatus("a/00001", "", "done", score=1.0)]
        runs.append(RunStatus("b/00001", "", "failed", reason="OSError"))
        header = next(t for t in show(runs).splitlines() if "state" in t)
        assert header.split() == ["run", "state", "episodes", "score"]
        runs[0].worker = "miller"
        assert "worker" in show(runs)


class TestScript:
    COMMAND = (sys.executable, str(ROOT / "scripts" / "status.py"), "--logdir")

    def run(self, *arguments):
        return subprocess.run(
            [*self.COMMAND, *arguments], capture_output=True, text=True
        )

    def test_json(self, logdir):
        result = self.run(str(logdir), "--json")
        assert result.returncode == 0, result.stderr
        content = json.loads(result.stdout)
        assert content["counts"]["pending"] == 2
        assert content["runs"][1]["step"] == 310
        assert content["runs"][1]["path"] == str(logdir / "00002")

    def test_watch(self, logdir):
        """Until Ctrl-C, which is no error."""
        arguments = [str(logdir), "--json", "--watch", "--every=0.1"]
        process = subprocess.Popen(
            [*self.COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What is started in the background ignores Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        first = json.loads(process.stdout.readline())
        RunFolder(logdir / "00005").done.write_text("{}")
        while (
            first["counts"] == json.loads(process.stdout.readline())["counts"]
        ):
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert "Traceback" not in errors

    def test_mistake(self, tmp_path):
        result = self.run(str(tmp_path / "nowhere"))
        assert result.returncode == 1
        assert "nowhere" in result.stderr
        assert len(result.stderr.splitlines()) == 1
