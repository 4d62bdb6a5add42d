"""Heads beside image and reward, their names, scales and optimizers."""

import logging

import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces
from tf_fakes import random_batch, tiny_params

from planet_tf2 import agents
from planet_tf2.agents.planet.build import (
    diagnosed_components,
    make_learner,
    make_model,
)
from planet_tf2.configs import resolve
from planet_tf2.configs.config_error import ConfigError
from planet_tf2.nets import weights
from planet_tf2.nets.distributions import DISTRIBUTIONS
from planet_tf2.tools import seeds

SEED = tf.constant([1, 2])
COMPONENTS = {"position": (3,), "height": ()}
# A task that observes neither more nor less.
TASK = "{tasks: [walker_walk], state_diagnostics: True"


def make_params(**overrides):
    settings = {
        "state_diagnostics": True,
        "tasks": ["cartpole_swingup"],
        "isolate_envs": "process",
    }
    return tiny_params(activation="elu", free_nats=0, **settings, **overrides)


def make(components=COMPONENTS, **overrides):
    params = make_params(**overrides)
    model = make_model(params, 2, components=components)
    return model, make_learner(params, model)


def make_batch(seed=0):
    batch = random_batch(seed)
    random = np.random.default_rng(seed)
    for name, shape in COMPONENTS.items():
        # As environments of others may have it.
        value = random.uniform(-0.9, 0.9, (2, 5, *shape))
        batch[name] = tf.constant(value, tf.float64)
    return batch


@pytest.fixture(scope="module")
def made():
    return make({"position": (3,), "height": ()}, position_loss_scale=2.5)


class TestStateDiagnostics:
    def test_has_a_head_for_each_component(self, made):
        model, learner = made
        assert list(model.heads) == ["image", "reward", "position", "height"]
        assert set(learner.optimizers) == {"main", "position", "height"}
        scales = model.loss_scales
        assert scales["position"] == 2.5 and scales["height"] == 1.0
        assert scales["image"] == 1.0 and scales["reward"] == 10.0
        features = tf.zeros([4, model.cell.feature_size])
        assert model.heads["position"](features).event_shape == (3,)
        assert model.heads["height"](features).event_shape == ()

    def test_losses(self, made):
        model, _ = made
        batch = model.prepare(make_batch(), SEED)
        _, posterior = model.infer(batch, SEED)
        features = model.cell.features_from_state(posterior)
        result = model.losses(batch, SEED)
        for name, size in (("position", 3), ("height", 1)):
            mean = model.heads[name].mean(features)
            error = np.float64(mean - batch[name]).reshape(2, 5, size)
            expected = (error**2).sum(-1).mean() / 2
            expected += size * np.log(2 * np.pi) / 2
            np.testing.assert_allclose(result[name], expected, 1e-5)

    def test_batches_without_components_can_be_filtered(self, made):
        """Loaded agents are shown images, actions and rewards alone."""
        model, _ = made
        batch = model.prepare(random_batch(), SEED)
        assert set(batch) == {"image", "action", "reward"}
        model.infer(batch, SEED)

    def test_trains_apart(self, made):
        """No defect of the original, which stops with an assertion."""
        model, learner = made
        before = weights.save_weights(model)
        results = []
        for batch in (make_batch(), {**make_batch(), "position": None}):
            if batch["position"] is None:
                batch["position"] = make_batch()["position"] + 7
            weights.load_weights(model, before)
            values = learner.train_step(batch, seeds.derive(1))
            results.append(values)
            assert learner.norm_names == [
                "gradient_norm",
                "gradient_norm_position",
                "gradient_norm_height",
            ]
        first, second = results
        for name in ("image", "divergence", "gradient_norm", "height"):
            np.testing.assert_allclose(first[name], second[name], 1e-5)
        norms = [value["gradient_norm_position"] for value in results]
        assert norms[1] > 1.5 * norms[0] > 0
        for name, value in weights.save_weights(model).items():
            assert np.abs(value - before[name]).max() > 0, name

    def test_as_gradient_head(self):
        heads = ["image", "reward", "position"]
        model, learner = make(gradient_heads=heads)
        assert set(learner.optimizers) == {"main", "height"}
        batch = model.prepare(make_batch(), SEED)
        with tf.GradientTape() as tape:
            loss = model.losses(batch, SEED)["position"]
        gradients = tape.gradient(loss, list(model.encoder.variables))
        assert all(np.abs(gradient).max() > 0 for gradient in gradients)
        own = model.heads["position"].trainable_variables
        main = {id(variable) for variable in model.groups["main"]}
        assert {id(variable) for variable in own} <= main

    @pytest.mark.slow
    def test_all_losses_in_parts_and_in_float16(self):
        model, learner = make(
            precision="float16",
            micro_batches=2,
            overshooting_scale=0.5,
            overshooting_reward_scale=0.5,
            overshooting_distance=3,
            global_div_scale=0.1,
            main_learning_rate_schedule="linear",
        )
        before = weights.save_weights(model)
        values = learner.train_step(make_batch(), SEED)
        assert set(values) == {
            *model.loss_names,
            "total",
            *learner.norm_names,
        }
        assert all(np.isfinite(value) for value in values.values())
        for name, value in weights.save_weights(model).items():
            assert np.abs(value - before[name]).max() > 0, name

    @pytest.mark.parametrize("dist", DISTRIBUTIONS)
    def test_kinds_of_distributions(self, dist):
        model, _ = make(
            reward_head_dist=dist,
            reward_head_stddev="learned",
            reward_head_bounds=[0, 2],
            state_head_dist=dist,
            state_head_bounds=[-2, 1],
        )
        batch = model.prepare(make_batch(), SEED)
        result = model.losses(batch, SEED)
        assert all(np.isfinite(value) for value in result.values())
        features = tf.zeros([4, model.cell.feature_size])
        # Behind the bounds.
        reward = model.heads["reward"](features).log_prob(tf.fill([4], 2.5))
        position = model.heads["position"](features)
        position = position.log_prob(tf.fill([4, 3], 1.5))
        assert np.isinf(reward).any() == (dist != "normal")
        assert np.isinf(position).all() == (dist != "normal")


