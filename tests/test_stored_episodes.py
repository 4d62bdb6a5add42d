"""Stored episodes in place of a simulator, for both agents."""

import io

import minari
import pytest
from gymnasium import spaces
from minari_sets import BOX, IMAGE, make_minari, store
from small_runs import SMALL, records
from small_runs import run as run_planet

from planet_tf2.data.run_folder import RunFolder
from planet_tf2.exchange import sources
from planet_tf2.exchange.export_episodes import export_minari
from planet_tf2.exchange.import_episodes import import_episodes
from planet_tf2.tools.journal import Journal
from planet_tf2.train import train

__all__ = ["store"]


@pytest.fixture(autouse=True)
def no_simulator(monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("There is none.")

    monkeypatch.setattr("planet_tf2.training.assemble.open_env", fail)
    monkeypatch.setattr("planet_tf2.train.probe", fail)


def folders(observed, acted, tmp_path, image_size=None):
    make_minari("aa/b-v0", observed, acted, (30,) * 4)
    source = sources.open_source("aa/b-v0")
    import_episodes(source, tmp_path / "data", image_size, held_out=0.25)
    train_folder, test_folder = sources.find_folders(tmp_path / "data")
    return {
        "offline_traindir": train_folder,
        "offline_evaldir": test_folder,
        "tasks": ["no_module:no_task"],
    }


def test_planet(tmp_path, no_predictions):
    stored = folders(IMAGE, spaces.Discrete(3), tmp_path, 32)
    stored |= {"train_steps": 100, "test_steps": 2, "max_steps": 102}
    folder, _ = run_planet(tmp_path / "run", **{**SMALL, **stored})
    lines = list(Journal(folder.metrics))
    assert lines[-1]["phase"] == "test" and "image_loss" in lines[-1]
    trained = [line for line in lines if line["phase"] == "train"]
    assert max(line["update"] for line in trained) == 50
    assert folder.read_config()["params"]["image_size"] == 32
    export_minari(sources.open_source(str(folder.train_episodes)), "aa/c-v0")
    assert minari.load_dataset("aa/c-v0").total_episodes == 3


def test_planet_goes_on_exactly(tmp_path, no_predictions):
    """Here with nothing to test on."""
    stored = folders(IMAGE, BOX, tmp_path)
    stored = {**SMALL, **stored, "offline_evaldir": ""}
    whole, _ = run_planet(tmp_path / "whole", **stored)
    broken, _ = run_planet(tmp_path / "broken", **{**stored, "max_steps": 6})
    broken.done.unlink()
    run_planet(tmp_path / "broken", **stored)
    found = records(whole)
    assert len(found) == 4 and {r["phase"] for r in found} == {"train"}
    assert found == records(broken)


def test_planet_without_images(tmp_path):
    stored = folders(spaces.Box(-1, 1, (3,)), BOX, tmp_path)
    with pytest.raises(ValueError, match="have no 'image', only state"):
        run_planet(tmp_path / "run", **stored)
    assert not (tmp_path / "run").exists()


def test_dreamer(tmp_path, no_predictions):
    observed = spaces.Box(-1, 1, (3,))
    stored = folders(observed, spaces.Discrete(3), tmp_path)
    # An update per 2 * 4 / 16 decisions, two steps each.
    stored |= {"steps": 10, "eval_every": 10, "log_every": 10}
    stored |= {"train_ratio": 16, "batch_size": 2, "batch_length": 4}
    stored |= {"imag_horizon": 2, "video_pred_log": False}
    train(
        str(tmp_path / "run"),
        "debug,dmc_proprio",
        overrides=stored,
        agent="dreamer",
        report=io.StringIO().write,
    )
    folder = RunFolder(tmp_path / "run" / "00001")
    lines = list(Journal(folder.metrics))
    assert max(line.get("update_count", 0) for line in lines) == 10
    export_minari(sources.open_source(str(folder.train_episodes)), "aa/c-v0")
    found = minari.load_dataset("aa/c-v0")
    assert found.total_steps == 90
    assert found.action_space == spaces.Discrete(3)
