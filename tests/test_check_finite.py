"""What is said when training runs into numbers that are not finite."""

import numpy as np
import pytest
import tensorflow as tf
from tf_fakes import random_batch

from planet_tf2.training.finite import NonFiniteError, check_finite
from planet_tf2.training.trainer import Step

STEP = Step("train", 1, 1200, 700, 1200, 14, 50, False)


def test_message():
    check_finite({"image_loss": 1.0, "gradient_norm": 2.0}, STEP)
    values = {"reward_loss": 1.0, "image_loss": float("nan")}
    text = "since image_loss is nan in the train phase"
    with pytest.raises(NonFiniteError, match=text) as info:
        check_finite(values, STEP)
    assert "step 1250 (update 15)" in str(info.value)
    assert "\n" not in str(info.value)


def test_message_names_the_reason():
    batch = random_batch()
    reward = tf.where(batch["reward"] > 0.5, np.inf, batch["reward"])
    values = {"reward_loss": float("inf"), "total_loss": float("inf")}
    with pytest.raises(NonFiniteError) as info:
        check_finite(values, STEP, {**batch, "reward": reward})
    assert "reward_loss is inf, total_loss is inf" in str(info.value)
    assert "Rewards are from " in str(info.value)
    params = {"reward_head_dist": "tanh_normal", "reward_head_bounds": [-1, 5]}
    with pytest.raises(NonFiniteError, match=r"bounds are \[-1, 5\]"):
        check_finite(values, STEP, {**batch, "reward": [-3.0, 2.0]}, params)
