"""Every program that works on runs, and folders that it cannot work with."""

import ast
import os

import pytest
from bad_folders import SCRIPTS, bad_folder, make_run, run_script
from small_runs import snapshot

from planet_tf2.tools.journal import Journal

__all__ = ["bad_folder"]

# What else each program has to be told. It may write into `out` below.
ARGUMENTS = {
    "diagnose": ["--out=out/d.json"],
    "evaluate": ["--out=out/e.json"],
    "export": ["--format=saved_model", "--out=out/policy"],
    "fetch_events": ["--outdir=out"],
    "inspect_planner": ["--out=out/p.html"],
    "plot": ["--out=out/c.png"],
    "publish_result": ["--results=out", "--page=page.md"],
    "report": ["--out=out/r.html"],
    "status": [],
    "video_prediction": ["--out=out/v.gif"],
    "viewer": [],
    "watch": ["--out=out/w.gif"],
}
# Their --logdir is where runs go to, and need not be there yet or be finished.
MAKE_RUNS = {
    "collect": "plays for runs that are unfinished",
    "doctor": "looks how much room there is for runs",
    "train": "makes runs; its own tests say which folders it refuses",
    "tune": "makes trials, whose runs `train` refuses",
}
# These are for folders that others refuse.
TELLS_ANYWAY = {
    ("status", "unfinished"): "PING",
    ("status", "failed"): "the disk is full",
}


def scripts_with_logdir():
    """Returns the programs that define a flag of that name."""
    found = set()
    for path in SCRIPTS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "attr", "").lower().startswith("define")
                and isinstance(node.args[0], ast.Constant)
                and node.args[0].value == "logdir"
            ):
                found.add(path.stem)
    return found


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, and no screen."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "work"


def test_all_programs_are_here():
    """One that is new has to be added, or needs a reason."""
    assert scripts_with_logdir() == {*ARGUMENTS, *MAKE_RUNS}


def run_it(name, path, capsys):
    """Returns the status of a program and the lines of its error."""
    status = run_script(name, "--logdir", path, *ARGUMENTS[name])
    return status, capsys.readouterr()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_says_in_a_line_what_is_wrong(
    name,
    bad_folder,  # noqa: F811
    request,
    place,
    capsys,
):
    path, message = bad_folder
    kind = request.node.callspec.params["bad_folder"]
    before = snapshot(path)
    status, said = run_it(name, path, capsys)
    assert snapshot(path) == before
    if (name, kind) in TELLS_ANYWAY:
        assert status == 0 and said.out.strip()
        return
    assert status == 1
    if name == "status" and kind == "of_another_program":
        message = "bad"  # It only looks at names.
    if name == "status" and kind == "a_file":
        message = "There is no folder"
    assert message in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert "Traceback" not in said.err + said.out
    # Of a run that failed at once, a report tells why.
    wrote = name == "report" and kind == "failed"
    assert os.listdir(place) == ["out"] * wrote


@pytest.mark.parametrize("name", sorted({*ARGUMENTS} - {"status", "report"}))
def test_takes_failed_runs_only_if_told(name, place, capsys):
    """There is something in it, but it failed."""
    path = make_run(place.parent / "logs" / "00001")
    Journal(path / "metrics.jsonl").append({"phase": "train", "step": 5})
    (path / "checkpoints").mkdir()
    (path / "FAIL").write_text("at step 5\n\nValueError: no such texture\n")
    status, said = run_it(name, path, capsys)
    assert status == 1
    assert "no such texture" in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert not os.listdir(place)


@pytest.mark.parametrize(
    "name",
    ["diagnose", "evaluate", "inspect_planner", "plot", "video_prediction"],
)
def test_refuses_to_write_into_the_run(name, place, capsys):
    make_run(place / "out")
    before = snapshot(place)
    status, said = run_it(name, place / "out", capsys)
    assert status == 1 and "belongs to its training" in said.err
    assert snapshot(place) == before


def endless(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    "file", ["PING", "FAIL", "DONE", "config.yaml", "metrics.jsonl"]
)
@pytest.mark.parametrize("make_entry", [os.mkfifo, os.mkdir, endless])
@pytest.mark.parametrize("name", ["status", "plot"])
def test_other_things_in_the_place_of_files(
    name, file, make_entry, place, capsys
):
    """Nobody waits for what will never come through a pipe."""
    path = make_run(place.parent / "logs" / "00001")
    Journal(path / "metrics.jsonl").append({"phase": "train", "step": 5})
    (path / file).unlink(missing_ok=True)
    make_entry(path / file)
    status, said = run_it(name, path, capsys)
    assert "Traceback" not in said.err and len(said.err.splitlines()) <= 1
    assert str(path) in said.err or not status
