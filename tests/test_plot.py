"""Learning curves, against numbers computed by hand."""

import csv
import io

import numpy as np
import pytest
import tensorflow as tf
from bad_folders import make_run, run_script
from PIL import Image
from small_runs import snapshot
from tensorboard.compat.proto import event_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import curves as curve_tools
from planet_tf2.evaluation.curves import Curve, average, read_curves, smooth
from planet_tf2.evaluation.event_curves import read_event_curves
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
        "file": "20260101T000000-x.npz",
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
        assert not curve.paused
        episodes, steps, hours, score = columns(curve)
        assert episodes == [3, 4, 4]
        assert steps == [3000, 4000, 4000]
        # Those of one test phase are one point, at its end.
        assert hours == [1.02, 3, 4]
        assert score[0] == 35 and np.isnan(score[1]) and score[2] == 70

    def test_training_returns(self, folder):
        (curve,) = read_curves(folder, "train")
        assert columns(curve) == [[3, 4], [3000, 4000], [1, 2], [20, 50]]

    def test_without_an_account_of_time(self, tmp_path):
        """The names of the files tell the time of day."""
        folder = write(
            tmp_path / "run",
            episode("train", 1, 1, phase="seed", file="20260228T233000-x.npz"),
            episode("train", 2, 2, 10, file="20260301T010000-x.npz"),
            episode("train", 3, 3, 20, file="mine.npz", elapsed_seconds=9),
        )
        (curve,) = read_curves(folder, "train")
        assert curve.paused
        assert curve.hours[0] == 1.5 and np.isnan(curve.hours[1])

    def test_several_tasks(self, tmp_path):
        folder = write(
            tmp_path / "run",
            episode("train", 1, 1, 10),
            episode("train", 2, 2, 10, task="walker_walk"),
            episode("train", 3, 3, 20),
        )
        walk, run = sorted(
            read_curves(folder, "train"), key=lambda c: c.task, reverse=True
        )
        assert (walk.task, run.task) == ("walker_walk", "cheetah_run")
        assert walk.episodes.tolist() == [2]
        assert run.episodes.tolist() == [1, 3]

    def test_nothing_yet(self, tmp_path):
        assert read_curves(write(tmp_path / "run"), "test") == []


def curve(x, score, run="run"):
    x, score = np.array(x, float), np.array(score, float)
    folder = RunFolder(run)
    return Curve(folder, "cheetah_run", "test", x, 1000 * x, x / 4, score)


class TestSmoothing:
    def test_by_hand(self):
        result = smooth(curve([1, 2, 3, 4], [3, 5, 7, 30]), 3)
        assert result.score.tolist() == [3, 4, 5, 14]
        assert result.episodes.tolist() == [1, 2, 3, 4]

    def test_none(self):
        one = curve([1, 2], [3, 5])
        assert smooth(one, 1).score.tolist() == [3, 5]
        with pytest.raises(ValueError, match="smooth"):
            smooth(one, 0)


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

    def test_other_axes(self):
        both = [curve([0, 4], [0, 4]), curve([2, 4], [2, 2])]
        assert average(both, "steps").x.tolist() == [2000, 4000]
        assert average(both, "hours").x.tolist() == [0.5, 1]

    def test_one_run(self):
        band = average([curve([1, 2], [3, 5])], "episodes")
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


def test_labels_take_as_much_of_the_path_as_needed():
    paths = ["a/x/00001", "a/x/00002", "b/x/00001", "c/y"]
    names = curve_tools.label_experiments([RunFolder(p) for p in paths])
    assert list(names.values()) == ["a/x", "a/x", "b/x", "y"]


