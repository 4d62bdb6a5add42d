"""Many workers begin a new experiment at once, with other parameters."""

import collections
import functools
import threading
import time

import pytest

from planet_tf2 import train
from planet_tf2.agents import resolve
from planet_tf2.data.run_folder import RunFolder, RunFolderError
from planet_tf2.experiment import claims
from planet_tf2.experiment.experiment import Experiment

WORKERS = 8


class Workers:
    """Workers in threads, which claim their first run at the same moment."""

    def __init__(self, logdir, monkeypatch, settings):
        self.errors, self.trained = [], collections.Counter()
        self._logdir = logdir
        self._settings = settings
        self._together = threading.Barrier(len(settings), timeout=60)
        self._local = threading.local()
        # The winner writes its config once all others have lost.
        self._lost = threading.Semaphore(0)
        self._written = threading.Event()
        link = claims._link

        def link_together(prepared, path):
            first = not hasattr(self._local, "begun")
            self._local.begun = True
            if first:
                self._together.wait()
            won = link(prepared, path)
            if first and not won:
                self._lost.release()
            return won

        monkeypatch.setattr(claims, "_link", link_together)

    def run(self):
        threads = [
            threading.Thread(target=self._work, args=(number, *settings))
            for number, settings in enumerate(self._settings)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()

    def _work(self, number, overrides, seed):
        settings = {
            "agent": "planet",
            "preset": "debug",
            "params": resolve("debug", overrides=overrides),
        }
        experiment = Experiment(
            self._logdir,
            3,
            worker_name=str(number),
            report=lambda text: None,
            wait=self._wait,
            check=functools.partial(train._check_same, settings, seed),
        )
        try:
            for run in experiment:
                with run:
                    self._train(run, number, settings, seed)
        except RunFolderError as error:
            self.errors.append(str(error))

    def _wait(self, seconds):
        # For a while, or those who are at it count as dead after a few looks.
        if self._written.wait(10):
            time.sleep(0.2)

    def _train(self, run, number, settings, seed):
        self.trained[number] += 1
        if not self._written.is_set():
            for _ in range(len(self._settings) - 1):
                assert self._lost.acquire(timeout=60)
        run.folder.create()
        settings = {**settings, "seed": seed + run.number}
        train._keep_settings(run.folder, settings, print)
        self._written.set()


def configs(logdir):
    names = ("00001", "00002", "00003")
    return [RunFolder(logdir / name).read_config() for name in names]


def refuse(source, target):
    raise OSError(1, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda n: ({"free_nats": float(n)}, 0), "free_nats: "),
        (lambda n: ({"num_units": 8 + n}, 0), "num_units: "),
        (lambda n: ({}, 10 * n), "seed: "),
    ],
)
def test_one_defines_it(tmp_path, monkeypatch, links, other, words):
    """The others are told how theirs differs, also without hard links."""
    if not links:
        monkeypatch.setattr(claims.os, "link", refuse)
    settings = [other(number) for number in range(WORKERS)]
    workers = Workers(tmp_path, monkeypatch, settings)
    workers.run()
    (winner,) = workers.trained
    assert workers.trained[winner] == 3
    overrides, seed = settings[winner]
    for number, config in enumerate(configs(tmp_path), 1):
        assert config["params"] == dict(resolve("debug", overrides=overrides))
        assert config["seed"] == seed + number
    assert len(workers.errors) == WORKERS - 1
    for error in workers.errors:
        assert "made with other settings: " in error and words in error
        assert "\n" not in error


def test_those_who_agree_share_it(tmp_path, monkeypatch):
    settings = [({"free_nats": 1.0}, 0)] * WORKERS
    workers = Workers(tmp_path, monkeypatch, settings)
    workers.run()
    assert not workers.errors
    assert sum(workers.trained.values()) == 3
    assert len({config["id"] for config in configs(tmp_path)}) == 3
