"""Tests of the progress display."""

import contextlib
import io
import logging
import sys

import absl.logging
import pytest
from fakes import Clock

from planet_tf2.training.progress import Progress

LOSSES = {"image": 11304.2, "reward": 1.0}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock(1000.0)


@pytest.fixture
def make(clock, caplog):
    """Makes a progress with the console that belongs to it."""
    caplog.set_level(logging.INFO, "planet_tf2")
    with contextlib.ExitStack() as stack:

        def make(stream=None, total=50500):
            stream = io.StringIO() if stream is None else stream
            progress = Progress(total, stream, clock=clock)
            stack.enter_context(progress.console())
            return progress, stream

        yield make


def lines(stream):
    return stream.getvalue().splitlines()


def test_line_tells_everything(clock, make):
    progress, stream = make()
    # Of several tasks the mean of the latest.
    for task, value in (
        ("cup_catch", 1.0),
        ("walk", 20.0),
        ("cup_catch", 10.5),
    ):
        progress.collected("test", task, value)
    progress.update("train", 3100, LOSSES)
    for step in (3150, 3200):
        clock.tick(5)
        progress.update("train", step, LOSSES)
    clock.tick(5)
    progress.update("train", 3650, LOSSES)
    assert lines(stream) == [
        "[test] return 1.0 in cup_catch",
        "[test] return 20.0 in walk",
        "[test] return 10.5 in cup_catch",
        "[train] step 3,100/50,500 (6%)  return 15.2 test  image 11304.2  "
        "reward 1.00",
        "[train] step 3,650/50,500 (7%)  left 21:17  return 15.2 test  "
        "image 11304.2  reward 1.00  0.20 updates/s",
    ]


def test_lines_are_rare(clock, make):
    progress, stream = make(total=10000)
    for step in range(1, 1001):
        clock.tick(1)
        progress.update("train", step, LOSSES)
    # Every 100 seconds, since a percent of the run takes as long.
    assert len(lines(stream)) == 10


def test_activities_are_shown_now_and_then(clock, make):
    progress, stream = make()
    for number in range(5):
        progress.activity(f"episode {number}")
        clock.tick(4)
    assert lines(stream) == ["episode 0", "episode 3"]


def test_lines_go_to_the_log(make, caplog):
    """And not to the terminal beside the bar, which says the same."""
    for stream in (io.StringIO(), Terminal()):
        caplog.clear()
        progress, _ = make(stream)
        progress.update("train", 50, LOSSES)
        progress.close()
        (message,) = caplog.messages
        assert message.startswith("[train] step 50/50,500 (0%)")
        shown = [line for line in lines(stream) if line == message]
        assert len(shown) == (not stream.isatty())


def test_speed_counts_consecutive_updates_of_a_phase_only(clock, make):
    progress, _ = make()
    assert progress.updates_per_second == 0
    clock.tick(60)  # Building the graph.
    progress.update("train", 5, LOSSES)
    assert progress.updates_per_second == 0
    clock.tick(0.5)
    progress.update("train", 10, LOSSES)
    assert progress.updates_per_second == pytest.approx(2)
    progress.activity("collecting")
    clock.tick(100)
    progress.update("train", 15, LOSSES)
    progress.collected("train", "cup_catch", 0)
    clock.tick(100)
    progress.update("train", 20, LOSSES)
    assert progress.updates_per_second == pytest.approx(2)
    clock.tick(30)
    progress.update("test", 25, LOSSES)
    assert progress.updates_per_second == 0
    clock.tick(30)
    progress.update("train", 30, LOSSES)
    assert progress.updates_per_second == pytest.approx(2)


def test_time_left_counts_what_this_process_did(clock):
    progress = Progress(1000, io.StringIO(), clock)
    assert progress.seconds_left is None
    progress.update("train", 900, {})  # Resumed: they were done before.
    assert progress.seconds_left is None
    clock.tick(2)
    progress.update("train", 910, {})
    assert progress.seconds_left == pytest.approx(18)
    progress.activity("collecting")
    clock.tick(8)
    progress.update("train", 920, {})
    assert progress.seconds_left == pytest.approx(40)
    progress.update("test", 1010, {})
    assert progress.seconds_left == 0


def test_bar_ends_with_the_last_step(clock, make):
    progress, stream = make(Terminal(), total=100)
    progress.update("train", 50, LOSSES)
    progress.update("train", 100, LOSSES)
    progress.close()
    last = stream.getvalue().rpartition("\r")[2]
    assert "[train] step 100/100 (100%)" in last
    assert last.endswith("\n")


def absl_handler():
    handler = absl.logging.ABSLHandler(absl.logging.PythonFormatter())
    handler.python_handler.stream = sys.stderr
    return handler


@pytest.mark.parametrize(
    "make_handler", [lambda: logging.StreamHandler(sys.stderr), absl_handler]
)
def test_console_shows_records_once(clock, caplog, make_handler):
    caplog.set_level(logging.INFO, "planet_tf2")
    root = logging.getLogger()
    console = make_handler()
    elsewhere = logging.StreamHandler(io.StringIO())
    stream = io.StringIO()
    root.addHandler(console)
    root.addHandler(elsewhere)
    before = list(root.handlers)
    try:
        with Progress(100, stream, clock).console():
            assert console not in root.handlers
            assert elsewhere in root.handlers
            package = logging.getLogger("planet_tf2.somewhere")
            package.info("going on from step %d", 7)
            logging.getLogger("other").info("chatter")
            logging.getLogger("other").warning("careful")
        assert set(root.handlers) == set(before)
    finally:
        root.removeHandler(console)
        root.removeHandler(elsewhere)
    assert lines(stream) == ["going on from step 7", "Warning: careful"]
