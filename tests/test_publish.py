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
from bad_folders import make_run
from PIL import Image
from small_runs import SMALL, snapshot

from planet_tf2 import agents
from planet_tf2.data.episodes import list_episodes, load_episode
from planet_tf2.data.run_folder import RunFolder, RunFolderError
from planet_tf2.evaluation import (
    held_out,
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


class TestPolicyGif:
    def test_large_ones_lose_frames_and_size(self, monkeypatch):
        rng = np.random.default_rng(0)
        frames = rng.integers(0, 256, (500, 16, 16, 3), np.uint8)
        monkeypatch.setattr(publishing, "MAX_BYTES", 60_000)
        content = policy_gif(frames)
        assert len(content) <= 60_000
        with Image.open(io.BytesIO(content)) as gif:
            assert gif.n_frames < 250


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
