"""Published runs: everything that proves them, and the page."""

import csv
import io
import json
import pathlib
import shlex
import shutil

import numpy as np
import pytest
import yaml
from bad_folders import make_run, run_script
from PIL import Image
from small_runs import SMALL, snapshot

from planet_tf2 import agents
from planet_tf2.data.episodes import list_episodes, load_episode
from planet_tf2.data.run_folder import RunFolder, RunFolderError
from planet_tf2.evaluation import (
    held_out,
    repeating,
    results_page,
    rollouts,
    runs,
)
from planet_tf2.evaluation import publish as publishing
from planet_tf2.evaluation.loading import load_agent, load_run
from planet_tf2.evaluation.publish import policy_gif, publish
from planet_tf2.tools.attr_dict import to_plain
from planet_tf2.tools.journal import Journal
from planet_tf2.train import train

PAGE = f"# Results\n\n{results_page.BEGIN}\nold\n{results_page.END}\n\nMore.\n"
FILES = {"README.md", "config.yaml", "metrics.csv", "result.json"}
FILES |= {"evaluation.json", "curve.png", "curve.csv"}
FILES |= {"DONE", "checkpoints", "test_episodes"}
PICTURES = {"policy.gif", "prediction.gif", "diagnosis.json", "diagnosis.png"}


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "docs" / "results.md"
    path.parent.mkdir()
    path.write_text(PAGE)
    return path


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


class TestPolicyGif:
    def test_large_ones_lose_frames_and_size(self, monkeypatch):
        rng = np.random.default_rng(0)
        frames = rng.integers(0, 256, (500, 16, 16, 3), np.uint8)
        monkeypatch.setattr(publishing, "MAX_BYTES", 60_000)
        content = policy_gif(frames)
        assert len(content) <= 60_000
        with Image.open(io.BytesIO(content)) as gif:
            assert gif.n_frames < 250


class TestPage:
    def result(self, name="walk-cpu-1", task="walker_walk", **changes):
        return {
            "name": name,
            "tasks": [
                {
                    "task": task,
                    "mean": 512.4,
                    "stddev": 31.0,
                    "episodes": 20,
                    "random": 39,
                    "published": 951,
                    "policy": "policy.gif",
                    "shown_return": 500.0,
                }
            ],
            "model": {
                "context": 5,
                "horizon": 45,
                "image_ratio": 0.314,
                "one_future_image_ratio": 0.628,
                "image_ratio_to_mean_frame": None,
                "reward_explained_variance": 0.9,
            },
            "preset": "cpu",
            "seed": 1,
            "command": "python scripts/train.py",
            "hardware": "two cores",
            "note": "",
            "train_episodes": 120,
            "simulator_steps": 120000,
            "hours": 3.26,
            **changes,
        }

    def publish(self, tmp_path, *results):
        for result in results:
            place = tmp_path / "results" / result["name"]
            place.mkdir(parents=True)
            (place / "result.json").write_text(json.dumps(result))

    def test_none(self, page, tmp_path):
        results_page.update_page(page, tmp_path / "results")
        text = page.read_text()
        assert "No run has been published yet." in text
        assert text.startswith("# Results\n\n<!--") and "old" not in text
        assert text.endswith("-->\n\nMore.\n")

    def test_table_and_parts(self, page, tmp_path):
        self.publish(
            tmp_path,
            self.result(),
            self.result("run-cpu-1", "cheetah_run", hours=None, note="Aha."),
        )
        results_page.update_page(page, tmp_path / "results")
        text = page.read_text()
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) == 1
        assert rows[2].startswith("| [run-cpu-1](#run-cpu-1) | PlaNet | cheet")
        assert rows[2].endswith("| 120 | 120,000 | - |")
        assert "| 512 ± 31 (20 episodes) | 39 | 951 |" in rows[3]
        assert rows[3].endswith("| 3.3 |")
        assert "of run-cpu-1](../results/run-cpu-1/curve.png)" in text
        assert "0.31 of a still picture's and - of the mean frame's" in text
        assert "of one sampled future 0.63 of a still picture's" in text
        assert "\nAha.\n" in text
        # Doing it again changes nothing.
        results_page.update_page(page, tmp_path / "results")
        assert page.read_text() == text

    def test_earlier_versions_and_agents_without_images(self, page, tmp_path):
        early, blind = self.result(), self.result("walk-other-1", model=None)
        del early["model"]["one_future_image_ratio"]
        blind["tasks"][0]["policy"] = None
        self.publish(tmp_path, early, blind)
        results_page.update_page(page, tmp_path / "results")
        text = page.read_text()
        assert "of one sampled future - of a still" in text
        pictures = [w for w in text.split("](") if "walk-other-1/" in w]
        assert len(pictures) == 1 and "curve.png" in pictures[0]

    def test_pages_without_marks(self, tmp_path):
        (tmp_path / "page.md").write_text(results_page.BEGIN + "\n")
        with pytest.raises(RunFolderError, match="needs the lines"):
            results_page.update_page(tmp_path / "page.md", tmp_path)

    def test_script_without_a_run(self, page, tmp_path, capsys):
        self.publish(tmp_path, self.result())
        where = ["--results", tmp_path / "results"]
        assert run_script("publish_result", "--page", page, *where) == 0
        assert "walk-cpu-1" in page.read_text()
        assert "with 1 runs" in capsys.readouterr().out
        assert run_script("publish_result", *where) == 1
        assert "say --logdir, or --page" in capsys.readouterr().err


