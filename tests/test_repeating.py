"""What it takes to repeat a run, and what it was made of."""

import csv
import io
import shlex

import pytest
import yaml
from bad_folders import make_run

from planet_tf2 import agents
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import repeating
from planet_tf2.tools.attr_dict import to_plain
from planet_tf2.tools.journal import Journal


class TestCommand:
    def words(self, command):
        words = shlex.split(command)
        assert words[:2] == ["python", "scripts/train.py"]
        return dict(zip(words[2::2], words[3::2], strict=True))

    def test_repeats_the_parameters(self, tmp_path):
        collects = [{"after": 3, "name": "it's"}]
        folder = RunFolder(
            make_run(
                tmp_path / "run",
                train_collects=collects,
                free_nats=1e-7,
                # As in the preset, but not for so many test steps.
                checkpoint_every=100,
                test_steps=3,
            )
        )
        words = self.words(repeating.training_command(folder, "logs/new one"))
        assert words["--logdir"] == "logs/new one"
        assert words["--config"] == "debug"
        assert "--seed" not in words
        changed = yaml.safe_load(words["--params"])
        names = "train_collects", "free_nats", "checkpoint_every", "test_steps"
        assert sorted(changed) == sorted(names)
        params = agents.resolve(words["--config"], words["--params"])
        saved = folder.read_config()["params"]
        assert to_plain(params) == to_plain(saved)

    def test_of_a_later_run_and_a_preset_that_is_gone(self, tmp_path):
        """The new run is the first of its experiment."""
        folder = RunFolder(make_run(tmp_path / "00003"))
        assert "--params" not in repeating.training_command(folder, "x")
        config = {**folder.read_config(), "seed": 13, "preset": "fancy"}
        folder.write_config(config)
        words = self.words(repeating.training_command(folder, "x"))
        assert words["--seed"] == "12" and words["--config"] == "default"
        params = agents.resolve("default", words["--params"])
        assert to_plain(params) == to_plain(config["params"])


class TestMetrics:
    @pytest.fixture
    def folder(self, tmp_path):
        folder = RunFolder(make_run(tmp_path / "run"))
        journal = Journal(folder.metrics)
        for number in range(1, 8):
            record = {"phase": "train", "update": number}
            record["elapsed_seconds"] = 1800.0 * number
            journal.append({**record, "image_loss": 1 / 3 + number})
            if number in (2, 5):
                episode = {"split": "train", "return": 2.0, "task": "walk"}
                episode |= {"file": f"{number}.npz", "env_step": 100 * number}
                journal.append({**record, **episode, "step": 0, "episode": 1})
        return folder

    def rows(self, folder):
        text = repeating.metrics_table(folder)
        return list(csv.DictReader(io.StringIO(text)))

    def test_all_records(self, folder):
        rows = self.rows(folder)
        assert len(rows) == 9
        assert rows[0]["image_loss"] == "1.33333"
        assert rows[0]["return"] == ""
        assert rows[2]["file"] == "2.npz" and rows[2]["image_loss"] == ""

    def test_of_many_updates_some(self, folder, monkeypatch):
        monkeypatch.setattr(repeating, "_MAX_UPDATES", 3)
        rows = self.rows(folder)
        assert [r["update"] for r in rows] == ["1", "2", "4", "5", "7"]
        assert sum(r["file"].endswith(".npz") for r in rows) == 2

    def test_totals(self, folder):
        records = list(Journal(folder.metrics))
        totals = repeating.count_totals(records)
        assert list(totals.values()) == [7, 2, 500, 3.5]
        del records[0]["elapsed_seconds"]
        assert repeating.count_totals(records) == {**totals, "hours": None}
        assert list(repeating.count_totals([]).values()) == [0, 0, 0, None]
