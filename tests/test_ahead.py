"""Episodes that are collected while updates go on.

That killed and stopped runs leave the same: `test_session_resume.py`.
"""

import concurrent.futures
import dataclasses
import functools
import threading

import numpy as np
import pytest
from session_fakes import Program
from small_runs import records, run
from test_session import break_at
from tf_fakes import tiny_params

from planet_tf2.agents import planet
from planet_tf2.control.simulate import Rollout
from planet_tf2.data import episodes
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.envs import DummyEnv, EnvError
from planet_tf2.tools.signals import Guard, RolloutStopped, Stopped
from planet_tf2.training import assemble
from planet_tf2.training.collecting import EnvUnreliable
from planet_tf2.training.finite import NonFiniteError

# Three epochs of four updates and a test batch each.
PARAMS = {"train_steps": 20, "max_steps": 75}


class AtOnce:
    """Plays everything the moment it is started."""

    def submit(self, work, *args):
        future = concurrent.futures.Future()
        future.set_result(work(*args))
        return future

    def shutdown(self, cancel_futures):
        pass


class AtLast(AtOnce):
    """Plays nothing before somebody waits for it."""

    def submit(self, work, *args):
        future = concurrent.futures.Future()
        future.result = functools.cache(functools.partial(work, *args))
        return future


def start(path, schedules=((5, 10),), thread=None, max_steps=75, **kwargs):
    """A program whose train collectors are due `after` and `every` so often."""
    params = PARAMS | {"max_steps": max_steps}
    program = Program(path, params=params, **{"ahead": True, **kwargs})
    collectors = program.parts.collectors["train"]
    collectors[:] = [
        dataclasses.replace(
            collector,
            entry={
                **collector.entry,
                "name": f"every {every}",
                "after": after,
                "every": every,
                "action_noise_ramp": 100,
            },
            index=len(program.rollouts) * number + collector.index,
        )
        for number, (after, every) in enumerate(schedules)
        for collector in collectors
    ]
    if thread:
        program.ahead._thread = thread
    return program


def collected(program):
    """Update and step of the entry, update of the weights, and noise."""
    return [
        (r["update"], r["step"], r.get("weights_update"), r["action_noise"])
        for r in program.trace()["metrics"]
        if "collect" in r and r["phase"] == "train"
    ]


def test_data_by_step(tmp_path):
    program, plain = start(tmp_path / "a"), start(tmp_path / "b", ahead=False)
    program.run(), plain.run()
    noises = [r[-1] for r in collected(plain)]
    assert collected(plain) == [
        (2, 10, None, noises[0]),
        (4, 20, None, noises[1]),
        (6, 35, None, noises[2]),
        (8, 45, None, noises[3]),
        (10, 60, None, noises[4]),
        (12, 70, None, noises[5]),
    ]
    # What is due at one of them enters at the next, as it was planned then.
    assert collected(program) == [
        (4, 20, 2, noises[0]),
        (6, 35, 4, noises[1]),
        (8, 45, 6, noises[2]),
        (10, 60, 8, noises[3]),
        (12, 70, 10, noises[4]),
        (12, 75, 12, noises[5]),
    ]
    assert len(set(noises)) == 6
    found, before = program.rollouts["walk"], plain.rollouts["walk"]
    assert sorted(found.calls) == sorted(before.calls)
    weights = [
        found.weights[found.calls.index(c)] for c in before.calls if c[-1]
    ]
    assert weights == [2, 4, 6, 8, 10, 12]
    # Batches see one episode less, where one was collected before them.
    for (split, update), count in program.batches.items():
        less = split == "train" and update >= 2
        assert count == plain.batches[split, update] - less
    for split in ("train", "test"):
        assert program.count(split) == plain.count(split)


def test_time_does_not_matter(tmp_path):
    traces, files = [], []
    for number, thread in enumerate([None, AtOnce(), AtLast()]):
        program = start(
            tmp_path / str(number),
            [(5, 10), (10, 15), (0, 5)],
            thread,
            tasks=("walk", "run"),
            agents=2,
        )
        program.run()
        traces.append((program.trace(), program.batches))
        directory = program.folder.train_episodes
        names = episodes.list_episodes(directory)
        files.append([episodes.load_episode(directory / n) for n in names])
    for trace, found in zip(traces[1:], files[1:], strict=True):
        assert trace == traces[0]
        np.testing.assert_equal(found, files[0])
    lines = [r for r in traces[0][0]["metrics"] if "weights_update" in r]
    # All that were due at a step have its weights, and enter at the next.
    update = [r["weights_update"] for r in lines]
    assert update == sorted(update) and set(update) == set(range(1, 13))
    for record in lines:
        next_one = min(record["weights_update"] + 1, 12)
        assert record["update"] == next_one


def test_longer_runs(tmp_path):
    """What entered at the end enters later if the run goes on after all."""
    whole, short = start(tmp_path / "a"), start(tmp_path / "b", max_steps=50)
    whole.run(), short.run()
    assert short.count("train") == 2 + 4
    longer = start(tmp_path / "b")
    longer.run()
    assert longer.trace() == whole.trace()


def test_stopped_at_the_end(tmp_path):
    def stop():
        if float(program.agent.weight) == 12:
            raise RolloutStopped

    whole = start(tmp_path / "whole")
    whole.run()
    program = start(tmp_path / "a", on_rollout=stop, thread=AtLast())
    program.parts.collectors["test"].clear()
    with pytest.raises(Stopped):
        program.run()
    again = start(tmp_path / "a")
    again.parts.collectors["test"].clear()
    again.run()
    assert collected(again) == collected(whole)


