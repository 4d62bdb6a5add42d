"""What is worth knowing of PlaNet's losses, by the names of the world model."""

import math

from planet_tf2.agents.loss_info import LossInfo, Params, Shapes

# Of the density of a normal of variance 1, for each number that is predicted.
_HALF_LOG_2PI = math.log(2 * math.pi) / 2


def _image_constant(params: Params, shapes: Shapes) -> float | None:
    """Half log 2π for each number, and half the variance of the noise.

    The noise is added to frames against their quantisation.
    """
    if "image" not in shapes:
        return None
    noise = 0.25 ** params["image_bits"] / 12
    return math.prod(shapes["image"]) * (_HALF_LOG_2PI + noise / 2)


def _reward_constant(params: Params, shapes: Shapes) -> float | None:
    kind, stddev = params["reward_head_dist"], params["reward_head_stddev"]
    if kind == "deterministic":
        return 0.0
    if kind != "normal" or not isinstance(stddev, int | float):
        return None
    return _HALF_LOG_2PI + math.log(stddev)


def _reward_scale(params: Params) -> float:
    """The standard deviation, where `_reward_constant` is known."""
    is_normal = params["reward_head_dist"] == "normal"
    return params["reward_head_stddev"] if is_normal else 1.0


def _free(params: Params) -> float:
    return params["free_nats"]


LOSSES = {
    "image": LossInfo(
        "Image loss",
        meaning="Half the squared error summed over the image. It starts near "
        "half the variance of the frames, where the mean of all frames is "
        "painted, and falls as more is recognised.",
        target="image",
        constant=_image_constant,
    ),
    "reward": LossInfo(
        "Reward loss",
        target="reward",
        constant=_reward_constant,
        scale=_reward_scale,
    ),
    "divergence": LossInfo(
        "Divergence",
        "nats per step",
        "KL of posterior and prior",
        "How much what is seen tells beyond what was predicted, in nats per "
        "time step.",
        floor=_free,
        may_run_away=True,
    ),
    "global_divergence": LossInfo(
        "Global divergence",
        "nats per step",
        "KL of posterior and standard normal",
    ),
    "overshooting": LossInfo(
        "Overshooting",
        "nats per step",
        "KL of posterior and priors that are predicted several steps ahead",
        floor=_free,
    ),
    "overshooting_reward": LossInfo(
        "Overshooting reward loss",
        about="Of rewards that are predicted several steps ahead",
        constant=_reward_constant,
    ),
}
