import numpy as np
import tensorflow as tf
from tf_fakes import LinearCell

from planet_tf2.control import objectives


class Head:
    """Predicts the first feature."""

    def mean(self, features):
        return features[..., 0]


def test_reward_is_the_undiscounted_sum_over_time():
    sample = np.random.default_rng(0).normal(size=(5, 7, 2))
    states = {
        "sample": tf.constant(sample, tf.float32),
        "goal": tf.zeros([5, 7, 2]),
    }
    result = objectives.reward(LinearCell(), {"reward": Head()}, states)
    np.testing.assert_allclose(
        result, sample[..., 0].sum(1), rtol=1e-5, atol=1e-6
    )


def test_names():
    assert objectives.OBJECTIVES == {"reward": objectives.reward}
