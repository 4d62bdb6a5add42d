"""The window to watch an agent in."""

import os
import select
import shutil
import subprocess

import numpy as np
import pytest
from bad_folders import run_script
from PIL import ImageGrab

from planet_tf2.evaluation import viewer, window
from planet_tf2.evaluation.loading import load_agent
from planet_tf2.evaluation.viewer import Shown
from planet_tf2.evaluation.window import Window, WindowError


class FakeWindow:
    """Keeps what is shown, and is closed after some pictures."""

    def __init__(self, pictures=1000):
        self.left = pictures
        self.shown = []
        self.size = None

    def __call__(self, width, height):
        self.size = (height, width)
        return self

    def show(self, image, title):
        assert image.shape == (*self.size, 3)
        assert image.dtype == np.uint8
        self.shown.append((image, title))
        self.left -= 1
        return self.left > 0

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.size = None


@pytest.fixture(scope="module")
def agent(trained):
    return load_agent(trained.folder.path)


def test_shows_every_decision(agent, capsys):
    shown = FakeWindow()
    viewer.watch(agent, "dummy", shown, 2, fps=1e6)
    assert shown.size is None  # It was closed.
    # The debug task has 10 decisions, and a picture before the first.
    assert len(shown.shown) == 2 * 11
    titles = [title for _, title in shown.shown]
    assert titles[0].startswith("dummy, episode 1, decision 0")
    assert titles[-1].startswith("dummy, episode 2, decision 10")
    over = [title for title in titles if title.endswith("over")]
    assert over == capsys.readouterr().out.splitlines() and len(over) == 2


def test_script_ends_when_the_window_is_closed(trained, monkeypatch, capsys):
    shown = FakeWindow(5)
    monkeypatch.setattr(window, "Window", lambda title, *size: shown(*size))
    monkeypatch.setattr(window, "check_screen", lambda: None)
    arguments = ["--logdir", trained.folder.path, "--episodes=0"]
    assert run_script("viewer", *arguments) == 0
    assert len(shown.shown) == 5
    assert "The window was closed." in capsys.readouterr().out


def test_pictures_are_what_is_seen_and_what_was_expected(agent, monkeypatch):
    expected = []
    imagine = agent.imagine

    def remembering(actions):
        expected.append(imagine(actions))
        return expected[-1]

    monkeypatch.setattr(agent, "imagine", remembering)
    moments = list(viewer.play(agent, "dummy", 1, 3))
    assert [m.decision for m in moments] == list(range(11))
    np.testing.assert_array_equal(moments[0].expected, moments[0].image)
    for moment, imagined in zip(moments[1:], expected, strict=True):
        np.testing.assert_array_equal(moment.expected, imagined.image[0])
    total = sum(moment.reward for moment in moments)
    assert moments[-1].score == pytest.approx(total)
    assert [m.done for m in moments] == [False] * 10 + [True]


def test_layout():
    image = np.full((64, 64, 3), 200, np.uint8)
    moment = Shown(1, 2, image, image // 2, 0.5, 1.5, False)
    text = viewer.describe(moment)
    assert text == "decision 2: reward 0.50, return 1.5"
    picture = viewer.lay_out(moment, text, 320)
    large = 5 * 64
    above = (picture == 200).all(-1)
    below = (picture == 100).all(-1)
    assert above.sum() >= large**2 and below.sum() >= large**2
    assert np.argwhere(above)[:, 0].max() < np.argwhere(below)[:, 0].min()
    alone = viewer.lay_out(moment._replace(expected=None), text, 320)
    assert (alone == 200).all(-1).sum() >= large**2
    assert alone.shape[0] < 1.2 * large


def test_no_screen(trained, monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert run_script("viewer", "--logdir", trained.folder.path) == 1
    said = capsys.readouterr().err
    assert "no screen" in said
    assert "xvfb-run -a python scripts/viewer.py" in said


def test_screen_that_is_not_there(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":9753")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(WindowError, match="(?s)No window.*xvfb-run"):
        Window("a", 64, 64)


@pytest.fixture
def screen(monkeypatch):
    """A virtual screen of 400 x 300 pixels."""
    if not shutil.which("Xvfb"):
        pytest.skip("There is no Xvfb.")
    reading, writing = os.pipe()
    server = subprocess.Popen(
        [
            "Xvfb",
            "-displayfd",
            str(writing),
            "-screen",
            "0",
            "400x300x24",
            "-nolisten",
            "tcp",
        ],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    try:
        # The server writes its number when it is ready.
        assert select.select([reading], [], [], 60)[0]
        number = os.read(reading, 100).decode().strip()
        monkeypatch.setenv("DISPLAY", f":{number}")
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        yield f":{number}"
    finally:
        os.close(reading)
        server.terminate()
        server.wait()


def wait_for(condition, attempts=600):
    """Asks again and again; every question takes a while by itself."""
    return any(condition() for _ in range(attempts))


@pytest.mark.render
def test_window_on_a_screen(screen):
    image = np.zeros((80, 120, 3), np.uint8)
    image[:40], image[40:] = (200, 30, 40), (20, 60, 220)
    with Window("title", 120, 80) as opened:
        assert opened.show(image, "other title")

        def is_there():
            pixels = np.asarray(ImageGrab.grab(xdisplay=screen))[..., :3]
            red = (pixels == (200, 30, 40)).all(-1).sum()
            blue = (pixels == (20, 60, 220)).all(-1).sum()
            return red == blue == 40 * 120

        assert wait_for(is_there)
        process = opened._process
    assert process.returncode == 0  # It ended by itself when told to.


@pytest.mark.render
def test_window_that_is_gone(screen):
    image = np.zeros((80, 120, 3), np.uint8)
    with Window("title", 120, 80) as opened:
        opened._process.kill()
        opened._process.wait()
        assert not opened.show(image, "a")
