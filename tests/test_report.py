"""Reports: what is in them, and that they need nothing but themselves."""

import base64
import io
import itertools
import json
import os

import numpy as np
import pytest
from bad_folders import make_run, run_script
from PIL import Image
from report_runs import (
    Page,
    check_page,
    episode,
    losses,
    make,
    read_one,
    usual_records,
)
from small_runs import snapshot

from planet_tf2.data.run_folder import RunFolder, RunFolderError
from planet_tf2.evaluation.report import (
    gather,
    make_report,
    page,
    tables,
)
from planet_tf2.evaluation.report import report as report_module
from planet_tf2.evaluation.report.evaluations import find_evaluations
from planet_tf2.tools import video


class TestSpeed:
    def test_shares_of_time(self, tmp_path):
        records = usual_records(40)
        records[-2] |= {"decision_seconds": 0.02, "planning_seconds": 0.01}
        speed = tables.speed(read_one(make(tmp_path / "r", records)))
        # 40 updates at 2 per second, and two episodes of 250 decisions.
        assert speed["shares"] == pytest.approx([20 / 40, 10 / 40, 10 / 40])
        assert (speed["decision"], speed["planner"]) == (0.02, 0.01)
        assert speed["updates"] == 2

    def test_unknown(self, tmp_path):
        run = read_one(make(tmp_path / "r", [episode("seed", 1, 1.0)]))
        assert set(tables.speed(run).values()) == {None}


def frames_of(picture):
    content = base64.b64decode(picture.source.partition(",")[2])
    with Image.open(io.BytesIO(content)) as image:
        return getattr(image, "n_frames", 1)


def test_less_of_an_animation_where_there_is_less_room(tmp_path):
    gif = tmp_path / "v.gif"
    frames = np.random.default_rng(0).integers(0, 256, (60, 32, 32, 3))
    video.write_gif(gif, frames.astype(np.uint8))
    picture = page.animation(gif, 10**6, "words")
    assert (picture.width, picture.height) == (32, 32)
    assert frames_of(picture) == 60
    room = gif.stat().st_size // 2
    picture = page.animation(gif, room, "words")
    assert 10 <= frames_of(picture) <= 30
    assert len(picture.source) * 3 // 4 < room
    picture = page.animation(gif, 9000, "words")
    assert picture.source == picture.still
    assert page.animation(gif, 10, "words") is None
    for content in (b"", b"what?", gif.read_bytes()[:50]):
        gif.write_bytes(content)
        assert page.animation(gif, 10**6, "words") is None


ENTRY = {
    "task": "cheetah_run",
    "step": 200,
    "episodes": 3,
    "mean": 77.25,
    "stddev": 4.0,
    "confidence_interval": [70.0, 84.0],
    "returns": [73.0, 77.0, 81.0],
    "random": 12,
    "published": 662,
    "normalised": 0.1,
}


def entry(folder, **details):
    return {**ENTRY, "run": str(folder.path), **details}


def write_json(path, *entries, groups=()):
    path.write_text(json.dumps({"runs": entries, "groups": list(groups)}))
    return path