@pytest.mark.slow
class TestPublish:
    @pytest.fixture(scope="class")
    @classmethod
    def published(cls, trained, tmp_path_factory):
        place = tmp_path_factory.mktemp("publish")
        page = place / "results.md"
        page.write_text(PAGE)
        before = snapshot(trained.folder.path)
        target = publish(
            trained.folder,
            place / "results",
            page,
            note="A very small run.",
            episodes=2,
        )
        assert snapshot(trained.folder.path) == before
        return target, page

    def test_files(self, published, trained):
        target, _ = published
        assert target.name == "dummy-debug-1"
        assert [p.name for p in target.parent.iterdir()] == [target.name]
        assert {path.name for path in target.iterdir()} == FILES | PICTURES
        for path in filter(pathlib.Path.is_file, target.rglob("*")):
            assert 0 < path.stat().st_size <= publishing.MAX_BYTES
            # No paths of the machine that it was made on.
            here = str(trained.folder.path.parent).encode()
            assert here not in path.read_bytes()
        with Image.open(target / "policy.gif") as gif:
            assert gif.n_frames == 11

    def test_says_what_is_needed_to_repeat_it(self, published, trained):
        target, page = published
        result = json.loads((target / "result.json").read_text())
        config = trained.folder.read_config()
        assert result["seed"] == 1 and result["preset"] == "debug"
        assert result["hardware"] == config["machine"]
        assert "core" in result["hardware"]
        assert result["versions"] == config["versions"]
        words = shlex.split(result["command"])
        params = agents.resolve("debug", words[words.index("--params") + 1])
        assert to_plain(params) == config["params"]
        assert params["batch_shape"] == SMALL["batch_shape"]
        assert RunFolder(target).read_config() == config
        assert result["evaluation"] == (
            "python scripts/evaluate.py --logdir logs/dummy-debug-1 "
            "--episodes=2 --seed=0 --agents=1"
        )
        for text in (page.read_text(), (target / "README.md").read_text()):
            assert result["command"] in text and result["evaluation"] in text
            assert "A very small run." in text
        assert "](results/dummy-debug-1/prediction.gif)" in page.read_text()
        assert page.read_text().endswith("More.\n")

    def test_figures(self, published, trained):
        target, _ = published
        result = json.loads((target / "result.json").read_text())
        evaluation = json.loads((target / "evaluation.json").read_text())
        (entry,), (played,) = result["tasks"], evaluation["tasks"]
        assert entry["mean"] == played["mean"]
        assert played["mean"] == pytest.approx(np.mean(played["returns"]))
        assert (result["updates"], result["train_episodes"]) == (4, 3)
        assert result["simulator_steps"] == 3000
        assert result["hours"] > 0
        images = json.loads((target / "diagnosis.json").read_text())["images"]
        for name, key in (
            ("image_ratio", "ratio_to_no_change"),
            ("one_future_image_ratio", "one_future_ratio_to_no_change"),
        ):
            assert result["model"][name] == images[key]
        metrics, curve = (
            list(csv.DictReader((target / name).read_text().splitlines()))
            for name in ("metrics.csv", "curve.csv")
        )
        assert len(metrics) == len(list(Journal(trained.folder.metrics)))
        assert {row["experiment"] for row in curve} == {target.name}

    def test_is_a_small_run(self, published, trained):
        target, _ = published
        before = snapshot(target)
        loaded, own = load_agent(target), load_agent(trained.folder.path)
        assert loaded.run.state == runs.FINISHED
        assert loaded.run.step == own.run.step == 12
        models = (x.run.agent.model.variables for x in (loaded, own))
        pairs = list(zip(*models, strict=True))
        assert len(pairs) > 20
        for one, other in pairs:
            np.testing.assert_array_equal(one.numpy(), other.numpy())
        image = np.full((64, 64, 3), 90, np.uint8)
        actions = [agent.act(image) for agent in (loaded, own)]
        np.testing.assert_array_equal(*actions)
        held = held_out.load_held_out(loaded.run)
        assert [episode.length for episode in held] == [10, 10]
        held = load_episode(target / "test_episodes" / held[-1].name)
        newest = list_episodes(trained.folder.test_episodes)[-1]
        own = load_episode(trained.folder.test_episodes / newest)
        np.testing.assert_array_equal(held["image"], own["image"])
        assert snapshot(target) == before

    def test_only_weights(self, published, trained):
        sizes = [
            sum(p.stat().st_size for p in folder.glob("*.data*"))
            for folder in (
                published[0] / "checkpoints",
                trained.folder.checkpoints,
            )
        ]
        variables = trained.agent.trained_variables
        weights = sum(4 * np.prod(v.shape) for v in variables)
        assert weights < sizes[0] < 0.6 * sizes[1]

    def test_card(self, published):
        target, _ = published
        result = json.loads((target / "result.json").read_text())
        text = (target / "README.md").read_text()
        before, card, rest = text.split("---\n", 2)
        card = yaml.safe_load(card)
        assert before == "" and rest.startswith("\n# dummy-debug-1\n")
        assert card["license"] == "apache-2.0"
        assert card["library_name"] == "planet_tf2"
        assert {"reinforcement-learning", "dummy"} <= set(card["tags"])
        (model,) = card["model-index"]
        assert model["name"] == "dummy-debug-1"
        (found,) = model["results"]
        assert found["task"]["type"] == "reinforcement-learning"
        assert found["dataset"] == {"type": "dummy", "name": "dummy"}
        (metric,) = found["metrics"]
        assert metric["type"] == "mean_reward"
        mean, stddev = map(float, metric["value"].split(" +/- "))
        (entry,) = result["tasks"]
        assert mean == pytest.approx(entry["mean"], abs=0.01)
        assert stddev == pytest.approx(entry["stddev"], abs=0.01)
        assert 'load_agent("results/dummy-debug-1")' in rest

    def test_is_neither_trained_nor_published_again(self, published, tmp_path):
        target, _ = published
        before = snapshot(target)
        with pytest.raises(ValueError, match="published run, which is not"):
            train(str(target), "debug", overrides=SMALL)
        with pytest.raises(RunFolderError, match="is published already"):
            publish(RunFolder(target), tmp_path, name="other")
        assert snapshot(target) == before and not list(tmp_path.iterdir())

    def test_without_weights_or_episodes(self, published, tmp_path):
        """As all were that were published before."""
        copy = RunFolder(shutil.copytree(published[0], tmp_path / "copy"))
        shutil.rmtree(copy.test_episodes)
        run = load_run(copy)
        with pytest.raises(RunFolderError, match="There are no episodes in"):
            held_out.load_held_out(run)
        shutil.rmtree(copy.checkpoints)
        with pytest.raises(RunFolderError, match="has no weights"):
            load_agent(copy.path)

    def test_only_the_beginning_of_long_episodes(
        self, trained, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(publishing, "_EPISODE_BYTES", 1)
        run, place = load_run(trained.folder), RunFolder(tmp_path)
        publishing._write_agent(place, run, {"tasks": [{"mean": 1.5}]})
        names = list_episodes(place.test_episodes)
        assert len(names) == 2
        for name in names:
            short = load_episode(place.test_episodes / name)
            long = load_episode(trained.folder.test_episodes / name)
            assert short.keys() == long.keys()
            np.testing.assert_array_equal(short["image"], long["image"][:2])

    def test_only_on_request_over_another(self, published, trained):
        target, page = published
        with pytest.raises(RunFolderError, match="there already"):
            publish(trained.folder, target.parent, page)

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"name": "a/b"}, "name is 'a/b'"),
            ({"results": "run/results"}, "in the folder of the run"),
            ({"page": "run/config.yaml"}, "needs the lines"),
        ],
    )
    def test_mistakes_show_before_the_work(
        self, trained, tmp_path, monkeypatch, change, message
    ):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "run").symlink_to(trained.folder.path)
        with pytest.raises(ValueError, match=message):
            publish(RunFolder("run"), **change)
        assert [path.name for path in tmp_path.iterdir()] == ["run"]

    def test_agents_without_images(self, trained, tmp_path, monkeypatch):
        planet = agents.find("planet").PlaNet
        monkeypatch.setattr(planet, "has_model", False)

        def play(*args, play=rollouts.play, **kwargs):
            for episode in play(*args, **kwargs):
                del episode.arrays["image"]
                yield episode

        monkeypatch.setattr(rollouts, "play", play)
        target = publish(trained.folder, tmp_path, episodes=1)
        assert {path.name for path in target.iterdir()} == FILES
        readme = (target / "README.md").read_text()
        assert readme.count("![") == 1 and "(curve.png)" in readme


def test_runs_that_are_not_ready(tmp_path):
    folder = RunFolder(make_run(tmp_path / "run"))
    with pytest.raises(RunFolderError, match="is unfinished"):
        publish(folder, tmp_path / "results")
    with pytest.raises(RunFolderError, match="--hardware"):
        publish(folder, tmp_path / "results", allow_unfinished=True)
    assert not (tmp_path / "results").exists()
