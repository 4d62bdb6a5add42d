"""What is worth knowing of Dreamer's losses, by their names."""

import math

from planet_tf2.agents.loss_info import LossInfo, Params, Shapes


def _image_constant(params: Params, shapes: Shapes) -> float | None:
    """Half log 2π for each number, where the squared error is not alone."""
    if params["decoder"]["image_dist"] == "mse":
        return 0.0
    if "image" not in shapes:
        return None
    return math.prod(shapes["image"]) * math.log(2 * math.pi) / 2


def _image_scale(params: Params) -> float:
    """The standard deviation of which the squared error is the loss."""
    return 0.5**0.5 if params["decoder"]["image_dist"] == "mse" else 1.0


def _free(params: Params) -> float:
    return params["kl_free"]


LOSSES = {
    "model": LossInfo(
        "World model",
        about="Sum of the losses of all heads and of the divergences, scaled",
    ),
    "image": LossInfo(
        "Image loss",
        meaning="The squared error summed over the image. It starts near the "
        "variance of the frames, where the mean of all frames is painted, and "
        "falls as more is recognised.",
        target="image",
        constant=_image_constant,
        scale=_image_scale,
    ),
    "reward": LossInfo("Reward loss"),
    "cont": LossInfo(
        "Continuation loss",
        about="Of whether an episode goes on",
    ),
    "dyn": LossInfo(
        "Dynamics loss",
        "nats per step",
        "KL of posterior and prior, which trains the prior",
        "How much what is seen tells beyond what was predicted, in nats per "
        "time step, at least the free ones.",
        constant=lambda params, _: _free(params),
        floor=_free,
        may_run_away=True,
    ),
    "rep": LossInfo(
        "Representation loss",
        "nats per step",
        "KL of posterior and prior, which trains the posterior",
        constant=lambda params, _: _free(params),
        floor=_free,
    ),
    "actor": LossInfo(
        "Actor loss",
        "",
        meaning="Minus the advantage of what the policy does, and its entropy. "
        "It is no measure of progress.",
    ),
    "value": LossInfo(
        "Critic loss",
        about="Of imagined returns",
    ),
    "total": LossInfo(
        "All",
        "",
        "What edition 2025 minimises: the sum of all losses, scaled",
    ),
    "repval": LossInfo(
        "Critic loss of replay",
        about="Of returns along what was stored",
    ),
    "kl": LossInfo(
        "Divergence",
        "nats per step",
        "KL of posterior and prior, the free nats included",
    ),
    "actor_entropy": LossInfo(
        "Entropy of the policy",
        meaning="It falls as the policy becomes sure of what to do. If it "
        "falls to the least that there is before returns rise, raise "
        "`actor.entropy`.",
    ),
    "value_mean": LossInfo(
        "Value",
        "",
        "Returns that the critic expects of imagined states, on average",
    ),
    "expl_explorer": LossInfo("Ensemble loss"),
    "expl_actor": LossInfo("Actor loss of the explorer", ""),
    "expl_value": LossInfo("Critic loss of the explorer"),
}
