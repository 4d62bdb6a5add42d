import numpy as np
import pytest
import tensorflow as tf
from tf_fakes import random_batch, tiny_params

from planet_tf2.configs.assemble import make_learner, make_model
from planet_tf2.tools import weights
from planet_tf2.training.trainer import RestoreError, Trainer

NEVER = 10**9


class State(tf.Module):
    """Something to save."""

    def __init__(self, shape=(), **others):
        super().__init__()
        self.value = tf.Variable(tf.zeros(shape))
        for name in others:
            setattr(self, name, tf.Variable(0.0, name=name))


class TestRestoreError:
    @pytest.fixture
    def saved(self, tmp_path):
        Trainer(tmp_path, {"state": State()}, NEVER).save()
        return tmp_path

    @pytest.mark.parametrize(
        ("state", "text"),
        [
            (lambda: {"state": State(shape=[2])}, r"shape \(\).*\(2,\)"),
            (lambda: {"state": State(more=1)}, "more"),
            (lambda: {"state": tf.Module()}, "value"),
            (lambda: {"state": State(), "extra": State(extra=1)}, "extra"),
        ],
    )
    def test_other_variables(self, saved, state, text):
        trainer = Trainer(saved, state(), NEVER)
        with pytest.raises(RestoreError, match=text) as info:
            trainer.restore()
        message = str(info.value)
        assert str(saved / "ckpt-1") in message
        assert "\n" not in message and len(message) < 500

    def test_damaged_file(self, saved):
        (path,) = saved.glob("*.data-*")
        path.write_bytes(path.read_bytes()[:-20])
        trainer = Trainer(saved, {"state": State()}, NEVER)
        with pytest.raises(RestoreError, match="ckpt-1 cannot be read"):
            trainer.restore()
        path.unlink()
        with pytest.raises(RestoreError, match="ckpt-1 cannot be read"):
            trainer.restore()

    @pytest.mark.parametrize(
        "overrides",
        [
            {"model_size": 5},
            {"model_layers": 2},
            {"num_layers": 2},
            {"gradient_heads": ["image"]},
        ],
    )
    def test_other_networks(self, tmp_path, overrides):
        def start(**overrides):
            params = tiny_params(**overrides)
            learner = make_learner(params, make_model(params, 2))
            return Trainer(tmp_path, {"learner": learner}, NEVER)

        start().save()
        assert start().restore()
        with pytest.raises(RestoreError, match="does not fit") as info:
            start(**overrides).restore()
        assert len(str(info.value)) < 500


def test_resuming_continues_as_if_nothing_happened(tmp_path):
    """Weights and optimizer are those of a run without a break."""
    params = tiny_params(free_nats=0)

    def start(seed):
        model = make_model(params, 2, seed)
        learner = make_learner(params, model)
        return model, learner, Trainer(tmp_path, {"learner": learner}, NEVER)

    def train(learner, numbers):
        for number in numbers:
            seed = tf.constant([number, 1])
            batch = random_batch(number, length=2)
            learner.update(learner.model.prepare(batch, seed), seed)

    model, learner, trainer = start(seed=0)
    train(learner, [0, 1])
    trainer.save()
    saved = weights.save_weights(model)
    train(learner, [2, 3])
    other, learner, trainer = start(seed=1)
    assert trainer.restore()
    train(learner, [2, 3])
    changes = []
    for name, value in weights.save_weights(model).items():
        np.testing.assert_allclose(
            weights.save_weights(other)[name], value, 1e-5, 1e-6, name
        )
        changes.append(np.abs(value - saved[name]).max())
    assert max(changes) > 1e-3