def rows(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


class TestPlot:
    @pytest.fixture
    def several(self, tmp_path):
        """Two seeds of one experiment and one of another."""
        result = []
        for name, shift in (("a/00001", 0), ("a/00002", 20), ("b/00001", 5)):
            records = [
                episode(
                    "test",
                    n,
                    10 * n + shift,
                    100 * n,
                    env_step=1000 * n,
                    elapsed_seconds=60 * n,
                )
                for n in range(1, 4)
            ]
            training = [
                episode("train", n, n, 100 * n - 1, elapsed_seconds=60 * n - 1)
                for n in range(1, 4)
            ]
            lines = [
                x for pair in zip(training, records, strict=True) for x in pair
            ]
            result.append(write(tmp_path / name, *lines))
        return result

    def test_files(self, several, tmp_path):
        said = []
        before = snapshot(tmp_path / "a")
        plot(several, tmp_path / "new" / "c.png", report=said.append)
        assert snapshot(tmp_path / "a") == before
        with Image.open(tmp_path / "new" / "c.png") as image:
            assert image.size == (3 * 440, 340)
            colors = len(image.convert("RGB").getcolors(1 << 20))
            assert colors > 20
        table = rows(tmp_path / "new" / "c.csv")
        assert len(table) == 9
        assert table[4] == {
            "experiment": "a",
            "run": "00002",
            "task": "cheetah_run",
            "split": "test",
            "episodes": "2",
            "steps": "2000",
            "hours": "0.0333",
            "return": "40.000",
        }
        means = rows(tmp_path / "new" / "c-mean.csv")
        assert len(means) == 2 * 3 * 3  # Experiments, axes, places.
        assert means[1] == {
            "experiment": "a",
            "task": "cheetah_run",
            "split": "test",
            "axis": "episodes",
            "x": "2",
            "mean": "30.000",
            "stddev": "14.142",
            "min": "20.000",
            "max": "40.000",
            "runs": "2",
        }
        assert str(tmp_path / "new" / "c.png") in said[0]

    def test_choices(self, several, tmp_path):
        plot(
            several,
            tmp_path / "c.png",
            ["hours"],
            ["train", "test"],
            "minmax",
            2,
            ["first", "second"],
            report=lambda text: None,
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

    def test_bands_differ(self, several, tmp_path):
        images = []
        for band in ("std", "minmax", "none"):
            path = tmp_path / f"{band}.png"
            plot(several, path, band=band, report=lambda text: None)
            images.append(path.read_bytes())
        assert len(set(images)) == 3

    def test_the_same_picture_again(self, several, tmp_path):
        for name in ("a.png", "b.png"):
            plot(several, tmp_path / name, report=lambda text: None)
        texts = [(tmp_path / n).read_bytes() for n in ("a.png", "b.png")]
        assert texts[0] == texts[1]

    def test_a_run_without_returns_is_left_out_aloud(self, several, tmp_path):
        said = []
        new = write(tmp_path / "a" / "00003")
        plot([*several, new], tmp_path / "c.png", report=said.append)
        assert "00003" in said[0] and "no test return" in said[0]

    def test_no_returns_at_all(self, tmp_path):
        new = write(tmp_path / "a" / "00003")
        with pytest.raises(ValueError, match="unfinished, it has no train ret"):
            plot([new], tmp_path / "c.png", splits=["train"], report=print)
        assert not (tmp_path / "c.png").exists()

    def test_clocks_are_mentioned(self, tmp_path):
        said = []
        old = write(tmp_path / "run", episode("test", 1, 5))
        plot([old], tmp_path / "c.png", report=said.append)
        assert "with all pauses" in said[0]

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"axes": ["days"]}, "x is days"),
            ({"axes": []}, "x is empty"),
            ({"splits": ["test", "test"]}, "split is test,test"),
            ({"band": "wide"}, "band is wide"),
            ({"smooth": 0}, "smooth"),
            ({"labels": ["one"]}, "2 different ones, for a, b"),
            ({"labels": ["one", "one"]}, "2 different ones"),
        ],
    )
    def test_wrong_choices(self, several, tmp_path, change, message):
        with pytest.raises(ValueError, match=message):
            plot(several, tmp_path / "c.png", report=print, **change)
        assert not (tmp_path / "c.png").exists()

    def test_not_into_the_run(self, several):
        with pytest.raises(ValueError, match="belongs to its training"):
            plot(several, several[0].path / "c.png")


class TestEvents:
    @pytest.fixture
    def folder(self, folder):
        """Event files as a run writes them, of two starts of the program."""

        def scalars(directory, step, **values):
            writer = tf.summary.create_file_writer(str(directory))
            with writer.as_default(step):
                for tag, value in values.items():
                    tag = tag.replace("__", "/")
                    tf.summary.scalar(tag, value)
                tf.summary.image(
                    "simulation/x/main/episode", np.zeros((1, 2, 2, 3))
                )
            writer.close()

        name = "simulation__cheetah_run__main__return"
        for step, score in ((50, 20), (100, 45), (100, 50)):
            count = 2 + step / 50
            scalars(
                folder.train,
                step,
                trainer__env_step=1000 * count,
                trainer__episodes=count,
                **{name: score},
            )
        for step, score, env_step in ((0, 30, 2000), (100, 70, 4000)):
            scalars(
                folder.test,
                step,
                trainer__env_step=env_step,
                trainer__episodes=99,
                **{name: score},
            )
        return folder

    def test_training(self, folder):
        (curve,) = read_event_curves(folder, "train")
        assert curve.score.tolist() == [20, 50]
        assert curve.episodes.tolist() == [3, 4]
        assert curve.steps.tolist() == [3000, 4000]
        assert curve.paused and (curve.hours >= 0).all()

    def test_testing(self, folder):
        (curve,) = read_event_curves(folder, "test")
        assert curve.score.tolist() == [30, 70]
        assert curve.steps.tolist() == [2000, 4000]
        # Test episodes are not what is counted.
        assert curve.episodes.tolist() == [2, 4]

    def test_what_was_taken_back(self, folder):
        before = set(folder.test.iterdir())
        writer = EventFileWriter(str(folder.test))
        status = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        writer.add_event(event_pb2.Event(step=100, session_log=status))
        writer.close()
        (path,) = set(folder.test.iterdir()) - before
        # Names have the second in them; this one is to be the last.
        path.rename(path.with_name("events.out.tfevents.9999999999.later"))
        (curve,) = read_event_curves(folder, "test")
        assert curve.score.tolist() == [30]

    def test_script(self, folder, tmp_path):
        out = tmp_path / "e.png"
        arguments = ["--logdir", folder.path, "--out", out]
        assert run_script("plot", *arguments, "--source=events") == 0
        table = rows(tmp_path / "e.csv")
        assert [row["return"] for row in table] == ["30.000", "70.000"]


@pytest.mark.slow
def test_both_sources_of_a_real_run_agree(trained):
    for split in ("test", "train"):
        (one,) = read_curves(trained.folder, split)
        (other,) = read_event_curves(trained.folder, split)
        np.testing.assert_allclose(one.score, other.score, rtol=1e-5)
        np.testing.assert_array_equal(one.steps, other.steps)
        np.testing.assert_array_equal(one.episodes, other.episodes)
        assert not one.paused and (np.diff(one.hours) >= 0).all()


def test_script(folder, tmp_path, capsys):
    out = tmp_path / "c.png"
    arguments = ["--logdir", f"{folder.path},{folder.path.parent}"]
    assert run_script("plot", *arguments, "--out", out, "--x=hours") == 0
    assert out.exists() and "Written" in capsys.readouterr().out
