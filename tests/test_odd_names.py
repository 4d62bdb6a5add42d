"""Names of folders and tasks that terminals and figures could take wrongly."""

import json
import re
import shutil

import pytest
from bad_folders import run_script
from report_runs import episode, make

from planet_tf2.evaluation import figures
from planet_tf2.tools import command

NAMES = ["a\x1b[31m\x1b[2Jred", "b\nc", "$x^{2$", "_under", "\u202emirrored"]
SHOWN = [name.encode("unicode_escape").decode() for name in NAMES]
_STEERS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")


@pytest.fixture(name="logdir")
def _logdir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")
    records = [
        episode("test", number, 1.0, 10 * number, task="my$task$:_f")
        for number in range(1, 4)
    ]
    for name in NAMES:
        make(tmp_path / "logs" / name / "00001", records)
    return tmp_path / "logs"


def test_status(logdir, capsys):
    (logdir / NAMES[0] / "00001" / "FAIL").write_text("E: \x1b[2J $\x07")
    assert run_script("status", "--logdir", logdir) == 0
    said = capsys.readouterr().out
    assert not _STEERS.search(said)
    for name in SHOWN:
        assert f"{name}/00001" in said
    assert run_script("status", "--logdir", logdir, "--json") == 0
    runs = json.loads(capsys.readouterr().out)["runs"]
    assert {run["name"] for run in runs} == {f"{name}/00001" for name in NAMES}


def test_plot(logdir, capsys):
    # Those that a flag refuses come by way of a pattern of the shell.
    folders = [str(logdir / name) for name in ("$x^{2$", "_under")]
    assert run_script("plot", "--logdir", *folders, "--out=p.png") == 0
    assert not _STEERS.search(capsys.readouterr().out)
    table = (logdir.parent / "p.csv").read_text()
    assert "$x^{2$,00001,my$task$:_f" in table and "_under," in table


@pytest.mark.parametrize("name", NAMES)
def test_figures(name):
    ax = figures.panel(f"{name} $", "steps \\alpha$")
    for text in (name, "other"):
        ax.plot([1, 2], label=figures.legend_name(text))
    figures.legend(ax)
    svg = figures.to_svg(ax.figure, name)
    assert len(ax.get_legend().get_texts()) == 2
    assert "\\alpha$" in svg and "mathdefault" not in svg


def test_report(logdir):
    for name in (NAMES[1], *NAMES[3:]):
        shutil.rmtree(logdir / name)  # Each takes its time.
    assert run_script("report", "--logdir", logdir) == 0
    page = (logdir.parent / "report.html").read_text()
    assert SHOWN[0] in page and "$x^{2$/00001&#39;</code> does it" in page


def test_errors(capsys):
    def work():
        raise ValueError("no \x1b[2J\x07 and\nmore\u202e")

    assert command.run(work) == 1
    said = capsys.readouterr().err
    assert said == "Error: no \\x1b[2J\\x07 and\nmore\\u202e\n"
