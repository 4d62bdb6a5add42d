"""The GIF of what an agent did, and of what it imagined."""

import numpy as np
import pytest
from bad_folders import run_script
from PIL import Image
from small_runs import snapshot

from planet_tf2.evaluation import held_out
from planet_tf2.evaluation.loading import load_run
from planet_tf2.evaluation.watch import imagine, lay_out
from planet_tf2.tools import video


def episode(run, **arrays):
    (last,) = held_out.load_held_out(run, 1)
    return last._replace(arrays={**last.arrays, **arrays})


@pytest.mark.slow
def test_program(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    before = snapshot(trained.folder.path)
    path = trained.folder.path
    assert run_script("watch", "--logdir", path, "--horizon=4") == 0
    said = capsys.readouterr().out
    assert "in 10 decisions of dummy (random actions, 3 episodes: " in said
    assert said.endswith("Written: watch.gif\n")
    with Image.open("watch.gif") as gif:
        assert gif.n_frames == 11 and min(gif.size) > 400
    arguments = ["--logdir", path, "--steps=3", "--out=short.gif"]
    assert run_script("watch", *arguments) == 0
    assert "in 3 decisions" in capsys.readouterr().out
    assert run_script("watch", "--logdir", path, f"--out={path}/x.gif") == 1
    assert "belongs to its training" in capsys.readouterr().err
    assert snapshot(path) == before


@pytest.mark.slow
def test_imagines_from_what_it_saw_alone(trained):
    run = load_run(trained.folder)
    seen = episode(run)
    pictures, curves = imagine(run, seen, 2, 3)
    assert [x.shape for x in pictures] == 2 * [(11, 64, 64, 3)]
    np.testing.assert_array_equal(pictures[0], seen.arrays["image"])
    assert [x.shape for x in curves["reward"]] == 2 * [(11,)]
    # What came while it did not look makes no difference.
    blind = seen.arrays["image"].copy()
    looks = np.arange(11) % 5 < 2
    blind[~looks] = 7
    again, _ = imagine(run, episode(run, image=blind), 2, 3)
    np.testing.assert_array_equal(again[1], pictures[1])
    blind[5] = 7
    again, _ = imagine(run, episode(run, image=blind), 2, 3)
    same = (again[1] == pictures[1]).all((1, 2, 3))
    assert same[:5].all() and same[10] and not same[5:10].any()


def test_agents_without_a_model(trained, monkeypatch):
    run = load_run(trained.folder)
    monkeypatch.setattr(type(run.agent), "has_model", False)
    pictures, curves = imagine(run, episode(run), 5, 45)
    assert len(pictures) == 1 and len(curves["reward"]) == 1
    assert lay_out(pictures, curves, 5, 50).shape[0] == 11


class TestLayout:
    def frames(self, pictures=1, entries=6, length=12):
        images = [np.full((length, 8, 8, 3), 40 * n) for n in range(pictures)]
        curves = {
            f"vector {n}": (n * np.arange(length), np.zeros(length))
            for n in range(entries)
        }
        curves["reward"] = np.ones(length), np.zeros(length)
        return lay_out([x.astype(np.uint8) for x in images], curves, 2, 6)

    @pytest.mark.parametrize(
        "pictures, entries", [(0, 0), (0, 2), (1, 0), (1, 9), (2, 0), (2, 1)]
    )
    def test_pictures_beside_curves(self, pictures, entries):
        frames = self.frames(pictures, entries)
        assert frames.dtype == np.uint8
        length, height, width, _ = frames.shape
        assert length == 12 and 400 <= height < 450
        assert 480 <= width < 500 if not pictures else width > 680
        # Each picture is there, and is at least half as large as it can be.
        for number in range(pictures):
            part = (frames[-1] == 40 * number).all(-1)
            assert part.sum() > (200 if pictures == 2 else 390) ** 2 / 1.2

    def test_marks_what_it_saw(self):
        green = (self.frames(2)[:, :, :300] == video.SEEN).all(-1)
        marked = green.any((1, 2))
        assert marked.tolist() == 2 * ([True] * 2 + [False] * 4)

    def test_curves_grow(self):
        part = self.frames()[:, :, -480:].astype(int)
        blue = (part[..., 2] - part[..., 0] > 120).sum((1, 2))
        assert (np.diff(blue) >= 0).all() and blue[-1] > 5 * blue[1] > 0

    def test_frames_of_long_episodes_are_left_out(self):
        assert len(self.frames(length=1001)) == 143