class TestEvaluations:
    def test_found_beside_the_run(self, tmp_path):
        """The newest counts; files of others are passed over."""
        folder = make(tmp_path / "e" / "00001")
        other = make(tmp_path / "x")
        for age, name, text in (
            (9, "b", entry(folder, mean=1.0)),
            (5, "a", entry(folder, mean=2.0)),
            (1, "other", entry(other)),
        ):
            path = write_json(tmp_path / "e" / f"evaluation-{name}.json", text)
            os.utime(path, (1e9 - age, 1e9 - age))
        (tmp_path / "e" / "evaluation-d.json").write_text("what?")
        run = read_one(folder)
        (one,), _ = find_evaluations([run], places=[tmp_path / "e"])
        assert one.run is run and one.path.name == "evaluation-a.json"
        assert one.result["mean"] == 2.0

    def test_of_a_folder_that_was_moved(self, tmp_path):
        """Groups of runs count if all of them are known."""
        run = read_one(make(tmp_path / "e" / "00001"))
        moved = {**ENTRY, "run": "/elsewhere/e/00001"}
        other = {**ENTRY, "run": "/elsewhere/other/00001", "task": "b"}
        path = tmp_path / "evaluation.json"
        for entries, groups in (([moved], ["a"]), ([moved, other], [])):
            several = {"runs": 2, "task": "a", "experiment": "e"}
            several["interquartile_mean"] = 1.0
            single = {**several, "runs": 1}
            write_json(path, *entries, groups=[several, single])
            found, sums = find_evaluations([run], [path])
            assert [one.result["task"] for one in found] == ["cheetah_run"]
            assert [group["task"] for group in sums] == groups

    @pytest.mark.parametrize(
        "content, message",
        [
            (None, "No such file"),
            ("what?", "not a file that"),
            ('{"runs": [{"run": "a"}]}', "'runs.0.task' is missing"),
            ("[" * 10**5, "not a file that"),
            ('{"runs": [], "groups": 3}', "'groups'"),
            (
                json.dumps({"runs": [{**ENTRY, "run": "", "mean": "high"}]}),
                "'runs.0.mean' should be a valid number",
            ),
            (json.dumps({"runs": [{**ENTRY, "run": "/x/y"}]}), "none of the"),
        ],
    )
    def test_files_that_were_named(self, tmp_path, content, message):
        run = read_one(make(tmp_path / "run"))
        path = tmp_path / "mine.json"
        if content is not None:
            path.write_text(content)
        with pytest.raises(RunFolderError, match=message):
            find_evaluations([run], [path])


class TestTables:
    def test_command_and_parameters(self, tmp_path):
        run = read_one(make(tmp_path / "e" / "00001", planner_horizon=7))
        command = tables.command("e", [run])
        assert command.startswith(
            "python scripts/train.py --logdir logs/e --config debug --params"
        )
        assert "planner_horizon: 7" in command
        rows = {row["name"]: row for row in tables.parameters(run)}
        assert rows["planner_horizon"]["changed"]
        assert rows["planner_horizon"]["default"] == "12"
        assert not rows["model_size"]["changed"]  # The preset's.
        assert "camera_id" not in rows
        assert "\nplanner_horizon: 7\n" in tables.all_parameters(run)

    def test_scores(self, tmp_path):
        for name, scores in (("00001", [0, 1, 2, 3, 4, 5]), ("00002", [8.0])):
            tests = [episode("test", n, s, 5) for n, s in enumerate(scores)]
            make(tmp_path / "e" / name, tests, camera_id=len(scores))
        group = gather.gather(tmp_path / "e")
        (text,) = tables.differences(group)
        assert "camera_id" in text
        row = tables.score_row("cheetah_run", group)
        # The last five of the first run have a mean of 3.
        assert row["mean"] == pytest.approx(5.5) and row["runs"] == 2
        assert row["way"] == pytest.approx((5.5 - 12) / (662 - 12))
        assert row["interval"] == [3.0, 8.0]
        assert row["evaluated"] is None

    def test_evaluation_of_a_single_run(self, tmp_path):
        folders = [make(tmp_path / "e" / f"0000{n}") for n in (1, 2)]
        entries = [entry(folders[0], step=s, mean=float(s)) for s in (5, 9, 7)]
        path = write_json(tmp_path / "evaluation.json", *entries)
        runs = [read_one(folder) for folder in folders]
        evaluated, _ = find_evaluations(runs, [path])
        row = tables.score_row("cheetah_run", runs[:1], evaluated)
        assert row["evaluated"]["mean"] == 9.0
        # The interval over runs says more than a single one of them.
        row = tables.score_row("cheetah_run", runs, evaluated)
        assert row["evaluated"] is None


class TestGather:
    def test_experiments_below(self, tmp_path):
        for name in ("a/00001", "a/00002", "b/00001"):
            make(tmp_path / name)
        make_run(tmp_path / "b" / "00002")  # Not more than begun.
        found = [(r.experiment, r.name) for r in gather.gather(tmp_path)]
        assert found == list(itertools.product("ab", ("00001", "00002")))

    def test_updates_of_tests_are_those_of_training(self, tmp_path):
        test = {"phase": "test", "step": 20, "update": 1, "image_loss": 3.0}
        run = read_one(make(tmp_path / "r", [*losses(4), test]))
        assert [x.tolist() for x in run.series("test", "image_loss")] == [
            [4.0],
            [3.0],
        ]
        assert run.totals["updates"] == 4


