"""Learning curves, against numbers computed by hand."""

import csv

import numpy as np
import pytest
from bad_folders import make_run, run_script
from PIL import Image
from small_runs import snapshot

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation.curves import Curve, average, read_curves, smooth
from planet_tf2.evaluation.plot import plot
from planet_tf2.tools.journal import Journal


def episode(split, episode, score, step=0, phase=None, **details):
    """A line of the journal; each episode has a thousand simulator steps."""
    return {
        "phase": phase or split,
        "step": step,
        "split": split,
        "task": "cheetah_run",
        "episode": episode,
        "env_step": 1000 * episode,
        "return": score,
        "file": f"20260101T000000-{split}{episode}.npz",
        **details,
    }


def write(path, *records):
    """Makes a run with a journal."""
    folder = RunFolder(make_run(path, tasks=["cheetah_run"], action_repeat=4))
    journal = Journal(folder.metrics)
    for record in records:
        journal.append(record)
    return folder


@pytest.fixture
def folder(tmp_path):
    """Two seed episodes; then a training and two test episodes, twice."""
    hour = 3600
    return write(
        tmp_path / "cheetah" / "00001",
        episode("train", 1, 10, phase="seed", elapsed_seconds=1),
        episode("train", 2, 12, phase="seed", elapsed_seconds=2),
        episode("test", 1, 11, phase="seed", elapsed_seconds=3),
        {"phase": "train", "step": 50, "update": 1, "elapsed_seconds": 4},
        episode("train", 3, 20, 50, elapsed_seconds=hour),
        episode("test", 2, 30, 60, env_step=3000, elapsed_seconds=hour + 36),
        episode("test", 3, 40, 60, env_step=3000, elapsed_seconds=hour + 72),
        episode("train", 4, 50, 110, elapsed_seconds=2 * hour),
        episode("test", 4, "nan", 120, env_step=4000, elapsed_seconds=3 * hour),
        episode("test", 5, 70, 180, env_step=4000, elapsed_seconds=4 * hour),
    )


def columns(curve):
    return [
        curve.episodes.tolist(),
        curve.steps.tolist(),
        curve.hours.tolist(),
        curve.score.tolist(),
    ]


class TestReading:
    def test_test_returns(self, folder):
        (curve,) = read_curves(folder, "test")
        assert (curve.task, curve.split) == ("cheetah_run", "test")
        episodes, steps, hours, score = columns(curve)
        assert episodes == [3, 4, 4]
        assert steps == [3000, 4000, 4000]
        # Those of one test phase are one point, at its end.
        assert hours == [1.02, 3, 4]
        assert score[0] == 35 and np.isnan(score[1]) and score[2] == 70

    def test_training_returns(self, folder):
        (curve,) = read_curves(folder, "train")
        assert columns(curve) == [[3, 4], [3000, 4000], [1, 2], [20, 50]]

    def test_several_tasks(self, tmp_path):
        folder = write(
            tmp_path / "run",
            episode("train", 1, 1, 10),
            episode("train", 2, 2, 10, task="walker_walk"),
            episode("train", 3, 3, 20),
        )
        run, walk = read_curves(folder, "train")
        assert (walk.task, run.task) == ("walker_walk", "cheetah_run")
        assert walk.episodes.tolist() == [2]
        assert run.episodes.tolist() == [1, 3]


def curve(x, score, run="run"):
    x, score = np.array(x, float), np.array(score, float)
    folder = RunFolder(run)
    return Curve(folder, "cheetah_run", "test", x, 1000 * x, x / 4, score)


def test_smoothing():
    result = smooth(curve([1, 2, 3, 4], [3, 5, 7, 30]), 3)
    assert result.score.tolist() == [3, 4, 5, 14]
    assert result.episodes.tolist() == [1, 2, 3, 4]
    assert smooth(result, 1).score.tolist() == [3, 4, 5, 14]


class TestAverage:
    def test_by_hand(self):
        band = average(
            [curve([0, 2, 4], [0, 4, 4]), curve([1, 3, 6], [10, 20, 80])],
            "episodes",
        )
        assert band.x.tolist() == [1, 2, 3, 4]
        first, second = np.array([2, 4, 4, 4]), np.array([10, 15, 20, 40])
        np.testing.assert_allclose(band.mean, (first + second) / 2)
        np.testing.assert_allclose(band.low, first)
        np.testing.assert_allclose(band.high, second)
        # Of two numbers it is their distance, over the root of two.
        np.testing.assert_allclose(
            band.stddev, (second - first) / np.sqrt(2), rtol=1e-6
        )
        assert band.runs == 2

    def test_one_run(self):
        band = average([curve([1, 2], [3, 5])], "hours")
        assert band.x.tolist() == [0.25, 0.5]
        assert band.mean.tolist() == [3, 5]
        assert band.stddev.tolist() == [0, 0]

    def test_nothing_in_common(self):
        apart = [curve([1, 2], [0, 0]), curve([3, 4], [0, 0])]
        assert average(apart, "episodes") is None

    def test_unknown_places(self):
        known = curve([1, 2, 3], [1, 2, 3])
        holes = curve([1, np.nan, 3], [1, 50, 3])
        assert average([known, holes], "episodes").mean.tolist() == [1, 2, 3]
        nowhere = curve([np.nan], [1])
        assert average([known, nowhere], "episodes") is None


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


