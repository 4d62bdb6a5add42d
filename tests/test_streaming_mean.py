import math

import tensorflow as tf

from planet_tf2.tools.streaming_mean import StreamingMean


def test_mean_of_several():
    mean = StreamingMean(["b", "a"])
    for number in (1, 2, 6):
        mean.submit({"a": number, "b": -10.0 * number})
    assert mean.clear() == {"a": 3.0, "b": -30.0}


def test_starts_anew():
    mean = StreamingMean(["a"])
    mean.submit({"a": 5})
    mean.clear()
    mean.submit({"a": 7})
    assert mean.clear() == {"a": 7.0}
    assert math.isnan(mean.clear()["a"])


def test_a_checkpoint_keeps_a_half_full_mean(tmp_path):
    mean = StreamingMean(["a", "b"])
    mean.submit({"a": 1.0, "b": 2.0})
    path = tf.train.Checkpoint(mean=mean).save(str(tmp_path / "mean"))
    other = StreamingMean(["a", "b"])
    tf.train.Checkpoint(mean=other).restore(path).assert_consumed()
    other.submit({"a": 3.0, "b": 4.0})
    assert other.clear() == {"a": 2.0, "b": 3.0}