def test_environment_breaks(tmp_path):
    """Its episode is repeated; too often, and the run stops in a line."""
    calls = []

    def fail(failing):
        calls.append(threading.current_thread())
        if len(calls) - 1 in failing:
            raise EnvError("OSError", "gone.", "the traceback")

    def rough(path, *failing, max_failures=2):
        calls.clear()
        on_rollout = functools.partial(fail, failing)
        return start(path, on_rollout=on_rollout, max_failures=max_failures)

    whole = start(tmp_path / "whole")
    whole.run()
    # The test episode comes between the first two.
    program = rough(tmp_path / "a", 2)
    program.run()
    assert collected(program) == collected(whole)
    assert calls[1] is threading.main_thread()
    assert calls[2] is calls[3] is not threading.main_thread()
    program = rough(tmp_path / "b", 2, 3)
    with pytest.raises(EnvUnreliable, match="Stopped collecting walk"):
        program.run()
    again = start(tmp_path / "b")
    again.run()
    assert again.trace() == whole.trace()


def test_learning_fails(tmp_path):
    """What is being played is broken off, and the run goes on as usual."""
    whole = start(tmp_path / "whole")
    whole.run()

    def play():
        while not program.ahead.should_stop():
            pass  # A step of the environment.
        raise RolloutStopped

    program = start(tmp_path / "a", on_rollout=play)
    break_at(program, 3)
    with pytest.raises(NonFiniteError):
        program.run()
    assert len(program.rollouts["walk"].calls) == 1
    again = start(tmp_path / "a")
    again.run()
    assert again.trace() == whole.trace()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A real run, its agents, and the weights of each rollout."""
    made, acted = [], []
    make_agent, rollout = planet.make_agent, Rollout.__call__

    def making(*args, **kwargs):
        made.append(make_agent(*args, **kwargs))
        return made[-1]

    def acting(graph, env_seeds, seed, noise):
        who = made[1] if noise else made[0]
        acted.append([v.numpy() for v in who.trained_variables])
        return rollout(graph, env_seeds, seed, noise)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planet, "make_agent", making)
        patch.setattr(Rollout, "__call__", acting)
        folder = run_small(tmp_path_factory.mktemp("whole"))
    return folder, made, acted


def run_small(path, **overrides):
    with pytest.MonkeyPatch.context() as patch:
        # They take most of the time.
        patch.setattr(
            assemble.Summaries, "predictions", lambda *args, **kwargs: None
        )
        folder, _ = run(path, collect_ahead=True, **overrides)
    return folder


class TestProgram:
    """With TensorFlow's graphs, and environments."""

    def test_agents(self, whole):
        folder, (learning, acting), acted = whole
        assert folder.done.exists()
        pairs = zip(
            learning.trained_variables, acting.trained_variables, strict=True
        )
        assert not any(one is other for one, other in pairs)
        lines = [r for r in records(folder) if "collect" in r]
        # Two epochs of two updates: due after the second and the fourth.
        assert [
            (r["phase"], r["update"], r.get("weights_update")) for r in lines
        ] == [
            ("test", 1, None),
            ("train", 4, 2),
            ("test", 2, None),
            ("train", 4, 4),
        ]
        assert len(acted) == 4
        first, tested, second, last = acted
        # At a test there are no newer weights than those of the last update.
        np.testing.assert_equal(first, tested)
        np.testing.assert_equal(second, last)
        assert any((x != y).any() for x, y in zip(first, last, strict=True))

    def test_again(self, whole, tmp_path):
        assert records(run_small(tmp_path)) == records(whole[0])

    def test_goes_on(self, whole, tmp_path, monkeypatch):
        """A crash and a failure later, and it is as if nothing had been."""

        def fail(env, action):
            if threading.current_thread() is not threading.main_thread():
                return 1 / 0
            return step(env, action)

        step = DummyEnv.step
        with monkeypatch.context() as patch:
            patch.setattr(DummyEnv, "step", fail)
            with pytest.raises(EnvUnreliable) as caught:
                run_small(tmp_path, env_max_failures=2)
        assert "\n" not in str(caught.value)
        folder = RunFolder(tmp_path / "00001")
        assert "Stopped collecting dummy" in folder.fail.read_text()
        folder.fail.unlink()
        run_small(tmp_path, env_max_failures=2)
        assert records(folder) == records(whole[0])

    def test_closing_ends_what_is_played(self, tmp_path, monkeypatch):
        """Without a signal, in the middle of an episode."""
        folder = RunFolder(tmp_path).create()
        params = tiny_params(collect_ahead=True)
        parts = assemble.make_parts(params, folder, 0, Guard())
        (collector,) = parts.collectors["train"]
        assert collector.rollout is not parts.collectors["test"][0].rollout
        begun, step = threading.Event(), DummyEnv.step

        def wait(env, action):
            begun.set()
            while not parts.ahead.should_stop():
                pass
            return step(env, action)

        monkeypatch.setattr(DummyEnv, "step", wait)
        parts.ahead._pending = [
            (
                collector,
                parts.ahead._thread.submit(collector.collect, (1,), 0.0),
            )
        ]
        begun.wait()
        assert not parts.ahead.is_ready()
        parts.close()
        with pytest.raises(RolloutStopped):
            parts.ahead.is_ready()
        assert not list(folder.train_episodes.iterdir())
