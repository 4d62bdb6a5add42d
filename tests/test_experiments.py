"""The experiments of docs/algorithm.md, small; and all of them as written."""

import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from small_runs import records, run
from tf_fakes import random_batch, tiny_params

from planet_tf2.agents import resolve
from planet_tf2.agents.planet import build
from planet_tf2.configs.params_text import parse_params
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.tools import seeds
from planet_tf2.tools.journal import Journal

_ROOT = pathlib.Path(__file__).parents[1]
_DOCS = (_ROOT / "docs" / "algorithm.md").read_text()
EXPERIMENTS = {
    name: text
    for name, text in re.findall(
        r"^\| ([\w, ]+) \| .* \| `(\{.*\})` \|$", _DOCS, re.M
    )
}
# Those of the original's README, and others.
NAMES = {
    "PlaNet",
    "random collection",
    "deterministic model",
    "stochastic model",
    "one agent, all tasks",
    "latent overshooting",
    "recurrent encoder and decoder",
    "recurrent, with overshooting",
    "other activation",
}


def chosen(names=NAMES):
    """Parameters of the experiments, with their names."""
    return [
        pytest.param(text, id=name)
        for name, text in EXPERIMENTS.items()
        if name in names
    ]


def test_all_are_described():
    assert set(EXPERIMENTS) == NAMES
    lines = re.findall(r'^python .* --params "(.*)"$', _DOCS, re.M)
    assert lines and set(lines) <= set(EXPERIMENTS.values())


@pytest.mark.parametrize("text", chosen())
@pytest.mark.parametrize("config", ["default", "debug"])
def test_parameters_are_understood(config, text):
    params = resolve(config, text)
    for name, value in parse_params(text).items():
        assert params[name] == value
    # The launcher's way to write the same.
    angles = text.replace("{", "<").replace("}", ">")
    assert resolve(config, angles) == params


LEARNING = {"PlaNet", "deterministic model", "stochastic model"}
LEARNING |= {"latent overshooting", "recurrent encoder and decoder"}


@pytest.mark.slow
@pytest.mark.parametrize("text", chosen(LEARNING))
def test_thirty_updates_lower_the_loss(text):
    params = tiny_params(
        **{**parse_params(text), "tasks": ["dummy"]},
        cnn_depth=4,
        main_learning_rate=3e-3,
    )
    model = build.make_model(params, 2)
    learner = build.make_learner(params, model)
    batch = random_batch()
    # Dark images, which is learned fast.
    batch["image"] //= 4
    losses = []
    for step in range(30):
        scalars = learner.train_step(batch, seeds.derive(0, step))
        assert np.isfinite([float(value) for value in scalars.values()]).all()
        losses.append(float(scalars["total"]))
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 100


@pytest.mark.slow
def test_random_collection(tmp_path, no_predictions):
    """The agent's actions are clipped noise, and nothing in tests."""
    params = parse_params(EXPERIMENTS["random collection"])
    folder, _ = run(
        tmp_path,
        **{**params, "tasks": ["dummy"]},
        action_repeat=5,
        # Also a loader that the other runs do not have.
        loader="reload",
    )
    actions = {"train": [], "test": []}
    for record in Journal(folder.metrics):
        if "collect" in record:
            directory = getattr(folder, f"{record['split']}_episodes")
            with np.load(directory / record["file"]) as episode:
                actions[record["split"]].append(episode["action"][1:])
    train = np.concatenate(actions["train"])
    assert len(train) == 2 * 200
    # A standard normal lies beyond 1, on each side, in 15.9% of all cases.
    for limit in (-1, 1):
        assert np.mean(train == limit) == pytest.approx(0.159, abs=0.03)
    within = train[np.abs(train) < 1]
    assert within.mean() == pytest.approx(0, abs=0.05)
    assert within.std() == pytest.approx(0.54, abs=0.03)
    assert not np.concatenate(actions["test"]).any()


@pytest.mark.slow
def test_deterministic_model():
    params = tiny_params(
        **{
            **parse_params(EXPERIMENTS["deterministic model"]),
            "tasks": ["dummy"],
            "free_nats": 0.0,
        }
    )
    model = build.make_model(params, 2)
    batch = model.prepare(random_batch(), tf.constant([1, 2]))
    first, second = (
        model.losses(batch, tf.constant([seed, 3])) for seed in (4, 5)
    )
    for name, value in first.items():
        # Nothing is drawn, and so nothing depends on the seed.
        np.testing.assert_allclose(value, second[name], 1e-6)
    assert first["divergence"] > 0
    total = first["image"] + params["reward_loss_scale"] * first["reward"]
    np.testing.assert_allclose(model.scale(first), total, 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "size, others",
    [
        (32, {"loader": "reload", "planner": "icem"}),
        (128, {"loader": "dummy", "collect_objective": "discounted_reward"}),
    ],
)
def test_other_image_sizes(tmp_path, size, others, request):
    """Also with a loader, a planner or an objective that is not the usual."""
    if size == 128:
        request.getfixturevalue("no_predictions")
    folder, _ = run(tmp_path, image_size=size, **others)
    assert folder.done.exists()
    for path in folder.test_episodes.iterdir():
        with np.load(path) as episode:
            assert episode["image"].shape == (11, size, size, 3)
    with Image.open(folder.episode_gif) as image:
        assert image.size == ((192, 192) if size == 32 else (256, 256))
    if size == 32:
        with Image.open(folder.prediction_gif) as image:
            # Two sequences and three rows of 128 pixels, with words beside.
            assert image.width > 2 * 128 and image.height > 3 * 128
    for record in records(folder):
        if "image_loss" in record:
            constant = size * size * 3 * np.log(2 * np.pi) / 2
            assert record["image_loss"] > constant


@pytest.mark.experiments
@pytest.mark.parametrize("text", chosen())
def test_as_written(tmp_path, text):
    """With real simulators, for some minutes each."""
    command = [sys.executable, str(_ROOT / "scripts" / "train.py")]
    command += ["--logdir", str(tmp_path), "--config", "debug"]
    result = subprocess.run(
        [*command, "--params", text], capture_output=True, text=True, cwd=_ROOT
    )
    assert result.returncode == 0, result.stderr
    tasks = parse_params(text)["tasks"]
    for task in tasks:
        assert f"Test return on {task}:" in result.stdout
    folder = RunFolder(tmp_path / "00001")
    assert folder.done.exists()
    losses = [
        record["image_loss"]
        for record in Journal(folder.metrics)
        if record["phase"] == "train" and "image_loss" in record
    ]
    assert len(losses) == 50
    assert np.isfinite(losses).all()
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
