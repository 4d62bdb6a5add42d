"""Numbers that tell how actor and critic do in what they imagine."""

from collections.abc import Mapping

import tensorflow as tf

_MEANS = (
    "actor_entropy",
    "advantage",
    "imag_cont",
    "imag_reward",
    "imag_weight",
    "normed_target",
    "slow_value",
    "target",
    "value",
)
NAMES = (
    *(f"{n}_mean" if n != "actor_entropy" else n for n in _MEANS),
    "advantage_mag",
    "advantage_std",
    "normed_target_min",
    "normed_target_max",
    "normed_target_rate",
)


def summarize(values: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Returns scalars, `NAMES`.

    Args:
      values: by name: entropies of the actor, advantages before they are
        normalised for it, and returns (`normed_target`) in their range;
        probabilities to continue, rewards, weights, and what critic and slow
        critic say of all imagined states; targets as the critic learns them.
    """
    advantage, normed = values["advantage"], values["normed_target"]
    means = [tf.reduce_mean(values[name]) for name in _MEANS]
    others = (
        tf.reduce_mean(tf.abs(advantage)),
        tf.math.reduce_std(advantage),
        tf.reduce_min(normed),
        tf.reduce_max(normed),
        tf.reduce_mean(tf.cast(tf.abs(normed) >= 1, tf.float32)),
    )
    return dict(zip(NAMES, (*means, *others), strict=True))