def test_reserved_names():
    for name in ("divergence", "total", "overshooting"):
        with pytest.raises(ValueError, match=f"{name!r}, as another loss"):
            make({name: (2,)})


class TestComponents:
    SPACE = spaces.Dict(
        {
            "image": spaces.Box(0, 255, (64, 64, 3), np.uint8),
            "position": spaces.Box(-1, 1, (3,), np.float32),
            "height": spaces.Box(-1, 1, (), np.float32),
            "contacts": spaces.Box(0, 9, (2,), np.int32),
        }
    )

    def test_are_the_observed_numbers(self):
        assert diagnosed_components(make_params(), self.SPACE) == COMPONENTS

    def test_warns_if_there_are_none(self, caplog):
        params = tiny_params(state_diagnostics=True)
        space = spaces.Dict({"image": self.SPACE["image"]})
        with caplog.at_level(logging.WARNING):
            assert diagnosed_components(params, space) == {}
        assert "'state_diagnostics' has no effect: dummy" in caplog.text


class TestParameters:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (
                TASK + ", hight_loss_scale: 2}",
                ["'hight_loss_scale'", "'height_loss_scale'"],
            ),
            (
                # The task has no such component.
                TASK + ", to_target_loss_scale: 2}",
                ["'to_target_loss_scale'", "image, reward, height"],
            ),
            (TASK + ", height_loss_scale: -1}", ["height_loss_scale", "-1"]),
            (
                TASK + ", gradient_heads: [image, hight]}",
                ["'gradient_heads'", "'hight'", "'height'"],
            ),
            (
                "{tasks: [walker_walk], gradient_heads: [image, height]}",
                ["'height'", "need state_diagnostics"],
            ),
            (
                "{state_diagnostics: True, tasks: [cheetah_run, walker_walk]}",
                ["'state_diagnostics' needs a single task"],
            ),
            ("{reward_head_bounds: [1, 0]}", ["reward_head_bounds", "[1.0, 0"]),
            ("{reward_head_stddev: 0}", ["at least 0.01, or learned"]),
            (
                "{main_learning_rate_schedule: exponential, "
                "main_learning_rate_final: 0}",
                ["'main_learning_rate_final'", "above 0"],
            ),
        ],
    )
    def test_mistakes(self, text, words):
        with pytest.raises(ConfigError) as caught:
            agents.resolve("debug", text)
        for word in words:
            assert word in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_scale_without_a_head_is_a_warning(self, caplog):
        with caplog.at_level(logging.WARNING):
            agents.resolve(params_text="{position_loss_scale: 2}")
        assert "no effect without state_diagnostics" in caplog.text

    def test_half_of_overshooting_is_a_warning(self, caplog):
        for text in ("{overshooting_scale: 1}", "{overshooting_distance: 3}"):
            caplog.clear()
            agents.resolve(params_text=text)
            assert "distance of at least 2" in caplog.text

    def test_heads_of_unknown_tasks_are_checked_later(self):
        """As of environments that first have to be built."""
        params = agents.resolve(
            "debug",
            "{tasks: ['a_module:task'], state_diagnostics: True, "
            "hight_loss_scale: 2, cnn_depth: 2, "
            "gradient_heads: [image, height]}",
        )
        with pytest.raises(ConfigError, match="'height_loss_scale'"):
            make_model(params, 2, components=COMPONENTS)
        with pytest.raises(ConfigError, match="'hight_loss_scale'"):
            agents.resolve("debug", "{hight_loss_scale: 2}")

    def test_differences_assume_a_scale_of_one(self):
        one, two, none = (
            agents.resolve("debug", TASK + text)
            for text in (
                ", height_loss_scale: 1}",
                ", height_loss_scale: 2}",
                "}",
            )
        )
        assert resolve.differences(agents.find(), none, one) == []
        expected = ["height_loss_scale: 2.0 -> 1.0"]
        assert resolve.differences(agents.find(), two, none) == expected
