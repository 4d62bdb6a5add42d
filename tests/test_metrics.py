"""Lines of metrics.jsonl that no run has written, and who reads them."""

import json
import pathlib

import pytest
from bad_folders import run_script
from report_runs import make, usual_records

from planet_tf2.data.metrics import Metrics
from planet_tf2.experiment.status import Overview
from planet_tf2.training.episode_log import EpisodeLog

UPDATE = {"phase": "train", "step": 200, "update": 41, "image_loss": 1.0}
EPISODE = {**usual_records()[-1], "file": "new.npz"}
# What is wrong with a line behind the usual ones, and what has to be said.
WRONG = {
    "number": (b"3", "it should be a mapping"),
    "text": (b'"step"', "it should be a mapping"),
    "binary": (b"\x89PNG\xff\xfe\x00\x1b[2J", "is not JSON"),
    "nested": (b"[" * 10**5, "is not JSON"),
    "huge": (b'{"step": "' + b"9" * 2**21 + b'"}', "is not JSON"),
    "half a character": (b'{"phase": "\\ud800"}', "is not JSON"),
    "other phase": ({**UPDATE, "phase": "pretrain"}, "'phase'"),
    "step that is nan": ({**UPDATE, "step": float("nan")}, "'step'"),
    "step as text": ({**UPDATE, "step": "200"}, "'step'"),
    "step below 0": ({**UPDATE, "step": -1}, "'step'"),
    "step of 400 digits": ({**UPDATE, "step": 10**400}, "'step'"),
    "earlier step": ({**UPDATE, "step": 195}, "step 195 is behind step 200"),
    "loss as text": ({**UPDATE, "image_loss": "low"}, "'image_loss'"),
    "seconds as text": ({**UPDATE, "elapsed_seconds": "7"}, "'elapsed_sec"),
    "other split": ({**EPISODE, "split": "../x"}, "'split'"),
    "return as text": ({**EPISODE, "return": "high"}, "'return'"),
    "steers the terminal": ({**EPISODE, "task": "\x1b[2Jwalk"}, "'task'"),
    "file above": ({**EPISODE, "file": "../mine.npz"}, "'file'"),
    "file below": ({**EPISODE, "file": "sub/mine.npz"}, "'file'"),
    "no episode": ({**EPISODE, "file": "notes.txt"}, "'file'"),
    "file with a zero byte": ({**EPISODE, "file": "x\0.npz"}, "'file'"),
    "file as number": ({**EPISODE, "file": 7}, "'file'"),
    "twice": ({**EPISODE, "file": "1.npz"}, "1.npz is there twice"),
}
WRONG |= {
    f"without {key}": (
        {k: v for k, v in EPISODE.items() if k != key},
        f"{key!r} is missing",
    )
    for key in ("split", "task", "episode", "env_step", "step")
}


@pytest.mark.parametrize("kind", WRONG)
def test_nothing_is_removed(kind, tmp_path, monkeypatch):
    """File and byte are named, and no file of anybody is touched."""
    wrong, message = WRONG[kind]
    folder = make(tmp_path / "logs" / "00001").create()
    position = folder.metrics.stat().st_size
    line = wrong if isinstance(wrong, bytes) else json.dumps(wrong).encode()
    with open(folder.metrics, "ab") as file:
        # A whole line behind it, so that it is not the end of a crash.
        file.write(line + b"\n" + json.dumps(UPDATE).encode() + b"\n")
    files = [
        folder.path / "mine.npz",
        folder.test_episodes / "new.npz",
        folder.test_episodes / "1.npz",
        folder.test_episodes / "notes.txt",
    ]
    for file in files:
        file.write_text("mine")
    removed = []
    monkeypatch.setattr(pathlib.Path, "unlink", removed.append)
    with pytest.raises(ValueError) as caught:
        EpisodeLog(folder).rollback(position)
    assert not removed
    (status,) = Overview(folder.path).look()
    for text in (str(caught.value), status.reason.removeprefix("ValueError: ")):
        assert f"{folder.metrics} is broken at byte {position}: " in text
        assert message in text and len(text) < 500 and text.isprintable()


@pytest.mark.parametrize("name", ["plot", "report"])
def test_programs(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = make(tmp_path / "logs" / "00001")
    with open(folder.metrics, "a") as file:
        file.write('{"return": 1.0}\n[]\n')
    status = run_script(name, "--logdir", folder.path, "--out=r.html")
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err
    if name == "report":
        assert status == 0 and "is broken at byte" in open("r.html").read()
    else:
        assert status == 1 and len(said.err.splitlines()) == 1


def test_what_runs_write_is_fine(tmp_path):
    """Also before some of it was written, and what JSON has no words for."""
    folder = make(tmp_path / "00001")
    journal = Metrics(folder.metrics)
    more = [
        {**UPDATE, "image_loss": float("nan"), "my_own_norm": 3},
        {k: v for k, v in UPDATE.items() if k != "update"},
        {**EPISODE, "return": float("-inf"), "collect": "test-0"},
        {k: EPISODE[k] for k in EPISODE.keys() - {"elapsed_seconds", "file"}},
    ]
    for record in more:
        journal.append(record)
    assert [r["step"] for r in journal][-5:] == [200] * 5
    assert list(journal)[-2]["return"] == "-inf"
