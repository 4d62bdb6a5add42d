"""Overshooting as a part of the training step, by loops of cell steps."""

import numpy as np
import pytest
import tensorflow as tf
from test_overshooting import assert_close
from tf_fakes import random_batch, tiny_params

from planet_tf2.agents.planet.build import make_learner, make_model
from planet_tf2.tools import seeds


class TestWorldModel:
    SEED = tf.constant([1, 2])

    def make(self, **overrides):
        settings = {
            "mean_only": True,
            "free_nats": 0.002,
            "overshooting_scale": 0.7,
            "overshooting_reward_scale": 0.3,
            **overrides,
        }
        params = tiny_params(activation="elu", **settings)
        return params, make_model(params, 2)

    def naive(self, model, batch, distance, stop):
        _, states = model.infer(batch)
        cell, steps = model.cell, batch["action"].shape[1]
        kls, errors = [], []
        for start in range(steps):
            if start:
                state = {k: v[:, start - 1] for k, v in states.items()}
            else:
                state = cell.zero_state(2)
            for time in range(start, min(start + distance, steps)):
                state = cell.transition(state, batch["action"][:, time])
                if time == start:
                    continue
                seen = {k: v[:, time] for k, v in states.items()}
                if stop:
                    seen = tf.nest.map_structure(tf.stop_gradient, seen)
                kls.append(cell.divergence_from_states(seen, state))
                mean = model.heads["reward"].mean(
                    cell.features_from_state(state)
                )
                errors.append((batch["reward"][:, time] - mean) ** 2)
        if not kls:
            return tf.zeros([]), tf.zeros([])
        kl = tf.maximum(0.0, tf.concat(kls, 0) - model.free)
        constant = np.log(2 * np.pi) / 2
        error = tf.reduce_mean(tf.concat(errors, 0)) / 2 + constant
        return tf.reduce_mean(kl), error

    @pytest.mark.parametrize("stop", [True, False])
    @pytest.mark.parametrize("distance", [0, 1, 2, 5])
    def test_losses_and_gradients(self, distance, stop):
        _, model = self.make(
            overshooting_distance=distance, os_stop_posterior_grad=stop
        )
        batch = model.prepare(random_batch(), self.SEED)
        with tf.GradientTape(persistent=True) as tape:
            values = model.losses(batch, self.SEED)
            expected = self.naive(model, batch, distance, stop)
        names = "overshooting", "overshooting_reward"
        assert list(values) == model.loss_names
        for name, value in zip(names, expected, strict=True):
            assert_close(values[name], value)
            pair = [
                tape.gradient(
                    loss,
                    [variable.value for variable in model.groups["main"]],
                    unconnected_gradients=tf.UnconnectedGradients.ZERO,
                )
                for loss in (values[name], value)
            ]
            for actual, desired in zip(*pair, strict=True):
                assert_close(actual, desired)
            assert (float(value) > 0) == (distance > 1)

    @pytest.mark.slow
    def test_is_part_of_the_total(self):
        """In a training step that takes the batch in two parts."""
        params, model = self.make(overshooting_distance=3, micro_batches=2)
        learner = make_learner(params, model)
        batch = random_batch()
        values = learner.train_step(batch, self.SEED)
        assert set(values) == {*learner.loss_names, "gradient_norm"}
        scales = model.loss_scales
        assert scales["overshooting"] == 0.7
        assert scales["overshooting_reward"] == 0.3
        assert set(scales) == set(model.loss_names)
        expected = sum(scales[name] * values[name] for name in scales)
        assert_close(values["total"], expected)

    def test_only_if_it_has_a_scale(self):
        _, model = self.make(
            overshooting_distance=3,
            overshooting_scale=0,
            overshooting_reward_scale=0,
        )
        assert model.loss_names == ["divergence", "image", "reward"]
        batch = model.prepare(random_batch(), self.SEED)
        assert list(model.losses(batch)) == model.loss_names

    def test_sees_its_own_noise(self):
        _, model = self.make(overshooting_distance=3, mean_only=False)
        batch = model.prepare(random_batch(), self.SEED)
        first, second, other = (
            model.losses(batch, seeds.derive(number)) for number in (1, 1, 2)
        )
        assert first["overshooting"] == second["overshooting"]
        assert first["overshooting"] != other["overshooting"]

    def test_reward_head_outside_of_the_gradient_heads(self):
        _, model = self.make(overshooting_distance=3, gradient_heads=["image"])
        batch = model.prepare(random_batch(), self.SEED)
        with tf.GradientTape(persistent=True) as tape:
            loss = model.losses(batch, self.SEED)["overshooting_reward"]
        inside = tape.gradient(loss, list(model.groups["main"]))
        assert all(gradient is None for gradient in inside)
        own = tape.gradient(
            loss, list(model.heads["reward"].trainable_variables)
        )
        assert all(np.abs(gradient).max() > 0 for gradient in own)

    def test_sequences_of_one_step(self):
        _, model = self.make(overshooting_distance=3, free_nats=0)
        batch = model.prepare(random_batch(length=1), self.SEED)
        with tf.GradientTape() as tape:
            values = model.losses(batch, self.SEED)
            total = model.scale(values)
        assert values["overshooting"] == values["overshooting_reward"] == 0
        for gradient in tape.gradient(total, list(model.groups["main"])):
            assert gradient is None or np.isfinite(gradient).all()
