"""The diagnosis of a small run, and what the real model predicts in it."""

import json
import shutil
from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf
from bad_folders import make_run, run_script
from gymnasium import spaces
from PIL import Image
from small_runs import DECISIONS, snapshot

from planet_tf2.agents.agent import Agent, Prediction
from planet_tf2.agents.planet.world_model import preprocess
from planet_tf2.data import episodes as files
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import diagnose as diagnose_module
from planet_tf2.evaluation import held_out, loading, runs
from planet_tf2.evaluation.diagnose import diagnose
from planet_tf2.evaluation.frames import true_image
from planet_tf2.evaluation.predictions import Predictor, Window, cut


@pytest.fixture(scope="module")
def loaded(trained):
    return loading.load_run(trained.folder)


@pytest.fixture(scope="module")
def episodes(loaded):
    return held_out.load_held_out(loaded)


@pytest.fixture
def certain(loaded, monkeypatch):
    """The model takes means for samples, so that nothing is random in it."""
    monkeypatch.setattr(loaded.agent.model.cell, "_mean_only", True)
    monkeypatch.setattr(
        loaded.agent.model,
        "preprocess",
        lambda image, seed: tf.constant(true_image(np.array(image), 5)),
    )
    return loaded


@pytest.mark.slow
class TestPredictor:
    """Against the cell, called one step at a time."""

    @pytest.fixture
    def predictor(self, certain):
        tf.config.run_functions_eagerly(True)
        yield Predictor(certain)
        tf.config.run_functions_eagerly(False)

    def walk(self, model, episode, start, seen, length):
        """Yields states and the prior of each, alone and in order."""
        arrays = {k: v[start:][:length] for k, v in episode.arrays.items()}
        state = model.cell.zero_state(1)
        noise = tf.zeros([1, model.cell.latent_size])
        for time in range(length):
            action = arrays["action"][time][None]
            if time < seen:
                image = true_image(arrays["image"][time][None], 5)
                prior, state = model.cell.observe(
                    state, action, model.encoder(image), (noise, noise)
                )
            else:
                state = prior = model.cell.transition(state, action, noise)
            yield state, prior

    def test_filter(self, certain, predictor, episodes):
        model, episode = certain.agent.model, episodes[1]
        result = predictor.filter(episode)
        truth = true_image(episode.arrays["image"], 5)
        for time, (state, prior) in enumerate(
            self.walk(model, episode, 0, 99, DECISIONS + 1)
        ):
            features = model.cell.features_from_state(state)
            error = model.heads["image"](features).mean() - truth[time]
            for got, expected in (
                (result.reward[time], model.heads["reward"].mean(features)[0]),
                (result.image_error[time], np.square(error).sum() / 2),
                (
                    result.divergence[time],
                    model.cell.divergence_from_states(state, prior)[0],
                ),
                (result.states["mean"][time], state["mean"][0]),
            ):
                np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)

    def test_open_loop(self, certain, predictor, episodes):
        model = certain.agent.model
        windows = [Window(0, 2), Window(2, 0)]
        image, reward, _ = predictor.open_loop(episodes, windows, 2, 6)
        assert image.shape == (2, 6, 64, 64, 3)
        for row, window in enumerate(windows):
            for time, (state, _) in enumerate(
                self.walk(model, episodes[window.episode], window.start, 2, 6)
            ):
                features = model.cell.features_from_state(state)
                for got, head in (
                    (image[row, time], model.heads["image"](features)),
                    (reward[row, time], model.heads["reward"](features)),
                ):
                    np.testing.assert_allclose(
                        got, head.mean()[0], rtol=1e-4, atol=1e-5
                    )
        action = cut(episodes, windows, "action", 6)
        action[:, 4] *= -1
        _, other, _ = predictor.open_loop(episodes, windows, 2, 6, action)
        assert (other != reward).tolist() == [[False] * 4 + [True] * 2] * 2

    def test_open_loop_is_a_mean_of_futures(self, loaded, episodes):
        windows = [Window(0, 2), Window(2, 0)]
        predictor = Predictor(loaded, 3)
        futures = [predictor.open_loop(episodes, windows, 2, 6) for _ in "abc"]
        mean = Predictor(loaded, 3).open_loop(
            episodes, windows, 2, 6, futures=3
        )
        for got, *each in list(zip(mean, *futures, strict=True))[:2]:
            assert np.std(each, 0)[:, 2:].any()
            np.testing.assert_allclose(got, np.mean(each, 0), 1e-4, 1e-6)

    def test_values(self, certain, predictor, episodes):
        """Sums of what is predicted behind each state."""
        model, episode = certain.agent.model, episodes[0]
        filtered = predictor.filter(episode)
        values = predictor.values(episode, filtered)
        assert predictor.horizon == 2
        assert values.shape == (DECISIONS - 1,)
        for time in (0, 4, DECISIONS - 2):
            state = {k: v[time][None] for k, v in filtered.states.items()}
            total = 0.0
            for step in (1, 2):
                action = episode.arrays["action"][time + step][None]
                state = model.cell.transition(state, action, tf.zeros([1, 3]))
                features = model.cell.features_from_state(state)
                total += float(model.heads["reward"].mean(features)[0])
            assert values[time] == pytest.approx(total, rel=1e-4, abs=1e-5)

    def test_plans_promise_what_the_model_predicts_of_them(
        self, certain, predictor, episodes
    ):
        filtered = predictor.filter(episodes[0])
        plans, promised = predictor.plan(filtered, [3, 5])
        assert plans.shape == (2, 2, 5)
        arrays = {**episodes[0].arrays}
        arrays["action"] = arrays["action"].copy()
        arrays["action"][[4, 5]] = plans[0]
        planned = episodes[0]._replace(arrays=arrays)
        assert promised[0] == pytest.approx(
            predictor.values(planned, filtered)[3], rel=1e-4, abs=1e-5
        )


