"""The other latent models in every place that works with one.

All other tests have the RSSM there.
"""

import numpy as np
import pytest
import tensorflow as tf
from tf_fakes import make_agent, random_batch, tiny_params

from planet_tf2.agents.planet.mpc_agent import MPCAgent
from planet_tf2.data.run_folder import RunFolder
from planet_tf2.nets import weights
from planet_tf2.tools import seeds
from planet_tf2.training.summaries import Summaries

CHOICES = {
    "ssm": {"model": "ssm"},
    "drnn": {"model": "drnn", "drnn_encoder_to_decoder": True},
}


class Made:
    def __init__(self, choice, **overrides):
        self.params = tiny_params(
            **CHOICES[choice], activation="elu", free_nats=0, **overrides
        )
        self.agent = make_agent(self.params)
        self.model, self.learner = self.agent.model, self.agent.learner


@pytest.fixture(scope="module", params=CHOICES)
def made(request):
    return Made(request.param)


def test_trains_all_of_its_weights(made):
    before = weights.save_weights(made.model)
    for number in range(2):
        values = made.learner.train_step(random_batch(), seeds.derive(number))
        assert all(np.isfinite(value) for value in values.values())
    after = weights.save_weights(made.model)
    scope = f"graph/rnn/{made.params['model']}/"
    assert sum(name.startswith(scope) for name in after) >= 12
    for name, value in after.items():
        assert np.abs(value - before[name]).max() > 0, name
    assert set(made.model.original_variables()) == set(after)
    trained = {id(variable) for variable in made.model.groups["main"]}
    named = {id(v) for v in made.model.original_variables().values()}
    assert trained == named


def test_goes_on_from_checkpoints(made, tmp_path):
    checkpoint = tf.train.Checkpoint(learner=made.learner)
    path = checkpoint.write(str(tmp_path / "state"))
    other = Made(made.params["model"])
    tf.train.Checkpoint(learner=other.learner).read(path).assert_consumed()
    expected = weights.save_weights(made.model)
    for name, value in weights.save_weights(other.model).items():
        np.testing.assert_array_equal(value, expected[name])


def test_agents_filter(made):
    """With a planner that plans what the agent believes."""
    model, both = made.model, tf.constant([0, 1])
    image = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    agent = MPCAgent(
        2,
        2,
        model,
        lambda state, seed: state["sample"][:, None, :2] / 10,
    )
    perform = tf.function(
        lambda: agent.perform(both, {"image": image}, 0.0, seeds.derive(0)),
        autograph=False,
    )
    agent.begin_episode(both)
    first, second = perform(), perform()
    # The same image and the same seed, but another state before it.
    assert (np.abs(first - second) > 1e-6).all()
    agent.begin_episode(both)
    np.testing.assert_array_equal(perform(), first)


def test_shows_predictions(made, tmp_path):
    summaries = Summaries(RunFolder(tmp_path), made.agent)
    shown = summaries.predictions("test", 0, random_batch(), seeds.derive(0))
    summaries.close()
    assert shown.videos["openloop/"]["prediction"].shape[1] == 5
    assert all(np.isfinite(value) for value in shown.scalars.values())
    assert shown.scalars["openloop/divergence"] > 0
