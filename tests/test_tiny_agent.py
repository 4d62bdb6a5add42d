"""The smallest agent passes through all programs, as an agent of one's own."""

import json
import sys

import numpy as np
import pytest
import tiny_agent
from small_runs import records
from tf_fakes import tiny_params  # noqa: F401  Sets TensorFlow up.

import planet_tf2
from planet_tf2 import agents
from planet_tf2.data import episodes
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import viewer
from planet_tf2.evaluation.diagnose import diagnose
from planet_tf2.evaluation.evaluate import evaluate
from planet_tf2.evaluation.inspector.inspect_planner import inspect_planner
from planet_tf2.evaluation.plot import plot
from planet_tf2.evaluation.publish import publish
from planet_tf2.evaluation.report import make_report
from planet_tf2.evaluation.runs import UnusableRun
from planet_tf2.evaluation.video_prediction import video_prediction
from planet_tf2.experiment import status
from planet_tf2.train import train

pytestmark = [pytest.mark.slow, pytest.mark.render]


def train_tiny(logdir, **overrides):
    train(str(logdir), agent="tiny_agent", overrides=overrides, report=str)
    return RunFolder(logdir / "00001")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return train_tiny(tmp_path_factory.mktemp("tiny"))


def test_trains_to_the_end(folder):
    assert folder.done.exists()
    assert folder.read_config()["agent"] == "tiny_agent"
    losses = [r["reward_loss"] for r in records(folder) if "reward_loss" in r]
    assert len(losses) == 6 and np.isfinite(losses).all()


def test_episodes_hold_what_it_sees(folder):
    (name, *_) = episodes.list_episodes(folder.train_episodes)
    episode = episodes.load_episode(folder.train_episodes / name)
    assert {"position", "velocity", "is_first", "terminal"} <= set(episode)
    assert "image" not in episode


def test_resumes(folder, tmp_path):
    train_tiny(tmp_path, max_steps=6)
    (tmp_path / "00001" / "DONE").unlink()
    resumed = train_tiny(tmp_path)
    assert records(resumed) == records(folder)


def test_collects_ahead(tmp_path):
    """And goes on exactly with what was pending when it was to end."""
    params = {"collect_ahead": True, "collect_every": 2}
    whole = train_tiny(tmp_path / "whole", **params)
    lines = [r for r in records(whole) if "weights_update" in r]
    assert [(r["update"], r["weights_update"]) for r in lines] == [
        (3, 2),
        (4, 3),
        (4, 4),
    ]
    train_tiny(tmp_path / "cut", max_steps=6, **params)
    (tmp_path / "cut" / "00001" / "DONE").unlink()
    longer = train_tiny(tmp_path / "cut", **params)
    assert records(longer) == records(whole)


def test_acts(folder):
    agent = planet_tf2.load_agent(folder.path)
    seen = {"position": np.ones(3), "velocity": np.zeros(2)}
    action = agent.act(seen)
    np.testing.assert_allclose(action, [np.tanh(0.5 * 3)], rtol=1e-6)
    with pytest.raises(ValueError, match="'velocity' is missing"):
        agent.act({"position": np.ones(3)})
    with pytest.raises(ValueError, match=r"position is float32 \[4\]"):
        agent.act({**seen, "position": np.ones(4)})
    with pytest.raises(ValueError, match="no model"):
        agent.imagine(np.zeros((1, 1)))


def test_programs(folder, tmp_path):
    out = tmp_path / "evaluation.json"
    evaluate([folder], 2, out=out)
    assert json.loads(out.read_text())
    page = tmp_path / "report.html"
    make_report(folder.path, page)
    assert "Reward loss" in page.read_text()
    plot([folder], tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000
    published = publish(folder, tmp_path / "results", episodes=1)
    readme = (published / "README.md").read_text()
    assert "--agent tiny_agent" in readme and "prediction.gif" not in readme
    (found,) = status.Overview(folder.path.parent).look()
    assert found.state == "done"


def test_is_watched(folder):
    agent = planet_tf2.load_agent(folder.path)
    shown = list(viewer.play(agent, "cartpole_balance", 1, seed=0))
    assert len(shown) == 21 and shown[-1].done
    assert shown[1].image.shape == (64, 64, 3)


def test_programs_that_need_a_model_say_so(folder, tmp_path):
    out = tmp_path / "out"
    for look in (
        lambda: diagnose(folder),
        lambda: video_prediction(folder, out),
        lambda: inspect_planner(folder, out),
    ):
        with pytest.raises(
            UnusableRun, match="no rewards|no observations|no plans"
        ):
            look()


def test_is_found_by_its_name():
    assert agents.find("tiny_agent") is tiny_agent
    assert "tiny_agent" in sys.modules