@pytest.mark.slow
class TestDiagnose:
    @pytest.fixture(scope="class")
    @classmethod
    def diagnosed(cls, trained, tmp_path_factory):
        out = tmp_path_factory.mktemp("diagnosis") / "d.json"
        before = snapshot(trained.folder.path)
        said = []
        figures = diagnose(trained.folder, fresh=1, out=out, report=said.append)
        assert snapshot(trained.folder.path) == before
        return figures, out, "\n".join(said)

    def test_figures(self, diagnosed):
        figures, out, text = diagnosed
        assert json.loads(out.read_text()) == figures
        assert figures["episodes"] == {"random": 1, "agent": 2, "fresh": 1}
        images = figures["images"]
        # The episodes have eleven frames.
        assert (images["context"], images["horizon"]) == (5, 6)
        assert len(images["model"]) == 6
        # New random images each time: nobody can do better than the mean, and
        # no change is twice as bad.
        assert images["ratio_to_mean_frame"] == pytest.approx(1, abs=0.3)
        assert figures["sight"]["ratio"] == pytest.approx(1, abs=0.3)
        assert images["mean_frame"][3] == pytest.approx(1 / 12, rel=0.1)
        assert images["no_change"][3] == pytest.approx(1 / 6, rel=0.1)
        assert figures["rewards"]["filtered"]["count"] == 4 * DECISIONS
        assert figures["returns"]["planned"]["source"] == "fresh"

    def test_text_and_picture(self, diagnosed):
        figures, out, text = diagnosed
        ratio = figures["images"]["ratio_to_no_change"]
        assert f"after 5 frames of context: {ratio:.2f} of the no-c" in text
        assert "It paints the mean frame" in text
        assert "1 random, 2 agent, 1 fresh" in text
        for verdict in figures["verdicts"]:
            assert verdict["text"] in text
        with Image.open(out.with_suffix(".png")) as image:
            assert image.size == (1000, 720)
            assert len(image.convert("RGB").getcolors(1 << 20)) > 20

    def test_run_that_has_just_begun(self, trained, tmp_path, capsys):
        """Without an episode of the agent, and without one at all."""
        shutil.copytree(trained.folder.path, tmp_path / "run")
        folder = RunFolder(tmp_path / "run")
        names = sorted(folder.test_episodes.iterdir())
        for path in names[1:]:
            path.unlink()
        out = tmp_path / "d.json"
        assert not run_script("diagnose", "--logdir", folder.path, "--out", out)
        assert "Reward explained variance" in capsys.readouterr().out
        figures = json.loads(out.read_text())
        assert figures["episodes"] == {"random": 1}
        assert figures["returns"]["planned"]["count"] == 0
        names[0].unlink()
        assert run_script("diagnose", "--logdir", folder.path) == 1
        assert "no episodes" in capsys.readouterr().err


class VectorAgent(Agent):
    """Sees a vector, says that it is the reward, and does not plan."""

    has_model = True
    predicted = ()
    batch_spec: ClassVar = {}
    observation_space = spaces.Dict({"speed": spaces.Box(-9, 9, (1,))})
    action_space = spaces.Box(-1, 1, (2,))

    def filter(self, batch, seed):
        mean = {"reward": batch["speed"][..., 0]}
        found = Prediction(batch["speed"], mean, {}, {})
        return found, found

    def open_loop(self, batch, context, seed):
        last = batch["speed"][:, context - 1, 0]
        shape = tf.shape(batch["action"])[:2]
        reward = tf.broadcast_to(last[:, None], shape)
        return Prediction(None, {"reward": reward}, {}, {})

    def divergence(self, state, other):
        return tf.fill(tf.shape(state)[:2], 2.0)


def test_agent_that_sees_no_images_and_does_not_plan(tmp_path, monkeypatch):
    """What there is not is left out; the rest is as for others."""
    folder = RunFolder(make_run(tmp_path / "run"))
    speed = np.linspace(0, 1, 8, dtype=np.float32)
    arrays = {
        "speed": speed[:, None],
        "action": np.zeros((8, 2), np.float32),
        "reward": speed,
    }
    files.save_episode(folder.create().test_episodes, arrays, "a")
    run = loading.LoadedRun(
        folder, runs.read_params(folder), VectorAgent(), "ckpt-1", 5, "finished"
    )
    monkeypatch.setattr(diagnose_module, "load_run", lambda *args: run)
    said = []
    out = tmp_path / "d.json"
    figures = diagnose(folder, context=2, out=out, report=said.append)
    assert figures["images"] is figures["returns"] is None
    assert figures["sight"]["image_error"] is None
    assert figures["sight"]["divergence"] == 2
    filtered = figures["rewards"]["filtered"]
    assert filtered["explained_variance"] == pytest.approx(1)
    for words in ("image error", "image loss", "planned"):
        assert words not in said[0]
    assert out.with_suffix(".png").exists()


def test_true_images_have_the_levels_of_the_real_preprocessing():
    image = np.arange(256, dtype=np.uint8)
    seen = preprocess(image, 5, tf.constant([1, 2])).numpy()
    assert (np.abs(seen - true_image(image, 5)) <= 0.5 / 32 + 1e-6).all()
