"""Every model and every loss learns, in debug size, on frames of a real task.

The two episodes in `tests/episodes` are of cartpole_swingup with random actions
and an action repeat of 50, so that nothing has to be drawn here.
"""

import math
import pathlib

import numpy as np
import pytest

from planet_tf2 import agents
from planet_tf2.agents.planet import build
from planet_tf2.data.episode_cache import EpisodeCache
from planet_tf2.data.loader import sequence_batches
from planet_tf2.tools import seeds

EPISODES = pathlib.Path(__file__).parent / "episodes"
COMPONENTS = {"position": (3,), "velocity": (2,)}
UPDATES = 30

# The preset of the paper's ablation, or what switches a loss on.
ABLATIONS = {
    "stochastic": "{model: ssm}",
    "drnn": "{model: drnn}",
    "deterministic": "{mean_only: True, divergence_scale: 0.0}",
    "overshooting": "{overshooting_distance: 5, overshooting_scale: 1.0, "
    "overshooting_reward_scale: 1.0}",
    "global_divergence": "{global_div_scale: 1.0, free_nats: 0, "
    "state_diagnostics: True}",
}
ADDED = {
    "overshooting": ["overshooting", "overshooting_reward"],
    "global_divergence": ["global_divergence", "position", "velocity"],
}


def train(text):
    """Returns the losses of all updates, by name."""
    params = agents.resolve(
        "debug",
        text,
        {
            "tasks": ["cartpole_swingup"],
            "main_learning_rate": 3e-3,
            "cnn_depth": 8,  # To be quick about it.
        },
    )
    components = COMPONENTS if params.state_diagnostics else {}
    model = build.make_model(params, 1, components=components)
    learner = build.make_learner(params, model)
    names = ["action", *model.heads]
    batches = sequence_batches(
        EpisodeCache(EPISODES, params.batch_shape[1], names),
        params.batch_shape,
        params.loader,
        params.loader_every,
    )
    history = [
        learner.train_step(next(batches), seeds.derive(number))
        for number in range(UPDATES)
    ]
    return {
        name: np.array([float(values[name]) for values in history])
        for name in history[0]
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ABLATIONS)
def test_learns(name):
    losses = train(ABLATIONS[name])
    for values in losses.values():
        assert np.isfinite(values).all()
    # Below the constant of the pixels there is nothing to learn.
    constant = 64 * 64 * 3 * math.log(2 * math.pi) / 2
    losses["total"] = losses["total"] - constant
    losses["image"] = losses["image"] - constant
    for loss in ("total", "image", "reward"):
        first, last = losses[loss][:5].mean(), losses[loss][-5:].mean()
        assert last < 0.9 * first, loss
    # What was switched on is there, and is more than nothing.
    for loss in ADDED.get(name, ()):
        assert losses[loss].max() > 0
