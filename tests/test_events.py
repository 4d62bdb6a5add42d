"""Event files to CSV files and pictures."""

import csv
import io

import numpy as np
import pytest
from bad_folders import make_run, run_script
from PIL import Image
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.image.metadata import (
    create_summary_metadata as image_metadata,
)
from tensorboard.plugins.scalar import summary_v2
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util import tensor_util
from tensorboard.util.tensor_util import make_ndarray

from planet_tf2.evaluation import events


def scalar(tag, value):
    return summary_v2.scalar_pb(tag, value)


def old_scalar(tag, value):
    """What TensorFlow 1 wrote."""
    return summary_pb2.Summary(
        value=[summary_pb2.Summary.Value(tag=tag, simple_value=value)]
    )


def picture(tag, color, form="PNG"):
    file = io.BytesIO()
    Image.new("RGB", (5, 4), color).save(file, form)
    tensor = tensor_util.make_tensor_proto(
        np.array([b"5", b"4", file.getvalue()])
    )
    metadata = image_metadata(None, None)
    return summary_pb2.Summary(
        value=[
            summary_pb2.Summary.Value(tag=tag, tensor=tensor, metadata=metadata)
        ]
    )


def write(folder, values, name="1"):
    """Writes `(step, summary)` as an event file; times follow the order."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events.out.tfevents.{name}"
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        version = event_pb2.Event(wall_time=0, file_version="brain.Event:2")
        writer.write(version.SerializeToString())
        for number, (step, summary) in enumerate(values):
            event = event_pb2.Event(
                wall_time=100 + number, step=step, summary=summary
            )
            writer.write(event.SerializeToString())
    return path


@pytest.fixture
def logs(tmp_path):
    """Two runs of an experiment, with values of several kinds."""
    for number in (1, 2):
        run = make_run(tmp_path / "logs" / "cheetah" / f"0000{number}")
        write(
            run / "test",
            [
                (10, scalar("simulation/cheetah/main/return", number)),
                (20, scalar("simulation/cheetah/main/return", number + 0.5)),
                (20, scalar("general/image_loss", 3.0)),
                (20, picture("openloop/strip", (255, 0, 0))),
                (20, picture("openloop/animation", (0, 0, 255), "GIF")),
            ],
        )
        write(run / "train", [(10, scalar("general/image_loss", 4.0))])
    return tmp_path / "logs"


def read(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def fetch(*arguments):
    return run_script("fetch_events", *arguments)


@pytest.mark.parametrize("workers", [1, 3])
def test_tags_of_all_runs(logs, tmp_path, workers, capsys):
    out = tmp_path / "out"
    arguments = ["--logdir", logs / "*", "--outdir", out]
    arguments += ["--tag=simulation/*/return", "--tag=*/nothing"]
    assert fetch(*arguments, f"--workers={workers}") == 0
    names = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()}
    name = "test/simulation.cheetah.main.return.csv"
    assert names == {f"cheetah/0000{number}/{name}" for number in (1, 2)}
    assert read(out / "cheetah" / "00002" / name) == [
        ["wall_time", "step", "value"],
        ["100.0", "10", "2.0"],
        ["101.0", "20", "2.5"],
    ]
    said = capsys.readouterr().out
    assert "cheetah/00001/test: 1 tags" in said
    assert "cheetah/00001/train: nothing of that name" in said


def test_runs_are_chosen_by_a_pattern(logs, tmp_path):
    out = tmp_path / "out"
    assert fetch("--logdir", logs, "--outdir", out, "--runs=*/train") == 0
    names = {p.parent.name for p in out.rglob("*.csv")}
    assert names == {"train"}
    arguments = ["--logdir", logs, "--outdir", out, "--runs=*/eval"]
    assert fetch(*arguments) == 1


def test_pictures(logs, tmp_path):
    out = tmp_path / "out"
    arguments = ["--logdir", logs / "cheetah" / "00001", "--outdir", out]
    assert fetch(*arguments, "--type=image") == 0
    folder = out / "00001" / "test"
    assert {p.name for p in folder.iterdir()} == {
        "openloop.strip-000000020.png",
        "openloop.animation-000000020.gif",
    }
    image = Image.open(folder / "openloop.strip-000000020.png")
    assert image.size == (5, 4)
    assert image.getpixel((0, 0)) == (255, 0, 0)


def test_files_that_are_there_stay_unless_forced(logs, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["--logdir", logs, "--outdir", out, "--runs=*1/test"]
    assert fetch(*arguments) == 0
    path = out / "logs/cheetah/00001/test/general.image_loss.csv"
    path.write_text("mine")
    assert fetch(*arguments) == 0
    assert path.read_text() == "mine"
    assert "2 files were there already" in capsys.readouterr().out
    assert fetch(*arguments, "--force") == 0
    assert read(path)[1][2] == "3.0"


def test_last_value_of_a_step_counts(tmp_path):
    """A run that was resumed writes some steps again, to another file."""
    folder = tmp_path / "run" / "train"
    write(folder, [(1, scalar("a", 1)), (2, scalar("a", 2))], "1")
    write(folder, [(2, scalar("a", 20)), (3, scalar("a", 30))], "2")
    values = events.read_values(folder, ["*"], "scalars")["a"]
    assert {
        step: make_ndarray(v.tensor_proto).item() for step, v in values.items()
    } == {
        1: 1,
        2: 20,
        3: 30,
    }


def test_events_of_tensorflow_1(tmp_path):
    folder = tmp_path / "original" / "test"
    tag = "trainer/graph/phase_test/cond_2/trainer/test/score"
    write(folder, [(1, old_scalar(tag, 0.5)), (2, old_scalar(tag, 1.5))])
    out = tmp_path / "out"
    arguments = ["--logdir", tmp_path / "original", "--outdir", out]
    assert fetch(*arguments, "--tag=*score") == 0
    (path,) = out.rglob("*.csv")
    assert [row[1:] for row in read(path)[1:]] == [["1", "0.5"], ["2", "1.5"]]


@pytest.mark.parametrize("cut", [1, 7, 20])
def test_file_that_was_cut_off(tmp_path, cut):
    folder = tmp_path / "run" / "train"
    path = write(folder, [(1, scalar("a", 1)), (2, scalar("a", 2))])
    path.write_bytes(path.read_bytes()[:-cut])
    values = events.read_values(folder, ["*"], "scalars")["a"]
    assert list(values) == [1]


def test_failed_run_with_events(logs, tmp_path, capsys):
    (logs / "cheetah" / "00002" / "FAIL").write_text("OSError: no disk\n")
    arguments = ["--logdir", logs, "--outdir", tmp_path / "out"]
    assert fetch(*arguments) == 1
    assert "no disk" in capsys.readouterr().err
    assert fetch(*arguments, "--allow_failed") == 0