class TestPlot:
    @pytest.fixture
    def several(self, tmp_path):
        """Two seeds of one experiment and one of another."""
        result = []
        for name, shift in (("a/00001", 0), ("a/00002", 20), ("b/00001", 5)):
            lines = []
            for n in range(1, 4):
                past = {"elapsed_seconds": 60 * n}
                lines.append(episode("train", n, n, 100 * n - 1, **past))
                score = 10 * n + shift
                lines.append(episode("test", n, score, 100 * n, **past))
            result.append(write(tmp_path / name, *lines))
        return result

    def test_files(self, several, tmp_path, capsys):
        before = snapshot(tmp_path / "a")
        plot(several, tmp_path / "new" / "c.png")
        assert snapshot(tmp_path / "a") == before
        with Image.open(tmp_path / "new" / "c.png") as image:
            assert image.size == (3 * 440, 340)
            colors = len(image.convert("RGB").getcolors(1 << 20))
            assert colors > 20
        table = rows(tmp_path / "new" / "c.csv")
        assert len(table) == 9
        assert list(table[4].values()) == (
            "a 00002 cheetah_run test 2 2000 0.0333 40.000".split()
        )
        means = rows(tmp_path / "new" / "c-mean.csv")
        assert len(means) == 2 * 3 * 3  # Experiments, axes, places.
        assert means[1].pop("x") == "2"
        spread = {"mean": 30, "stddev": 14.142, "min": 20, "max": 40, "runs": 2}
        for name, value in spread.items():
            assert float(means[1][name]) == value
        assert str(tmp_path / "new" / "c.png") in capsys.readouterr().out

    def test_choices(self, several, tmp_path):
        plot(
            several,
            tmp_path / "c.png",
            ["hours"],
            ["train", "test"],
            "minmax",
            2,
            labels=["first", "second"],
        )
        with Image.open(tmp_path / "c.png") as image:
            assert image.size == (440, 340)
        table = rows(tmp_path / "c.csv")
        assert {row["experiment"] for row in table} == {"first", "second"}
        assert {row["split"] for row in table} == {"train", "test"}
        means = rows(tmp_path / "c-mean.csv")
        # Smoothed over two: 10, 15, 25 and 30, 35, 45.
        assert [
            row["mean"]
            for row in means
            if row["experiment"] == "first" and row["split"] == "test"
        ] == ["20.000", "25.000", "35.000"]
        # The table of returns has them as they are.
        assert {"10.000", "20.000", "30.000"} <= {r["return"] for r in table}

    def test_bands_differ_and_nothing_else(self, several, tmp_path):
        images = []
        for band in ("std", "minmax", "none", "std"):
            plot(several, tmp_path / "c.png", band=band)
            images.append((tmp_path / "c.png").read_bytes())
        assert len(set(images)) == 3 and images[0] == images[3]

    def test_a_run_without_returns(self, several, tmp_path, capsys):
        new = write(tmp_path / "a" / "00003")
        plot([*several, new], tmp_path / "c.png")
        assert "00003: it has no test return" in capsys.readouterr().out
        with pytest.raises(ValueError, match="unfinished, it has no train ret"):
            plot([new], tmp_path / "d.png", splits=["train"])
        assert not (tmp_path / "d.png").exists()

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"axes": ["days"]}, "x is days"),
            ({"axes": []}, "x is empty"),
            ({"splits": ["test", "test"]}, "split is test,test"),
            ({"labels": ["one"]}, "2 different ones, for a, b"),
            ({"labels": ["one", "one"]}, "2 different ones"),
        ],
    )
    def test_wrong_choices(self, several, tmp_path, change, message):
        with pytest.raises(ValueError, match=message):
            plot(several, tmp_path / "c.png", **change)
        assert not (tmp_path / "c.png").exists()


def test_script(folder, tmp_path, capsys):
    out = tmp_path / "c.png"
    arguments = ["--logdir", f"{folder.path},{folder.path.parent}"]
    assert run_script("plot", *arguments, "--out", out, "--x=hours") == 0
    assert out.exists() and "Written" in capsys.readouterr().out
