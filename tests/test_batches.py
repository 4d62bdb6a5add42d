"""Which episodes a batch may come from, and when they are looked for."""

import itertools
import threading

import pytest

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools.journal import Journal
from planet_tf2.training.batches import Batches
from planet_tf2.training.episode_log import EpisodeLog
from planet_tf2.training.trainer import Trainer

# Epochs of four updates of five sequences, and two test batches.
LENGTHS = {"train": 20, "test": 10}
EPOCH = sum(LENGTHS.values())


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "00001").create()


def announce(folder, *steps):
    """Says that there is an episode since each of these steps."""
    for step in steps:
        record = {"split": "train", "task": "walk", "step": step, "env_step": 1}
        record |= {"phase": "train", "episode": 1, "return": 0.0}
        Journal(folder.metrics).append({**record, "file": f"{step:03}.npz"})


def make_trainer(path):
    trainer = Trainer(path, {}, 1000)
    for name, length in LENGTHS.items():
        trainer.add_phase(name, length, 5, [])
    return trainer


class Source:
    """Batches that are made as fast as they are taken."""

    def __init__(self):
        self.made = {"train": [], "test": []}

    def __call__(self, split, seed, start, names):
        for number in itertools.count(start):
            known = names(number)
            self.made[split].append(known)
            yield {"seed": seed, "number": number, "names": known}


def plain(batch):
    names = [name.decode() for name in batch["names"].numpy()]
    return tuple(batch["seed"].numpy()), int(batch["number"]), names


def run(folder, path, first_step=0, steps=range(0, 2 * EPOCH, 5)):
    """Returns the batches of steps; their numbers are counted by split."""
    trainer = make_trainer(path)
    trainer._global_step = first_step
    source = Source()
    batches = Batches(source, EpisodeLog(folder), 7, trainer.step_of)
    first = {name: trainer.next_step(name).update for name in LENGTHS}
    batches.start(first)
    found = {}
    for step in steps:
        if step >= first_step:
            where = trainer.step_at(step)
            found[step] = batches.of(where)
            assert batches.of(where) is found[step]
    ahead = {split: len(made) for split, made in source.made.items()}
    batches.close()
    found = {step: plain(batch) for step, batch in found.items()}
    return found, ahead


def test_what_was_announced_until_the_step(folder, tmp_path):
    announce(folder, 0, 5, 10, 30, 55)
    found, _ = run(folder, tmp_path)
    for step, (seed, number, names) in found.items():
        split = "train" if step % EPOCH < LENGTHS["train"] else "test"
        known = [s for s in (0, 5, 10, 30, 55) if s <= step]
        assert seed == (7, list(LENGTHS).index(split))
        expected = [f"{s:03}.npz" for s in known] if split == "train" else []
        assert names == expected
        within = step % EPOCH - LENGTHS["train"] * (split == "test")
        assert number == (step // EPOCH * LENGTHS[split] + within) // 5


def test_nothing_is_looked_for_ahead(folder, tmp_path):
    """Though the other thread would have had the time."""
    announce(folder, 0)
    found, ahead = run(folder, tmp_path, steps=range(0, 15, 5))
    assert len(found) == 3
    # Three steps have begun, so no more than three looks were answered.
    assert ahead["train"] == 3 and ahead["test"] == 0


@pytest.mark.parametrize("first_step", [5, 15, 20, 25, 30, 35, 50])
def test_resumed_anywhere(folder, tmp_path, first_step):
    announce(folder, 0, 5, 10, 30, 55)
    whole, _ = run(folder, tmp_path)
    rest, _ = run(folder, tmp_path, first_step)
    assert rest == {s: b for s, b in whole.items() if s >= first_step}


def test_problems_are_raised_where_the_batch_is_needed(folder, tmp_path):
    def make(split, seed, start, names):
        yield {"number": 1}
        raise ZeroDivisionError("on purpose")

    trainer = make_trainer(tmp_path)
    batches = Batches(make, EpisodeLog(folder), 7, trainer.step_of)
    batches.start({"train": 0, "test": 0})
    assert int(batches.of(trainer.step_at(0))["number"]) == 1
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        batches.of(trainer.step_at(5))
    batches.close()


def test_no_thread_is_left(folder, tmp_path):
    before = threading.active_count()
    run(folder, tmp_path)
    run(folder, tmp_path, steps=[0])
    assert threading.active_count() == before
