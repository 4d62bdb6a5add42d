"""What the summaries of an epoch compute of a batch, in one graph.

A few sequences are predicted in three ways: by the posterior, which sees every
step; by the prior, which sees all steps but the one that it predicts; and in an
open loop, which sees the first few steps only.
"""

from typing import NamedTuple

import tensorflow as tf

from planet_tf2.agents.agent import Agent, Prediction, State
from planet_tf2.tools import seeds

Tensors = dict[str, tf.Tensor]

ROWS = ("truth", "prediction", "error", "change")
# How the tags of the ways to predict begin.
CLOSED_LOOP, PRIOR, OPEN_LOOP = "closedloop/", "closedloop/prior_", "openloop/"

_HORIZONS = (1, 2, 5, 10, 20, 30, 40, 50)
_LATENTS = 6  # Entries of the latent state that are plotted.


class Computed(NamedTuple):
    """What is to be written.

    Attributes:
      scalars: by tag.
      histograms: values to count, by tag.
      videos: uint8 `[N, T, H, W, 3]`, by the beginning of their tags and then
        by row, see `ROWS`.
      trajectories: of the first sequence, what the open loop predicts of each
        head that is no image, and of the latent state, as pairs of truth and
        prediction `[T, D]`. The truth of the latent state is the posterior.
      log_probs: of the first sequence in the open loop, by head, `[T]`, but for
        those that leave no doubt, and `divergence`, KL(posterior || open loop).
    """

    scalars: Tensors
    histograms: Tensors
    videos: dict[str, Tensors]
    trajectories: dict[str, tuple[tf.Tensor, tf.Tensor]]
    log_probs: Tensors


def compute(
    agent: Agent, context: int, batch: Tensors, seed: tf.Tensor
) -> Computed:
    """Predicts the sequences of a batch in all three ways.

    Args:
      agent: an agent with a model.
      context: steps that the open loop sees.
      batch: as stored, `[B, T, ...]`.
      seed: int32 `[2]`, determines everything random.
    """
    filter_seed, predict_seed = seeds.split(seed, 2)
    truth = agent.truth(batch)
    prior, posterior = agent.filter(batch, filter_seed)
    predicted = agent.open_loop(batch, context, predict_seed)
    scalars, histograms = _describe_states(
        agent, prior.state, posterior.state, predicted.state, context
    )
    videos: dict[str, Tensors] = {}
    for prefix, prediction, start in (
        (CLOSED_LOOP, posterior, 0),
        (PRIOR, prior, 0),
        (OPEN_LOOP, predicted, context),
    ):
        scalars |= _head_scalars(prefix, prediction, start)
        if "image" in truth:
            videos[prefix] = _rows(truth["image"], prediction.mean["image"])
    if "image" in truth:
        scalars |= _horizon_scalars(predicted, context)
    if context == batch["action"].shape[1]:  # It predicts nothing unseen.
        scalars = {
            tag: value
            for tag, value in scalars.items()
            if not tag.startswith(OPEN_LOOP)
        }
    log_probs = {
        **predicted.log_prob,
        "divergence": agent.divergence(posterior.state, predicted.state),
    }
    return Computed(
        scalars,
        histograms,
        videos,
        _trajectories(agent, truth, posterior, predicted),
        {name: value[0] for name, value in log_probs.items()},
    )


def _describe_states(
    agent: Agent, prior: State, posterior: State, predicted: State, start: int
) -> tuple[Tensors, Tensors]:
    """How sure the model is, and how far what it sees moves it, in nats.

    Returns:
      Scalars and histograms by tag.
    """
    late, seen = tf.nest.map_structure(
        lambda x: x[:, start:], (predicted, posterior)
    )
    values = {
        "closedloop/divergence": agent.divergence(posterior, prior),
        "openloop/divergence": agent.divergence(seen, late),
    }
    for tag, state in (
        ("closedloop/prior", prior),
        ("closedloop/posterior", posterior),
        ("openloop/prior", late),
    ):
        described = agent.describe(state)
        values |= {f"{tag}_{name}": x for name, x in described.items()}
    scalars = {tag: tf.reduce_mean(value) for tag, value in values.items()}
    # Of what has an entry for each dimension of the state, the mean will do.
    histograms = {
        f"{tag}_histogram": value
        for tag, value in values.items()
        if value.shape.rank == 2
    }
    return scalars, histograms


def _head_scalars(prefix: str, prediction: Prediction, start: int) -> Tensors:
    """How well the heads predict the time steps from `start` on."""
    result = {}
    for name, mean in prediction.mean.items():
        if name in prediction.log_prob:
            result[f"{prefix}{name}_log_prob"] = tf.reduce_mean(
                prediction.log_prob[name][:, start:]
            )
        error = tf.abs(mean - prediction.target[name])[:, start:]
        result[f"{prefix}{name}_abs_error"] = tf.reduce_mean(error)
    return result


def _horizon_scalars(predicted: Prediction, context: int) -> Tensors:
    """Half the squared error, summed over an image, so many steps ahead.

    It is the image loss without its constant.
    """
    error = predicted.mean["image"] - predicted.target["image"]
    error = tf.square(error)[:, context:]
    error = tf.reduce_sum(error, [2, 3, 4]) / 2
    error = tf.reduce_mean(error, 0)
    return {
        f"openloop/image_error_ahead_{ahead:02}": error[ahead - 1]
        for ahead in _HORIZONS
        if ahead <= error.shape[0]
    }


def _rows(truth: tf.Tensor, prediction: tf.Tensor) -> Tensors:
    """Returns the videos of `ROWS`, uint8; in the last two, grey is nothing."""
    shown = tf.clip_by_value(prediction, 0, 1)
    change = shown[:, 1:] - shown[:, :-1]
    change = tf.concat([tf.zeros_like(shown[:, :1]), change], 1)
    videos = (truth, shown, (shown - truth + 1) / 2, (change + 1) / 2)
    return {
        name: tf.image.convert_image_dtype(value, tf.uint8, saturate=True)
        for name, value in zip(ROWS, videos, strict=True)
    }


def _trajectories(
    agent: Agent,
    truth: Tensors,
    posterior: Prediction,
    predicted: Prediction,
) -> dict[str, tuple[tf.Tensor, tf.Tensor]]:
    """Returns truth and prediction `[T, D]` of the first sequence."""
    result = {
        name: (truth[name][0], mean[0])
        for name, mean in predicted.mean.items()
        if mean.shape.rank <= 3 and name in truth  # No images.
    }
    result["latent"] = tuple(
        agent.latent(prediction.state)[0, :, :_LATENTS]
        for prediction in (posterior, predicted)
    )
    return {
        name: tuple(tf.reshape(x, [x.shape[0], -1]) for x in pair)
        for name, pair in result.items()
    }
