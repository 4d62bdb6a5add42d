"""Evaluation on a small run of the real program."""

import json
import pathlib
import shutil

import numpy as np
import pytest
from bad_folders import run_script
from PIL import Image
from small_runs import DECISIONS, snapshot

from planet_tf2.configs.anchors import ANCHORS, get_anchors
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.envs import DummyEnv
from planet_tf2.evaluation import evaluate as evaluation
from planet_tf2.evaluation import loading, rollouts
from planet_tf2.evaluation.evaluate import evaluate


@pytest.fixture(scope="module")
def loaded(trained):
    return loading.load_run(trained.folder)


def returns(episodes):
    return [episode.score for episode in episodes]


def refuse(function, *args, **kwargs):
    with pytest.raises(ValueError) as error:
        function(*args, **kwargs)
    return str(error.value)


@pytest.mark.slow
class TestPlay:
    def test_same_seed_same_episodes(self, loaded):
        first, again, other = (
            list(rollouts.play(loaded, "dummy", 3, seed, record=record))
            for seed, record in ((5, True), (5, False), (6, False))
        )
        assert {episode.length for episode in first} == {DECISIONS}
        assert returns(first) == returns(again)
        assert len(set(returns(first) + returns(other))) == 6
        for episode in first:
            rewards = episode.arrays["reward"]
            assert episode.score == pytest.approx(rewards.sum(), rel=1e-5)
            assert episode.arrays["image"].shape == (11, 64, 64, 3)
        assert again[0].arrays is None

    def test_several_agents_meet_the_same_environments(self, loaded):
        """Also where the last round is not full."""
        alone = list(rollouts.play(loaded, "dummy", 3, 5, 1, record=True))
        together = list(rollouts.play(loaded, "dummy", 3, 5, 2, record=True))
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_array_equal(
                one.arrays["image"][0], other.arrays["image"][0]
            )
        again = list(rollouts.play(loaded, "dummy", 3, 5, 2))
        assert returns(together) == returns(again)

    def test_actions_have_no_noise(self, loaded, monkeypatch):
        noises, rollout = [], rollouts.Rollout.__call__

        def spying(graph, env_seeds, seed, action_noise=0.0):
            noises.append(action_noise)
            return rollout(graph, env_seeds, seed, action_noise)

        monkeypatch.setattr(rollouts.Rollout, "__call__", spying)
        list(rollouts.play(loaded, "dummy", 1))
        assert noises == [0.0]

    def test_environments_are_in_other_processes(self, loaded, monkeypatch):
        """Even those of a run that had them in its own."""
        assert loaded.params["isolate_envs"] == "none"

        def here(*args):
            raise AssertionError("An environment is stepped in this process.")

        monkeypatch.setattr(DummyEnv, "step", here)
        assert len(list(rollouts.play(loaded, "dummy", 1))) == 1

    def test_tasks_with_other_actions(self, loaded):
        with rollouts.open_task(loaded, "reacher_easy") as env:
            assert env.action_space.shape == (loaded.action_size,)
        for task, message in (
            ("cheetah_run", "needs 6"),
            ("reacher_esay", "'reacher_easy'"),
        ):
            assert message in refuse(rollouts.open_task, loaded, task)


