"""What is told of the first episodes, before anything is learned."""

import logging
import re

import numpy as np
import pytest
from session_fakes import Program

from planet_tf2.data.first_look import image_remark, remarks
from planet_tf2.doctor.examination import check_task
from planet_tf2.doctor.findings import NOTE, OK, PROBLEM

_RNG = np.random.default_rng(0)
_Y, _X = np.mgrid[:64, :64]


def _frames(image, length=5):
    """Moves a picture a little in every frame."""
    image = np.broadcast_to(np.asarray(image, np.uint8), (64, 64, 3))
    return np.stack([np.roll(image, step, 1) for step in range(length)])


def _scene(background, color, side):
    image = np.empty((64, 64, 3), np.uint8)
    image[:] = background
    image[:3] = 90
    image[30 : 30 + side, 20 : 20 + side] = color
    return image


@pytest.mark.parametrize(
    "image, what",
    [
        (0, "hold 1 color at image_bits: 5, with values of 0."),
        ([230, 60, 40], "hold 1 color at image_bits: 5, with values from 40"),
        (_RNG.integers(0, 11, (64, 64, 3)), "vary by 3."),  # Symbols.
        (_RNG.integers(0, 2, (64, 64, 1)), "hold 1 color at image_bits: 5"),
        (np.where(_X < 9, 0, 255)[..., None], "hold 2 colors"),
        (95 + _X[..., None] // 5, "vary by 3."),
    ],
)
def test_next_to_nothing_to_see(image, what):
    text = image_remark(_frames(image), 5)
    assert what in text and text.startswith("The agent may see next to nothing")


def test_more_bits_show_more():
    frames = _frames(_X[..., None] % 16 * 2)
    assert "at image_bits: 3" in image_remark(frames, 3)
    assert not image_remark(frames, 5) and not image_remark(frames)


@pytest.mark.parametrize(
    "image",
    [
        _scene(0, (255, 255, 255), 4),  # A small ball.
        _scene((230, 230, 230), (200, 60, 40), 9),
        _RNG.integers(0, 256, (64, 64, 3)),
        _X[..., None] + _Y[..., None],
    ],
)
def test_enough_to_see(image):
    frames = _frames(image, 40)
    assert not image_remark(frames, 5)
    assert "never change" in image_remark(np.stack([frames[0]] * 9), 5)
    assert not image_remark(frames[:1], 5)  # Too few to tell.


@pytest.mark.parametrize(
    "rewards, what",
    [
        ([0.0] * 9, "All rewards so far are 0"),
        ([-1.0] * 9, "All rewards so far are -1"),
        ([0.0, 0.0, -1001.0], "from -1001 to 0.*reward_loss_scale"),
        ([1e30, 1.0], "from 1 to 1e"),
        ([0.0, 1.0], ""),
        ([-900.0, 1000.0], ""),
    ],
)
def test_rewards(rewards, what):
    episode = {"reward": np.array(rewards, np.float32)}
    found = remarks(episode, {})
    assert len(found) == bool(what)
    assert len(remarks({"reward": np.array([1e4, 1e4])}, {})) == 2
    if what:
        assert re.search(what, found[0])


@pytest.mark.parametrize("kind", ["truncated_normal", "tanh_normal", "normal"])
def test_bounds_of_heads(kind):
    episode = {
        "reward": np.array([0.0, 2.0], np.float32),
        "speed": np.array([[0.5, -7.0]], np.float32),
        "action": np.array([[9.0]], np.float32),
    }
    params = {"state_diagnostics": True}
    for head in ("reward_head", "state_head"):
        params |= {f"{head}_dist": kind, f"{head}_bounds": [-1.0, 1.0]}
    found = remarks(episode, params)
    assert len(found) == (0 if kind == "normal" else 2)
    if found:
        assert "from 0 to 2, but reward_head" in found[0]
        assert "speed is from -7 to 0.5, but state_head" in found[1]
        assert remarks(episode, {**params, "state_diagnostics": False}) == [
            found[0]
        ]
    params |= {"reward_head_bounds": [0, 2], "state_head_bounds": [-7, 1]}
    assert remarks(episode, params) == []


def test_told_once_for_every_task(tmp_path, caplog):
    """Images of the fakes are of one color, as many as there are steps."""
    caplog.set_level(logging.INFO, "planet_tf2")

    def said(program):
        caplog.clear()
        program.envs["walk"].notes = ["Nothing left out", "Images come from me"]
        program.run()
        return [r for r in caplog.records if r.name.endswith("session")]

    records = said(Program(tmp_path, tasks=("walk", "run")))
    texts = [r.message for r in records if r.levelno == logging.WARNING]
    assert len(texts) == 2 and texts[0].startswith("walk: The agent may see")
    assert texts[0].endswith("another range. Images come from me.")
    assert texts[1].startswith("run: The agent may see")
    assert "walk: Images come from me." in [r.message for r in records]
    records = said(Program(tmp_path, tasks=("walk", "run")))
    assert not [r for r in records if r.levelno == logging.WARNING]


def test_the_doctor_tells_it_too():
    first, *others = check_task("custom_tasks:Crowded", "planet", 60)
    assert first.status == OK and "Not stored unless" in first.text
    assert [finding.status for finding in others] == [NOTE]
    assert "hold 1 color at image_bits: 5" in others[0].text
    (finding,) = check_task("custom_tasks:Mistaken?act=crash", "planet", 60)
    assert finding.status == PROBLEM
    assert "ended with exit code 3" in finding.text and "\n" not in finding.text
