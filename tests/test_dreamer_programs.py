"""All programs look at runs of Dreamer, of whatever it sees and chooses."""

import json

import numpy as np
import pytest
from PIL import Image
from report_runs import Page, check_page
from small_runs import snapshot
from tf_fakes import tiny_params  # noqa: F401  Sets TensorFlow up.

import planet_tf2
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.evaluation import loading, rollouts, viewer
from planet_tf2.evaluation.diagnose import diagnose
from planet_tf2.evaluation.evaluate import evaluate
from planet_tf2.evaluation.inspector.inspect_planner import inspect_planner
from planet_tf2.evaluation.plot import plot
from planet_tf2.evaluation.publish import publish
from planet_tf2.evaluation.report import make_report
from planet_tf2.evaluation.video_prediction import video_prediction
from planet_tf2.experiment import status
from planet_tf2.train import train

pytestmark = pytest.mark.slow

TASKS = {"room": "program_tasks:room", "walk": "stepping_tasks:walk"}
KEYS = {
    "room": {"cnn_keys": "image|side", "mlp_keys": "place"},
    "walk": {"cnn_keys": "$^", "mlp_keys": "place"},
}
SMALL = {
    "steps": 60,
    "eval_every": 30,
    "eval_episode_num": 2,
    "log_every": 20,
    "prefill": 30,
    "action_repeat": 1,
    "video_pred_log": False,  # Takes a good part of the time.
}


@pytest.fixture(scope="module", params=TASKS)
def kind(request):
    """Two images, a vector and two choices; or a vector and one choice."""
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    logdir = tmp_path_factory.mktemp(kind)
    keys = {
        f"{coder}.{key}": value
        for coder in ("encoder", "decoder")
        for key, value in KEYS[kind].items()
    }
    overrides = {"tasks": [TASKS[kind]], **SMALL, **keys}
    train(
        str(logdir), "debug", overrides=overrides, agent="dreamer", report=str
    )
    return RunFolder(logdir / "00001")


@pytest.fixture
def unchanged(folder):
    before = snapshot(folder.path)
    yield
    assert snapshot(folder.path) == before


@pytest.fixture(scope="module")
def agent(folder):
    return planet_tf2.load_agent(folder.path)


def test_acts_and_imagines(kind, agent, unchanged):
    space = agent.run.agent.observation_space
    seen = {name: np.ones(x.shape, x.dtype) for name, x in space.items()}
    agent.reset()
    assert agent.run.agent.action_space.contains(agent.act(seen))
    taken = np.ones((4, 2) if kind == "room" else 4, int)
    future = agent.imagine(taken)
    assert future.reward.shape == future.others["cont"].shape == (4,)
    assert future.others["place"].shape == (4, *space["place"].shape)
    if kind == "room":
        assert future.image.shape == (4, 32, 64, 3)
    else:
        assert future.image is None


def test_what_does_not_fit(agent):
    space = agent.run.agent.observation_space
    seen = {name: np.ones(x.shape, x.dtype) for name, x in space.items()}
    with pytest.raises(ValueError, match=r"place is float32 \[9\], but must"):
        agent.act({**seen, "place": np.ones(9)})
    with pytest.raises(ValueError, match="'place' is missing"):
        agent.act({name: x for name, x in seen.items() if name != "place"})
    agent.act(seen)
    for wrong in (np.full((3, 2), 7), np.full((3, 2), 0.5), [], 0.5):
        with pytest.raises(ValueError, match=r"shape \[T.*Discrete"):
            agent.imagine(wrong)


def test_other_tasks(kind, agent):
    (other,) = set(TASKS.values()) - {TASKS[kind]}
    with pytest.raises(ValueError, match="Choose another task|cannot be seen"):
        rollouts.open_task(agent.run, other)


def test_status(folder):
    (found,) = status.Overview(folder.path.parent).look()
    assert (found.state, found.step) == ("done", found.max_steps)


def test_evaluate_and_report(kind, folder, unchanged, tmp_path):
    out = tmp_path / "evaluation.json"
    result = evaluate([folder], 3, agents=2, out=out, make_video=True)
    (entry,) = json.loads(out.read_text())["runs"]
    assert len(entry["returns"]) == 3 and entry == result["runs"][0]
    # Without pictures there is no video; that is no reason to fail.
    assert ("video" in entry) == (kind == "room")
    page = Page(make_page(folder, tmp_path, out))
    check_page(page)
    for words in ("World model", "Critic loss", "Entropy of the policy"):
        assert words in page.text
    assert "--agent dreamer --config debug" in page.text
    plot([folder], tmp_path / "plot.png")


def make_page(folder, tmp_path, evaluation):
    path = tmp_path / "report.html"
    make_report(folder.path, path, [str(evaluation)])
    return path


def test_predictions(kind, folder, unchanged, tmp_path):
    out = tmp_path / "p.gif"
    video_prediction(folder, out, sequences=2, context=2, horizon=3)
    with Image.open(tmp_path / "p-vectors.png") as image:
        assert image.width > 300
    assert out.exists() == (kind == "room")
    if kind == "room":
        with Image.open(out) as image:
            assert image.n_frames == 5


def test_diagnose(kind, folder, unchanged, tmp_path):
    out = tmp_path / "d.json"
    said = []
    figures = diagnose(
        folder, context=2, fresh=1, horizon=3, out=out, report=said.append
    )
    assert json.loads(out.read_text()) == figures
    assert (figures["images"] is None) == (kind == "walk")
    assert len(figures["vectors"]["place"]["open_loop"]) == 3
    assert figures["ends"]["count"] > 0
    assert 0 < figures["ends"]["at_ends"] < 1
    # The fresh episode may be shorter than a plan.
    assert figures["returns"]["planned"]["source"] in ("fresh", "agent")
    checks = {one["check"] for one in figures["verdicts"]}
    assert {"predicts vectors", "knows the end", "knows the reward"} <= checks
    assert "place: explained variance" in said[-2]


def test_inspector(kind, folder, unchanged, tmp_path):
    out = tmp_path / "p.html"
    inspect_planner(folder, out, decisions=["0"])
    page = Page(out)
    check_page(page)
    for words in ("Value", "Continuation", "place", "and what was done"):
        assert words in page.text
    assert "does not tell how it searches" not in page.text
    assert ("Image error" in page.text) == (kind == "room")


def test_viewer(kind, agent):
    if kind == "walk":
        with pytest.raises(ValueError, match="render"):
            next(viewer.play(agent, TASKS[kind], 1, seed=0))
        return
    shown = list(viewer.play(agent, TASKS[kind], 1, seed=0))
    assert shown[-1].done
    assert shown[1].image.shape == shown[1].expected.shape == (32, 64, 3)


def test_publish_without_pictures(kind, folder, unchanged, tmp_path):
    """With them it is as for other agents."""
    if kind == "room":
        return
    place = publish(folder, tmp_path / "results", episodes=1)
    names = {path.name for path in place.iterdir()}
    assert "diagnosis.png" in names
    readme = (place / "README.md").read_text()
    assert "encoder.mlp_keys: place" in readme and "batch_shape" not in readme
    for name in ("policy.gif", "prediction.gif"):
        assert name not in names and name not in readme


def test_no_environment_is_built_for_vectors(folder, monkeypatch):
    """What was stored tells how one acts, unless by choices."""
    asked = []

    def spaces(*args):
        asked.append(args)
        return planned(*args)

    planned = loading.runs.task_spaces
    monkeypatch.setattr(loading.runs, "task_spaces", spaces)
    loading.load_run(folder)
    assert len(asked) == 1