@pytest.mark.slow
class TestEvaluate:
    def test_result(self, trained, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        before = snapshot(trained.folder.path)
        result = evaluate([trained.folder], 3, make_video=True)
        assert snapshot(trained.folder.path) == before
        path = tmp_path / "evaluation-dummy-12.json"
        assert json.loads(path.read_text()) == result
        (run,) = result["runs"]
        assert run["episodes"] == len(run["returns"]) == 3
        assert run["mean"] == pytest.approx(np.mean(run["returns"]))
        assert run["stddev"] == pytest.approx(np.std(run["returns"], ddof=1))
        assert run["lengths"] == [DECISIONS] * 3
        assert (run["step"], run["state"]) == (12, "finished")
        assert run["random"] is run["published"] is None
        (group,) = result["groups"]
        assert group["runs"] == 1 and group["means"] == [run["mean"]]
        with Image.open(run["video"]) as gif:
            assert gif.n_frames == DECISIONS + 1
        text = capsys.readouterr().out
        assert f"{run['mean']:.1f} ± {run['stddev']:.1f}" in text
        assert str(path.name) in text
        assert pathlib.Path(run["video"]).name in text
        # Again, there are the same numbers, with a video or without.
        again = evaluate([trained.folder], 3, out="b.json")
        del result["runs"][0]["video"]
        assert again == result == json.loads(pathlib.Path("b.json").read_text())

    def test_several_runs(self, trained, tmp_path, capsys):
        """Those with the same parameters are summed up."""
        folders = [trained.folder]
        for name in ("00002", "00003"):
            shutil.copytree(trained.folder.path, tmp_path / name)
            folders.append(RunFolder(tmp_path / name))
        config = folders[2].read_config()
        config["params"]["planner_iterations"] = 3
        folders[2].write_config(config)
        result = evaluate(folders, 1, out=tmp_path / "e.json")
        assert [len(r["returns"]) for r in result["runs"]] == [1, 1, 1]
        first, second = result["groups"]
        assert (first["runs"], second["runs"]) == (2, 1)
        assert first["interquartile_mean"] == np.mean(first["means"])
        low, high = first["confidence_interval"]
        assert low <= first["interquartile_mean"] <= high
        assert capsys.readouterr().out.count("interquartile") == 1

    def test_refuses_before_anything_is_played(
        self, trained, monkeypatch, capsys
    ):
        """By default the result would go into the current folder."""
        before = snapshot(trained.folder.path)
        monkeypatch.chdir(trained.folder.path)
        for out, message in ((".", "a folder. Name"), (None, "its training")):
            assert message in refuse(evaluate, [trained.folder], 1, out=out)
        assert not capsys.readouterr().out
        assert snapshot(trained.folder.path) == before

    def test_stopped_by_the_user(self, trained, tmp_path, monkeypatch):
        monkeypatch.setattr(rollouts.StopSignals, "requested", True)
        with pytest.raises(KeyboardInterrupt):
            evaluate([trained.folder], 1, out=tmp_path / "e.json")
        assert not (tmp_path / "e.json").exists()


class TestAnchors:
    def test_between_random_and_published(self):
        cheetah = ANCHORS["cheetah_run"]
        assert cheetah.normalised(12) == 0
        assert cheetah.normalised(662) == 1
        assert cheetah.normalised(337) == 0.5
        assert ANCHORS["cartpole_balance"].normalised(500) is None

    def test_notes(self):
        assert get_anchors("dummy") == (None, [])
        anchors, notes = get_anchors("cheetah_run", 4)
        assert anchors is ANCHORS["cheetah_run"] and not notes
        _, notes = get_anchors("cheetah_run", 2)
        assert "of 4; here it is 2" in notes[0]
        _, notes = get_anchors("cup_catch", 4)
        assert "6" in notes[0] and len(notes) == 1
        _, notes = get_anchors("cup_catch", 4, "dreamer")
        assert not notes

    def test_each_agent_has_its_own(self):
        ours, _ = get_anchors("walker_walk", agent="dreamer")
        assert ours.published == 925 and "vectors" in ours.after
        assert ours.random == ANCHORS["walker_walk"].random
        other, _ = get_anchors("walker_walk", agent="my_package.my_agent")
        assert other.published is None


def test_result_in_words():
    entry = {
        "task": "cheetah_run",
        "mean": 337.0,
        "stddev": 2.0,
        "episodes": 4,
        "confidence_interval": [333.8, 340.2],
        "random": 12,
        "published": 662,
        "normalised": 0.5,
        "notes": ["Mind the gap."],
    }
    first, second, third = evaluation.describe(entry).splitlines()
    assert first.startswith("cheetah_run: 337.0 ± 2.0 (")
    assert "4 episodes" in first and "333.8 to 340.2" in first
    assert (
        "random actions, 30 episodes 12, published 662: 50% of the way"
        in second
    )
    assert third == "  Mind the gap."
    text = evaluation.describe({**entry, "episodes": 2})
    assert "2 episodes)" in text and "confidence" not in text


@pytest.mark.parametrize(
    "entries, name",
    [
        ([("walk", 5)], "evaluation-walk-5.json"),
        ([("walk", 5), ("walk", 6)], "evaluation-walk.json"),
        ([("walk", 5), ("run", 6)], "evaluation.json"),
        ([("gym:ALE/Pong-v5", 5)], "evaluation-gym-ALE-Pong-v5-5.json"),
    ],
)
def test_default_names(entries, name):
    results = [{"task": task, "step": step} for task, step in entries]
    assert evaluation.default_name(results) == name


@pytest.mark.slow
def test_script(trained, tmp_path, capsys):
    out = tmp_path / "out" / "e.json"
    path = trained.folder.path
    status = run_script(
        "evaluate", "--logdir", path, "--episodes=2", "--out", out, path.parent
    )
    assert status == 0
    assert len(json.loads(out.read_text())["runs"]) == 1
    assert f"Written: {out}" in capsys.readouterr().out
