"""What disks, clocks and people do to runs. The parts of the runs are fakes."""

import contextlib
import functools
import json
import os
import shutil
import subprocess
import time

import pytest
from experiment_fakes import left
from session_fakes import RETURN, Program

from planet_tf2.data.run_folder import RunFolder, RunFolderError
from planet_tf2.experiment.claims import Claim
from planet_tf2.experiment.experiment import Experiment
from planet_tf2.experiment.watching import see
from planet_tf2.tools.journal import Journal
from planet_tf2.training.checkpoints import SaveError
from planet_tf2.training.episode_log import EpisodeLog


class Runs:
    """An experiment of one run, made of fakes."""

    def __init__(self, logdir, on_rollout=lambda run: None, **kwargs):
        self.programs = []
        self._on_rollout = on_rollout
        self.experiment = Experiment(logdir, report=lambda text: None, **kwargs)

    def work(self):
        scores = []
        for run in self.experiment:
            scores.append([])
            with run:
                program = Program(
                    run.folder,
                    on_rollout=functools.partial(self._on_rollout, run),
                    guard=run.guard,
                )
                self.programs.append(program)
                scores[-1] = program.run()
        return scores


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    runs = Runs(tmp_path_factory.mktemp("undisturbed"))
    assert runs.work() == [[RETURN, RETURN]]
    return runs.programs[0].trace()


def check_goes_on(logdir, undisturbed, **kwargs):
    runs = Runs(logdir, **kwargs)
    runs.work()
    assert not left(runs.experiment)
    assert runs.programs[0].trace() == undisturbed


def listing(path):
    return {
        str(p.relative_to(path)): p.is_file() and p.read_bytes()
        for p in path.rglob("*")
    }


@contextlib.contextmanager
def small_disk(path, size):
    """A file system of so many bytes, where it is allowed to make one."""
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path]
    if not shutil.which("mount"):
        pytest.skip("There is no mount.")
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("Not allowed to mount a file system.")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def fill(path):
    """Leaves no room on a disk."""
    with contextlib.suppress(OSError), open(path, "wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()


@pytest.mark.parametrize("rollout", [1, 3])
def test_full_disk(tmp_path, undisturbed, rollout):
    rollouts = []

    def on_rollout(run):
        rollouts.append(run)
        if len(rollouts) == rollout:
            fill(tmp_path / "disk" / "other")

    logdir = tmp_path / "disk" / "runs"
    with small_disk(tmp_path / "disk", 2**20):
        runs = Runs(logdir, on_rollout=on_rollout)
        with pytest.raises(OSError, match="No space left on device"):
            runs.work()
        folder = RunFolder(logdir / "00001")
        assert not folder.done.exists() and not folder.ping.exists()
        (tmp_path / "disk" / "other").unlink()
        check_goes_on(logdir, undisturbed, retry_failed=True)


def test_full_disk_when_saving(tmp_path, undisturbed, monkeypatch):
    """The episode is announced and published, and then there is no room."""

    def add(log, *args, **kwargs):
        result = original(log, *args, **kwargs)
        if log.announced("train") + log.announced("test") == 6:
            fill(tmp_path / "disk" / "other")
        return result

    logdir = tmp_path / "disk" / "runs"
    original = EpisodeLog.add
    with small_disk(tmp_path / "disk", 2**20):
        monkeypatch.setattr(EpisodeLog, "add", add)
        with pytest.raises(SaveError, match="No space left on device") as info:
            Runs(logdir).work()
        monkeypatch.undo()
        assert "The last one, ckpt-" in str(info.value)
        assert "\n" not in str(info.value)
        assert Journal(logdir / "00001" / "metrics.jsonl").position
        (tmp_path / "disk" / "other").unlink()
        check_goes_on(logdir, undisturbed, retry_failed=True)


def test_folder_that_becomes_read_only(tmp_path, undisturbed):
    logdir = tmp_path / "disk" / "runs"

    def mount(*options):
        subprocess.run(["mount", *options, logdir], check=True)

    def make_read_only(run):
        mount("--bind", logdir)
        mount("-o", "remount,bind,ro")

    with small_disk(tmp_path / "disk", 2**20):
        runs = Runs(logdir, on_rollout=make_read_only)
        try:
            with pytest.raises(OSError, match="Read-only file system"):
                runs.work()
            before = listing(logdir)
            with pytest.raises(RunFolderError, match="write-protected"):
                Runs(logdir)
            assert listing(logdir) == before
        finally:
            subprocess.run(["umount", "-l", logdir], check=True)
        # PING could not be removed. This process is alive, so it is watched.
        check_goes_on(
            logdir, undisturbed, retry_failed=True, wait=lambda seconds: None
        )


@pytest.mark.parametrize("hours", [-1, 1])
def test_clock_that_is_set(tmp_path, monkeypatch, undisturbed, hours):
    """In the middle of a run, for everything that asks for the time."""
    shift = [0.0]
    clock, fine = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: clock() + shift[0])
    monkeypatch.setattr(time, "time_ns", lambda: fine() + int(shift[0] * 10**9))

    def on_rollout(run):
        shift[0] = hours * 3600.0

    runs = Runs(tmp_path, on_rollout=on_rollout)
    assert runs.work() == [[RETURN, RETURN]]
    assert runs.programs[0].trace() == undisturbed


@pytest.mark.parametrize("hours", [-1, 1])
def test_clocks_that_differ_between_workers(tmp_path, monkeypatch, hours):
    """Neither is a living worker robbed nor a dead one waited for."""
    clock = time.time
    runs = Runs(tmp_path, wait=lambda seconds: waited.append(seconds))
    waited = []
    folder = runs.experiment.folder(1)
    folder.create()
    claim = Claim(folder.ping, "other", 30)
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: clock() + hours * 3600)
        claim.acquire()
    sight = see(folder.ping)
    os.utime(folder.ping, (time.time() + hours * 3600,) * 2)
    runs.work()
    assert sum(waited) == pytest.approx(60)
    assert sight != see(folder.ping)
    assert json.loads(folder.done.read_text())["score"] == RETURN


def test_run_that_is_taken_over(tmp_path, undisturbed):
    """Whoever lost it leaves it as it was when they lost it."""
    lost = []

    def take_over(run):
        if not lost:
            lost.append(run)
            other = Runs(tmp_path, wait=lambda seconds: None)
            other.work()
            assert other.programs[0].trace() == undisturbed
            lost.append(listing(tmp_path))

    runs = Runs(tmp_path, on_rollout=take_over)
    assert runs.work() == [[]]
    assert listing(tmp_path) == lost[1]
