"""Environments in processes and threads, and how they end."""

import os
import re
import select
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import psutil
import pytest

from planet_tf2.envs import (
    Async,
    EnvCrash,
    EnvError,
    EnvTimeout,
    child_process,
    rendering,
)

_STRATEGIES = ("process", "thread", "none")
_ACTION = np.zeros(2, np.float32)


def _open(name, strategy="process", blocking=True, **kwargs):
    return Async(f"fakes:{name}", kwargs, strategy, False, blocking)


@pytest.mark.parametrize("strategy", _STRATEGIES)
def test_promises(strategy):
    with _open("CountingEnv", strategy, blocking=False) as env:
        start = env.reset(seed=0, blocking=False)
        one = env.step(_ACTION, blocking=False)
        two = env.step(_ACTION, blocking=False)
        assert two()[1] == 2
        assert one()[1] == one()[1] == 1
        assert start()[0]["count"] == 0
        assert env.step(_ACTION)[1] == 3


def test_processes_step_in_parallel(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    kwargs = {"pipe": str(pipe)}
    with (
        _open("MeetingEnv", mode="r", **kwargs) as one,
        _open("MeetingEnv", mode="w", **kwargs) as two,
    ):
        for env in (one, two):
            env.reset()
        promises = [env.step(_ACTION, blocking=False) for env in (one, two)]
        assert [promise()[1] for promise in promises] == [1, 1]


def test_where_each_strategy_runs():
    info = {}
    for strategy in _STRATEGIES:
        with _open("ReportingEnv", strategy) as env:
            env.reset()
            info[strategy] = env.step(_ACTION)[-1]
            assert (env.pid is not None) == (strategy == "process")
            if strategy == "process":
                assert info[strategy]["pid"] == env.pid
    here = threading.get_ident()
    assert info["process"]["pid"] != os.getpid()
    assert info["thread"]["pid"] == info["none"]["pid"] == os.getpid()
    assert info["none"]["stepped_by"] == info["none"]["made_by"] == here
    assert info["thread"]["stepped_by"] == info["thread"]["made_by"] != here


def test_worker_is_a_fresh_process():
    with _open("ReportingEnv") as env:
        env.reset()
        info = env.step(_ACTION)[-1]
    assert info["main"] == "planet_tf2.envs.worker"
    loaded = {module.split(".")[0] for module in info["modules"]}
    assert not loaded & {"tensorflow", "keras", "tf_keras", "pytest"}
    assert info["environ"]["OMP_NUM_THREADS"] == "1"
    assert info["environ"]["MUJOCO_GL"] == "off"


def test_games_draw_without_a_screen(monkeypatch):
    """Also those that leave it where the video driver is the dummy."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    with _open("ScreenEnv") as env:
        assert (env.reset()[0]["image"] == [10, 200, 30]).all()
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with _open("ScreenEnv") as env:
        assert not env.reset()[0]["image"].any()


@pytest.mark.parametrize("strategy", _STRATEGIES)
def test_exception_comes_with_its_traceback(strategy):
    with _open("FailingEnv", strategy, how="raise", good_steps=0) as env:
        env.reset()
        with pytest.raises(EnvError, match="ZeroDivisionError") as caught:
            env.step(_ACTION)
        assert caught.value.kind == "ZeroDivisionError"
        assert re.fullmatch(
            r"ZeroDivisionError: the fake failed \(fakes.py:\d+, in _fail\)",
            caught.value.summary,
        )
        assert "in _fail" in caught.value.traceback
        assert caught.value.traceback in str(caught.value)
        assert env.reset()[0]["count"] == 0  # It is still there.


@pytest.mark.parametrize("strategy", _STRATEGIES)
def test_failing_constructor(strategy):
    with pytest.raises(EnvError, match="KeyError: 'no such thing'"):
        _open("failing_constructor", strategy)
    with _open("failing_constructor", strategy, blocking=False) as env:
        with pytest.raises(EnvError):
            _ = env.action_space


@pytest.mark.parametrize(
    "how,words",
    [("exit", "ended with exit code 7"), ("kill", "died of SIGKILL")],
)
def test_crash(how, words):
    with _open("FailingEnv", how=how, good_steps=0) as env:
        env.reset()
        for _ in range(2):
            with pytest.raises(EnvCrash, match=words) as caught:
                env.step(_ACTION)
            assert words in caught.value.summary


def test_answer_that_cannot_be_sent():
    with _open("FailingEnv", how="unpicklable", good_steps=9) as env:
        env.reset()
        with pytest.raises(EnvError, match="pickle"):
            env.step(_ACTION)
        assert env.reset()[0]["count"] == 0


@pytest.mark.parametrize("strategy", _STRATEGIES)
def test_close(strategy):
    before = _children()
    env = _open("CountingEnv", strategy)
    promise = env.reset(blocking=False)
    env.close()
    env.close()
    assert _children() == before
    with pytest.raises(RuntimeError, match="closed"):
        env.reset()
    if strategy == "process":
        with pytest.raises(RuntimeError, match="closed"):
            promise()


class TestTimeout:
    """One second is long for a step of the fakes."""

    def open(self, strategy, name="FailingEnv", **kwargs):
        return Async(
            f"fakes:{name}", kwargs, strategy, False, timeout_seconds=1
        )

    @pytest.mark.parametrize("strategy", ["process", "thread"])
    def test_hang(self, strategy):
        with self.open(strategy, how="hang", good_steps=1) as env:
            env.reset()
            env.step(_ACTION)
            process = env.pid
            with pytest.raises(EnvTimeout, match="env_timeout_sec") as caught:
                env.step(_ACTION)
            assert "no answer within 1 seconds" in caught.value.summary
            if process:
                with pytest.raises(ProcessLookupError):
                    os.kill(process, 0)
            assert env.failed
            with pytest.raises(EnvError):  # It does not hang again.
                env.step(_ACTION)
            assert env.reset()[0]["count"] == 0
            assert not env.failed
            assert env.step(_ACTION)[1] == 1
            assert env.pid != process or strategy == "thread"

    @pytest.mark.parametrize("strategy", ["process", "thread"])
    def test_building_has_more_time(self, strategy, monkeypatch):
        # The thread that hangs never takes back the variables that it sets.
        for name in ("MUJOCO_GL", "PYOPENGL_PLATFORM"):
            monkeypatch.setenv(name, "")
        with Async(
            "fakes:CountingEnv", {}, strategy, False, timeout_seconds=1e-9
        ) as env:
            assert env.action_space.shape == (2,)
        monkeypatch.setattr("planet_tf2.envs.async_env.BUILD_SECONDS", 0.5)
        with pytest.raises(EnvTimeout, match="within 1 seconds"):
            self.open(strategy, "hanging_constructor")


class TestRestart:
    def test_not_after_a_step_behind_the_end(self):
        with _open("CountingEnv", length=1) as env:
            process = env.pid
            env.reset()
            env.step(_ACTION)
            with pytest.raises(EnvError, match="ResetNeeded"):
                env.step(_ACTION)
            assert not env.failed
            env.reset()
            assert env.pid == process

    def test_after_a_crash_between_steps(self):
        with _open("CountingEnv") as env:
            env.reset()
            os.kill(env.pid, signal.SIGKILL)
            promise = env.step(_ACTION, blocking=False)
            with pytest.raises(EnvCrash, match="SIGKILL"):
                promise()
            promise = env.reset(blocking=False)
            assert promise()[0]["count"] == 0


class TestProgramsOfTheEnvironment:
    @pytest.mark.parametrize("how", ["hang", "exit", "kill", "close"])
    def test_end_with_it(self, how, monkeypatch):
        monkeypatch.setattr("planet_tf2.envs.async_env.CLOSE_SECONDS", 5)
        kwargs = {"how": how, "good_steps": 0}
        env = Async("fakes:ServerEnv", kwargs, render=False, timeout_seconds=30)
        _, info = env.reset()
        # They would inherit that signals are ignored.
        assert info["SIGTERM"] == "SIG_DFL"
        server = os.pidfd_open(info["pid"])
        try:
            if how == "hang":
                env.step(_ACTION, blocking=False)
                monkeypatch.setattr(
                    "planet_tf2.envs.async_env.CLOSE_SECONDS", 0
                )
            elif how != "close":
                with pytest.raises(EnvCrash):
                    env.step(_ACTION)
            if how in ("hang", "close"):
                env.close()
            assert select.select([server], [], [], 30)[0], "It still runs."
        finally:
            os.close(server)
            env.close()


def test_maybe_rendering(monkeypatch):
    """OpenGL where it is safe, and none elsewhere."""

    def missing():
        raise rendering.RenderingError("none")

    found = {}
    backends = {
        "software": lambda: rendering.Backend("egl", "llvmpipe", True),
        "hardware": lambda: rendering.Backend("egl", "GeForce", False),
        "missing": missing,
    }
    monkeypatch.setitem(sys.modules, "tensorflow", object())
    for name, backend in backends.items():
        monkeypatch.setattr(rendering, "choose_backend", backend)
        for strategy in ("process", "none"):
            with Async("fakes:ReportingEnv", {}, strategy, None) as env:
                env.reset()
                environ = dict(os.environ)
                if strategy == "process":
                    environ = env.step(_ACTION)[-1]["environ"]
                found[name, strategy] = environ.get("MUJOCO_GL")
    assert found["software", "process"] == "egl"
    assert found["hardware", "process"] == "egl"
    assert found["missing", "process"] == "off"
    # That of this process is only set while the environment is built.
    assert found["software", "none"] == os.environ.get("MUJOCO_GL")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_left_to_the_parent(number):
    with _open("CountingEnv", blocking=False) as env:
        os.kill(env.pid, number)  # While Python starts.
        env.reset()
        os.kill(env.pid, number)
        assert env.step(_ACTION)[1] == 1
    handlers = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert number not in handlers


def test_interrupt_while_waiting_ends_the_worker(monkeypatch):
    with _open("FailingEnv", how="hang", good_steps=0) as env:
        env.reset()
        promise = env.step(_ACTION, blocking=False)
        with monkeypatch.context() as patch:
            connection = "multiprocessing.connection.Connection.poll"
            patch.setattr(connection, _interrupt)
            with pytest.raises(KeyboardInterrupt):
                promise()
        with pytest.raises(EnvCrash, match="SIGKILL"):
            promise()


def _interrupt(connection, seconds):
    raise KeyboardInterrupt


@pytest.mark.render
@pytest.mark.parametrize("strategy", ["thread", "none"])
def test_rendering_in_a_process_without_tensorflow(strategy):
    program = textwrap.dedent(
        f"""
        import numpy as np
        from planet_tf2.configs import environments

        kwargs = {{"isolate_envs": {strategy!r}, "action_repeat": 250}}
        with environments.open_env("cartpole_balance", kwargs) as env:
            env.reset(seed=0)
            print(int(env.step(np.ones(1))[0]["image"].std()))
        """
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=child_process.child_environ({}),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 5


def _children():
    """Process ids of this process's children, zombies included."""
    return {child.pid for child in psutil.Process().children()}