class TestReport:
    @pytest.fixture
    def experiments(self, tmp_path):
        for name in ("a/00001", "a/00002", "b/00001"):
            make(tmp_path / "logs" / name, pictures=True)
        folder = RunFolder(tmp_path / "logs" / "b" / "00001")
        folder.fail.write_text("Traceback\n<script>alert(1)</script>: 1 < 2\n")
        write_json(
            tmp_path / "logs" / "a" / "evaluation.json",
            entry(RunFolder(tmp_path / "logs" / "a" / "00002")),
        )
        return tmp_path / "logs"

    def test_several_experiments(self, experiments, tmp_path):
        before = snapshot(experiments)
        out = tmp_path / "new" / "report.html"
        make_report(experiments, out)
        assert snapshot(experiments) == before
        found = Page(out)
        check_page(found)
        text = found.text
        assert "3 runs: 2 unfinished, 1 failed" in text
        for words in ("77.2 ± 4.0", "70.0 to 84.0", "--num_runs 2"):
            assert words in text
        assert "random 12, published 662" in text
        assert "<script>alert(1)</script>: 1 < 2" in text  # As text.
        # Two animations of each run.
        assert len(found.of("img")) == 6
        assert len(found.of("svg")) > 12
        assert {"comparison", "warnings", "runs"} <= {
            a.get("id") for _, a in found.elements
        }

    def test_one_run(self, experiments, tmp_path):
        make_report(experiments / "a" / "00001", tmp_path / "r.html")
        found = Page(tmp_path / "r.html")
        check_page(found)
        assert "a 00001" in found.text and "00002" not in found.text
        assert "The run is unfinished" in found.text
        assert "comparison" not in [a.get("id") for _, a in found.elements]
        with pytest.raises(RunFolderError, match="belongs to its training"):
            make_report(tmp_path, experiments / "a" / "00001" / "r.html")

    def test_run_with_random_episodes_only(self, tmp_path, monkeypatch):
        """And its videos, for which there is room or not."""
        make(tmp_path / "run", usual_records()[:2], pictures=True)
        make_report(tmp_path / "run", tmp_path / "r.html", title="<b>Mine</b>")
        whole = (tmp_path / "r.html").stat().st_size
        found = Page(tmp_path / "r.html")
        check_page(found)
        assert "No test return yet" in found.text
        assert "<title>&lt;b&gt;Mine" in found.source
        monkeypatch.setattr(report_module, "MEDIA_BYTES", 10_000)
        make_report(tmp_path / "run", tmp_path / "r.html")
        pictures = sum(
            path.stat().st_size for path in (tmp_path / "run").glob("*.gif")
        )
        assert (tmp_path / "r.html").stat().st_size < whole - pictures

    def test_several_tasks_and_heads(self, tmp_path):
        records, tasks = usual_records(30), ["cheetah_run", "walker_walk"]
        records[-1]["task"] = "walker_walk"
        for record in records[2:32]:
            record |= {"velocity_loss": 3.0, "gradient_norm_velocity": 1.0}
        make(tmp_path / "run", records, tasks=tasks, action_repeat=None)
        make_report(tmp_path / "run", tmp_path / "r.html")
        labels = str(Page(tmp_path / "r.html").of("svg"))
        assert "Velocity loss" in labels and "walker_walk" in labels


class TestScript:
    def test_allow_failed(self, tmp_path):
        folder = make(tmp_path / "run", [])
        folder.fail.write_text("OSError: the disk is full\n")
        arguments = ["--logdir", tmp_path / "run", "--out", tmp_path / "r.html"]
        assert run_script("report", *arguments) == 1
        assert run_script("report", *arguments, "--allow_failed") == 0

    @pytest.mark.slow
    def test_real_run(self, trained, tmp_path, capsys):
        before = snapshot(trained.folder.path)
        out = tmp_path / "report.html"
        path = trained.folder.path.parent
        assert run_script("report", "--logdir", path, "--out", out) == 0
        found = Page(out)
        check_page(found)
        assert "The run is finished" in found.text
        assert "not measured" not in found.text
        assert snapshot(trained.folder.path) == before
        assert "Written" in capsys.readouterr().out


def test_journal_of_another_program(tmp_path):
    for name, text in (("00001", "step,loss\n"), ("00002", "\ufeff{}\n")):
        (make_run(tmp_path / name) / "metrics.jsonl").write_text(text)
        with pytest.raises(RunFolderError, match="is broken at byte 0"):
            gather.gather(tmp_path / name)
